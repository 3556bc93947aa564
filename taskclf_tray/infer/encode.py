"""Stages 2 and 3: feature rows or columns → the model's dense float64 matrix (contract, sections 2 and 5).

Two ways in, the same bits out: a list of `FeatureRow` (live, one row at a time) and named columns (a DataFrame or a
dict of arrays; pandas is used through its methods, never imported).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.errors import ModelIncompatibleError
from taskclf_tray.core.schema import CHAR3_SKETCH, SCHEMAS, TOKEN_SKETCH
from taskclf_tray.core.time import as_utc, from_us, parse_time, to_us, zone
from taskclf_tray.core.types import FeatureRow

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
TimeBasis = Literal["utc", "local"]

UNKNOWN_VALUE: Final = "__unknown__"
UNSEEN_CODE: Final = -1.0
_HOUR, _DAY = "hour_of_day", "day_of_week"
_START, _ZONE = "bucket_start_ts", "time_zone"
_US_PER_HOUR: Final = 3_600_000_000
_US_PER_DAY: Final = 24 * _US_PER_HOUR
_OFFSET_STEP_US: Final = _US_PER_HOUR // 4
"""Zones change their offset at whole quarters of an hour UTC (all of them since 1972)."""
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""


class MissingColumnError(ValueError):
    """A frame lacks a column that the model's schema needs."""


class Vocabulary:
    """One categorical column's codes: the index in the sorted list (contract, section 5)."""

    def __init__(self, values: Iterable[str]) -> None:
        self._codes = {value: float(code) for code, value in enumerate(sorted(set(values)))}
        self._other = self._codes.get(UNKNOWN_VALUE, UNSEEN_CODE)

    def code(self, value: Any) -> float:
        """The value's code; for a value not listed the code of `__unknown__`, -1 when that is not listed either."""
        return self._codes.get(value, self._other)

    def codes(self, values: Sequence[Any]) -> FloatArray:
        """(N,) the codes of many values."""
        get, other = self._codes.get, self._other
        return np.fromiter((get(value, other) for value in values), dtype=np.float64, count=len(values))


