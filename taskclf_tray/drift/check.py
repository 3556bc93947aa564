"""The drift check: a reference window against a current window, user by user (contract, section 12).

The figures of all compared rows together are in the types of the inference documents; what they flag follows the
alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from taskclf_tray.core.defaults import (
    DEFAULT_CLASS_SHIFT_THRESHOLD,
    DEFAULT_ENTROPY_MULTIPLIER,
    DEFAULT_KS_ALPHA,
    DEFAULT_PSI_THRESHOLD,
    DEFAULT_REJECT_INCREASE_THRESHOLD,
    MIXED_UNKNOWN,
)
from taskclf_tray.core.drift_measures import (
    ClassShiftResult,
    EntropyDrift,
    FeatureDriftReport,
    FeatureDriftResult,
    RejectRateDrift,
)
from taskclf_tray.core.frames import has_column, starts_us
from taskclf_tray.core.telemetry import TelemetrySnapshot, compute_telemetry
from taskclf_tray.core.time import from_us
from taskclf_tray.drift.days import UserDays, Window, days_of, read_window
from taskclf_tray.drift.findings import Finding, Hypothesis, Thresholds, discoveries
from taskclf_tray.drift.hypotheses import LEAST_CURRENT_DAYS, LEAST_REFERENCE_DAYS, Pair, findings
from taskclf_tray.drift.report import (
    DayKind,
    DriftAlert,
    DriftReport,
    DriftTrigger,
    FeatureDrift,
    Severity,
    UserDrift,
)
from taskclf_tray.drift.statistics import ks_of_values, psi_of_values
from taskclf_tray.drift.wording import sentence, since_when, summary_of, too_little

_TELLING: Final = (
    DriftTrigger.missingness,
    DriftTrigger.category_shift,
    DriftTrigger.reject_rate_increase,
    DriftTrigger.class_shift,
    DriftTrigger.entropy_spike,
    DriftTrigger.feature_psi,
    DriftTrigger.feature_ks,
)
"""The order of alerts: what says most to a person comes first."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BITS_PER_NAT = 1 / np.log(2)


def run_drift_check(
    ref_features_df: Any,
    cur_features_df: Any,
    ref_labels: Sequence[str] | None,
    cur_labels: Sequence[str] | None,
    *,
    ref_probs: Any = None,
    cur_probs: Any = None,
    cur_confidences: Sequence[float] | None = None,
    user_ids: Sequence[str] | None = None,
    psi_threshold: float = DEFAULT_PSI_THRESHOLD,
    ks_alpha: float = DEFAULT_KS_ALPHA,
    reject_increase_threshold: float = DEFAULT_REJECT_INCREASE_THRESHOLD,
    entropy_multiplier: float = DEFAULT_ENTROPY_MULTIPLIER,
    class_shift_threshold: float = DEFAULT_CLASS_SHIFT_THRESHOLD,
    reject_label: str = MIXED_UNKNOWN,
) -> DriftReport:
    """Compare two windows of feature rows. The same input gives the same report.

    Args:
        ref_features_df, cur_features_df: a DataFrame or a dict of columns of schema v1–v3 with `bucket_start_ts`, in
            any order; `time_zone` and `decided_by` are used where present.
        ref_labels, cur_labels: the predicted label of each row, rejected ones as `reject_label`; None or empty where
            they are not known.
        ref_probs, cur_probs: (N, 8) predicted probabilities, or None.
        cur_confidences: (N,) confidences of the current rows, or None.
        user_ids: of the current rows, in place of their column.
        ks_alpha: the false-discovery rate among the hypotheses of each family (numbers, the clock, missing values,
            categories, predictions), not only of the KS tests.

    Raises:
        ValueError: lengths differ, a row has no time or a feature holds no numbers.
    """
    reference = read_window(ref_features_df, ref_labels, probs=ref_probs)
    current = read_window(cur_features_df, cur_labels, probs=cur_probs, confidences=cur_confidences, user_ids=user_ids)
    thresholds = Thresholds(
        psi_threshold, ks_alpha, reject_increase_threshold, entropy_multiplier, class_shift_threshold
    )
    ends = [int(window.ends_us.max()) for window in (reference, current) if len(window.ends_us)]
    timestamp = from_us(max(ends)) if ends else _EPOCH
    users: list[UserDrift] = []
    alerts: list[DriftAlert] = []
    pairs: list[Pair] = []
    for user in current.user_names:
        pair = _pair(reference, current, user)
        lacking = _lacking(pair)
        pairs.append(pair)
        users.append(_figures(pair, user, lacking, reject_label))
        if lacking is None:
            alerts += _alerts(pair, user, thresholds, reject_label, timestamp)
    return DriftReport(
        alerts=alerts,
        **together(pairs, users, alerts, thresholds, reject_label),
        telemetry_snapshot=_snapshot(cur_features_df, cur_labels, cur_probs, cur_confidences, reject_label, timestamp),
        summary=summary_of(alerts, users),
        timestamp=timestamp,
        users=users,
    )


def _snapshot(
    frame: Any, labels: Sequence[str] | None, probs: Any, confidences: Any, reject_label: str, timestamp: datetime
) -> TelemetrySnapshot | None:
    if len(frame.keys()) == 0:
        return None
    kept = _last_of_each(frame)
    if kept is not None:
        frame = {name: _rows(frame[name], kept) for name in frame.keys()}  # noqa: SIM118 - a DataFrame
        labels, confidences, probs = (_rows(column, kept) for column in (labels, confidences, probs))
    return compute_telemetry(
        frame,
        labels=None if labels is None or len(labels) == 0 else labels,
        confidences=confidences,
        core_probs=None if probs is None or len(probs) == 0 else probs,
        reject_label=reject_label,
        timestamp=timestamp,
    )


