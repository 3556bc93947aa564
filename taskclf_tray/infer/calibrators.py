"""Stage 5: calibration of the model's probabilities (contract, section 6).

Every calibrator gives the same bits for a single row and for that row in any batch: sums over the classes run in
label order, and functions whose last bit may depend on the vector unit (`exp`, `log`) see contiguous rows of eight,
never a tail or a stride.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Event
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.errors import CalibratorError
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.categorical import Categorical

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FLOOR: Final = 1e-12
"""Smallest probability a calibrator reads or writes."""
TEMPERATURES: Final = (0.01, 100.0)
"""The lowest and the highest temperature: beyond them all rows become one-hot or equal, and soon overflow."""
_ROUNDING: Final = 1e-9
"""The tolerance of fitted numbers beyond 0, 1 or their neighbour, because the fit sums floats."""
_SAME_PLACE: Final = 1e-300
"""A slope over less than this may be too large for a float."""
_CLASSES: Final = len(LABEL_SET_V1)
_BISECT_UP_TO: Final = 4
"""Rows for which eight bisections a row beat eight calls of searchsorted."""
_REMAKE: Final = "Make the calibrators again, or choose another calibrator store."
NOT_FINITE: Final = (
    f"The calibrator gives no numbers for some minutes; these keep the model's own probabilities. {_REMAKE}"
)

_log = logging.getLogger(__name__)


@runtime_checkable
class Calibrator(Protocol):
    """The protocol of calibrators. Those of this module can also be saved.

    >>> isinstance(TemperatureCalibrator(2.0), Calibrator)
    True
    """

    def calibrate(self, core_probs: FloatArray) -> FloatArray:
        """Map (N, 8) or (8,) probabilities to the same shape, each row summing to 1."""
        ...


def calibrator_dict(calibrator: Calibrator) -> dict[str, Any]:
    """Return the calibrator as the keys of its file. Raises CalibratorError for a foreign kind."""
    to_dict = getattr(calibrator, "to_dict", None)
    if to_dict is None:
        kind = type(calibrator).__name__
        raise CalibratorError(f"A calibrator of the kind {kind} cannot be written to a file.", _REMAKE)
    keys: dict[str, Any] = to_dict()
    return keys


@dataclass(frozen=True, slots=True)
class IdentityCalibrator:
    """Returns the probabilities unchanged.

    >>> IdentityCalibrator().calibrate(np.eye(8)[0]).max()
    np.float64(1.0)
    """

    def calibrate(self, core_probs: FloatArray) -> FloatArray:
        """Return the same array."""
        return core_probs

    def to_dict(self) -> dict[str, Any]:
        """`{"type": "identity"}`."""
        return {"type": "identity"}


@dataclass(frozen=True, slots=True)
class TemperatureCalibrator:
    """Temperature scaling: softmax(log(max(p, 1e-12)) / T); T above 1 lowers the confidence, T below 1 raises it.

    Source: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), section 4.2.
    Raises CalibratorError for T outside 0.01–100.

    >>> probs = np.array([0.65, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05])
    >>> round(float(TemperatureCalibrator(2.0).calibrate(probs).max()), 2)
    0.34
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not TEMPERATURES[0] <= self.temperature <= TEMPERATURES[1]:
            raise CalibratorError(
                f"The temperature must be above 0, between 0.01 and 100, not {self.temperature}.", _REMAKE
            )

    def calibrate(self, core_probs: FloatArray) -> FloatArray:
        """Map (N, 8) or (8,) probabilities to the same shape."""
        logits = np.log(np.maximum(_rows(core_probs), FLOOR))
        logits /= self.temperature
        logits -= logits.max(axis=1)[:, None]
        return _normalised(np.exp(logits, out=logits)).reshape(core_probs.shape)

    def to_dict(self) -> dict[str, Any]:
        """`{"type": "temperature", "temperature": T}`."""
        return {"type": "temperature", "temperature": self.temperature}


