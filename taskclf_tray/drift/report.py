"""The report of a drift check: alerts, and the figures of each user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from taskclf_tray.core.atomic import write_json_atomic
from taskclf_tray.core.drift_measures import ClassShiftResult, EntropyDrift, FeatureDriftReport, RejectRateDrift
from taskclf_tray.core.telemetry import TelemetrySnapshot

__all__ = [
    "DriftAlert",
    "DriftReport",
    "DriftTrigger",
    "FeatureDrift",
    "UserDrift",
    "write_drift_report",
]

Severity = Literal["warning", "critical"]
DayKind = Literal["weekday", "weekend"]
NEW_BELOW_SHARE: Final = 0.01
"""An app or site with a smaller share of the reference is new."""
_DECIMALS: Final = 6


class DriftTrigger(StrEnum):
    """The kind of change that an alert reports.

    >>> DriftTrigger("class_shift") is DriftTrigger.class_shift
    True
    """

    feature_psi = "feature_psi"
    feature_ks = "feature_ks"
    missingness = "missingness"
    category_shift = "category_shift"
    reject_rate_increase = "reject_rate_increase"
    entropy_spike = "entropy_spike"
    class_shift = "class_shift"


class DriftAlert(BaseModel):
    """One change found by a drift check.

    Attributes:
        trigger: the kind of change.
        details: figures of the test, ready for JSON.
        severity: `warning` or `critical`.
        affected_user_ids: the user; empty for all users.
        affected_features: the column, or the class for `class_shift`.
        timestamp: end of the newest row compared.
        effect: size of the change, in the unit of `threshold`.
        threshold: the size from which the change counts.
        p_value: adjusted for every hypothesis of the check.
        since: the first local day after the change; None when it is not known.
        text: one sentence that names no program.
        text_with_names: the same sentence, which may name programs.

    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> DriftAlert(trigger=DriftTrigger.class_shift, severity="warning", timestamp=at).model_dump()["severity"]
    'warning'
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    trigger: DriftTrigger
    details: dict[str, Any] = {}
    severity: Severity
    affected_user_ids: list[str] = []
    affected_features: list[str] = []
    timestamp: datetime
    effect: float = 0.0
    threshold: float = 0.0
    p_value: float = 1.0
    since: date | None = None
    text: str = ""
    text_with_names: str = ""


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One numeric feature of one user, the whole current window against the reference; None where it is not known.

    `ks_p_value` takes all rows as independent and decides nothing.
    """

    feature: str
    psi: float | None
    ks_statistic: float | None
    ks_p_value: float | None
    reference_missing_share: float
    current_missing_share: float


@dataclass(frozen=True, slots=True)
class UserDrift:
    """The compared days of one user, and the figures. `too_little_data`: why there can be no alert, else None."""

    user_id: str
    day_kind: DayKind
    reference_days: tuple[date, ...]
    current_days: tuple[date, ...]
    too_little_data: str | None
    features: tuple[FeatureDrift, ...] = ()
    reference_class_shares: dict[str, float] = field(default_factory=dict)
    current_class_shares: dict[str, float] = field(default_factory=dict)
    reference_reject_rate: float | None = None
    current_reject_rate: float | None = None
    reference_entropy_bits: float | None = None
    current_entropy_bits: float | None = None
    current_mean_confidence: float | None = None


class DriftReport(BaseModel):
    """The result of one drift check: the alerts of all users, the most informative first.

    `feature_report`, `reject_rate_drift`, `entropy_drift` and `class_shift` hold the figures of all compared rows
    together, and None where nothing was compared; their flags agree with the alerts. `telemetry_snapshot` describes the
    current rows. `any_critical` is true as soon as one alert is critical. `timestamp` is the end of the newest row.

    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> alert = DriftAlert(trigger=DriftTrigger.entropy_spike, severity="critical", timestamp=at)
    >>> DriftReport(alerts=[alert]).any_critical
    True
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    alerts: list[DriftAlert] = []
    feature_report: FeatureDriftReport | None = None
    reject_rate_drift: RejectRateDrift | None = None
    entropy_drift: EntropyDrift | None = None
    class_shift: ClassShiftResult | None = None
    telemetry_snapshot: TelemetrySnapshot | None = None
    summary: str = ""
    any_critical: bool = Field(default=False, validate_default=True)
    timestamp: datetime | None = None
    users: list[UserDrift] = []

    @field_validator("any_critical")
    @classmethod
    def _any_critical(cls, is_critical: bool, found: ValidationInfo) -> bool:
        return is_critical or any(alert.severity == "critical" for alert in found.data.get("alerts", ()))

    @property
    def headline(self) -> DriftAlert | None:
        """The first alert; None without any."""
        return self.alerts[0] if self.alerts else None


def write_drift_report(report: DriftReport, path: Path) -> Path:
    """Write the report as JSON with 6 decimals, atomically.

    Args:
        report: the report.
        path: the file, which is replaced.

    Returns:
        `path`.

    Raises:
        OSError: the file cannot be written.
    """
    write_json_atomic(Path(path), _plain(report.model_dump(warnings=False)))
    return path


def _plain(value: Any) -> Any:
    """As JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, float):
        return round(value, _DECIMALS) if math.isfinite(value) else None
    return value
