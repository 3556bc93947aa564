"""The batch driver: stages 2–9 over a whole table (contract, section 14).

The table is encoded and predicted in chunks, so that the dense matrix never exists as a whole; what is kept of each
row is eight probabilities and a few numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.defaults import (
    DEFAULT_BUCKET_SECONDS,
    DEFAULT_SMOOTH_WINDOW,
    MIN_BLOCK_DURATION_SECONDS,
    MIXED_UNKNOWN,
)
from taskclf_tray.core.schema import NEWEST_SCHEMA
from taskclf_tray.core.time import US_PER_SECOND, from_us, to_us
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow
from taskclf_tray.infer.batch_files import CSV_COLUMNS as CSV_COLUMNS
from taskclf_tray.infer.batch_files import prediction_line as prediction_line
from taskclf_tray.infer.batch_files import read_segments_json as read_segments_json
from taskclf_tray.infer.batch_files import write_predictions_csv as write_predictions_csv
from taskclf_tray.infer.batch_files import write_segments_json as write_segments_json
from taskclf_tray.infer.calibration import Calibrator, CalibratorStore
from taskclf_tray.infer.coded import CodedTexts
from taskclf_tray.infer.encode import Encoder, FrameEncoder, TimeBasis
from taskclf_tray.infer.frames import column_of, has_column
from taskclf_tray.infer.pipeline import LABELS_AND_MIXED, Model, PipelineConfig, decide_matrix, predict_matrix
from taskclf_tray.infer.smooth import Segment, majority_codes, merge_short, run_starts
from taskclf_tray.infer.taxonomy import TaxonomyConfig, TaxonomyResolver

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CHUNK_ROWS: Final = 20_000
"""Rows that are encoded at a time (48 MB of schema v3); no answer depends on it."""
OnProgress = Callable[[int, int], None]
"""Told after each chunk: rows done, rows in all."""
_NAMES: Final = np.array(LABELS_AND_MIXED, dtype=object)


class MappedProbabilities(Sequence[dict[str, float]]):
    """One dict of bucket probabilities for each row, made when asked for: a million dicts would fill the memory.

    `matrix`: (N, buckets), `names`: its columns.
    """

    def __init__(self, names: Sequence[str], matrix: FloatArray) -> None:
        self.names = tuple(names)
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix)

    @overload
    def __getitem__(self, index: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, float]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, float] | Sequence[dict[str, float]]:
        if isinstance(index, slice):
            return MappedProbabilities(self.names, self.matrix[index])
        return dict(zip(self.names, self.matrix[index].tolist(), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class BatchInferenceResult:
    """Stages 4–9 of N rows, in the order of the input; `segments` by user (first seen first), each in order of time.

    `segments` went through the hysteresis: they are for a timeline, never for time totals. `mapped_labels` is None
    without a taxonomy; `mapped_probs` then holds the core labels' own probabilities. Lists of labels hold references
    to a dozen texts (8 bytes a row); `mapped_probs` makes a dict when asked for a row. `users` and `starts_us`
    (microseconds since 1970 UTC) say which buckets these are.
    """

    raw_labels: list[str]
    smoothed_labels: list[str]
    segments: list[Segment]
    confidences: FloatArray
    is_rejected: BoolArray
    core_probs: FloatArray
    mapped_labels: list[str] | None
    mapped_probs: Sequence[dict[str, float]]
    users: CodedTexts
    starts_us: IntArray

    @property
    def ui_labels(self) -> list[str]:
        """What the person sees for each row."""
        return self.smoothed_labels if self.mapped_labels is None else self.mapped_labels


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some rows in the terms of the pipeline."""

    matrix: FloatArray
    users: CodedTexts
    starts_us: IntArray
    decided_by: CodedTexts | None


class _Frame:
    """A DataFrame or a dict of columns, read some rows at a time."""

    def __init__(self, encoder: Encoder, frame: Any) -> None:
        self._encoded: FrameEncoder = encoder.frame(frame)
        self._users = self._texts(frame, "user_id") or CodedTexts.repeated("", len(self))
        self._decided_by = self._texts(frame, "decided_by")

    @staticmethod
    def _texts(frame: Any, name: str) -> CodedTexts | None:
        # schema v2 has no user: one person's rows then
        return CodedTexts.of(column_of(frame, name)) if has_column(frame, name) else None

    def __len__(self) -> int:
        return len(self._encoded)

    def read(self, start: int, stop: int) -> _Part:
        decided_by = None if self._decided_by is None else self._decided_by[start:stop]
        starts_us = self._encoded.starts_us[start:stop]
        return _Part(self._encoded.matrix(start, stop), self._users[start:stop], starts_us, decided_by)


class _Rows:
    """A sequence of `FeatureRow`, sliced once for each chunk: it may make its rows when they are asked for."""

    def __init__(self, encoder: Encoder, rows: Sequence[FeatureRow]) -> None:
        self._encoder, self._rows = encoder, rows

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, start: int, stop: int) -> _Part:
        rows = self._rows[start:stop]
        return _Part(
            self._encoder.encode_rows(rows),
            CodedTexts.of([row.user_id for row in rows]),
            np.array([to_us(row.bucket_start_ts) for row in rows], dtype=np.int64),
            CodedTexts.of([row.decided_by for row in rows]),
        )


