"""Stages 2–9 in their only implementation, for batch, the online loop and the tray (contract, section 1).

`decide_*` covers the stages of one bucket alone (encode … reject), `finish` those that need its neighbours (smooth,
taxonomy).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_SMOOTH_WINDOW, MIXED_UNKNOWN
from taskclf_tray.core.schema import NEWEST_SCHEMA
from taskclf_tray.core.smoothing import DEFAULT_SMOOTHER, SmootherChoice, Transitions, chosen_transitions
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import BREAK_IDLE_ID, LABEL_SET_V1, LABEL_VERSION, DecidedBy, FeatureRow
from taskclf_tray.infer.batch_result import by_user_and_time
from taskclf_tray.infer.calibrators import Calibrator, CalibratorStore, finite_or_raw
from taskclf_tray.infer.categorical import Categorical
from taskclf_tray.infer.encode import CatEncoders, Encoder, TimeBasis
from taskclf_tray.infer.forward_state import ForwardState, TransitionsOf, ahead_buckets, by_majority, smoothed_labels
from taskclf_tray.infer.head import PersonalHead, WordScores
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.smooth import check_window
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.infer.taxonomy_resolver import LABELS_AND_MIXED as LABELS_AND_MIXED
from taskclf_tray.infer.taxonomy_resolver import TaxonomyResolver

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ResolverOf = Callable[[str], "TaxonomyResolver | None"]

_FEW_ROWS: Final = 64
"""The most rows that a Booster predicts with one thread: starting all threads takes 12 ms at the 99th percentile when
the cores are busy, and one row alone takes 0.3 ms."""
_ONE_HOT_IDLE: Final = [1.0 if i == BREAK_IDLE_ID else 0.0 for i in range(len(LABEL_SET_V1))]
_NO_THRESHOLDS: Final[Mapping[str, float]] = {}


class Model(Protocol):
    """The protocol of models: `Forest` or `lightgbm.Booster`."""

    def predict(self, data: Any, /) -> Any:
        """Predict (N, 8) probabilities from (N, F) features in model order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PipelineConfig:
    """Everything that stages 2–9 need besides rows; built and replaced as a whole.

    Attributes:
        model: a `Forest` or a `lightgbm.Booster`.
        schema_version: the feature schema of the model.
        time_basis: whether hour and weekday are local time or UTC in the model.
        cat_encoders: by column, a list of texts or a LabelEncoder.
        calibrator: calibrates all users when there is no store.
        calibrator_store: takes precedence over `calibrator`.
        reject_threshold: from 0 to 1; None rejects nothing.
        per_user_reject_thresholds: by user id; takes precedence over `reject_threshold`.
        taxonomy: maps core labels to the person's buckets.
        smooth_window: window of the majority vote, an odd number of buckets.
        transitions: smooth with a hidden Markov model instead of the majority vote.
        head: the personal head, blended with the model.
        bucket_seconds: length of a bucket in seconds.
        model_version: identifies the model.
        config_id: identifies this combination.
        target_accuracy: promised of labels that are not rejected; None for no promise.
    """

    model: Model
    schema_version: str = NEWEST_SCHEMA
    time_basis: TimeBasis = "utc"
    cat_encoders: CatEncoders | None = None
    calibrator: Calibrator | None = None
    calibrator_store: CalibratorStore | None = None
    reject_threshold: float | None = None
    per_user_reject_thresholds: Mapping[str, float] | None = None
    taxonomy: TaxonomyConfig | None = None
    smooth_window: int = DEFAULT_SMOOTH_WINDOW
    transitions: Transitions | None = None
    head: PersonalHead | None = None
    bucket_seconds: int = DEFAULT_BUCKET_SECONDS
    model_version: str = ""
    config_id: str = ""
    target_accuracy: float | None = None
    has_warned: Event = field(init=False, repr=False, default_factory=Event)
    """Set once the log has a warning that the calibrator gives no numbers."""
    encoder: Encoder = field(init=False, repr=False)
    resolver: TaxonomyResolver | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_window(self.smooth_window)
        encoder = Encoder(self.schema_version, self.cat_encoders, self.time_basis)
        object.__setattr__(self, "encoder", encoder)
        object.__setattr__(self, "resolver", None if self.taxonomy is None else TaxonomyResolver(self.taxonomy))

    @classmethod
    def from_resolved(
        cls,
        resolved: Any,
        *,
        taxonomy: TaxonomyConfig | None,
        smooth_window: int = DEFAULT_SMOOTH_WINDOW,
        smoother: SmootherChoice = DEFAULT_SMOOTHER,
        bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
    ) -> PipelineConfig:
        """Build from the result of `infer.resolve`.

        Args:
            resolved: a `ResolvedInferenceConfig`.
            taxonomy: maps core labels to the person's buckets.
            smooth_window: window of the majority vote, an odd number of buckets.
            smoother: selects the smoother; the transitions are those of the policy.
            bucket_seconds: length of a bucket in seconds.
        """
        transitions = chosen_transitions(smoother, getattr(resolved, "transitions", None))
        policy = getattr(resolved, "policy", None)
        return cls(
            model=resolved.model,
            schema_version=resolved.metadata.schema_version,
            time_basis=getattr(resolved.metadata, "time_basis", None) or "utc",
            cat_encoders=resolved.cat_encoders,
            calibrator=resolved.calibrator,
            calibrator_store=resolved.calibrator_store,
            reject_threshold=resolved.reject_threshold,
            per_user_reject_thresholds=resolved.per_user_reject_thresholds,
            taxonomy=taxonomy,
            smooth_window=smooth_window,
            transitions=transitions,
            head=getattr(resolved, "head", None),
            bucket_seconds=bucket_seconds,
            model_version=resolved.model_version,
            config_id=make_config_id(resolved.config_digest, taxonomy, smooth_window, transitions),
            target_accuracy=None if policy is None else policy.promised_accuracy,
        )

    def threshold_for(self, user_id: str) -> float | None:
        """Return the user's own reject threshold, else the global one."""
        return (self.per_user_reject_thresholds or _NO_THRESHOLDS).get(user_id, self.reject_threshold)

    @property
    def ahead_buckets(self) -> int:
        """How many later buckets a label waits for."""
        return ahead_buckets(self.smooth_window, self.transitions, has_head=self.head is not None)

    @property
    def smoothing_buckets(self) -> int:
        """How many later buckets a label waits for before it is worth a question; a head may still revise it."""
        return ahead_buckets(self.smooth_window, self.transitions)


