"""Conversion of predictions into queue rows: from a DataFrame, records, or `WindowPrediction`s.

A DataFrame is recognised by its `to_dict`, so pandas is never imported here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.frames import has_column, starts_us
from taskclf_tray.core.strict_json import describe
from taskclf_tray.core.time import US_PER_SECOND, parse_time, to_us
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.blocks import MAX_BLOCK_SECONDS

Predictions = Any
"""A DataFrame, or an iterable of `WindowPrediction`s or mappings, with user_id, bucket_start_ts, bucket_end_ts,
confidence, and predicted_label (or core_label_name)."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One or more contiguous buckets of one user and one predicted label, as a candidate for the queue."""

    user_id: str
    start_us: int
    end_us: int
    confidence: float | None
    predicted_label: str | None
    second_label: str | None = None

    @property
    def urgency(self) -> tuple[float, int]:
        """Sort key: the least confident first, then the oldest."""
        return (2.0 if self.confidence is None else self.confidence, self.start_us)


def to_rows(predictions: Predictions, *, has_confidence: bool = True) -> list[QueueRow]:
    """Convert predictions, in order of user and time; of several with one start the last counts, `no_window` is left
    out.

    `has_confidence`: each must have one. Raises LabelError, which names the first wrong prediction.
    """
    records = predictions.to_dict("records") if hasattr(predictions, "to_dict") else predictions
    rows: dict[tuple[str, int], QueueRow] = {}
    for number, value in enumerate(records):
        try:
            row = _row(value, has_confidence)
        except (ValueError, TypeError, OverflowError) as error:
            raise LabelError(f"Prediction {number} cannot be queued: {error}.", "Nothing was queued.") from error
        if row is not None:
            rows[row.user_id, row.start_us] = row
    return [rows[key] for key in sorted(rows)]


def frame_rows(frame: Any, confidences: Sequence[float] | None) -> list[QueueRow]:
    """Return one row per bucket of a DataFrame (or dict of columns) of features that the model decided.

    Raises LabelError without users, ValueError when lengths differ or a confidence is not from 0 to 1.
    """
    if not has_column(frame, "user_id"):
        raise LabelError("The rows have no user.", "Add a column user_id.")
    starts = starts_us(frame).tolist()
    if confidences is None and has_column(frame, "confidence"):
        confidences = list(frame["confidence"])
    known = [None] * len(starts) if confidences is None else [_share(value) for value in confidences]
    labels = frame["predicted_label"] if has_column(frame, "predicted_label") else [None] * len(starts)
    decided_by = frame["decided_by"] if has_column(frame, "decided_by") else ["model"] * len(starts)
    length_us = DEFAULT_BUCKET_SECONDS * US_PER_SECOND
    return [
        QueueRow(str(user), start, start + length_us, confidence, label if isinstance(label, str) else None)
        for user, start, confidence, label, by in zip(frame["user_id"], starts, known, labels, decided_by, strict=True)
        if by == "model"
    ]


def _share(value: Any) -> float | None:
    confidence = float("nan") if value is None else float(value)
    if math.isnan(confidence):
        return None
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {describe(confidence)}")
    return confidence


def join_rows(rows: Iterable[QueueRow]) -> list[QueueRow]:
    """Join contiguous rows of one user and label, up to 30 min, with the lowest confidence.

    `rows`: in order of user and time.
    """
    blocks: list[QueueRow] = []
    for row in rows:
        last = blocks[-1] if blocks else None
        if last is not None and _goes_on(last, row):
            blocks[-1] = replace(last, end_us=row.end_us, confidence=_lower(last.confidence, row.confidence))
        else:
            blocks.append(row)
    return blocks


def _goes_on(last: QueueRow, row: QueueRow) -> bool:
    return (
        (last.user_id, last.end_us, last.predicted_label) == (row.user_id, row.start_us, row.predicted_label)
        and row.end_us - last.start_us <= MAX_BLOCK_SECONDS * US_PER_SECOND
    )  # fmt: skip


def _lower(left: float | None, right: float | None) -> float | None:
    return min((value for value in (left, right) if value is not None), default=None)


def _row(value: Any, has_confidence: bool) -> QueueRow | None:
    if isinstance(value, WindowPrediction):
        value = {name: getattr(value, name) for name in _FIELDS}
    if not isinstance(value, Mapping):
        raise TypeError(f"it is {describe(value)} instead of a record")
    if value.get("decided_by") == "no_window":
        return None
    start_us = _time_us(value, "bucket_start_ts")
    end_us = start_us + DEFAULT_BUCKET_SECONDS * US_PER_SECOND
    if value.get("bucket_end_ts") is not None:
        end_us = _time_us(value, "bucket_end_ts")
    if end_us <= start_us:
        raise ValueError("bucket_end_ts must lie after bucket_start_ts")
    label = value.get("predicted_label", value.get("core_label_name"))
    is_unknown = not has_confidence and value.get("confidence") is None
    sure = None if is_unknown else _confidence(value)
    return QueueRow(_user(value), start_us, end_us, sure, label if isinstance(label, str) else None)


_FIELDS = ("user_id", "bucket_start_ts", "bucket_end_ts", "confidence", "core_label_name", "decided_by")


def _user(value: Mapping[str, Any]) -> str:
    user_id = value.get("user_id")
    if not isinstance(user_id, str) or not user_id:
        raise ValueError(f"user_id must be a text, not {describe(user_id)}")
    return user_id


def _time_us(value: Mapping[str, Any], key: str) -> int:
    moment = value.get(key)
    if isinstance(moment, str):
        return to_us(parse_time(moment))
    if not isinstance(moment, datetime) or moment != moment:  # pandas' NaT is a datetime that equals nothing
        raise ValueError(f"{key} must be a time, not {describe(moment)}")
    return to_us(moment)


def _confidence(value: Mapping[str, Any]) -> float:
    confidence = float(value.get("confidence", "nan"))
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {describe(confidence)}")
    return confidence