class Encoder:
    """Encodes for one bundle: its schema's columns in model order, its vocabularies, its time basis.

    Raises ModelIncompatibleError for a schema version nobody knows.
    """

    def __init__(
        self, schema_version: str, cat_encoders: Mapping[str, Sequence[str]] | None, time_basis: TimeBasis = "utc"
    ) -> None:
        schema = SCHEMAS.get(schema_version)
        if schema is None:
            title = f"The model was made for feature schema {schema_version!r}, which is not known."
            raise ModelIncompatibleError(title, "Choose another model, or update this program.")
        vocabularies = cat_encoders or {}
        self.columns = schema.model_columns
        self.time_basis = time_basis
        self._place = {name: i for i, name in enumerate(self.columns)}
        self._vocabularies = {name: Vocabulary(vocabularies.get(name, ())) for name in schema.categorical_columns}
        self._template = [0.0] * len(self.columns)
        self._plan_rows()

    def _plan_rows(self) -> None:
        sketches = {stem: self._place.get(f"{stem}_000") for stem in (TOKEN_SKETCH, CHAR3_SKETCH)}
        self._token_place, self._char3_place = sketches[TOKEN_SKETCH], sketches[CHAR3_SKETCH]
        numbers = [
            name
            for name in self.columns
            if name not in self._vocabularies and name not in (_HOUR, _DAY) and name.rpartition("_")[0] not in sketches
        ]
        self._number_places = [self._place[name] for name in numbers]
        self._numbers_of = attrgetter(*numbers)
        self._categories = [(self._place[name], attrgetter(name), v) for name, v in self._vocabularies.items()]

    def encode_rows(self, rows: Sequence[FeatureRow]) -> FloatArray:
        """(N, F), F the schema's columns in model order; missing and non-finite numbers are 0.0.

        Raises ValueError for a row whose time zone is not known (only where the time basis is local).
        """
        return _impute(np.array([self._encode_row(row) for row in rows]).reshape(len(rows), len(self.columns)))

    def _encode_row(self, row: FeatureRow) -> list[float]:
        line = self._template.copy()
        for place, value in zip(self._number_places, self._numbers_of(row), strict=True):
            if value is not None:
                line[place] = value
        for place, get, vocabulary in self._categories:
            line[place] = vocabulary.code(get(row))
        line[self._place[_HOUR]], line[self._place[_DAY]] = self._hour_and_day(row)
        if self._token_place is not None and self._char3_place is not None:
            for position, share in row.title_token_sketch:
                line[self._token_place + position] = share
            for position, share in row.title_char3_sketch:
                line[self._char3_place + position] = share
        return line

    def _hour_and_day(self, row: FeatureRow) -> tuple[int, int]:
        start = as_utc(row.bucket_start_ts)
        local = start if self.time_basis == "utc" else start.astimezone(zone(row.time_zone))
        return local.hour, local.weekday()

    def encode_frame(self, frame: Any) -> FloatArray:
        """(N, F) from named columns: `frame[name]` for every column of the schema, N values each.

        Hour and day are set from `bucket_start_ts` and `time_zone`; a frame without `time_zone` keeps its own in a
        bundle of local time, since they can be computed from nothing else. Raises MissingColumnError, and
        ValueError for a column that holds no numbers.
        """
        hour, day = self._clock_columns(frame)
        matrix = np.empty((len(hour), len(self.columns)))
        for name, place in self._place.items():
            if name == _HOUR:
                matrix[:, place] = hour
            elif name == _DAY:
                matrix[:, place] = day
            elif name in self._vocabularies:
                matrix[:, place] = self._vocabularies[name].codes(text_column(frame, name))
            else:
                matrix[:, place] = number_column(frame, name)
        return _impute(matrix)

    def _clock_columns(self, frame: Any) -> tuple[FloatArray, FloatArray]:
        if self.time_basis == "local" and not has_column(frame, _ZONE):
            return number_column(frame, _HOUR), number_column(frame, _DAY)
        local_us = starts_us(frame)
        if self.time_basis == "local":
            local_us = local_us + _offsets_us(local_us, text_column(frame, _ZONE))
        hours = local_us % _US_PER_DAY // _US_PER_HOUR
        days = (local_us // _US_PER_DAY + _EPOCH_WEEKDAY) % 7
        return hours.astype(np.float64), days.astype(np.float64)


def has_column(frame: Any, name: str) -> bool:
    """Whether a frame (DataFrame or mapping) has the column."""
    return name in frame.keys()  # noqa: SIM118 - `in` a duck-typed frame may mean its values


def starts_us(frame: Any) -> IntArray:
    """(N,) bucket starts in microseconds since 1970 UTC; datetimes, datetime64 or ISO 8601; naive ones are UTC."""
    column = _column(frame, _START)
    if str(getattr(column, "dtype", "")).startswith("datetime64"):
        # a zone-aware pandas column converts to UTC here, a plain numpy one has no zone
        values = column.to_numpy(dtype="datetime64[us]") if hasattr(column, "to_numpy") else column
        return np.asarray(values, dtype="datetime64[us]").astype(np.int64)
    return np.array([_moment_us(value) for value in column], dtype=np.int64)


def number_column(frame: Any, name: str) -> FloatArray:
    """(N,) float64; booleans as 0 and 1, missing as NaN. Raises MissingColumnError, ValueError."""
    column = _column(frame, name)
    try:
        if hasattr(column, "to_numpy"):
            return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the column {name} holds values that are not numbers") from error


def text_column(frame: Any, name: str) -> list[Any]:
    """N values as Python objects. Raises MissingColumnError."""
    column = _column(frame, name)
    values: list[Any] = column.tolist() if hasattr(column, "tolist") else list(column)
    return values


def _column(frame: Any, name: str) -> Any:
    if not has_column(frame, name):
        raise MissingColumnError(f"the features have no column {name}")
    return frame[name]


def _moment_us(value: Any) -> int:
    return to_us(value if isinstance(value, datetime) else parse_time(str(value)))


def _offsets_us(utc_us: IntArray, zones: Sequence[str]) -> IntArray:
    """(N,) what to add to UTC for local time, looked up once for each quarter of an hour and zone."""
    names = {name: i for i, name in enumerate(dict.fromkeys(zones))}
    zone_of = np.fromiter(map(names.__getitem__, zones), dtype=np.int64, count=len(zones))
    offsets = np.empty(len(utc_us), dtype=np.int64)
    for name, i in names.items():
        rows = zone_of == i
        quarters, place = np.unique(utc_us[rows] // _OFFSET_STEP_US, return_inverse=True)
        found = [_offset_us(int(quarter) * _OFFSET_STEP_US, name) for quarter in quarters]
        offsets[rows] = np.array(found, dtype=np.int64)[place]
    return offsets


def _offset_us(utc_us: int, zone_name: str) -> int:
    return to_us(from_us(utc_us).astimezone(zone(zone_name)).replace(tzinfo=UTC)) - utc_us


def _impute(matrix: FloatArray) -> FloatArray:
    """Missing and non-finite → 0.0, in place: training saw 0.0, so serving must, in every path."""
    finite = np.isfinite(matrix)
    if not finite.all():
        matrix[~finite] = 0.0
    return matrix
