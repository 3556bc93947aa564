"""Door to the drift measures, under the name in the inference documents."""

from taskclf_tray.core.drift_measures import (
    ClassShiftResult,
    EntropyDrift,
    FeatureDriftReport,
    FeatureDriftResult,
    RejectRateDrift,
    detect_class_shift,
    detect_entropy_spike,
    detect_reject_rate_increase,
)
from taskclf_tray.drift.statistics import feature_drift_report

__all__ = [
    "ClassShiftResult",
    "EntropyDrift",
    "FeatureDriftReport",
    "FeatureDriftResult",
    "RejectRateDrift",
    "detect_class_shift",
    "detect_entropy_spike",
    "detect_reject_rate_increase",
    "feature_drift_report",
]
