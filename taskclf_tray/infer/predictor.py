"""Online prediction by bucket, always equal to batch inference over all buckets so far (contract, section 1)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_REJECT_THRESHOLD, DEFAULT_SMOOTH_WINDOW
from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.infer.calibrators import Calibrator, CalibratorStore, IdentityCalibrator
from taskclf_tray.infer.encode import CatEncoders
from taskclf_tray.infer.forward_state import ForwardState, forward_state_after
from taskclf_tray.infer.head import CONTEXT_BUCKETS, PersonalHead, context_rows
from taskclf_tray.infer.pipeline import Model, PipelineConfig, context_buckets, decide_rows, finish
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.smooth import Segment, merge_short_segments, segmentize
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig

_NO_ENCODERS: Final[CatEncoders] = MappingProxyType({})
_NO_CALIBRATION: Final = IdentityCalibrator()
MAX_SEGMENTS_PER_USER: Final = 5_000
"""A month or more of segments; older ones are in the app's database."""
MAX_REVISIONS: Final = 1_000
"""Revised predictions kept for a caller that does not fetch them; the oldest go first."""


@dataclass(slots=True)
class _UserState:
    """The newest buckets of one user, which may still change, and the segments of the final ones."""

    tail: list[WindowPrediction] = field(default_factory=list)
    settled: int = 0
    """The number of predictions at the head of `tail` that `segments` has too; they stay as context."""
    segments: list[Segment] = field(default_factory=list)
    forward_state: ForwardState | None = None
    """The state of `hmm` before `tail`."""
    rows: list[FeatureRow] = field(default_factory=list)
    """The newest rows, whose words a head takes into account."""


