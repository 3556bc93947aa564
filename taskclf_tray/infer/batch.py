"""Batch inference: stages 2–9 over a whole table (contract, section 14).

The table is encoded and predicted in chunks, so the dense matrix never exists as a whole; of each row only eight
probabilities and a few numbers are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.defaults import (
    DEFAULT_BUCKET_SECONDS,
    DEFAULT_SMOOTH_WINDOW,
    MIXED_UNKNOWN,
)
from taskclf_tray.core.frames import column_of, has_column
from taskclf_tray.core.schema import NEWEST_SCHEMA
from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow, WordSeconds
from taskclf_tray.infer.batch_result import CSV_COLUMNS as CSV_COLUMNS
from taskclf_tray.infer.batch_result import BatchInferenceResult as BatchInferenceResult
from taskclf_tray.infer.batch_result import MappedProbabilities, by_user_and_time, merged_segments
from taskclf_tray.infer.batch_result import cut_batch as cut_batch
from taskclf_tray.infer.batch_result import prediction_line as prediction_line
from taskclf_tray.infer.batch_result import read_segments_json as read_segments_json
from taskclf_tray.infer.batch_result import write_predictions_csv as write_predictions_csv
from taskclf_tray.infer.batch_result import write_segments_json as write_segments_json
from taskclf_tray.infer.calibrators import Calibrator, CalibratorStore
from taskclf_tray.infer.categorical import Categorical
from taskclf_tray.infer.encode import CatEncoders, Encoder, FrameEncoder, TimeBasis, texts_of
from taskclf_tray.infer.head import PersonalHead, WordScores
from taskclf_tray.infer.hmm import hmm_codes
from taskclf_tray.infer.pipeline import (
    LABELS_AND_MIXED,
    Model,
    PipelineConfig,
    blend_matrix,
    decide_raw,
    predict_matrix,
)
from taskclf_tray.infer.smooth import majority_codes
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.infer.taxonomy_resolver import TaxonomyResolver

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CHUNK_ROWS: Final = 20_000
"""Rows encoded at a time (48 MB in schema v3); no prediction depends on it."""
OnProgress = Callable[[int, int], None]
"""The callback after each chunk: rows done, rows in all."""
_SCHEMA_COLUMN: Final = "schema_version"
_WORDS_COLUMN: Final = "word_seconds"
_NAMES: Final = np.array(LABELS_AND_MIXED, dtype=object)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some rows in the form that the pipeline takes."""

    matrix: FloatArray
    users: Categorical
    starts_us: IntArray
    decided_by: Categorical | None
    words: Sequence[WordSeconds]


class _Frame:
    """A DataFrame or a dict of columns, read chunk by chunk."""

    def __init__(self, encoder: Encoder, frame: Any) -> None:
        self._encoded: FrameEncoder = encoder.frame(frame)
        self._users = self._texts(frame, "user_id") or Categorical.repeated("", len(self))
        self._decided_by = self._texts(frame, "decided_by")
        self._words = column_of(frame, _WORDS_COLUMN) if has_column(frame, _WORDS_COLUMN) else None

    @staticmethod
    def _texts(frame: Any, name: str) -> Categorical | None:
        # schema v2 has no user: one person's rows then
        return Categorical.of(column_of(frame, name)) if has_column(frame, name) else None

    def __len__(self) -> int:
        return len(self._encoded)

    def read(self, start: int, stop: int) -> _Part:
        decided_by = None if self._decided_by is None else self._decided_by[start:stop]
        starts_us = self._encoded.starts_us[start:stop]
        words = [()] * len(starts_us) if self._words is None else list(self._words[start:stop])
        return _Part(self._encoded.matrix(start, stop), self._users[start:stop], starts_us, decided_by, words)


