"""Fallback of stage 5 for a calibrator that gives NaN, which must never reach the record.

The calibrators of this program are checked when they are made. A foreign one, given through the Python API, is not.
"""

from __future__ import annotations

import logging
from threading import Event
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

NOT_FINITE: Final = (
    "The calibrator gives no numbers for some minutes; these keep the model's own probabilities. "
    "Make the calibrators again, or choose another calibrator store."
)


def finite_or_raw(calibrated: FloatArray, raw: FloatArray, has_warned: Event) -> FloatArray:
    """Replace each row of (N, 8) `calibrated` that is not finite by the `raw` row.

    A raw row that is not finite either becomes eight equal probabilities. Logs a warning and sets `has_warned`, unless
    it is set already.
    """
    if np.isfinite(calibrated).all():
        return calibrated
    if not has_warned.is_set():
        has_warned.set()
        _log.warning("%s", NOT_FINITE)
    own = np.where(_has_numbers(raw), raw, 1 / raw.shape[1])
    return np.where(_has_numbers(calibrated), calibrated, own)


def _has_numbers(rows: FloatArray) -> npt.NDArray[np.bool_]:
    """(N, 1) whether all of a row is finite."""
    return np.asarray(np.isfinite(rows).all(axis=1, keepdims=True))
