"""The two windows of a drift check as tables of one user's active local days.

Rows of one day are not independent (a minute resembles the minute before), so a day is the unit here. The zone beside
a row gives its local day. Only rows that the model decides count, and only days with an hour of them. Days are compared
with days of their kind: a Saturday is no drift from a week of working days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.frames import MissingColumnError, as_numbers, column_of, has_column, starts_us
from taskclf_tray.core.schema import CHAR3_SKETCH, NEWEST_SCHEMA, SCHEMAS, TOKEN_SKETCH
from taskclf_tray.core.time import US_PER_SECOND
from taskclf_tray.core.zones import zone
from taskclf_tray.drift.report import DayKind
from taskclf_tray.infer.categorical import Categorical

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CATEGORIES: Final = ("app_id", "app_category", "domain_category")
_NO_NUMBERS: Final = (*CATEGORIES, "user_id", "window_title_bucket", "day_of_week")
"""The bucket of a title is a hash, so its size means nothing; weekdays differ because the windows do."""
NUMBERS: Final = tuple(
    name
    for name in SCHEMAS[NEWEST_SCHEMA].model_columns
    if name not in _NO_NUMBERS and not name.startswith((TOKEN_SKETCH, CHAR3_SKETCH))
)
LEAST_ROWS_A_DAY: Final = 60
_ZONE_STEP_US: Final = 900 * US_PER_SECOND
"""Every zone's offset is a multiple of 15 min, and so are its changes."""
_WEEKEND: Final = 5
_NOT_A_TIME: Final = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The rows of any number of users, as arrays of N; None where something is not known."""

    users: Categorical
    ordinals: IntArray
    """Local days, as `date.toordinal` counts."""
    ends_us: IntArray
    is_models: BoolArray
    numbers: Mapping[str, FloatArray]
    categories: Mapping[str, Categorical]
    labels: Categorical | None
    entropy_bits: FloatArray | None
    confidences: FloatArray | None

    @property
    def user_names(self) -> list[str]:
        """The users who have rows, sorted."""
        return sorted(str(self.users.values[code]) for code in np.unique(self.users.codes).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class UserDays:
    """One user's active days of one kind in a window: the rows in order of time, and the day of each row."""

    window: Window
    rows: IntArray
    days: tuple[date, ...]
    day_of: IntArray

    def numbers(self, name: str) -> FloatArray:
        """(N,) the feature in these rows; missing is NaN."""
        return self.window.numbers[name][self.rows]


def read_window(
    frame: Any,
    labels: Sequence[str] | None,
    *,
    probs: Any = None,
    confidences: Any = None,
    user_ids: Sequence[str] | None = None,
) -> Window:
    """Read a window from a DataFrame (or dict of columns) and the predictions for its rows.

    Without `probs` there is no entropy; `labels` empty or None means that none are known.

    Raises:
        ValueError: lengths differ, a row has no time, or a zone is unknown.
        TypeError: `frame` is no frame.
    """
    starts = _starts(frame)
    count = len(starts)
    labels = [] if labels is None else labels
    _check_length("labels", labels, count, may_be_empty=True)
    if user_ids is None:
        users = _texts(frame, "user_id", "", count)
    else:
        _check_length("user_ids", user_ids, count)
        users = Categorical.of([str(user) for user in user_ids])
    decided_by = _texts(frame, "decided_by", "model", count)
    return Window(
        users=users,
        ordinals=_local_ordinals(starts, _texts(frame, "time_zone", "UTC", count)),
        ends_us=starts + 60 * US_PER_SECOND,
        is_models=decided_by.table((value == "model" for value in decided_by.values), np.bool_),
        numbers={name: _numbers(frame, name) for name in NUMBERS if has_column(frame, name)},
        categories={name: Categorical.of(column_of(frame, name)) for name in CATEGORIES if has_column(frame, name)},
        labels=Categorical.of([str(label) for label in labels]) if len(labels) else None,
        entropy_bits=_entropy_bits(probs, count),
        confidences=_confidences(confidences, count),
    )


def days_of(window: Window, user: str, kind: DayKind) -> UserDays:
    """The user's active days of this kind; the last row of a repeated bucket counts."""
    is_theirs = window.users.table((value == user for value in window.users.values), np.bool_)
    is_weekend = (window.ordinals - 1) % 7 >= _WEEKEND
    rows = np.flatnonzero(is_theirs & window.is_models & (is_weekend == (kind == "weekend")))
    rows = rows[np.argsort(window.ends_us[rows], kind="stable")]
    rows = rows[np.diff(window.ends_us[rows], append=_NOT_A_TIME) != 0]
    ordinals, counts = np.unique(window.ordinals[rows], return_counts=True)
    active = ordinals[counts >= LEAST_ROWS_A_DAY]
    rows = rows[np.isin(window.ordinals[rows], active)]
    days = tuple(date.fromordinal(int(day)) for day in active)
    return UserDays(window, rows, days, np.searchsorted(active, window.ordinals[rows]))


def _starts(frame: Any) -> IntArray:
    """(N,) bucket starts in microseconds; empty for a frame without columns."""
    if not hasattr(frame, "keys"):
        raise TypeError(f"feature rows must be a DataFrame or a dict of columns, not {type(frame).__name__}")
    if len(frame.keys()) == 0:
        return np.empty(0, dtype=np.int64)
    try:
        starts = starts_us(frame)
    except MissingColumnError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError("the column bucket_start_ts holds a value that is no time") from error
    if (starts == _NOT_A_TIME).any():
        raise ValueError(f"row {int(np.argmin(starts))} has no bucket_start_ts")
    return starts


def _check_length(name: str, values: Sequence[Any], count: int, *, may_be_empty: bool = False) -> None:
    if len(values) != count and not (may_be_empty and len(values) == 0):
        raise ValueError(f"{name} has {len(values)} values for {count} rows")


def _texts(frame: Any, name: str, otherwise: str, count: int) -> Categorical:
    if not has_column(frame, name):
        return Categorical.repeated(otherwise, count)
    return Categorical.of(column_of(frame, name))


def _numbers(frame: Any, name: str) -> FloatArray:
    values = np.array(as_numbers(column_of(frame, name), name), dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _local_ordinals(starts: IntArray, zones: Categorical) -> IntArray:
    """The local day of each row, looked up once for each quarter of an hour."""
    keys = np.stack([starts // _ZONE_STEP_US, zones.codes.astype(np.int64)])
    distinct, inverse = np.unique(keys, axis=1, return_inverse=True)
    seconds = distinct[0] * (_ZONE_STEP_US // US_PER_SECOND)
    names = [str(zones.values[code]) for code in distinct[1].tolist()]
    days = [
        datetime.fromtimestamp(moment, UTC).astimezone(zone(name)).toordinal()
        for moment, name in zip(seconds.tolist(), names, strict=True)
    ]
    return np.array(days, dtype=np.int64)[inverse.reshape(-1)]


def _entropy_bits(probs: Any, count: int) -> FloatArray | None:
    if probs is None:
        return None
    _check_length("probs", probs, count)
    if count == 0:
        return np.empty(0)
    matrix = np.asarray(probs, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"probs must have a row of probabilities for each row, not the shape {matrix.shape}")
    positive = np.where(matrix > 0, matrix, 1.0)
    return np.asarray(-(matrix * np.log2(positive)).sum(axis=1), dtype=np.float64)


def _confidences(values: Any, count: int) -> FloatArray | None:
    if values is None:
        return None
    _check_length("cur_confidences", values, count)
    return np.asarray(values, dtype=np.float64)
