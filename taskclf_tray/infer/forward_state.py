"""Stage 7 over consecutive predictions of one user: which buckets smooth each other, and what is kept of those before.

A run is a stretch of contiguous buckets that were predicted under one smoother: a missing bucket ends it, and so does a
change from the majority vote to `hmm`, back, or to other transitions. A reload that leaves them alone does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskclf_tray.core.smoothing import Distribution, Transitions
from taskclf_tray.infer.hmm import LAG_BUCKETS, UNIFORM, forward, hmm_run
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.smooth import check_window, rolling_majority
from taskclf_tray.infer.taxonomy_resolver import LABELS_AND_MIXED

TransitionsOf = Callable[[str], Transitions | None]
"""The transitions of a config id; None where the majority votes."""


def by_majority(_config_id: str) -> Transitions | None:
    """Every bucket is smoothed by the majority vote."""
    return None


def ahead_buckets(smooth_window: int, transitions: Transitions | None) -> int:
    """How many later buckets a bucket's label waits for. Raises ValueError for an even window."""
    half = check_window(smooth_window)
    return half if transitions is None else LAG_BUCKETS


@dataclass(frozen=True, slots=True)
class ForwardState:
    """All that later answers depend on of an `hmm` run up to `end`: what it says of the label of its last bucket."""

    end: datetime
    transitions: Transitions
    shares: Distribution

    def shares_for(self, first: WindowPrediction, transitions: Transitions | None) -> Distribution | None:
        """The shares, when the run goes on with this bucket."""
        goes_on = self.end == first.bucket_start_ts and self.transitions == transitions
        return self.shares if goes_on else None


def smoothed_labels(
    predictions: Sequence[WindowPrediction],
    *,
    smooth_window: int,
    step: timedelta,
    transitions_of: TransitionsOf = by_majority,
    past: ForwardState | None = None,
) -> list[str]:
    """The smoothed label of each. `past`: of the buckets before the first, where `hmm` needs it."""
    labels: list[str] = []
    for run, transitions in _runs(predictions, step, transitions_of):
        if transitions is None:
            labels += rolling_majority([prediction.raw_label for prediction in run], smooth_window)
        else:
            codes = hmm_run(
                [_emission(prediction) for prediction in run],
                [prediction.is_rejected for prediction in run],
                transitions,
                None if past is None else past.shares_for(run[0], transitions),
            )
            labels += [LABELS_AND_MIXED[code] for code in codes]
    return labels


def past_after(
    predictions: Sequence[WindowPrediction],
    *,
    step: timedelta,
    transitions_of: TransitionsOf,
    past: ForwardState | None = None,
) -> ForwardState | None:
    """The past of what follows these; `past` is theirs. None where the majority votes."""
    for run, transitions in _runs(predictions, step, transitions_of):
        shares = None if past is None else past.shares_for(run[0], transitions)
        past = None
        if transitions is not None:
            for prediction in run:
                shares = forward(shares, _emission(prediction), transitions)
            assert shares is not None
            past = ForwardState(run[-1].bucket_start_ts + step, transitions, shares)
    return past


def _emission(prediction: WindowPrediction) -> Sequence[float]:
    return UNIFORM if prediction.is_rejected else prediction.core_probs


def _runs(
    predictions: Sequence[WindowPrediction], step: timedelta, transitions_of: TransitionsOf
) -> Iterator[tuple[list[WindowPrediction], Transitions | None]]:
    run: list[WindowPrediction] = []
    transitions: Transitions | None = None
    for prediction in predictions:
        own = transitions if run and run[-1].config_id == prediction.config_id else transitions_of(prediction.config_id)
        if run and (prediction.bucket_start_ts - run[-1].bucket_start_ts != step or own != transitions):
            yield run, transitions
            run = []
        run.append(prediction)
        transitions = own
    if run:
        yield run, transitions