class _Rows:
    """A sequence of `FeatureRow`, sliced once per chunk, so it may build its rows lazily."""

    def __init__(self, encoder: Encoder, rows: Sequence[FeatureRow]) -> None:
        self._encoder, self._rows = encoder, rows

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, start: int, stop: int) -> _Part:
        rows = self._rows[start:stop]
        return _Part(
            self._encoder.encode_rows(rows),
            Categorical.of([row.user_id for row in rows]),
            np.array([to_us(row.bucket_start_ts) for row in rows], dtype=np.int64),
            Categorical.of([row.decided_by for row in rows]),
            [row.word_seconds for row in rows],
        )


def _source(encoder: Encoder, features: Any) -> _Frame | _Rows:
    return _Frame(encoder, features) if hasattr(features, "keys") else _Rows(encoder, features)


def schema_of(features: Any) -> str:
    """Return the schema version in the rows or in a column `schema_version`; the newest without one.

    Rows of this program hold every schema's columns and note the version they were built for. Raises ValueError for
    several versions.
    """
    if hasattr(features, "keys"):
        if not has_column(features, _SCHEMA_COLUMN):
            return NEWEST_SCHEMA
        found = {str(version) for version in Categorical.of(column_of(features, _SCHEMA_COLUMN)).values}
    else:
        found = {features[i].schema_version for i in (0, -1)} if len(features) else set()
    if len(found) > 1:
        raise ValueError(
            f"the features are of several schemas: {', '.join(sorted(found))}; predict each one separately"
        )
    return found.pop() if found else NEWEST_SCHEMA


def _parts(source: _Frame | _Rows, chunk_rows: int) -> Iterator[tuple[slice, _Part]]:
    for start in range(0, len(source), chunk_rows):
        stop = min(start + chunk_rows, len(source))
        yield slice(start, stop), source.read(start, stop)


def predict_proba(
    model: Model,
    features_df: Any,
    cat_encoders: CatEncoders | None = None,
    *,
    schema_version: str | None = None,
    time_basis: TimeBasis = "utc",
) -> FloatArray:
    """Predict raw probabilities (stages 2–4).

    Args:
        model: a `Forest` or a `lightgbm.Booster`.
        features_df: N rows: a DataFrame, a dict of columns, or a list of `FeatureRow`.
        cat_encoders: by column, a list of texts or scikit-learn's LabelEncoder.
        schema_version: by default the version in the rows, else the newest.
        time_basis: whether hour and weekday are local time or UTC in the model.

    Returns:
        (N, 8) probabilities in label order.
    """
    encoder = Encoder(schema_version or schema_of(features_df), cat_encoders, time_basis)
    source = _source(encoder, features_df)
    probs = np.empty((len(source), len(LABEL_SET_V1)))
    for rows, part in _parts(source, CHUNK_ROWS):
        probs[rows] = predict_matrix(model, part.matrix)
    return probs


def predict_labels(
    model: Model,
    features_df: Any,
    label_encoder: Any,
    cat_encoders: CatEncoders | None = None,
    *,
    reject_threshold: float | None = None,
    schema_version: str | None = None,
    time_basis: TimeBasis = "utc",
) -> list[str]:
    """Predict labels from the raw probabilities.

    Args:
        model: a `Forest` or a `lightgbm.Booster`.
        features_df: N rows: a DataFrame, a dict of columns, or a list of `FeatureRow`.
        label_encoder: label names in order of class, or an object with `classes_`; None for the eight core labels.
        cat_encoders: by column, a list of texts or scikit-learn's LabelEncoder.
        reject_threshold: rows with a lower confidence become `Mixed/Unknown`; None rejects nothing.
        schema_version: by default the version in the rows, else the newest.
        time_basis: whether hour and weekday are local time or UTC in the model.

    Returns:
        N labels.

    Raises:
        ValueError: the encoder has not eight labels.
    """
    probs = predict_proba(model, features_df, cat_encoders, schema_version=schema_version, time_basis=time_basis)
    names = LABEL_SET_V1 if label_encoder is None else [str(name) for name in texts_of(label_encoder)]
    if len(names) != len(LABEL_SET_V1):
        raise ValueError(f"{len(names)} label names for {len(LABEL_SET_V1)} labels")
    codes = probs.argmax(axis=1)
    if reject_threshold is not None and len(probs):
        codes[probs.max(axis=1) < reject_threshold] = len(names)
    labels: list[str] = np.array([*names, MIXED_UNKNOWN], dtype=object)[codes].tolist()
    return labels


