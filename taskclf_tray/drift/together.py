"""The figures of all compared rows together, in the inference documents' types; what they flag follows the alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taskclf_tray.core.drift_measures import (
    ClassShiftResult,
    EntropyDrift,
    FeatureDriftReport,
    FeatureDriftResult,
    RejectRateDrift,
)
from taskclf_tray.drift.days import UserDays
from taskclf_tray.drift.findings import Thresholds
from taskclf_tray.drift.hypotheses import Pair
from taskclf_tray.drift.report import DriftAlert, DriftTrigger, FeatureDrift, UserDrift
from taskclf_tray.drift.statistics import ks_of_values, psi_of_values

_BITS_PER_NAT = 1 / np.log(2)


def together(
    pairs: Sequence[Pair],
    users: Sequence[UserDrift],
    alerts: Sequence[DriftAlert],
    thresholds: Thresholds,
    reject_label: str,
) -> dict[str, Any]:
    """The fields of a DriftReport that are about all users, where both windows have rows."""
    pairs = [pair for pair in pairs if len(pair.reference.rows) and len(pair.current.rows)]
    if not pairs:
        return {}
    flagged = {trigger: _named(alerts, trigger) for trigger in DriftTrigger}
    sides = [pair.reference for pair in pairs], [pair.current for pair in pairs]
    drifted = flagged[DriftTrigger.feature_psi] | flagged[DriftTrigger.feature_ks]
    before, after = (_shares(side) for side in sides)
    fields: dict[str, Any] = {"feature_report": _features(pairs, users, drifted)}
    if before and after:
        rates = before.get(reject_label, 0.0), after.get(reject_label, 0.0)
        is_flagged = bool(flagged[DriftTrigger.reject_rate_increase])
        fields["reject_rate_drift"] = RejectRateDrift(*rates, rates[1] - rates[0], is_flagged)
        fields["class_shift"] = _class_shift(before, after, flagged[DriftTrigger.class_shift], thresholds.class_shift)
    entropies = [_entropy_nats(side) for side in sides]
    if None not in entropies:
        low, high = float(entropies[0] or 0.0), float(entropies[1] or 0.0)
        ratio = high / low if low > 0 else 1.0 if high == low else float("inf")
        fields["entropy_drift"] = EntropyDrift(low, high, ratio, bool(flagged[DriftTrigger.entropy_spike]))
    return fields


def _named(alerts: Sequence[DriftAlert], trigger: DriftTrigger) -> set[str]:
    return {name for alert in alerts if alert.trigger is trigger for name in alert.affected_features}


def _class_shift(
    before: dict[str, float], after: dict[str, float], named: set[str], threshold: float
) -> ClassShiftResult:
    changes = {name: abs(after.get(name, 0.0) - before.get(name, 0.0)) for name in sorted({*before, *after})}
    shifted = [name for name, change in changes.items() if name in named or (named and change > threshold)]
    return ClassShiftResult(before, after, max(changes.values(), default=0.0), shifted, bool(named))


def _features(pairs: Sequence[Pair], users: Sequence[UserDrift], drifted: set[str]) -> FeatureDriftReport:
    if len(pairs) == 1 == len(users):  # worked out already
        figures = [_result(feature, feature.feature in drifted) for feature in users[0].features]
    else:
        names = [n for n in pairs[0].reference.window.numbers if n in pairs[0].current.window.numbers]
        figures = [_pooled(pairs, name, name in drifted) for name in names]
    return FeatureDriftReport(figures, [result.feature for result in figures if result.is_drifted])


def _pooled(pairs: Sequence[Pair], name: str, is_drifted: bool) -> FeatureDriftResult:
    before = np.concatenate([pair.reference.numbers(name) for pair in pairs])
    after = np.concatenate([pair.current.numbers(name) for pair in pairs])
    psi, (distance, p_value) = psi_of_values(before, after), ks_of_values(before, after)
    if not np.isfinite([psi, distance, p_value]).all():
        psi, distance, p_value = 0.0, 0.0, 1.0
    return FeatureDriftResult(name, psi, distance, p_value, is_drifted)


def _result(feature: FeatureDrift, is_drifted: bool) -> FeatureDriftResult:
    ks_p_value = 1.0 if feature.ks_p_value is None else feature.ks_p_value
    return FeatureDriftResult(feature.feature, feature.psi or 0.0, feature.ks_statistic or 0.0, ks_p_value, is_drifted)


def _shares(side: Sequence[UserDays]) -> dict[str, float]:
    counts: dict[str, int] = {}
    for days in side:
        labels = days.window.labels
        if labels is None:
            return {}
        numbers = np.bincount(labels.codes[days.rows], minlength=len(labels.values)).tolist()
        for name, number in zip(map(str, labels.values), numbers, strict=True):
            counts[name] = counts.get(name, 0) + number
    total = sum(counts.values())
    return {name: counts[name] / total for name in sorted(counts) if counts[name]} if total else {}


def _entropy_nats(side: Sequence[UserDays]) -> float | None:
    known = [days.window.entropy_bits[days.rows] for days in side if days.window.entropy_bits is not None]
    values = np.concatenate(known) if len(known) == len(side) else np.empty(0)
    values = values[np.isfinite(values)]
    return float(values.mean() / _BITS_PER_NAT) if len(values) else None
