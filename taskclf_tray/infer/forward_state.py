"""Stage 7 over consecutive predictions of one user, and the state that a smoother carries forward.

A run is a sequence of contiguous buckets predicted under one smoother. A missing bucket ends it, and so does a change
between the majority vote and `hmm`, or to other transitions. A reload that leaves them alone does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskclf_tray.core.smoothing import Distribution, Transitions
from taskclf_tray.infer.head import CONTEXT_BUCKETS
from taskclf_tray.infer.hmm import LAG_BUCKETS, UNIFORM, forward, hmm_run
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.smooth import check_window, rolling_majority
from taskclf_tray.infer.taxonomy_resolver import LABELS_AND_MIXED

TransitionsOf = Callable[[str], Transitions | None]
"""The transitions of a config id; None where the majority votes."""


def by_majority(_config_id: str) -> Transitions | None:
    """Smooth every bucket by the majority vote."""
    return None


def ahead_buckets(smooth_window: int, transitions: Transitions | None, *, has_head: bool = False) -> int:
    """Return how many later buckets a bucket's label waits for. Raises ValueError for an even window.

    `has_head`: each probability that is smoothed waits for the words of the minutes after it.
    """
    half = check_window(smooth_window)
    return (half if transitions is None else LAG_BUCKETS) + (CONTEXT_BUCKETS if has_head else 0)


@dataclass(frozen=True, slots=True)
class ForwardState:
    """The state of an `hmm` run at `end`: the distribution of the last bucket's label, on which all later labels
    depend.
    """

    end: datetime
    transitions: Transitions
    distribution: Distribution

    def distribution_for(self, first: WindowPrediction, transitions: Transitions | None) -> Distribution | None:
        """Return the distribution if the run continues with this bucket."""
        goes_on = self.end == first.bucket_start_ts and self.transitions == transitions
        return self.distribution if goes_on else None


def smoothed_labels(
    predictions: Sequence[WindowPrediction],
    *,
    smooth_window: int,
    step: timedelta,
    transitions_of: TransitionsOf = by_majority,
    forward_state: ForwardState | None = None,
) -> list[str]:
    """Smooth the labels of one user's predictions.

    Args:
        predictions: in order of time.
        smooth_window: window of the majority vote, an odd number of buckets.
        step: length of a bucket.
        transitions_of: returns the transitions of a config id, None for the majority vote.
        forward_state: the state before the first bucket, for `hmm`.
    """
    labels: list[str] = []
    for run, transitions in _runs(predictions, step, transitions_of):
        if transitions is None:
            labels += rolling_majority([prediction.raw_label for prediction in run], smooth_window)
        else:
            codes = hmm_run(
                [_emission(prediction) for prediction in run],
                [prediction.is_rejected for prediction in run],
                transitions,
                None if forward_state is None else forward_state.distribution_for(run[0], transitions),
            )
            labels += [LABELS_AND_MIXED[code] for code in codes]
    return labels


def forward_state_after(
    predictions: Sequence[WindowPrediction],
    *,
    step: timedelta,
    transitions_of: TransitionsOf,
    forward_state: ForwardState | None = None,
) -> ForwardState | None:
    """Return the state after these predictions, from the state before them; None for the majority vote."""
    for run, transitions in _runs(predictions, step, transitions_of):
        distribution = None if forward_state is None else forward_state.distribution_for(run[0], transitions)
        forward_state = None
        if transitions is not None:
            for prediction in run:
                distribution = forward(distribution, _emission(prediction), transitions)
            assert distribution is not None
            forward_state = ForwardState(run[-1].bucket_start_ts + step, transitions, distribution)
    return forward_state


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
