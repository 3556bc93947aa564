"""The door to calibration, as the inference documents name it."""

from taskclf_tray.infer.calibrator_files import (
    load_calibrator,
    load_calibrator_store,
    save_calibrator,
    save_calibrator_store,
)
from taskclf_tray.infer.calibrators import (
    Calibrator,
    CalibratorStore,
    IdentityCalibrator,
    IsotonicCalibrator,
    IsotonicRegressor,
    TemperatureCalibrator,
)

__all__ = [
    "Calibrator",
    "CalibratorStore",
    "IdentityCalibrator",
    "IsotonicCalibrator",
    "IsotonicRegressor",
    "TemperatureCalibrator",
    "load_calibrator",
    "load_calibrator_store",
    "save_calibrator",
    "save_calibrator_store",
]
