"""The batch driver: stages 2–9 over a whole table at once, and the files people read (contract, sections 11 and 14)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.atomic import write_json_atomic, write_text_atomic
from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_SMOOTH_WINDOW, MIXED_UNKNOWN
from taskclf_tray.core.schema import NEWEST_SCHEMA
from taskclf_tray.core.time import US_PER_SECOND, as_utc, from_us, parse_time, to_us
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow
from taskclf_tray.infer.calibration import Calibrator, CalibratorStore
from taskclf_tray.infer.encode import Encoder, TimeBasis, has_column, starts_us, text_column
from taskclf_tray.infer.pipeline import LABELS_AND_MIXED, Model, PipelineConfig, decide_matrix, predict_matrix
from taskclf_tray.infer.smooth import Segment, majority_codes, merge_short_segments, run_starts
from taskclf_tray.infer.taxonomy import TaxonomyConfig

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CSV_COLUMNS: Final = ("bucket_start_ts", "predicted_label", "confidence", "is_rejected", "mapped_label", "core_probs")
CSV_DECIMALS: Final = 4
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
    without a taxonomy; `mapped_probs` then holds the core labels' own probabilities.
    """

    raw_labels: list[str]
    smoothed_labels: list[str]
    segments: list[Segment]
    confidences: FloatArray
    is_rejected: BoolArray
    core_probs: FloatArray
    mapped_labels: list[str] | None
    mapped_probs: Sequence[dict[str, float]]

    @property
    def ui_labels(self) -> list[str]:
        """What the person sees for each row."""
        return self.smoothed_labels if self.mapped_labels is None else self.mapped_labels


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """A frame or a list of rows in the terms of the pipeline."""

    matrix: FloatArray
    user_ids: list[str]
    starts_us: IntArray
    decided_by: list[str] | None


def predict_proba(
    model: Model,
    features_df: Any,
    cat_encoders: Mapping[str, Sequence[str]] | None = None,
    *,
    schema_version: str = NEWEST_SCHEMA,
    time_basis: TimeBasis = "utc",
) -> FloatArray:
    """(N, 8) raw probabilities (stages 2–4) of a DataFrame, a dict of columns, or a list of `FeatureRow`."""
    return predict_matrix(model, _encode(Encoder(schema_version, cat_encoders, time_basis), features_df))


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
    labels = [names[i] for i in probs.argmax(axis=1).tolist()]
    if reject_threshold is None:
        return labels
    sure = (probs.max(axis=1) >= reject_threshold).tolist() if len(probs) else []
    return [label if is_sure else MIXED_UNKNOWN for label, is_sure in zip(labels, sure, strict=True)]


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


def run_batch(config: PipelineConfig, features_df: Any) -> BatchInferenceResult:
    """`run_batch_inference` with everything but the features in one configuration."""
    table = _table(config.encoder, features_df)
    decided = decide_matrix(config, table.matrix, table.user_ids, table.decided_by)
    raw = np.where(decided.is_rejected, len(LABEL_SET_V1), decided.label_ids)
    order, fresh = _order(table, config.bucket_seconds)
    smoothed = np.empty_like(raw)
    smoothed[order] = majority_codes(raw[order], np.cumsum(fresh), config.smooth_window)
    raw_labels, smoothed_labels = _NAMES[raw].tolist(), _NAMES[smoothed].tolist()
    segments = _segments(table.starts_us[order], smoothed[order], fresh, config.bucket_seconds)
    mapped_labels, mapped = None, MappedProbabilities(LABEL_SET_V1, decided.core_probs)
    if config.resolver is not None:
        mapped_labels, probs = config.resolver.resolve_batch(smoothed_labels, raw_labels, decided.core_probs)
        mapped = MappedProbabilities(config.resolver.bucket_names, probs)
    return BatchInferenceResult(
        raw_labels=raw_labels,
        smoothed_labels=smoothed_labels,
        segments=segments,
        confidences=decided.confidences,
        is_rejected=decided.is_rejected,
        core_probs=decided.core_probs,
        mapped_labels=mapped_labels,
        mapped_probs=mapped,
    )


def _encode(encoder: Encoder, features: Any) -> FloatArray:
    return encoder.encode_frame(features) if hasattr(features, "keys") else encoder.encode_rows(features)


