"""The door to the functions that say how far two windows lie apart, as the inference documents name them."""

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
