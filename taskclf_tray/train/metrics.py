"""Metrics of predictions: pure functions over arrays with a row per minute.

Averages go over the classes present in truth or prediction: a class that is in neither has no figure, not 0. Equal
confidences are treated as one, so that no figure depends on the order of the rows. A figure of no minutes is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.calibrators import FLOOR

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CLASSES: Final = len(LABEL_SET_V1)
ECE_BINS: Final = 15
BOUNDARY_CAP_MINUTES: Final = 10
"""The distance, in minutes, of a change of work that no predicted change is nearer to."""
COARSE_BIN_MINUTES: Final = 50
"""The fewest minutes of a bin that over-confidence is averaged over: in smaller ones chance looks like it."""
RESAMPLES: Final = 400
INTERVAL_CONFIDENCE: Final = 0.95
NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """The figures of one class; None where there is nothing to divide by."""

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    """Minutes of this class in truth."""
    predicted: int


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Minutes of neighbouring confidence: the mean confidence, and the accuracy."""

    confidence: float
    accuracy: float
    minutes: int


@dataclass(frozen=True, slots=True)
class BoundaryError:
    """How far a change of work is from the nearest predicted change."""

    changes: int
    """Changes of work inside labelled runs."""
    missed: int
    """Those of them with no predicted change nearby."""
    mean_minutes: float
    """NaN without changes."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


def confusion_counts(y: IntArray, predicted: IntArray) -> IntArray:
    """The confusion matrix, (8, 8) counts in label order: a row per true label, a column per predicted one."""
    return np.bincount(y * CLASSES + predicted, minlength=CLASSES * CLASSES).reshape(CLASSES, CLASSES).astype(np.int64)


def macro_f1(confusion: IntArray) -> float:
    """The mean F1 of the classes present in truth or prediction."""
    f1, present, _ = _f1(confusion)
    return float(f1[present].mean()) if present.any() else NAN


def weighted_f1(confusion: IntArray) -> float:
    """The mean F1, each class weighed by its minutes in truth."""
    f1, _, support = _f1(confusion)
    return float((f1 * support).sum() / support.sum()) if support.any() else NAN


def accuracy(confusion: IntArray) -> float:
    """The share of minutes that are right."""
    return float(confusion.diagonal().sum() / confusion.sum()) if confusion.any() else NAN


def class_figures(confusion: IntArray) -> tuple[ClassFigures, ...]:
    """All eight classes, in label order."""
    right, support, predicted = (v.tolist() for v in (confusion.diagonal(), confusion.sum(1), confusion.sum(0)))
    return tuple(
        ClassFigures(
            label=label,
            precision=right[k] / predicted[k] if predicted[k] else None,
            recall=right[k] / support[k] if support[k] else None,
            f1=2 * right[k] / (support[k] + predicted[k]) if support[k] + predicted[k] else None,
            support=support[k],
            predicted=predicted[k],
        )
        for k, label in enumerate(LABEL_SET_V1)
    )


def reliability_bins(confidence: FloatArray, is_right: BoolArray, bins: int = ECE_BINS) -> tuple[ReliabilityBin, ...]:
    """Bins with equally many minutes, in order of confidence; fewer bins for fewer minutes."""
    order = np.argsort(confidence, kind="stable")
    right = _shared_by_equals(confidence[order], is_right[order])
    parts = [part for part in np.array_split(np.arange(len(order)), bins) if len(part)]
    return tuple(
        ReliabilityBin(float(confidence[order[part]].mean()), float(right[part].mean()), len(part)) for part in parts
    )


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """ECE: the mean distance of accuracy and confidence over the bins, weighed by their minutes."""
    minutes = sum(part.minutes for part in bins)
    return sum(part.minutes * abs(part.accuracy - part.confidence) for part in bins) / minutes if minutes else NAN


def overconfidence(reliability: Sequence[ReliabilityBin]) -> float:
    """By how much the confidence exceeds the accuracy, averaged over coarse bins; 0 without minutes."""
    total = sum(part.minutes for part in reliability)
    excess = sum(max(0.0, promised - kept) for promised, kept in _coarse(reliability))
    return excess / total if total else 0.0


def _coarse(reliability: Sequence[ReliabilityBin]) -> list[tuple[float, float]]:
    """Join neighbouring bins until each has enough minutes: (sum of confidences, right minutes)."""
    parts: list[list[float]] = []
    for part in reliability:
        if not parts or parts[-1][0] >= COARSE_BIN_MINUTES:
            parts.append([0.0, 0.0, 0.0])
        for place, value in enumerate((1.0, part.confidence, part.accuracy)):
            parts[-1][place] += part.minutes * value
    if len(parts) > 1 and parts[-1][0] < COARSE_BIN_MINUTES:
        last = parts.pop()
        parts[-1] = [a + b for a, b in zip(parts[-1], last, strict=True)]
    return [(promised, kept) for _, promised, kept in parts]


def brier(probs: FloatArray, y: IntArray) -> float:
    """The mean squared distance to the truth over all eight classes, from 0 to 2 (Brier, 1950)."""
    if len(y) == 0:
        return NAN
    truth = np.zeros_like(probs)
    truth[np.arange(len(y)), y] = 1.0
    return float(((probs - truth) ** 2).sum(axis=1).mean())


def nll(probs: FloatArray, y: IntArray) -> float:
    """The mean negative log-likelihood in nats; a probability below 1e-12 counts as 1e-12."""
    return float(losses(probs, y).mean()) if len(y) else NAN


def losses(probs: FloatArray, y: IntArray) -> FloatArray:
    """(N,) negative log-likelihoods."""
    return np.asarray(-np.log(np.maximum(probs[np.arange(len(y)), y], FLOOR)), dtype=np.float64)


def risk_coverage(confidence: FloatArray, is_right: BoolArray) -> FloatArray:
    """(N,) the error rate among the k most confident minutes, k = 1 … N (El-Yaniv & Wiener, 2010)."""
    order = np.argsort(-confidence, kind="stable")
    wrong = 1 - _shared_by_equals(confidence[order], is_right[order])
    return np.asarray(np.cumsum(wrong) / np.arange(1, len(order) + 1), dtype=np.float64)


def aurc(risks: FloatArray) -> float:
    """The area under the risk-coverage curve: the mean risk over all coverages (Geifman et al., ICLR 2019)."""
    return float(risks.mean()) if len(risks) else NAN


def accuracy_at(risks: FloatArray, coverage: float) -> float:
    """The accuracy of the most confident `coverage` of the minutes."""
    return 1 - float(risks[int(np.ceil(coverage * len(risks) - 1e-9)) - 1]) if len(risks) else NAN


def flap_rate(labels: IntArray, block_ids: IntArray) -> float:
    """Changes of label between neighbouring minutes of a run, divided by the minutes.

    Here and below: `block_ids` names the contiguous run of each minute; the rows of a run are in order of
    time and nothing is missing between them.
    """
    if len(labels) == 0:
        return NAN
    changes, _ = _changes(*_by_run(block_ids, labels))
    return len(changes) / len(labels)


def boundary_error(y: IntArray, labels: IntArray, block_ids: IntArray) -> BoundaryError:
    """For each true change the minutes to the nearest predicted change in its run, at most 10."""
    blocks, truth, answer = _by_run(block_ids, y, labels)
    true_at, true_block = _changes(blocks, truth)
    said_at, said_block = _changes(blocks, answer)
    if len(true_at) == 0:
        return BoundaryError(0, 0, NAN)
    nearest = np.full(len(true_at), float(BOUNDARY_CAP_MINUTES))
    after = np.searchsorted(said_at, true_at)
    for candidate in (after - 1, after):
        there = np.flatnonzero((candidate >= 0) & (candidate < len(said_at)))
        there = there[said_block[candidate[there]] == true_block[there]]
        nearest[there] = np.minimum(nearest[there], np.abs(said_at[candidate[there]] - true_at[there]))
    missed = int((nearest >= BOUNDARY_CAP_MINUTES).sum())
    return BoundaryError(len(true_at), missed, float(nearest.mean()))


def day_intervals(
    figures: Callable[[IntArray], Sequence[float]], days: IntArray, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Interval | None, ...]:
    """Percentile bootstrap intervals of several figures, with whole days as the samples.

    Args:
        figures: from row numbers to numbers.
        days: (N,) the day of each row.
        resamples: how many draws.
        seed: the same arguments give the same intervals.

    Returns:
        An interval for each figure; None for all with fewer than two days, and for a figure that is NaN in most draws.
        With fewer than five days the intervals are too narrow.
    """
    _, day = np.unique(days, return_inverse=True)
    by_day = np.split(np.argsort(day, kind="stable"), np.cumsum(np.bincount(day))[:-1]) if len(day) else []
    if len(by_day) < 2:
        return tuple(None for _ in figures(np.arange(len(days))))
    rng = np.random.default_rng([seed, len(by_day)])
    draws = rng.integers(len(by_day), size=(resamples, len(by_day)))
    table = np.array([figures(np.concatenate([by_day[k] for k in draw])) for draw in draws], dtype=np.float64)
    return tuple(_interval(column) for column in table.T)


def _interval(column: FloatArray) -> Interval | None:
    known = column[np.isfinite(column)]
    if len(known) <= len(column) / 2:
        return None
    tail = (1 - INTERVAL_CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _f1(confusion: IntArray) -> tuple[FloatArray, BoolArray, IntArray]:
    support = confusion.sum(axis=1)
    said_or_true = support + confusion.sum(axis=0)
    return 2 * confusion.diagonal() / np.maximum(1, said_or_true), said_or_true > 0, support


def _shared_by_equals(ordered: FloatArray, is_right: BoolArray) -> FloatArray:
    """The accuracy among all minutes of the same confidence; in `ordered` equal ones are neighbours."""
    group = np.cumsum(np.diff(ordered, prepend=ordered[:1]) != 0)
    return np.asarray((np.bincount(group, is_right) / np.maximum(1, np.bincount(group)))[group], dtype=np.float64)


def _by_run(block_ids: IntArray, *columns: IntArray) -> tuple[IntArray, ...]:
    order = np.argsort(block_ids, kind="stable")
    return block_ids[order], *(column[order] for column in columns)


def _changes(blocks: IntArray, labels: IntArray) -> tuple[IntArray, IntArray]:
    """The rows that differ from the one before in the same run, and their runs."""
    at = np.flatnonzero((np.diff(labels) != 0) & (np.diff(blocks) == 0)) + 1
    return at, blocks[at]