def _table(encoder: Encoder, features: Any) -> _Table:
    matrix = _encode(encoder, features)
    if not hasattr(features, "keys"):
        rows: Sequence[FeatureRow] = features
        starts = np.array([to_us(row.bucket_start_ts) for row in rows], dtype=np.int64)
        return _Table(matrix, [row.user_id for row in rows], starts, [row.decided_by for row in rows])
    # schema v2 has no user: one person's rows then
    users = text_column(features, "user_id") if has_column(features, "user_id") else [""] * len(matrix)
    decided_by = text_column(features, "decided_by") if has_column(features, "decided_by") else None
    return _Table(matrix, users, starts_us(features), decided_by)


def _order(table: _Table, bucket_seconds: int) -> tuple[IntArray, BoolArray]:
    """The rows by user (first seen first) and time, and where in this order a contiguous run begins."""
    numbers = {user: i for i, user in enumerate(dict.fromkeys(table.user_ids))}
    user = np.fromiter(map(numbers.__getitem__, table.user_ids), dtype=np.int64, count=len(table.user_ids))
    order = np.lexsort((table.starts_us, user))
    fresh = run_starts(table.starts_us[order], bucket_seconds)
    fresh[1:] |= np.diff(user[order]) != 0
    return order, fresh


def _segments(starts: IntArray, codes: IntArray, fresh: BoolArray, bucket_seconds: int) -> list[Segment]:
    """Segments of ordered buckets, after hysteresis; each contiguous run by itself, so users never join."""
    begins = fresh.copy()
    begins[1:] |= np.diff(codes) != 0
    firsts = np.flatnonzero(begins)
    counts = np.diff(np.append(firsts, len(codes))).tolist()
    lines = zip(starts[firsts].tolist(), counts, codes[firsts].tolist(), fresh[firsts].tolist(), strict=True)
    segments: list[Segment] = []
    run: list[Segment] = []
    for start, count, code, is_fresh in lines:
        if is_fresh:
            segments += merge_short_segments(run)
            run = []
        end = start + count * bucket_seconds * US_PER_SECOND
        run.append(Segment(from_us(start), from_us(end), LABELS_AND_MIXED[code], count))
    return segments + merge_short_segments(run)


def prediction_line(
    bucket_start_ts: datetime,
    predicted_label: str,
    confidence: float | None = None,
    is_rejected: bool | None = None,
    mapped_label: str | None = None,
    core_probs: Iterable[float] | None = None,
) -> list[str]:
    """One line of predictions.csv, in the order of `CSV_COLUMNS`; None is an empty cell."""
    probs = "" if core_probs is None else json.dumps([round(float(p), CSV_DECIMALS) for p in core_probs])
    return [
        as_utc(bucket_start_ts).isoformat(),
        predicted_label,
        "" if confidence is None else f"{confidence:.{CSV_DECIMALS}f}",
        "" if is_rejected is None else str(bool(is_rejected)),
        mapped_label or "",
        probs,
    ]


def write_predictions_csv(
    features_df: Any,
    predicted_labels: Sequence[str],
    output_path: Path,
    *,
    confidences: Sequence[float] | FloatArray | None = None,
    is_rejected: Sequence[bool] | BoolArray | None = None,
    mapped_labels: Sequence[str] | None = None,
    core_probs: Sequence[Sequence[float]] | FloatArray | None = None,
) -> Path:
    """Write one line for each row: `predicted_labels` are the smoothed core labels. Returns `output_path`.

    The file appears whole. Raises ValueError when a column has another length than the features.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    starts = [from_us(start) for start in _starts(features_df).tolist()]
    columns = [_cells(values, len(starts)) for values in (confidences, is_rejected, mapped_labels, core_probs)]
    writer.writerows(prediction_line(*cells) for cells in zip(starts, predicted_labels, *columns, strict=True))
    write_text_atomic(output_path, text.getvalue())
    return output_path


def _starts(features: Any) -> IntArray:
    if hasattr(features, "keys"):
        return starts_us(features)
    return np.array([to_us(row.bucket_start_ts) for row in features], dtype=np.int64)


def _cells(values: Any, count: int) -> Iterator[Any]:
    if values is None:
        return iter([None] * count)
    return iter(values.tolist() if hasattr(values, "tolist") else values)


def write_segments_json(segments: Sequence[Segment], path: Path) -> Path:
    """Write segments as a JSON list, times in ISO 8601; the file appears whole. Returns `path`."""
    write_json_atomic(path, [segment.to_dict() for segment in segments])
    return path


def read_segments_json(path: Path) -> list[Segment]:
    """Reverse of `write_segments_json`. Raises ValueError for a file that is not one, OSError when it is unreadable."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return [
            Segment(parse_time(s["start_ts"]), parse_time(s["end_ts"]), str(s["label"]), int(s["bucket_count"]))
            for s in listed
        ]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not a list of segments") from error
