"""Simple measures of drift between two windows; `core/drift.py` is the public door.

The daily check (`drift/check.py`) takes days as the samples and is more careful. Entropies are in nats.
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
from taskclf_tray.core.models import Model

_DECIMALS: Final = 9
"""Shares are compared to so many decimals: 0.3 − 0.2 is a little less than 0.1."""


@dataclass(frozen=True, slots=True)
class FeatureDriftResult(Model):
    """One numeric feature: population stability index, and the two-sample Kolmogorov–Smirnov distance."""

    feature: str
    psi: float
    ks_statistic: float
    ks_p_value: float
    is_drifted: bool


@dataclass(frozen=True, slots=True)
class FeatureDriftReport(Model):
    """All features that were compared, and the names of those that drifted."""

    results: list[FeatureDriftResult] = field(default_factory=list)
    flagged_features: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RejectRateDrift(Model):
    """The shares of rejected rows."""

    ref_rate: float
    cur_rate: float
    increase: float
    is_flagged: bool


@dataclass(frozen=True, slots=True)
class EntropyDrift(Model):
    """Mean entropies of the probabilities, and the current one divided by the reference's."""

    ref_mean_entropy: float
    cur_mean_entropy: float
    ratio: float
    is_flagged: bool


@dataclass(frozen=True, slots=True)
class ClassShiftResult(Model):
    """Shares of each label, the largest change, and the labels whose change is beyond the threshold."""

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
    """Whether `reject_label` has become more frequent by `threshold` or more; never without labels on both sides."""
    rates = [
        sum(label == reject_label for label in labels) / max(1, len(labels)) for labels in (ref_labels, cur_labels)
    ]
    increase = round(rates[1] - rates[0], _DECIMALS)
    is_flagged = bool(len(ref_labels) and len(cur_labels)) and increase >= threshold
    return RejectRateDrift(rates[0], rates[1], increase, is_flagged)


def detect_entropy_spike(
    ref_probs: Any, cur_probs: Any, *, spike_multiplier: float = DEFAULT_ENTROPY_MULTIPLIER
) -> EntropyDrift:
    """Whether the mean entropy of (N, 8) probabilities is more than `spike_multiplier` times the reference's."""
    before, after = mean_entropy(ref_probs), mean_entropy(cur_probs)
    ratio = after / before if before > 0 else 1.0 if after == before else float("inf")
    is_known = bool(len(ref_probs) and len(cur_probs))
    return EntropyDrift(before, after, ratio, is_known and after > spike_multiplier * before)


def mean_entropy(probs: Any) -> float:
    """The mean entropy of rows of probabilities in nats; 0.0 without rows."""
    matrix = np.asarray(probs, dtype=np.float64)
    if matrix.size == 0:
        return 0.0
    positive = np.where(matrix > 0, matrix, 1.0)
    return float(-(matrix * np.log(positive)).sum(axis=1).mean())


def detect_class_shift(
    ref_labels: Sequence[str], cur_labels: Sequence[str], *, threshold: float = DEFAULT_CLASS_SHIFT_THRESHOLD
) -> ClassShiftResult:
    """Which labels' shares changed by more than `threshold`; none without labels on both sides."""
    before, after = shares(ref_labels), shares(cur_labels)
    changes: dict[str, float] = {}
    if before and after:
        names = sorted({*before, *after})
        changes = {name: round(abs(after.get(name, 0.0) - before.get(name, 0.0)), _DECIMALS) for name in names}
    shifted = [name for name, change in changes.items() if change > threshold]
    return ClassShiftResult(before, after, max(changes.values(), default=0.0), shifted, bool(shifted))


def shares(labels: Sequence[str]) -> dict[str, float]:
    """Each label's share, by name."""
    counts = Counter(map(str, labels))
    return {name: counts[name] / len(labels) for name in sorted(counts)}
