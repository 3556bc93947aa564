"""Drift measures between two windows: reject rate, entropy and class distribution; `core/drift.py` is the public door.

The daily check compares days instead of rows (`drift/check.py`). Entropies are in nats, the unit of the taskclf tool.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from taskclf_tray.core.defaults import (
    DEFAULT_CLASS_SHIFT_THRESHOLD,
    DEFAULT_ENTROPY_MULTIPLIER,
    DEFAULT_REJECT_INCREASE_THRESHOLD,
    MIXED_UNKNOWN,
)

_DECIMALS: Final = 9
"""Frequencies are compared to this many decimals, because 0.3 − 0.2 is a little less than 0.1."""


@dataclass(frozen=True, slots=True)
class FeatureDriftResult:
    """Drift of one numeric feature.
    Attributes:
        feature: the column.
        psi: population stability index, at least 0.
        ks_statistic: two-sample Kolmogorov–Smirnov distance, from 0 to 1.
        ks_p_value: p-value of that distance when rows are independent.
        is_drifted: whether the PSI, or the distance with its p-value, passes its threshold.
    >>> FeatureDriftResult("keys_per_min", 0.31, 0.24, 0.001, True).psi
    0.31
    """

    feature: str
    psi: float
    ks_statistic: float
    ks_p_value: float
    is_drifted: bool


@dataclass(frozen=True, slots=True)
class FeatureDriftReport:
    """Drift of every compared feature, and the names of the features that drifted.
    >>> result = FeatureDriftResult("keys_per_min", 0.31, 0.24, 0.001, True)
    >>> FeatureDriftReport([result], ["keys_per_min"]).flagged_features
    ['keys_per_min']
    """

    results: list[FeatureDriftResult] = field(default_factory=list)
    flagged_features: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RejectRateDrift:
    """Reject rates of the reference and the current window, from 0 to 1, and their difference.
    >>> detect_reject_rate_increase(["Build"] * 4, ["Build"] * 3 + ["Mixed/Unknown"]).increase
    0.25
    """

    ref_rate: float
    cur_rate: float
    increase: float
    is_flagged: bool


@dataclass(frozen=True, slots=True)
class EntropyDrift:
    """Mean entropies of two windows in nats, and the current one divided by the reference's.
    >>> detect_entropy_spike([[0.9, 0.1]], [[0.5, 0.5]]).is_flagged
    True
    """

    ref_mean_entropy: float
    cur_mean_entropy: float
    ratio: float
    is_flagged: bool


@dataclass(frozen=True, slots=True)
class ClassShiftResult:
    """Label distributions of two windows, the largest change, and the labels that changed by more than the threshold.
    >>> shift = detect_class_shift(["Build"] * 8 + ["Write"] * 2, ["Build"] * 5 + ["Write"] * 5)
    >>> shift.max_shift, shift.shifted_classes
    (0.3, ['Build', 'Write'])
    """

    ref_dist: dict[str, float]
    cur_dist: dict[str, float]
    max_shift: float
    shifted_classes: list[str]
    is_flagged: bool


def detect_reject_rate_increase(
    ref_labels: Sequence[str],
    cur_labels: Sequence[str],
    *,
    threshold: float = DEFAULT_REJECT_INCREASE_THRESHOLD,
    reject_label: str = MIXED_UNKNOWN,
) -> RejectRateDrift:
    """Detect a rise of the reject rate.

    Args:
        ref_labels: labels of the reference window.
        cur_labels: labels of the current window.
        threshold: the rise from which the result is flagged, from 0 to 1.
        reject_label: the label of a rejected row.

    Returns:
        Both rates and the rise; not flagged when either window is empty.
    """
    rates = [
        sum(label == reject_label for label in labels) / max(1, len(labels)) for labels in (ref_labels, cur_labels)
    ]
    increase = round(rates[1] - rates[0], _DECIMALS)
    is_flagged = bool(len(ref_labels) and len(cur_labels)) and increase >= threshold
    return RejectRateDrift(rates[0], rates[1], increase, is_flagged)


def detect_entropy_spike(
    ref_probs: Any, cur_probs: Any, *, spike_multiplier: float = DEFAULT_ENTROPY_MULTIPLIER
) -> EntropyDrift:
    """Detect a rise of the mean entropy of the probabilities.

    Args:
        ref_probs: (N, classes) probabilities of the reference window.
        cur_probs: (M, classes) probabilities of the current window.
        spike_multiplier: flagged when the current entropy is more than this many times the reference's.

    Returns:
        Both mean entropies in nats (Shannon 1948: −Σ p ln p), and the ratio; not flagged when either window is empty.
    """
    before, after = mean_entropy(ref_probs), mean_entropy(cur_probs)
    ratio = after / before if before > 0 else 1.0 if after == before else float("inf")
    is_known = bool(len(ref_probs) and len(cur_probs))
    return EntropyDrift(before, after, ratio, is_known and after > spike_multiplier * before)


def mean_entropy(probs: Any) -> float:
    """Mean Shannon entropy of (N, classes) probabilities in nats: −Σ p ln p; 0.0 without rows."""
    matrix = np.asarray(probs, dtype=np.float64)
    if matrix.size == 0:
        return 0.0
    positive = np.where(matrix > 0, matrix, 1.0)
    return float(-(matrix * np.log(positive)).sum(axis=1).mean())


def detect_class_shift(
    ref_labels: Sequence[str], cur_labels: Sequence[str], *, threshold: float = DEFAULT_CLASS_SHIFT_THRESHOLD
) -> ClassShiftResult:
    """Detect labels whose relative frequency changed.

    Args:
        ref_labels: labels of the reference window.
        cur_labels: labels of the current window.
        threshold: the absolute change above which a label is flagged, from 0 to 1.

    Returns:
        Both distributions and the largest change; nothing is flagged when either window is empty.
    """
    before, after = label_distribution(ref_labels), label_distribution(cur_labels)
    changes: dict[str, float] = {}
    if before and after:
        names = sorted({*before, *after})
        changes = {name: round(abs(after.get(name, 0.0) - before.get(name, 0.0)), _DECIMALS) for name in names}
    shifted = [name for name, change in changes.items() if change > threshold]
    return ClassShiftResult(before, after, max(changes.values(), default=0.0), shifted, bool(shifted))


def label_distribution(labels: Sequence[str]) -> dict[str, float]:
    """Return the relative frequency of each label, by name."""
    counts = Counter(map(str, labels))
    return {name: counts[name] / len(labels) for name in sorted(counts)}
