"""The result of batch inference, and its files: predictions.csv and segments.json (contract, section 11)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.atomic import write_json_atomic, write_text_atomic
from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, MIN_BLOCK_DURATION_SECONDS
from taskclf_tray.core.frames import starts_us
from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.time import US_PER_SECOND, as_utc, from_us, parse_time, to_us
from taskclf_tray.infer.categorical import Categorical
from taskclf_tray.infer.smooth import Segment, merge_short, run_starts
from taskclf_tray.infer.taxonomy_resolver import LABELS_AND_MIXED

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CSV_COLUMNS: Final = ("bucket_start_ts", "predicted_label", "confidence", "is_rejected", "mapped_label", "core_probs")
CSV_DECIMALS: Final = 4
_MAX_SEGMENTS_BYTES = 256 << 20


class MappedProbabilities(Sequence[dict[str, float]]):
    """The bucket probabilities of every row, as one dict a row.

    A dict is made on access, because a million dicts would fill the memory. `matrix`: (N, buckets), `names`: its
    columns.
    """

    def __init__(self, names: Sequence[str], matrix: FloatArray) -> None:
        self.names = tuple(names)
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix)

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of the same dicts."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

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
    """The predictions of N rows (stages 4–9), in the order of the input.

    Attributes:
        raw_labels: N labels before smoothing, `Mixed/Unknown` when rejected.
        smoothed_labels: N labels after smoothing.
        segments: by user (first seen first), then in order of time. Hysteresis has joined short ones, so they suit a
            timeline but never time totals.
        confidences: (N,) highest calibrated probabilities.
        is_rejected: (N,) whether the confidence is below the threshold.
        core_probs: (N, 8) calibrated probabilities in label order.
        mapped_labels: N labels of the taxonomy, None without one.
        mapped_probs: N dicts of bucket probabilities, None without a taxonomy.
        users: N user ids.
        starts_us: (N,) starts of the buckets in microseconds since 1970 UTC.

    >>> result = BatchInferenceResult(["Build"], ["Build"], [], np.array([0.8]), np.array([False]), np.eye(8)[:1])
    >>> result.ui_labels
    ['Build']
    """

    raw_labels: list[str]
    smoothed_labels: list[str]
    segments: list[Segment]
    confidences: FloatArray
    is_rejected: BoolArray
    core_probs: FloatArray
    mapped_labels: list[str] | None = None
    mapped_probs: Sequence[dict[str, float]] | None = None
    users: Categorical = field(default_factory=lambda: Categorical.repeated("", 0))
    starts_us: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def ui_labels(self) -> list[str]:
        """The label shown for each row: the mapped one, or the smoothed one without a taxonomy."""
        return self.smoothed_labels if self.mapped_labels is None else self.mapped_labels


def cut_batch(
    result: BatchInferenceResult, start_us: int, end_us: int, bucket_seconds: int = DEFAULT_BUCKET_SECONDS
) -> BatchInferenceResult:
    """Keep the buckets that start in [start_us, end_us) with their predictions, and rebuild the segments."""
    kept = np.flatnonzero((result.starts_us >= start_us) & (result.starts_us < end_us))
    users, starts = Categorical(result.users.codes[kept], result.users.values), result.starts_us[kept]
    smoothed = Categorical.of(result.smoothed_labels)
    codes = smoothed.table(map(LABELS_AND_MIXED.index, smoothed.values), np.int64)[kept]
    order, fresh = by_user_and_time(users, starts, bucket_seconds)
    mapped_probs = result.mapped_probs
    if isinstance(mapped_probs, MappedProbabilities):
        mapped_probs = MappedProbabilities(mapped_probs.names, mapped_probs.matrix[kept])
    labels = [
        None if column is None else [column[i] for i in kept.tolist()]
        for column in (result.raw_labels, result.smoothed_labels, result.mapped_labels)
    ]
    return BatchInferenceResult(
        raw_labels=labels[0] or [],
        smoothed_labels=labels[1] or [],
        segments=merged_segments(starts[order], codes[order], fresh, bucket_seconds),
        confidences=result.confidences[kept],
        is_rejected=result.is_rejected[kept],
        core_probs=result.core_probs[kept],
        mapped_labels=labels[2],
        mapped_probs=mapped_probs,
        users=users,
        starts_us=starts,
    )


def by_user_and_time(users: Categorical, starts_us: IntArray, bucket_seconds: int) -> tuple[IntArray, BoolArray]:
    """Return the order of rows by user (first seen first) and time, and where a contiguous run begins in this order."""
    first_seen = np.full(len(users.values), len(users), dtype=np.int64)
    np.minimum.at(first_seen, users.codes, np.arange(len(users)))
    user = first_seen[users.codes]
    order = np.lexsort((starts_us, user))
    fresh = run_starts(starts_us[order], bucket_seconds)
    fresh[1:] |= np.diff(user[order]) != 0
    return order, fresh


def merged_segments(starts: IntArray, codes: IntArray, fresh: BoolArray, bucket_seconds: int) -> list[Segment]:
    """Segments of ordered buckets after hysteresis, which never joins two contiguous runs or two users."""
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


def prediction_line(
    bucket_start_ts: datetime,
    predicted_label: str,
    confidence: float | None = None,
    is_rejected: bool | None = None,
    mapped_label: str | None = None,
    core_probs: Iterable[float] | None = None,
) -> list[str]:
    """Return one line of predictions.csv, in the order of `CSV_COLUMNS`; None becomes an empty cell.

    Args:
        bucket_start_ts: aware start of the bucket.
        predicted_label: the smoothed core label.
        confidence: from 0 to 1.
        is_rejected: whether the confidence is below the threshold.
        mapped_label: the label of the taxonomy.
        core_probs: eight calibrated probabilities in label order.
    """
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
    labels: Sequence[str],
    path: Path,
    *,
    confidences: Sequence[float] | FloatArray | None = None,
    is_rejected: Sequence[bool] | BoolArray | None = None,
    mapped_labels: Sequence[str] | None = None,
    core_probs: Sequence[Sequence[float]] | FloatArray | None = None,
) -> Path:
    """Write predictions.csv atomically, one line a row.

    Args:
        features_df: the N rows: a DataFrame, a dict of columns, or `FeatureRow`s.
        labels: N smoothed core labels.
        path: the file, which is replaced.
        confidences: N confidences, from 0 to 1.
        is_rejected: N flags.
        mapped_labels: N labels of the taxonomy.
        core_probs: (N, 8) calibrated probabilities.

    Returns:
        `path`.

    Raises:
        ValueError: a column has another length than the features.
        OSError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    starts = [from_us(start) for start in _starts(features_df).tolist()]
    columns = [_cells(values, len(starts)) for values in (confidences, is_rejected, mapped_labels, core_probs)]
    writer.writerows(prediction_line(*cells) for cells in zip(starts, labels, *columns, strict=True))
    write_text_atomic(path, text.getvalue())
    return path


def _starts(features: Any) -> IntArray:
    if hasattr(features, "keys"):
        return starts_us(features)
    return np.array([to_us(row.bucket_start_ts) for row in features], dtype=np.int64)


def _cells(values: Any, count: int) -> Iterator[Any]:
    if values is None:
        return iter([None] * count)
    return iter(values.tolist() if hasattr(values, "tolist") else values)


def write_segments_json(segments: Sequence[Segment], path: Path) -> Path:
    """Write segments as a JSON list with times in ISO 8601, atomically. Returns `path`. Raises OSError."""
    write_json_atomic(path, [segment.to_dict() for segment in segments])
    return path


def read_segments_json(path: Path) -> list[Segment]:
    """Read the file of `write_segments_json`.

    Raises ValueError for another kind of file, OSError for an unreadable one.
    """
    try:
        listed = json.loads(read_regular(path, _MAX_SEGMENTS_BYTES))
        return [
            Segment(parse_time(s["start_ts"]), parse_time(s["end_ts"]), str(s["label"]), int(s["bucket_count"]))
            for s in listed
        ]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not a list of segments") from error