def _source(encoder: Encoder, features: Any) -> _Frame | _Rows:
    return _Frame(encoder, features) if hasattr(features, "keys") else _Rows(encoder, features)


def _parts(source: _Frame | _Rows, chunk_rows: int) -> Iterator[tuple[slice, _Part]]:
    for start in range(0, len(source), chunk_rows):
        stop = min(start + chunk_rows, len(source))
        yield slice(start, stop), source.read(start, stop)


def predict_proba(
    model: Model,
    features_df: Any,
    cat_encoders: Mapping[str, Sequence[str]] | None = None,
    *,
    schema_version: str = NEWEST_SCHEMA,
    time_basis: TimeBasis = "utc",
) -> FloatArray:
    """(N, 8) raw probabilities (stages 2–4) of a DataFrame, a dict of columns, or a list of `FeatureRow`."""
    source = _source(Encoder(schema_version, cat_encoders, time_basis), features_df)
    probs = np.empty((len(source), len(LABEL_SET_V1)))
    for rows, part in _parts(source, CHUNK_ROWS):
        probs[rows] = predict_matrix(model, part.matrix)
    return probs


def predict_labels(
    model: Model,
    features_df: Any,
    label_encoder: Any = None,
    cat_encoders: Mapping[str, Sequence[str]] | None = None,
    *,
    reject_threshold: float | None = None,
    schema_version: str = NEWEST_SCHEMA,
    time_basis: TimeBasis = "utc",
) -> list[str]:
    """N labels from the raw probabilities, `Mixed/Unknown` below the threshold.

    `label_encoder`: names in order of class, or anything with them in `classes_`; None for the eight core labels.
    """
    probs = predict_proba(model, features_df, cat_encoders, schema_version=schema_version, time_basis=time_basis)
    names = (
        LABEL_SET_V1 if label_encoder is None else [str(n) for n in getattr(label_encoder, "classes_", label_encoder)]
    )
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
    cat_encoders: Mapping[str, Sequence[str]] | None = None,
    smooth_window: int = DEFAULT_SMOOTH_WINDOW,
    bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
    reject_threshold: float | None = None,
    taxonomy: TaxonomyConfig | None = None,
    calibrator: Calibrator | None = None,
    calibrator_store: CalibratorStore | None = None,
    schema_version: str = NEWEST_SCHEMA,
    per_user_reject_thresholds: Mapping[str, float] | None = None,
    time_basis: TimeBasis = "utc",
) -> BatchInferenceResult:
    """Stages 2–9 of a DataFrame, a dict of columns, or a list of `FeatureRow`.

    Rows are grouped by `user_id` and sorted by time for smoothing and segments; the answer is in input order. A
    column (or attribute) `decided_by` is honoured. Raises ValueError for missing columns or an even window.
    """
    config = PipelineConfig(
        model=model,
        schema_version=schema_version,
        time_basis=time_basis,
        cat_encoders=cat_encoders,
        calibrator=calibrator,
        calibrator_store=calibrator_store,
        reject_threshold=reject_threshold,
        per_user_reject_thresholds=per_user_reject_thresholds,
        taxonomy=taxonomy,
        smooth_window=smooth_window,
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
    """`run_batch_inference` with everything but the features in one configuration.

    A list of `FeatureRow` may be any sequence that can be sliced. `chunk_rows` bounds the memory.
    """
    source = _source(config.encoder, features_df)
    decided = _decide(config, source, chunk_rows, on_progress)
    order, fresh = _order(decided.users, decided.starts_us, config.bucket_seconds)
    smoothed = np.empty_like(decided.raw)
    smoothed[order] = majority_codes(decided.raw[order], np.cumsum(fresh), config.smooth_window)
    mapped_labels, mapped_probs = None, MappedProbabilities(LABEL_SET_V1, decided.core_probs)
    if config.resolver is not None:
        mapped_labels, mapped_probs = _mapped(config.resolver, smoothed, decided, chunk_rows)
    return BatchInferenceResult(
        raw_labels=_NAMES[decided.raw].tolist(),
        smoothed_labels=_NAMES[smoothed].tolist(),
        segments=_segments(decided.starts_us[order], smoothed[order], fresh, config.bucket_seconds),
        confidences=decided.confidences,
        is_rejected=decided.is_rejected,
        core_probs=decided.core_probs,
        mapped_labels=mapped_labels,
        mapped_probs=mapped_probs,
        users=decided.users,
        starts_us=decided.starts_us,
    )


def cut_batch(
    result: BatchInferenceResult, start_us: int, end_us: int, bucket_seconds: int = DEFAULT_BUCKET_SECONDS
) -> BatchInferenceResult:
    """Only the buckets that start in [start_us, end_us), each with the answer it has among all; segments anew."""
    kept = np.flatnonzero((result.starts_us >= start_us) & (result.starts_us < end_us))
    users, starts = CodedTexts(result.users.codes[kept], result.users.values), result.starts_us[kept]
    smoothed = CodedTexts.of(result.smoothed_labels)
    codes = smoothed.table(map(LABELS_AND_MIXED.index, smoothed.values), np.int64)[kept]
    order, fresh = _order(users, starts, bucket_seconds)
    names, matrix = LABEL_SET_V1, result.core_probs
    if isinstance(result.mapped_probs, MappedProbabilities):
        names, matrix = result.mapped_probs.names, result.mapped_probs.matrix
    labels = [
        None if column is None else [column[i] for i in kept.tolist()]
        for column in (result.raw_labels, result.smoothed_labels, result.mapped_labels)
    ]
    return BatchInferenceResult(
        raw_labels=labels[0] or [],
        smoothed_labels=labels[1] or [],
        segments=_segments(starts[order], codes[order], fresh, bucket_seconds),
        confidences=result.confidences[kept],
        is_rejected=result.is_rejected[kept],
        core_probs=result.core_probs[kept],
        mapped_labels=labels[2],
        mapped_probs=MappedProbabilities(names, matrix[kept]),
        users=users,
        starts_us=starts,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Decided:
    """Stages 2–6 of all rows; `raw`: (N,) label numbers, 8 where rejected."""

    raw: IntArray
    confidences: FloatArray
    is_rejected: BoolArray
    core_probs: FloatArray
    users: CodedTexts
    starts_us: IntArray


def _decide(
    config: PipelineConfig, source: _Frame | _Rows, chunk_rows: int, on_progress: OnProgress | None
) -> _Decided:
    count = len(source)
    raw, starts_us = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    confidences, is_rejected = np.empty(count), np.empty(count, dtype=np.bool_)
    core_probs = np.empty((count, len(LABEL_SET_V1)))
    users: list[CodedTexts] = []
    for rows, part in _parts(source, chunk_rows):
        decided = decide_matrix(config, part.matrix, part.users, part.decided_by)
        raw[rows] = np.where(decided.is_rejected, len(LABEL_SET_V1), decided.label_ids)
        confidences[rows], is_rejected[rows] = decided.confidences, decided.is_rejected
        core_probs[rows], starts_us[rows] = decided.core_probs, part.starts_us
        users.append(part.users)
        if on_progress is not None:
            on_progress(rows.stop, count)
    return _Decided(raw, confidences, is_rejected, core_probs, CodedTexts.joined(users), starts_us)


def _mapped(
    resolver: TaxonomyResolver, smoothed: IntArray, decided: _Decided, chunk_rows: int
) -> tuple[list[str], MappedProbabilities]:
    chosen = np.empty(len(smoothed), dtype=np.int64)
    probs = np.empty((len(smoothed), len(resolver.bucket_names)))
    for start in range(0, len(smoothed), chunk_rows):
        rows = slice(start, start + chunk_rows)
        chosen[rows], probs[rows] = resolver.resolve_codes(smoothed[rows], decided.raw[rows], decided.core_probs[rows])
    return resolver.label_names[chosen].tolist(), MappedProbabilities(resolver.bucket_names, probs)


def _order(users: CodedTexts, starts_us: IntArray, bucket_seconds: int) -> tuple[IntArray, BoolArray]:
    """The rows by user (first seen first) and time, and where in this order a contiguous run begins."""
    first_seen = np.full(len(users.values), len(users), dtype=np.int64)
    np.minimum.at(first_seen, users.codes, np.arange(len(users)))
    user = first_seen[users.codes]
    order = np.lexsort((starts_us, user))
    fresh = run_starts(starts_us[order], bucket_seconds)
    fresh[1:] |= np.diff(user[order]) != 0
    return order, fresh


def _segments(starts: IntArray, codes: IntArray, fresh: BoolArray, bucket_seconds: int) -> list[Segment]:
    """Segments of ordered buckets, after hysteresis; each contiguous run by itself, so users never join."""
    begins = fresh.copy()
    begins[1:] |= np.diff(codes) != 0
    firsts = np.flatnonzero(begins)
    counts = np.diff(np.append(firsts, len(codes)))
    runs = [*np.flatnonzero(fresh[firsts]).tolist(), len(firsts)]
    labels, lengths = codes[firsts].tolist(), counts.tolist()
    fewest = -(-MIN_BLOCK_DURATION_SECONDS // bucket_seconds)
    joined: list[tuple[int, int, int]] = []
    for begin, end in pairwise(runs):
        part = merge_short(labels[begin:end], lengths[begin:end], fewest)
        joined += [(begin + first, begin + last, label) for first, last, label in part]
    before = np.append(0, np.cumsum(counts)).tolist()
    step_us = bucket_seconds * US_PER_SECOND
    moments = starts[firsts].tolist()
    segments: list[Segment] = []
    for first, last, label in joined:
        count = before[last + 1] - before[first]
        ended = from_us(moments[first] + count * step_us)
        segments.append(Segment(from_us(moments[first]), ended, LABELS_AND_MIXED[label], count))
    return segments