@dataclass(frozen=True, slots=True)
class IsotonicRegressor:
    """The monotone curve of one class: linear between the points (x, y), constant outside [x_min, x_max].

    Raises CalibratorError for lists that are empty or differ in length, numbers outside [0, 1], descending x, or y that
    contradicts `increasing`.
    """

    x_thresholds: tuple[float, ...]
    y_thresholds: tuple[float, ...]
    x_min: float | None = None
    """Inputs are clipped to [x_min, x_max]; None: to the first and last threshold."""
    x_max: float | None = None
    increasing: bool = True

    def __post_init__(self) -> None:
        x, y = tuple(map(float, self.x_thresholds)), tuple(map(float, self.y_thresholds))
        if not x or len(x) != len(y):
            raise CalibratorError(f"An isotonic curve has {len(x)} x and {len(y)} y thresholds.", _REMAKE)
        low = x[0] if self.x_min is None else float(self.x_min)
        high = x[-1] if self.x_max is None else float(self.x_max)
        if not all(map(math.isfinite, (*x, *y, low, high))):
            raise CalibratorError("An isotonic curve holds a number that is not finite.", _REMAKE)
        if any(a > b for a, b in pairwise(x)) or low > high:
            raise CalibratorError("The x thresholds of an isotonic curve descend.", _REMAKE)
        if high < x[0] or low > x[-1]:
            raise CalibratorError("The limits of an isotonic curve lie outside its x thresholds.", _REMAKE)
        if min(*x, *y, low) < -_ROUNDING or max(*x, *y, high) > 1 + _ROUNDING:
            raise CalibratorError("An isotonic curve holds a number outside 0 to 1.", _REMAKE)
        if any((a - b if self.increasing else b - a) > _ROUNDING for a, b in pairwise(y)):
            wrong_way = "descend" if self.increasing else "rise"
            raise CalibratorError(f"The y thresholds of an isotonic curve {wrong_way}.", _REMAKE)
        values = {"x_thresholds": x, "y_thresholds": y, "x_min": low, "x_max": high}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, fitted: Any) -> IsotonicRegressor:
        """Take the curve of a fitted scikit-learn IsotonicRegression; an IsotonicRegressor is returned as it is."""
        if isinstance(fitted, cls):
            return fitted
        return cls(
            tuple(fitted.X_thresholds_), tuple(fitted.y_thresholds_), fitted.X_min_, fitted.X_max_, fitted.increasing_
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of scikit-learn's IsotonicRegression, as in the file."""
        return {
            "X_thresholds_": list(self.x_thresholds),
            "y_thresholds_": list(self.y_thresholds),
            "X_min_": self.x_min,
            "X_max_": self.x_max,
            "increasing_": self.increasing,
            "out_of_bounds": "clip",
        }


@dataclass(frozen=True, slots=True)
class IsotonicCalibrator:
    """One isotonic curve per class: values are floored at 1e-12, then rows are normalised.

    `regressors`: eight `IsotonicRegressor`s or fitted scikit-learn ones. Raises CalibratorError for another number.

    >>> curve = IsotonicRegressor((0.0, 1.0), (0.0, 0.5))
    >>> IsotonicCalibrator((curve,) * 8).calibrate(np.full(8, 0.125)).sum()
    np.float64(1.0)
    """

    regressors: tuple[IsotonicRegressor, ...]
    _tables: _CurveTables = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "regressors", tuple(map(IsotonicRegressor.of, self.regressors)))
        if len(self.regressors) != _CLASSES:
            raise CalibratorError(f"An isotonic calibrator has {len(self.regressors)} curves, not 8.", _REMAKE)
        object.__setattr__(self, "_tables", _CurveTables.of(self.regressors))

    def calibrate(self, core_probs: FloatArray) -> FloatArray:
        """Map (N, 8) or (8,) probabilities to the same shape."""
        values = np.maximum(self._tables.interpolate(_rows(core_probs)), FLOOR)
        return _normalised(values).reshape(core_probs.shape)

    def to_dict(self) -> dict[str, Any]:
        """`{"type": "isotonic", "regressors": […]}`."""
        return {"type": "isotonic", "regressors": [regressor.to_dict() for regressor in self.regressors]}


@dataclass(frozen=True, slots=True, eq=False)
class _CurveTables:
    """The eight curves concatenated; curve k begins at `offsets[k]`. The slope after a curve's last point is 0."""

    offsets: IntArray
    x: FloatArray
    y: FloatArray
    slope: FloatArray
    low: FloatArray
    high: FloatArray
    curves: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, regressors: Sequence[IsotonicRegressor]) -> _CurveTables:
        curves = tuple(regressor.x_thresholds for regressor in regressors)
        lengths = [len(curve) for curve in curves]
        slopes: list[float] = []
        for r in regressors:
            points = pairwise(zip(r.x_thresholds, r.y_thresholds, strict=True))
            # of points at one place the last counts, so the slope between them is never used
            slopes += [(y1 - y0) / (x1 - x0) if x1 - x0 >= _SAME_PLACE else 0.0 for (x0, y0), (x1, y1) in points]
            slopes.append(0.0)
        return cls(
            offsets=np.cumsum([0, *lengths[:-1]], dtype=np.int64),
            x=np.array([x for curve in curves for x in curve]),
            y=np.array([y for r in regressors for y in r.y_thresholds]),
            slope=np.array(slopes),
            low=np.array(
                [r.x_thresholds[0] if r.x_min is None else max(r.x_thresholds[0], r.x_min) for r in regressors]
            ),
            high=np.array([r.x_thresholds[-1] if r.x_max is None else r.x_max for r in regressors]),
            curves=curves,
        )

    def interpolate(self, probs: FloatArray) -> FloatArray:
        """Interpolate (N, 8) values; multiplication and addition stay separate, so that no machine fuses them."""
        inside = np.minimum(np.maximum(probs, self.low), self.high)
        at = self._positions(inside)
        steps = inside - self.x.take(at)
        steps *= self.slope.take(at)
        steps += self.y.take(at)
        return steps

    def _positions(self, inside: FloatArray) -> IntArray:
        """Find for each value the last threshold of its class that is not above it."""
        if len(inside) <= _BISECT_UP_TO:
            rows = [[bisect_right(c, v) - 1 for c, v in zip(self.curves, row, strict=True)] for row in inside.tolist()]
            return np.array(rows, dtype=np.int64).reshape(inside.shape) + self.offsets
        places = np.empty(inside.shape, dtype=np.int64)
        for k, curve in enumerate(self.curves):
            places[:, k] = np.searchsorted(curve, inside[:, k], side="right") - 1
        return places + self.offsets