def run_batch_inference(
    model: Model,
    features_df: Any,
    *,
    cat_encoders: CatEncoders | None = None,
    smooth_window: int = DEFAULT_SMOOTH_WINDOW,
    bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
    reject_threshold: float | None = None,
    taxonomy: TaxonomyConfig | None = None,
    calibrator: Calibrator | None = None,
    calibrator_store: CalibratorStore | None = None,
    schema_version: str | None = None,
    per_user_reject_thresholds: Mapping[str, float] | None = None,
    time_basis: TimeBasis = "utc",
    transitions: Transitions | None = None,
    head: PersonalHead | None = None,
) -> BatchInferenceResult:
    """Predict, calibrate, reject, smooth and map N rows (stages 2–9).

    Smoothing and segments take the rows by user and time; the result is in the order of the input. A column (or
    attribute) `decided_by` is honoured.

    Args:
        model: a `Forest` or a `lightgbm.Booster`.
        features_df: N rows: a DataFrame, a dict of columns, or a list of `FeatureRow`.
        cat_encoders: by column, a list of texts or scikit-learn's LabelEncoder.
        smooth_window: an odd number of buckets.
        bucket_seconds: length of a bucket in seconds.
        reject_threshold: from 0 to 1; None rejects nothing.
        taxonomy: maps core labels to the person's buckets.
        calibrator: calibrates all users when there is no store.
        calibrator_store: calibrates each user; takes precedence over `calibrator`.
        schema_version: by default the version in the rows, else the newest.
        per_user_reject_thresholds: by user id, from 0 to 1.
        time_basis: whether hour and weekday are local time or UTC in the model.
        transitions: smooth with a hidden Markov model with these transitions, in place of the majority.
        head: the personal head; it reads a column (or attribute) `word_seconds`.

    Raises:
        ValueError: columns are missing, the window is even, or the rows are of several schemas.
    """
    config = PipelineConfig(
        model=model,
        schema_version=schema_version or schema_of(features_df),
        time_basis=time_basis,
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
    )
    return run_batch(config, features_df)


def run_batch(
    config: PipelineConfig,
    features_df: Any,
    *,
    chunk_rows: int = CHUNK_ROWS,
    on_progress: OnProgress | None = None,
) -> BatchInferenceResult:
    """Run `run_batch_inference` with a pipeline configuration.

    A list of `FeatureRow` may be any sequence that can be sliced. `chunk_rows` bounds the memory.
    """
    source = _source(config.encoder, features_df)
    predicted = _predict(config, source, chunk_rows, on_progress)
    order, fresh = by_user_and_time(predicted.users, predicted.starts_us, config.bucket_seconds)
    run_of: IntArray = np.cumsum(fresh, dtype=np.int64)
    if config.head is not None and predicted.scores is not None:
        probs = blend_matrix(config.head, predicted.probs, predicted.scores, order, run_of)
        predicted = replace(predicted, probs=probs)
    decided = _decide(config, predicted, chunk_rows)
    smoothed = np.empty_like(decided.raw)
    smoothed[order] = _smoothed(config, decided, order, run_of)
    mapped_labels, mapped_probs = None, None
    if config.resolver is not None:
        mapped_labels, mapped_probs = _mapped(config.resolver, smoothed, decided, chunk_rows)
    return BatchInferenceResult(
        raw_labels=_NAMES[decided.raw].tolist(),
        smoothed_labels=_NAMES[smoothed].tolist(),
        segments=merged_segments(decided.starts_us[order], smoothed[order], fresh, config.bucket_seconds),
        confidences=decided.confidences,
        is_rejected=decided.is_rejected,
        core_probs=decided.core_probs,
        mapped_labels=mapped_labels,
        mapped_probs=mapped_probs,
        users=decided.users,
        starts_us=decided.starts_us,
    )


