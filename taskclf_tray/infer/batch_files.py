"""The files people read of a batch: predictions.csv and segments.json (contract, section 11)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.atomic import write_json_atomic, write_text_atomic
from taskclf_tray.core.frames import starts_us
from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.time import as_utc, from_us, parse_time, to_us
from taskclf_tray.infer.smooth import Segment

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CSV_COLUMNS: Final = ("bucket_start_ts", "predicted_label", "confidence", "is_rejected", "mapped_label", "core_probs")
CSV_DECIMALS: Final = 4


_MAX_SEGMENTS_BYTES = 256 << 20


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
    labels: Sequence[str],
    path: Path,
    *,
    confidences: Sequence[float] | FloatArray | None = None,
    is_rejected: Sequence[bool] | BoolArray | None = None,
    mapped_labels: Sequence[str] | None = None,
    core_probs: Sequence[Sequence[float]] | FloatArray | None = None,
) -> Path:
    """Write one line for each row: `labels` are the smoothed core labels. Returns `path`.

    The file appears whole. Raises ValueError when a column has another length than the features.
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
    """Write segments as a JSON list, times in ISO 8601; the file appears whole. Returns `path`."""
    write_json_atomic(path, [segment.to_dict() for segment in segments])
    return path


def read_segments_json(path: Path) -> list[Segment]:
    """Reverse of `write_segments_json`. Raises ValueError for a file that is not one, OSError when it is unreadable."""
    try:
        listed = json.loads(read_regular(path, _MAX_SEGMENTS_BYTES))
        return [
            Segment(parse_time(s["start_ts"]), parse_time(s["end_ts"]), str(s["label"]), int(s["bucket_count"]))
            for s in listed
        ]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not a list of segments") from error
