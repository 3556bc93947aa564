"""How right a replayed person's minutes were: figures of the whole, of each day, and their intervals.

Only minutes with a truth count. The labels of the tray and of the record are judged on all of them, so that breaks of
the idle rule count. What is about the model (`raw_label` and `raw_confidence`: accuracy, calibration error, the surest
minutes, the promise) is judged on the minutes that the model decides. `Mixed/Unknown` counts as wrong.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.pipeline import LABELS_AND_MIXED
from taskclf_tray.train import metrics
from taskclf_tray.train.dataset import BoolArray, FloatArray, IntArray

CSV_COLUMNS: Final = (
    "bucket_start_ts", "raw_label", "raw_confidence", "live_label", "final_label", "is_rejected", "target_accuracy",
    "truth",
)  # fmt: skip
FIGURES: Final = (
    "accuracy", "accuracy_live", "accuracy_raw", "macro_f1", "macro_f1_live", "macro_f1_raw", "ece", "surest_20",
    "surest_60", "surest_80", "promised", "kept", "coverage", "flaps", "flaps_live", "flaps_raw", "flaps_truth",
)  # fmt: skip
_MOST_MISSING: Final = np.timedelta64(2, "m")
"""Two labelled minutes are neighbours when at most one minute lies between them: that in which the work changed."""
_CLASSES: Final = len(LABELS_AND_MIXED)


@dataclass(frozen=True, slots=True)
class ReplayedMinute:
    """One recorded minute of a replay; a label is one of the eight or `Mixed/Unknown`.

    Args:
        day: the ordinal of its local date.
        raw_label, raw_confidence: the most probable label of stages 4 and 5, and its probability.
        live_label: what the tray showed when the minute ended.
        final_label: the label after smoothing, with the idle rule; rejected or not.
        is_rejected: whether the app showed no plain label: `raw_confidence` lies below the reject threshold or that of
            a "Perhaps", or no window was in front.
        target_accuracy: the accuracy that was promised for labels that are not rejected.
        truth: the person's label; None where nobody labelled the whole minute.
        is_models: whether the model decided the minute, not the idle rule, as known when it ended; not in the file.
    """

    bucket_start_ts: datetime
    day: int
    raw_label: str
    raw_confidence: float
    live_label: str
    final_label: str
    is_rejected: bool
    target_accuracy: float
    truth: str | None
    is_models: bool = True


def predictions_csv(minutes: Sequence[ReplayedMinute]) -> str:
    """The text of `predictions.csv`: a line for each minute, in order of time."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(CSV_COLUMNS)
    for minute in minutes:
        lines.writerow(
            (
                minute.bucket_start_ts.isoformat(), minute.raw_label, repr(minute.raw_confidence), minute.live_label,
                minute.final_label, minute.is_rejected, minute.target_accuracy, minute.truth or "",
            )
        )  # fmt: skip
    return text.getvalue()


def figures_of(minutes: Sequence[ReplayedMinute]) -> dict[str, float | None]:
    """The figures named in `FIGURES`; None where there is nothing to count. Minutes in order of time."""
    columns = _Columns.of(minutes)
    return dict(zip(FIGURES, map(_plain, columns.figures(np.arange(len(columns.days)))), strict=True))


def intervals_of(
    minutes: Sequence[ReplayedMinute], *, resamples: int = metrics.RESAMPLES, seed: int = 0
) -> dict[str, list[float] | None]:
    """The 95 % interval [low, high] of each figure under drawing whole days again; None for fewer than two days."""
    columns = _Columns.of(minutes)
    found = metrics.day_intervals(columns.figures, columns.days, resamples=resamples, seed=seed)
    return {
        name: None if interval is None else [interval.low, interval.high]
        for name, interval in zip(FIGURES, found, strict=True)
    }


