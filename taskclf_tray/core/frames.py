"""Column access for a DataFrame or a dict of arrays or lists; pandas is used through its methods, never imported."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.time import parse_time, to_us

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

START_COLUMN: Final = "bucket_start_ts"


class MissingColumnError(ValueError):
    """A frame lacks a column that the model's schema needs."""


def has_column(frame: Any, name: str) -> bool:
    """Whether a frame (DataFrame or mapping) has the column."""
    return name in frame.keys()  # noqa: SIM118 - `in` a duck-typed frame may mean its values


def column_of(frame: Any, name: str) -> Any:
    """Return the column unchanged. Raises MissingColumnError."""
    if not has_column(frame, name):
        raise MissingColumnError(f"the features have no column {name}")
    return frame[name]


def starts_us(frame: Any) -> IntArray:
    """(N,) bucket starts in microseconds since 1970 UTC; datetimes, datetime64 or ISO 8601; naive ones are UTC."""
    column = column_of(frame, START_COLUMN)
    if str(getattr(column, "dtype", "")).startswith("datetime64"):
        # a zone-aware pandas column converts to UTC here, a plain numpy one has no zone
        values = column.to_numpy(dtype="datetime64[us]") if hasattr(column, "to_numpy") else column
        return np.asarray(values, dtype="datetime64[us]").astype(np.int64)
    return np.array([_moment_us(value) for value in column], dtype=np.int64)


def plain_numbers(column: Any) -> Any:
    """Return the column's numeric array without a copy; other columns (objects, nullable types) unchanged."""
    if isinstance(getattr(column, "dtype", None), np.dtype) and column.dtype.kind in "fiub":
        return column.to_numpy() if hasattr(column, "to_numpy") else column
    return column


def rows_of(column: Any, start: int, stop: int) -> Any:
    """Return rows [start, stop) by position."""
    return column.iloc[start:stop] if hasattr(column, "iloc") else column[start:stop]


def as_numbers(column: Any, name: str) -> npt.NDArray[Any]:
    """(N,) numbers; booleans as 0 and 1, missing as NaN. Raises ValueError."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return column
    try:
        if hasattr(column, "to_numpy"):
            return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the column {name} holds values that are not numbers") from error


def _moment_us(value: Any) -> int:
    return to_us(value if isinstance(value, datetime) else parse_time(str(value)))