@dataclass(frozen=True, slots=True)
class CalibratorStore:
    """A global calibrator, and personal calibrators by user id.

    >>> store = CalibratorStore(IdentityCalibrator(), {"me": TemperatureCalibrator(2.0)})
    >>> store.get_calibrator("me"), store.get_calibrator("you")
    (TemperatureCalibrator(temperature=2.0), IdentityCalibrator())
    """

    global_calibrator: Calibrator
    user_calibrators: Mapping[str, Calibrator] = field(default_factory=dict)
    method: str = "temperature"
    model_bundle_id: str | None = None
    model_schema_hash: str | None = None
    created_at: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "user_calibrators", dict(self.user_calibrators))

    @property
    def user_ids(self) -> tuple[str, ...]:
        """Users with a calibrator of their own, sorted."""
        return tuple(sorted(self.user_calibrators))

    @property
    def digest(self) -> str:
        """64 hex digits over all parameters of the calibrators: equal for stores that calibrate alike."""
        content = {
            "global": _content(self.global_calibrator),
            "users": {user: _content(self.user_calibrators[user]) for user in self.user_ids},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def get_calibrator(self, user_id: str) -> Calibrator:
        """Return the user's own calibrator, else the global one."""
        return self.user_calibrators.get(user_id, self.global_calibrator)

    def calibrate_batch(self, probs: FloatArray, user_ids: Sequence[str]) -> FloatArray:
        """Calibrate (N, 8) probabilities of N users; rows of one user are calibrated together.

        Args:
            probs: (N, 8) probabilities.
            user_ids: N user ids.

        Returns:
            (N, 8) calibrated probabilities.

        Raises:
            ValueError: the lengths differ.
        """
        if len(user_ids) != len(probs):
            raise ValueError(f"{len(probs)} rows of probabilities for {len(user_ids)} user ids")
        if not self.user_calibrators:
            return self.global_calibrator.calibrate(probs)
        users = Categorical.of(user_ids)
        owners = [user if user in self.user_calibrators else None for user in users.values]
        numbers = {owner: i for i, owner in enumerate(dict.fromkeys(owners))}
        if len(numbers) == 1:
            return self._of_owner(owners[0]).calibrate(probs)
        whose = users.table((numbers[owner] for owner in owners), np.int64)
        calibrated = np.empty_like(probs)
        for owner, number in numbers.items():
            rows = np.flatnonzero(whose == number)
            if len(rows):
                calibrated[rows] = self._of_owner(owner).calibrate(probs[rows])
        return calibrated

    def _of_owner(self, owner: str | None) -> Calibrator:
        return self.global_calibrator if owner is None else self.user_calibrators[owner]


def _content(calibrator: Calibrator) -> dict[str, Any]:
    """Return the parameters of a calibrator; a foreign kind is identified by the object."""
    try:
        return calibrator_dict(calibrator)
    except CalibratorError:
        return {"type": type(calibrator).__qualname__, "object": id(calibrator)}


def finite_or_raw(calibrated: FloatArray, raw: FloatArray, has_warned: Event) -> FloatArray:
    """Replace each row of (N, 8) `calibrated` that is not finite by the `raw` row, so that no NaN reaches the record.

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


def sum_in_label_order(rows: FloatArray) -> FloatArray:
    """Sum (N, 8) rows from the first label to the last, whatever the layout of the array."""
    total = rows[:, 0]
    for k in range(1, rows.shape[1]):
        total = total + rows[:, k]
    return total


def _rows(core_probs: FloatArray) -> FloatArray:
    if core_probs.shape[-1:] != (_CLASSES,) or core_probs.ndim > 2:
        raise ValueError(f"expected (N, 8) probabilities, not {core_probs.shape}")
    return np.ascontiguousarray(core_probs, dtype=np.float64).reshape(-1, _CLASSES)


def _normalised(rows: FloatArray) -> FloatArray:
    rows /= sum_in_label_order(rows)[:, None]
    return rows