def _last_of_each(frame: Any) -> list[int] | None:
    """The last row of each bucket and user; None where none is there twice."""
    starts = starts_us(frame).tolist()
    users = frame["user_id"] if has_column(frame, "user_id") else [""] * len(starts)
    places = {key: place for place, key in enumerate(zip(users, starts, strict=True))}
    return None if len(places) == len(starts) else sorted(places.values())


def _rows(column: Any, kept: list[int]) -> Any:
    if column is None or len(column) == 0:
        return column
    if hasattr(column, "iloc"):
        return column.iloc[kept]
    return column[kept] if isinstance(column, np.ndarray) else [column[place] for place in kept]


def _pair(reference: Window, current: Window, user: str) -> Pair:
    """Days of the kind the user works on most."""
    kinds: tuple[DayKind, ...] = ("weekday", "weekend")
    kind = max(kinds, key=lambda kind: len(days_of(reference, user, kind).days))
    return Pair(days_of(reference, user, kind), days_of(current, user, kind), kind)


def _lacking(pair: Pair) -> str | None:
    if len(pair.reference.days) < LEAST_REFERENCE_DAYS:
        return too_little("before", len(pair.reference.days), LEAST_REFERENCE_DAYS, pair.kind)
    if len(pair.current.days) < LEAST_CURRENT_DAYS:
        return too_little("now", len(pair.current.days), LEAST_CURRENT_DAYS, pair.kind)
    return None


def _alerts(pair: Pair, user: str, thresholds: Thresholds, reject_label: str, timestamp: datetime) -> list[DriftAlert]:
    """Large effects that are discoveries, one per hypothesis, the most telling first."""
    looks = [list(findings(look, thresholds, reject_label)) for look in pair.looks()]
    begun = {answer.question: answer.since for answer in looks[0]}
    kept: dict[Hypothesis, Finding] = {}
    for answer in discoveries(looks):
        if not answer.is_large or answer.p_value > thresholds.false_discovery_rate:
            continue
        if answer.question not in kept or answer.effect > kept[answer.question].effect:
            kept[answer.question] = replace(answer, since=begun.get(answer.question, answer.since))
    ordered = sorted(kept.values(), key=lambda answer: (_TELLING.index(answer.trigger), -answer.strength))
    return [_alert(answer, user, timestamp) for answer in ordered]


def _alert(finding: Finding, user: str, timestamp: datetime) -> DriftAlert:
    what = (finding.trigger, finding.feature, finding.details, since_when(finding.since))
    return DriftAlert(
        trigger=finding.trigger,
        severity=_severity(finding),
        affected_user_ids=[user],
        affected_features=[finding.feature],
        effect=finding.effect,
        threshold=finding.threshold,
        p_value=finding.p_value,
        since=finding.since,
        text=sentence(*what, names_apps=False),
        text_with_names=sentence(*what, names_apps=True),
        timestamp=timestamp,
        details=dict(finding.details),
    )


def _severity(finding: Finding) -> Severity:
    is_far = finding.trigger is DriftTrigger.feature_psi and finding.effect > 2 * finding.threshold
    return "critical" if is_far or finding.trigger is DriftTrigger.reject_rate_increase else "warning"


def _figures(pair: Pair, user: str, lacking: str | None, reject_label: str) -> UserDrift:
    before, after = pair.reference, pair.current
    return UserDrift(
        user_id=user,
        day_kind=pair.kind,
        reference_days=before.days,
        current_days=after.days,
        too_little_data=lacking,
        features=tuple(_feature(pair, name) for name in before.window.numbers if name in after.window.numbers),
        reference_class_shares=_class_shares(before),
        current_class_shares=_class_shares(after),
        reference_reject_rate=_reject_rate(before, reject_label),
        current_reject_rate=_reject_rate(after, reject_label),
        reference_entropy_bits=_mean(before, before.window.entropy_bits),
        current_entropy_bits=_mean(after, after.window.entropy_bits),
        current_mean_confidence=_mean(after, after.window.confidences),
    )


def _feature(pair: Pair, name: str) -> FeatureDrift:
    before, after = pair.reference.numbers(name), pair.current.numbers(name)
    distance, p_value = ks_of_values(before, after)
    figures = (psi_of_values(before, after), distance, p_value)
    psi, distance_or_none, p_or_none = (value if np.isfinite(value) else None for value in figures)
    missing = [float(np.isnan(values).mean()) if len(values) else 0.0 for values in (before, after)]
    return FeatureDrift(name, psi, distance_or_none, p_or_none, *missing)


def _class_shares(days: UserDays) -> dict[str, float]:
    labels = days.window.labels
    if labels is None or len(days.rows) == 0:
        return {}
    counts = np.bincount(labels.codes[days.rows], minlength=len(labels.values)) / len(days.rows)
    return dict(sorted(zip(map(str, labels.values), counts.tolist(), strict=True)))


def _reject_rate(days: UserDays, reject_label: str) -> float | None:
    shares = _class_shares(days)
    return shares.get(reject_label, 0.0) if shares else None


def _mean(days: UserDays, values: Any) -> float | None:
    if values is None or len(days.rows) == 0:
        return None
    known = values[days.rows]
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else None


def together(
    pairs: Sequence[Pair],
    users: Sequence[UserDrift],
    alerts: Sequence[DriftAlert],
    thresholds: Thresholds,
    reject_label: str,
) -> dict[str, Any]:
    """The fields of a DriftReport over all users, where both windows have rows."""
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