def make_config_id(
    config_digest: str, taxonomy: TaxonomyConfig | None, smooth_window: int, transitions: Transitions | None = None
) -> str:
    """Return 16 hex digits that identify a combination of model, calibrators, thresholds, taxonomy and smoother."""
    parts: list[Any] = [config_digest, None if taxonomy is None else taxonomy.digest, smooth_window]
    if transitions is not None:
        parts += ["hmm", transitions.to_lists()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Stages 4–6 of N buckets as arrays, with the field names of `WindowPrediction`."""

    core_probs: FloatArray
    model_probs: FloatArray
    label_ids: IntArray
    confidences: FloatArray
    is_rejected: BoolArray

    def raw_labels(self) -> list[str]:
        """Return N labels before smoothing."""
        codes = np.where(self.is_rejected, len(LABEL_SET_V1), self.label_ids)
        return [LABELS_AND_MIXED[code] for code in codes.tolist()]


def decide_raw(
    config: PipelineConfig, raw_probs: FloatArray, user_ids: Sequence[str], decided_by: Sequence[str] | None = None
) -> Decisions:
    """Run stages 5 and 6 on (N, 8) raw probabilities: calibrate, reject, and apply the idle rule and `no_window`.

    Without `decided_by` the model decides all.
    """
    model_probs = _calibrate(config, raw_probs, user_ids)
    label_ids, confidences = model_probs.argmax(axis=1), model_probs.max(axis=1)
    is_rejected = _rejected(config, confidences, user_ids)
    core_probs = model_probs
    who = None if decided_by is None else Categorical.of(decided_by)
    if who is not None and any(word != "model" for word in who.values):
        idle = who.table((word == "idle_rule" for word in who.values), np.bool_)
        no_window = who.table((word == "no_window" for word in who.values), np.bool_)
        core_probs = np.where(idle[:, None], np.array(_ONE_HOT_IDLE), model_probs)
        label_ids, confidences = np.where(idle, BREAK_IDLE_ID, label_ids), np.where(idle, 1.0, confidences)
        is_rejected = (is_rejected | no_window) & ~idle
    return Decisions(core_probs, model_probs, label_ids, confidences, is_rejected)


def predict_matrix(model: Model, matrix: FloatArray) -> FloatArray:
    """Run the model's part of stage 4: (N, F) → (N, 8), C order. Raises ValueError when it returns another shape."""
    if len(matrix) == 0:
        return np.empty((0, len(LABEL_SET_V1)))
    raw = np.ascontiguousarray(_answers(model, matrix), dtype=np.float64)
    if raw.shape != (len(matrix), len(LABEL_SET_V1)):
        raise ValueError(f"the model answered {raw.shape} for {len(matrix)} rows and eight labels")
    return raw


def _answers(model: Any, matrix: FloatArray) -> Any:
    if len(matrix) <= _FEW_ROWS and type(model).__module__.partition(".")[0] == "lightgbm":
        return model.predict(matrix, num_threads=1)
    return model.predict(matrix)


def _calibrate(config: PipelineConfig, raw: FloatArray, user_ids: Sequence[str]) -> FloatArray:
    if len(raw) == 0:
        return raw
    if config.calibrator_store is not None:
        return finite_or_raw(config.calibrator_store.calibrate_batch(raw, user_ids), raw, config.has_warned)
    return raw if config.calibrator is None else finite_or_raw(config.calibrator.calibrate(raw), raw, config.has_warned)


def _rejected(config: PipelineConfig, confidences: FloatArray, user_ids: Sequence[str]) -> BoolArray:
    """Whether each confidence is strictly below its threshold; NaN means no threshold."""
    if config.per_user_reject_thresholds:
        users = Categorical.of(user_ids)
        limits = (config.threshold_for(user) for user in users.values)
        return confidences < users.table((np.nan if limit is None else limit for limit in limits), np.float64)
    limit = np.nan if config.reject_threshold is None else config.reject_threshold
    return confidences < limit


def blend_matrix(
    head: PersonalHead, forest: FloatArray, scores: WordScores, order: IntArray, run_of: IntArray
) -> FloatArray:
    """Run the head's part of stage 4: (N, 8) → (N, 8).

    `order`: positions by user and time. `run_of`: (N,) the run of contiguous buckets of each, in this order.
    """
    logits = np.empty_like(forest)
    logits[order] = head.logits(scores.take(order), run_of)
    return head.blend(forest, logits, scores.has_words)


def decide_rows(
    config: PipelineConfig,
    rows: Sequence[FeatureRow],
    *,
    before: Sequence[FeatureRow] = (),
    after: Sequence[FeatureRow] = (),
    is_one_run: bool = False,
) -> list[WindowPrediction]:
    """Run stages 2–6 on each row; the smoothed and mapped labels are those of the bucket alone.

    Args:
        config: the pipeline.
        rows: the rows to predict.
        before: earlier rows, whose words a head takes into account.
        after: later rows, likewise.
        is_one_run: all these rows count as contiguous, whatever their times.
    """
    if not rows:
        return []
    user_ids = [row.user_id for row in rows]
    raw = predict_matrix(config.model, config.encoder.encode_rows(rows))
    if config.head is not None:
        own = slice(len(before), len(before) + len(rows))
        raw = _with_head(config, config.head, raw, [*before, *rows, *after], own, is_one_run=is_one_run)
    decided = decide_raw(config, raw, user_ids, [row.decided_by for row in rows])
    lines = zip(
        rows,
        decided.core_probs.tolist(),
        decided.model_probs.tolist(),
        decided.label_ids.tolist(),
        decided.confidences.tolist(),
        decided.is_rejected.tolist(),
        strict=True,
    )
    return [_prediction(config, *line) for line in lines]


def _with_head(
    config: PipelineConfig,
    head: PersonalHead,
    forest: FloatArray,
    rows: Sequence[FeatureRow],
    own: slice,
    *,
    is_one_run: bool,
) -> FloatArray:
    """Blend the forest's answers for `rows[own]` with the head, which sees all rows."""
    starts_us = np.array([to_us(row.bucket_start_ts) for row in rows], dtype=np.int64)
    if is_one_run:
        order, run_of = np.arange(len(rows)), np.zeros(len(rows), dtype=np.int64)
    else:
        users = Categorical.of([row.user_id for row in rows])
        order, fresh = by_user_and_time(users, starts_us, config.bucket_seconds)
        run_of = np.cumsum(fresh)
    everything = np.full((len(rows), len(LABEL_SET_V1)), 1 / len(LABEL_SET_V1))
    everything[own] = forest
    scores = head.scores([row.word_seconds for row in rows])
    return blend_matrix(head, everything, scores, order, run_of)[own]


def _prediction(
    config: PipelineConfig,
    row: FeatureRow,
    core_probs: list[float],
    model_probs: list[float],
    label_id: int,
    confidence: float,
    is_rejected: bool,
) -> WindowPrediction:
    raw = LABELS_AND_MIXED[-1 if is_rejected else label_id]
    mapped_name, mapped_probs = map_label(config.resolver, raw, raw, core_probs)
    return WindowPrediction(
        user_id=row.user_id,
        bucket_start_ts=row.bucket_start_ts,
        core_label_id=label_id,
        core_label_name=LABEL_SET_V1[label_id],
        core_probs=core_probs,
        confidence=confidence,
        is_rejected=is_rejected,
        mapped_label_name=mapped_name,
        mapped_probs=mapped_probs,
        model_version=config.model_version,
        schema_version=config.schema_version,
        label_version=LABEL_VERSION,
        smoothed_label_name=raw,
        decided_by=row.decided_by,
        config_id=config.config_id,
        bucket_end_ts=row.bucket_end_ts,
        model_probs=model_probs,
        reject_threshold=config.threshold_for(row.user_id),
    )


def map_label(
    resolver: TaxonomyResolver | None, smoothed: str, raw: str, core_probs: Sequence[float]
) -> tuple[str, dict[str, float]]:
    """Run stage 8 for one bucket; without a taxonomy return the smoothed label and the core probabilities."""
    if resolver is None:
        return smoothed, dict(zip(LABEL_SET_V1, core_probs, strict=True))
    result = resolver.resolve_smoothed(smoothed, raw, core_probs)
    return result.mapped_label, result.mapped_probs


def redecide(
    prediction: WindowPrediction, decided_by: DecidedBy, resolver: TaxonomyResolver | None = None
) -> WindowPrediction:
    """Return the prediction with another `decided_by`, without running the model.

    `resolver`: the taxonomy with which the bucket was predicted. Smoothed and mapped label are provisional, as from
    `decide_rows`: run `finish` over the bucket and its neighbours.
    """
    if decided_by == prediction.decided_by:
        return prediction
    probs = list(_ONE_HOT_IDLE) if decided_by == "idle_rule" else prediction.model_probs
    confidence = max(probs)
    label_id = probs.index(confidence)
    limit = prediction.reject_threshold
    is_rejected = decided_by == "no_window" or (limit is not None and confidence < limit)
    if decided_by == "idle_rule":
        is_rejected = False
    raw = MIXED_UNKNOWN if is_rejected else LABEL_SET_V1[label_id]
    mapped_name, mapped_probs = map_label(resolver, raw, raw, probs)
    changes = {
        "core_label_id": label_id,
        "core_label_name": LABEL_SET_V1[label_id],
        "core_probs": probs,
        "confidence": confidence,
        "is_rejected": is_rejected,
        "mapped_label_name": mapped_name,
        "mapped_probs": mapped_probs,
        "smoothed_label_name": raw,
        "decided_by": decided_by,
    }
    return prediction.model_copy(update=changes)


def context_buckets(smooth_window: int) -> int:
    """Return how many buckets the majority vote uses before a bucket, and after it."""
    return check_window(smooth_window)


def finish(
    predictions: Sequence[WindowPrediction],
    *,
    smooth_window: int = DEFAULT_SMOOTH_WINDOW,
    bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
    resolver_of: ResolverOf,
    transitions_of: TransitionsOf = by_majority,
    forward_state: ForwardState | None = None,
) -> list[WindowPrediction]:
    """Run stages 7–9 over consecutive predictions of one user in order of time.

    A missing bucket is a gap, which smoothing never crosses. A bucket's label depends on the `ahead_buckets` after it.
    By the majority vote it depends on as many before it (`context_buckets`), by `hmm` on its whole run so far.

    Args:
        predictions: in order of time.
        smooth_window: window of the majority vote, an odd number of buckets.
        bucket_seconds: length of a bucket in seconds.
        resolver_of: returns the taxonomy of a config id, None without one, so that each bucket is mapped as it was
            predicted.
        transitions_of: returns the transitions of a config id, likewise.
        forward_state: the state of the run before these predictions, for `hmm`.
    """
    labels = smoothed_labels(
        predictions,
        smooth_window=smooth_window,
        step=timedelta(seconds=bucket_seconds),
        transitions_of=transitions_of,
        forward_state=forward_state,
    )
    return [
        _finished(prediction, label, resolver_of(prediction.config_id))
        for prediction, label in zip(predictions, labels, strict=True)
    ]


def _finished(prediction: WindowPrediction, smoothed: str, resolver: TaxonomyResolver | None) -> WindowPrediction:
    """The prediction with its smoothed label; one whose label stays as it is was mapped when it was made."""
    names = LABEL_SET_V1 if resolver is None else resolver.bucket_names
    if smoothed == prediction.smoothed_label_name and tuple(prediction.mapped_probs) == names:
        return prediction
    mapped_name, mapped_probs = map_label(resolver, smoothed, prediction.raw_label, prediction.core_probs)
    changes = {"smoothed_label_name": smoothed, "mapped_label_name": mapped_name, "mapped_probs": mapped_probs}
    return prediction.model_copy(update=changes)