def days_of(minutes: Sequence[ReplayedMinute]) -> list[dict[str, Any]]:
    """The figures of each day, with its number among all recorded days and its labelled minutes."""
    by_day: dict[int, list[ReplayedMinute]] = {}
    for minute in minutes:
        by_day.setdefault(minute.day, []).append(minute)
    return [
        {
            "day": number,
            "date": date.fromordinal(day).isoformat(),
            "minutes": len(own),
            "labelled_minutes": sum(minute.truth is not None for minute in own),
            **figures_of(own),
        }
        for number, (day, own) in enumerate(sorted(by_day.items()), 1)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """The minutes with a truth as arrays of N; labels by their position in `LABELS_AND_MIXED`."""

    days: IntArray
    truth: IntArray
    raw: IntArray
    live: IntArray
    final: IntArray
    confidence: FloatArray
    is_accepted: BoolArray
    is_models: BoolArray
    promised: FloatArray
    changes: Mapping[str, BoolArray]
    """For each of `truth`, `raw`, `live` and `final`, whether the label differs from that of the neighbour before."""

    @classmethod
    def of(cls, minutes: Sequence[ReplayedMinute]) -> _Columns:
        known = [minute for minute in minutes if minute.truth is not None]
        starts = np.array([minute.bucket_start_ts.replace(tzinfo=None) for minute in known], dtype="datetime64[us]")
        follows = np.zeros(len(known), dtype=np.bool_)
        follows[1:] = np.diff(starts) <= _MOST_MISSING
        labels = {
            "truth": _codes([minute.truth or "" for minute in known]),
            "raw": _codes([minute.raw_label for minute in known]),
            "live": _codes([minute.live_label for minute in known]),
            "final": _codes([minute.final_label for minute in known]),
        }
        return cls(
            days=np.array([minute.day for minute in known], dtype=np.int64),
            **labels,
            confidence=np.array([minute.raw_confidence for minute in known], dtype=np.float64),
            is_accepted=np.array([not minute.is_rejected for minute in known], dtype=np.bool_),
            is_models=np.array([minute.is_models for minute in known], dtype=np.bool_),
            promised=np.array([minute.target_accuracy for minute in known], dtype=np.float64),
            changes={name: follows & (np.diff(codes, prepend=codes[:1]) != 0) for name, codes in labels.items()},
        )

    def figures(self, rows: IntArray) -> list[float]:
        """The values of `FIGURES` over these rows."""
        own = rows[self.is_models[rows]]
        sure, is_right = self.confidence[own], np.asarray(self.raw[own] == self.truth[own])
        accepted = self.is_accepted[own]
        risks = metrics.risk_coverage(sure, is_right)
        shown = ((self.final, rows), (self.live, rows), (self.raw, own))
        return [
            *(_mean(labels[which] == self.truth[which]) for labels, which in shown),
            *(macro_f1(self.truth[which], labels[which]) for labels, which in shown),
            metrics.calibration_error(metrics.reliability_bins(sure, is_right)),
            *(metrics.accuracy_at(risks, share) for share in (0.2, 0.6, 0.8)),
            _mean(self.promised[own][accepted]),
            _mean(is_right[accepted]),
            _mean(accepted),
            *(_mean(self.changes[name][rows]) for name in ("final", "live", "raw", "truth")),
        ]


def macro_f1(truth: IntArray, said: IntArray) -> float:
    """The mean F1 of the labels that occur in `truth` or `said`; `Mixed/Unknown` is an answer, but no class."""
    confusion = np.bincount(truth * _CLASSES + said, minlength=_CLASSES**2).reshape(_CLASSES, _CLASSES)
    both = (confusion.sum(axis=0) + confusion.sum(axis=1))[: len(LABEL_SET_V1)]
    right = confusion.diagonal()[: len(LABEL_SET_V1)]
    return _mean(2 * right[both > 0] / both[both > 0])


def _codes(labels: Sequence[str]) -> IntArray:
    return np.array([LABELS_AND_MIXED.index(label) for label in labels], dtype=np.int64)


def _mean(values: FloatArray | BoolArray | IntArray) -> float:
    return float(np.mean(values)) if len(values) else metrics.NAN


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