def _smoothed(config: PipelineConfig, decided: _Decided, order: IntArray, run_of: IntArray) -> IntArray:
    """Stage 7 for the rows in this order."""
    if config.transitions is None:
        return majority_codes(decided.raw[order], run_of, config.smooth_window)
    return hmm_codes(decided.core_probs[order], decided.is_rejected[order], run_of, config.transitions)


@dataclass(frozen=True, slots=True, eq=False)
class _Predicted:
    """Stages 2–4 of all rows; `scores` only with a head, which is not blended yet."""

    probs: FloatArray
    scores: WordScores | None
    users: Categorical
    starts_us: IntArray
    decided_by: Categorical | None


@dataclass(frozen=True, slots=True, eq=False)
class _Decided:
    """Stages 2–6 of all rows; `raw`: (N,) label numbers, 8 where rejected."""

    raw: IntArray
    confidences: FloatArray
    is_rejected: BoolArray
    core_probs: FloatArray
    users: Categorical
    starts_us: IntArray


def _predict(
    config: PipelineConfig, source: _Frame | _Rows, chunk_rows: int, on_progress: OnProgress | None
) -> _Predicted:
    count = len(source)
    probs, starts_us = np.empty((count, len(LABEL_SET_V1))), np.empty(count, dtype=np.int64)
    users: list[Categorical] = []
    deciders: list[Categorical] = []
    scores: list[WordScores] = []
    for rows, part in _parts(source, chunk_rows):
        probs[rows], starts_us[rows] = predict_matrix(config.model, part.matrix), part.starts_us
        users.append(part.users)
        deciders += [] if part.decided_by is None else [part.decided_by]
        scores += [] if config.head is None else [config.head.scores(part.words)]
        if on_progress is not None:
            on_progress(rows.stop, count)
    return _Predicted(
        probs,
        WordScores.joined(scores) if scores else None,
        Categorical.joined(users),
        starts_us,
        Categorical.joined(deciders) if deciders else None,
    )


def _decide(config: PipelineConfig, predicted: _Predicted, chunk_rows: int) -> _Decided:
    """Stages 5 and 6, some rows at a time."""
    count = len(predicted.starts_us)
    raw, confidences = np.empty(count, dtype=np.int64), np.empty(count)
    is_rejected, core_probs = np.empty(count, dtype=np.bool_), np.empty((count, len(LABEL_SET_V1)))
    for start in range(0, count, chunk_rows):
        rows = slice(start, start + chunk_rows)
        by = None if predicted.decided_by is None else predicted.decided_by[rows]
        decided = decide_raw(config, predicted.probs[rows], predicted.users[rows], by)
        raw[rows] = np.where(decided.is_rejected, len(LABEL_SET_V1), decided.label_ids)
        confidences[rows], is_rejected[rows] = decided.confidences, decided.is_rejected
        core_probs[rows] = decided.core_probs
    return _Decided(raw, confidences, is_rejected, core_probs, predicted.users, predicted.starts_us)


def _mapped(
    resolver: TaxonomyResolver, smoothed: IntArray, decided: _Decided, chunk_rows: int
) -> tuple[list[str], MappedProbabilities]:
    chosen = np.empty(len(smoothed), dtype=np.int64)
    probs = np.empty((len(smoothed), len(resolver.bucket_names)))
    for start in range(0, len(smoothed), chunk_rows):
        rows = slice(start, start + chunk_rows)
        chosen[rows], probs[rows] = resolver.resolve_codes(smoothed[rows], decided.raw[rows], decided.core_probs[rows])
    return resolver.label_names[chosen].tolist(), MappedProbabilities(resolver.bucket_names, probs)
