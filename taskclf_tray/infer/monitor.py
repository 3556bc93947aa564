"""The door to the drift check, as the inference documents name it."""

from taskclf_tray.drift.check import run_drift_check
from taskclf_tray.drift.memory import auto_enqueue_drift_labels
from taskclf_tray.drift.report import (
    DriftAlert,
    DriftReport,
    DriftTrigger,
    FeatureDrift,
    UserDrift,
    write_drift_report,
)

__all__ = [
    "DriftAlert",
    "DriftReport",
    "DriftTrigger",
    "FeatureDrift",
    "UserDrift",
    "auto_enqueue_drift_labels",
    "run_drift_check",
    "write_drift_report",
]
