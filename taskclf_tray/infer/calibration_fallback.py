"""What stage 5 answers where a calibrator gives no numbers: a NaN must never reach the record.

The calibrators of this program are checked when they are made. One of another program, given through the Python API,
is not.
"""

from __future__ import annotations

import logging
from threading import Event
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

NO_NUMBERS: Final = (
    "The calibrator gives no numbers for some minutes; these keep the model's own probabilities. "
    "Make the calibrators again, or choose another calibrator store."
)


def with_numbers(calibrated: FloatArray, raw: FloatArray, is_told: Event) -> FloatArray:
    """(N, 8) `calibrated`, with the `raw` row where one of its numbers is not finite.

    A raw row that is not finite either becomes eight equal probabilities. Logs a warning and sets `is_told`, unless it
    is set already.
    """
    if np.isfinite(calibrated).all():
        return calibrated
    if not is_told.is_set():
        is_told.set()
        _log.warning("%s", NO_NUMBERS)
    own = np.where(_has_numbers(raw), raw, 1 / raw.shape[1])
    return np.where(_has_numbers(calibrated), calibrated, own)


def _has_numbers(rows: FloatArray) -> npt.NDArray[np.bool_]:
    """(N, 1) whether all of a row is finite."""
    return np.asarray(np.isfinite(rows).all(axis=1, keepdims=True))