class OnlinePredictor:
    """Predicts bucket by bucket (stages 2–9), for any number of users.

    After every row the provisional prediction, the revisions and the segments together equal the batch result over all
    rows so far. The state is bounded: a smoothing window of predictions and the newest segments.

    >>> from datetime import UTC
    >>> from taskclf_tray.core.types import AWEvent
    >>> from taskclf_tray.features.build import build_features_from_aw_events
    >>> from taskclf_tray.models.bundle import load_model_bundle, starter_bundle
    >>> event = AWEvent(datetime(2026, 1, 5, 12, tzinfo=UTC), 60.0, "code", "editor", False, True, False, "0" * 12)
    >>> model, metadata, encoders = load_model_bundle(starter_bundle())
    >>> predictor = OnlinePredictor(model, metadata, cat_encoders=encoders)
    >>> round(sum(predictor.predict_bucket(build_features_from_aw_events([event])[0]).core_probs), 6)
    1.0
    """

    def __init__(
        self,
        model: Model,
        metadata: Any,
        *,
        cat_encoders: CatEncoders = _NO_ENCODERS,
        smooth_window: int = DEFAULT_SMOOTH_WINDOW,
        bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
        reject_threshold: float | None = DEFAULT_REJECT_THRESHOLD,
        taxonomy: TaxonomyConfig | None = None,
        calibrator: Calibrator = _NO_CALIBRATION,
        calibrator_store: CalibratorStore | None = None,
        per_user_reject_thresholds: Mapping[str, float] | None = None,
        transitions: Transitions | None = None,
        head: PersonalHead | None = None,
    ) -> None:
        """Start without any bucket.

        Args:
            model: a `Forest` or a `lightgbm.Booster`.
            metadata: the bundle's metadata, of which `schema_version` and `time_basis` are used.
            cat_encoders: by column, a list of texts or scikit-learn's LabelEncoder.
            smooth_window: an odd number of buckets.
            bucket_seconds: length of a bucket in seconds.
            reject_threshold: from 0 to 1; None rejects nothing.
            taxonomy: maps core labels to the person's buckets.
            calibrator: calibrates all users when there is no store.
            calibrator_store: calibrates each user; takes precedence over `calibrator`.
            per_user_reject_thresholds: by user id, from 0 to 1.
            transitions: smooth with a hidden Markov model with these transitions.
            head: the personal head. It takes later words into account, so a bucket's probabilities are revised for
                five more buckets.

        Raises:
            ValueError: the window is even.
        """
        self.model, self.metadata = model, metadata
        self.config = PipelineConfig(
            model=model,
            schema_version=metadata.schema_version,
            time_basis=getattr(metadata, "time_basis", None) or "utc",
            cat_encoders=cat_encoders,
            calibrator=calibrator,
            calibrator_store=calibrator_store,
            reject_threshold=reject_threshold,
            per_user_reject_thresholds=per_user_reject_thresholds,
            taxonomy=taxonomy,
            smooth_window=smooth_window,
            transitions=transitions,
            head=head,
            bucket_seconds=bucket_seconds,
            model_version=_version_of(model, metadata),
        )
        self._ahead = self.config.ahead_buckets
        self._behind = context_buckets(smooth_window) if transitions is None else 0
        self._step = timedelta(seconds=bucket_seconds)
        self._users: dict[str, _UserState] = {}
        self._revised: OrderedDict[tuple[str, datetime], WindowPrediction] = OrderedDict()

    def predict_bucket(self, row: Any) -> WindowPrediction:
        """Predict the next bucket; the prediction is final once the buckets of its smoothing window are there.

        Args:
            row: a FeatureRow, a foreign row with `model_dump()`, or a mapping of its columns. Rows of one user come in
                order of time.

        Raises:
            ValueError: the row is not after the newest one of its user.
        """
        if not isinstance(row, FeatureRow):
            row = FeatureRow.model_validate(row if isinstance(row, Mapping) else row.model_dump())
        state = self._users.setdefault(row.user_id, _UserState())
        if state.tail and row.bucket_start_ts <= state.tail[-1].bucket_start_ts:
            raise ValueError("a bucket must come after the newest one of its user")
        before = state.tail
        decided = self._decide(state, row)
        state.tail = self._finish([*before[: len(before) + 1 - len(decided)], *decided], state.forward_state)
        for old, new in zip(before, state.tail, strict=False):
            if new != old:
                self._note_revision(new)
        newest = state.tail[-1]
        self._settle(state)
        return newest

    def take_revised(self) -> list[WindowPrediction]:
        """Return the newest form of earlier predictions that changed since the last call, oldest change first."""
        revised = list(self._revised.values())
        self._revised.clear()
        return revised

    def get_segments(self) -> list[Segment]:
        """Return the segments so far after hysteresis, by user (first seen first), then in order of time."""
        answer: list[Segment] = []
        for state in self._users.values():
            segments = state.segments.copy()
            self._extend(segments, state.tail[state.settled :])
            answer += merge_short_segments(segments, self.config.bucket_seconds)
        return answer

    def _decide(self, state: _UserState, row: FeatureRow) -> list[WindowPrediction]:
        """Predict the row, and with a head again those before it that its words are context for."""
        if self.config.head is None:
            return decide_rows(self.config, [row])
        rows = [*state.rows, row]
        again = 1 + context_rows([r.bucket_start_ts for r in rows], self._step)
        state.rows = rows[-2 * CONTEXT_BUCKETS :]
        return decide_rows(self.config, rows[-again:], before=rows[:-again])

    def _finish(self, tail: list[WindowPrediction], forward_state: ForwardState | None) -> list[WindowPrediction]:
        """Smooth the newest buckets with their neighbours; settled buckets are context and keep their prediction."""
        fresh = finish(
            tail,
            smooth_window=self.config.smooth_window,
            bucket_seconds=self.config.bucket_seconds,
            resolver_of=lambda _config_id: self.config.resolver,
            transitions_of=self._transitions_of,
            forward_state=forward_state,
        )
        open_from = max(0, len(tail) - 1 - self._ahead)
        return [*tail[:open_from], *fresh[open_from:]]

    def _settle(self, state: _UserState) -> None:
        """Move buckets with a complete window into the segments; keep as many as later windows need."""
        complete = max(state.settled, len(state.tail) - self._ahead)
        self._extend(state.segments, state.tail[state.settled : complete])
        if len(state.segments) > MAX_SEGMENTS_PER_USER:
            del state.segments[0]
        surplus = max(0, len(state.tail) - self._behind - self._ahead - 1)
        dropped = state.tail[:surplus]
        state.forward_state = forward_state_after(
            dropped, step=self._step, transitions_of=self._transitions_of, forward_state=state.forward_state
        )
        state.tail = state.tail[surplus:]
        state.settled = complete - surplus

    def _transitions_of(self, _config_id: str) -> Transitions | None:
        return self.config.transitions

    def _extend(self, segments: list[Segment], predictions: Sequence[WindowPrediction]) -> None:
        """Extend segments (before hysteresis) by predictions."""
        added = segmentize(
            [p.bucket_start_ts for p in predictions],
            [p.smoothed_label_name for p in predictions],
            self.config.bucket_seconds,
        )
        if segments and added and segments[-1].end_ts == added[0].start_ts and segments[-1].label == added[0].label:
            last, first = segments.pop(), added[0]
            count = last.bucket_count + first.bucket_count
            added[0] = Segment(last.start_ts, first.end_ts, last.label, count)
        segments += added

    def _note_revision(self, prediction: WindowPrediction) -> None:
        key = (prediction.user_id, prediction.bucket_start_ts)
        self._revised.pop(key, None)
        self._revised[key] = prediction
        if len(self._revised) > MAX_REVISIONS:
            self._revised.popitem(last=False)


def _version_of(model: Model, metadata: Any) -> str:
    """Return the identity of the model: the SHA-256 of its text."""
    known = getattr(model, "sha256", None) or getattr(metadata, "sha256", None)
    if known is None and hasattr(model, "model_to_string"):
        known = hashlib.sha256(str(model.model_to_string()).encode()).hexdigest()
    return str(known or getattr(metadata, "dataset_hash", None) or "")
