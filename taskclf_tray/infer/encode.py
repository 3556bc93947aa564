"""Stages 2 and 3: feature rows or columns to the model's dense float64 matrix (contract, sections 2 and 5).

A list of `FeatureRow` (live, one row at a time) and named columns (a DataFrame or a dict of arrays; pandas is used
through its methods, never imported) give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from operator import attrgetter
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.errors import ModelIncompatibleError
from taskclf_tray.core.frames import MissingColumnError as MissingColumnError
from taskclf_tray.core.frames import as_numbers, column_of, has_column, plain_numbers, rows_of, starts_us
from taskclf_tray.core.schema import CHAR3_SKETCH, SCHEMAS, TOKEN_SKETCH, FeatureSchema
from taskclf_tray.core.time import as_utc, from_us, to_us
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.core.zones import zone
from taskclf_tray.infer.categorical import Categorical

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
TimeBasis = Literal["utc", "local"]
CatEncoders = Mapping[str, Any]
"""Column → its vocabulary: a list of texts, or a scikit-learn LabelEncoder (anything with `classes_`)."""

UNKNOWN_VALUE: Final = "__unknown__"
UNSEEN_CODE: Final = -1.0
_HOUR, _DAY = "hour_of_day", "day_of_week"
_ZONE: Final = "time_zone"
_US_PER_HOUR: Final = 3_600_000_000
_US_PER_DAY: Final = 24 * _US_PER_HOUR
_OFFSET_STEP_US: Final = _US_PER_HOUR // 4
"""Zones change their offset at whole quarters of an hour UTC (all of them since 1972)."""
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""


def texts_of(encoder: Any) -> Iterable[str]:
    """Return the texts of a vocabulary: a list, or the classes of a LabelEncoder."""
    classes = getattr(encoder, "classes_", encoder)
    texts: Iterable[str] = classes.tolist() if hasattr(classes, "tolist") else classes
    return texts


class Vocabulary:
    """The codes of one categorical column: the index in the sorted list (contract, section 5)."""

    def __init__(self, values: Iterable[str]) -> None:
        self._codes = {value: float(code) for code, value in enumerate(sorted(set(values)))}
        self._other = self._codes.get(UNKNOWN_VALUE, UNSEEN_CODE)

    def code(self, value: Any) -> float:
        """Return the code of a value; for an unknown value the code of `__unknown__`, else -1."""
        return self._codes.get(value, self._other)

    def codes(self, values: Sequence[Any]) -> FloatArray:
        """Return (N,) codes of N values."""
        get, other = self._codes.get, self._other
        return np.fromiter((get(value, other) for value in values), dtype=np.float64, count=len(values))


@dataclass(frozen=True, slots=True)
class _Layout:
    """The positions of a schema's columns in the matrix."""

    columns: tuple[str, ...]
    place: dict[str, int]
    numbers: tuple[tuple[int, ...], attrgetter[tuple[float | None, ...]]]
    """Places of the plain numbers, and how to read them from a row."""
    token_place: int | None
    char3_place: int | None


@cache  # there are a handful of schemas, and a saved policy must not wait for this again
def _layout_of(schema: FeatureSchema) -> _Layout:
    place = {name: i for i, name in enumerate(schema.model_columns)}
    sketches = {stem: place.get(f"{stem}_000") for stem in (TOKEN_SKETCH, CHAR3_SKETCH)}
    others = {*schema.categorical_columns, _HOUR, _DAY}
    numbers = [name for name in place if name not in others and name.rpartition("_")[0] not in sketches]
    read = (tuple(place[name] for name in numbers), attrgetter(*numbers))
    return _Layout(schema.model_columns, place, read, sketches[TOKEN_SKETCH], sketches[CHAR3_SKETCH])


class Encoder:
    """Encodes rows for one bundle: its schema's columns in model order, its vocabularies, its time basis.

    Raises ModelIncompatibleError for an unknown schema version.
    """

    def __init__(self, schema_version: str, cat_encoders: CatEncoders | None, time_basis: TimeBasis = "utc") -> None:
        schema = SCHEMAS.get(schema_version)
        if schema is None:
            title = f"The model was made for feature schema {schema_version!r}, which is not known."
            raise ModelIncompatibleError(title, "Choose another model, or update this program.")
        vocabularies = cat_encoders or {}
        self._layout = layout = _layout_of(schema)
        self.columns, self.place = layout.columns, layout.place
        self.time_basis = time_basis
        self.vocabularies = {
            name: Vocabulary(texts_of(vocabularies.get(name, ()))) for name in schema.categorical_columns
        }
        self._categories = [(self.place[name], attrgetter(name), v) for name, v in self.vocabularies.items()]

    def encode_rows(self, rows: Sequence[FeatureRow]) -> FloatArray:
        """Encode rows to (N, F), F the schema's columns in model order; missing and non-finite numbers become 0.0.

        Raises ValueError for a row with an unknown time zone (only when the time basis is local).
        """
        return _impute(np.array([self._encode_row(row) for row in rows]).reshape(len(rows), len(self.columns)))

    def _encode_row(self, row: FeatureRow) -> list[float]:
        layout = self._layout
        line = [0.0] * len(self.columns)
        places, read = layout.numbers
        for place, value in zip(places, read(row), strict=True):
            if value is not None:
                line[place] = value
        for place, get, vocabulary in self._categories:
            line[place] = vocabulary.code(get(row))
        line[self.place[_HOUR]], line[self.place[_DAY]] = self._hour_and_day(row)
        if layout.token_place is not None and layout.char3_place is not None:
            for position, share in row.title_token_sketch:
                line[layout.token_place + position] = share
            for position, share in row.title_char3_sketch:
                line[layout.char3_place + position] = share
        return line

    def _hour_and_day(self, row: FeatureRow) -> tuple[int, int]:
        start = as_utc(row.bucket_start_ts)
        local = start if self.time_basis == "utc" else start.astimezone(zone(row.time_zone))
        return local.hour, local.weekday()

    def encode_frame(self, frame: Any) -> FloatArray:
        """Encode named columns to (N, F): `frame[name]` for every column of the schema, N values each.

        Hour and day follow from `bucket_start_ts` and `time_zone`. With the local time basis, a frame without
        `time_zone` keeps its own, because they cannot be computed. Raises MissingColumnError, and ValueError for a
        column without numbers.
        """
        encoded = self.frame(frame)
        return encoded.matrix(0, len(encoded))

    def frame(self, frame: Any) -> FrameEncoder:
        """Return a `FrameEncoder`, which encodes in parts and never holds the whole matrix."""
        return FrameEncoder(self, frame)


class FrameEncoder:
    """Encodes a frame part by part; each distinct text is looked up once."""

    def __init__(self, encoder: Encoder, frame: Any) -> None:
        """Prepare the columns. Raises MissingColumnError."""
        self.columns = encoder.columns
        self.starts_us = starts_us(frame)
        self._time_basis = encoder.time_basis
        self._texts: list[tuple[int, Categorical, FloatArray]] = []
        self._numbers: list[tuple[int, str, Any]] = []
        clock = self._set_clock(frame)
        for name, place in encoder.place.items():
            vocabulary = encoder.vocabularies.get(name)
            if name in clock:
                continue
            if vocabulary is None:
                self._numbers.append((place, name, plain_numbers(column_of(frame, name))))
            else:
                texts = Categorical.of(column_of(frame, name))
                self._texts.append((place, texts, vocabulary.codes(texts.values)))
        self._clock_places = [encoder.place[name] for name in clock]

    def _set_clock(self, frame: Any) -> tuple[str, ...]:
        """Return the columns computed from `bucket_start_ts`, and note the zones they need."""
        self._zones: Categorical | None = None
        if self._time_basis == "utc":
            return (_HOUR, _DAY)
        if not has_column(frame, _ZONE):
            return ()
        self._zones = Categorical.of(column_of(frame, _ZONE))
        return (_HOUR, _DAY)

    def __len__(self) -> int:
        return len(self.starts_us)

    def matrix(self, start: int, stop: int) -> FloatArray:
        """Encode the rows [start, stop) to (stop − start, F). Raises ValueError for a column without numbers."""
        stop = min(stop, len(self))
        matrix = np.empty((stop - start, len(self.columns)))
        for place, name, column in self._numbers:
            matrix[:, place] = as_numbers(rows_of(column, start, stop), name)
        for place, texts, codes in self._texts:
            matrix[:, place] = codes[texts.codes[start:stop]] if len(codes) else 0.0
        if self._clock_places:
            local_us = self.starts_us[start:stop]
            if self._zones is not None:
                local_us = local_us + _offsets_us(local_us, self._zones[start:stop])
            hour, day = self._clock_places
            matrix[:, hour] = local_us % _US_PER_DAY // _US_PER_HOUR
            matrix[:, day] = (local_us // _US_PER_DAY + _EPOCH_WEEKDAY) % 7
        return _impute(matrix)


def _offsets_us(utc_us: IntArray, zones: Categorical) -> IntArray:
    """Return (N,) offsets of local time from UTC, looked up once per quarter of an hour and zone."""
    offsets = np.empty(len(utc_us), dtype=np.int64)
    for code in np.unique(zones.codes).tolist():
        rows = zones.codes == code
        quarters, place = np.unique(utc_us[rows] // _OFFSET_STEP_US, return_inverse=True)
        found = [_offset_us(int(quarter) * _OFFSET_STEP_US, zones.values[code]) for quarter in quarters]
        offsets[rows] = np.array(found, dtype=np.int64)[place]
    return offsets


def _offset_us(utc_us: int, zone_name: str) -> int:
    return to_us(from_us(utc_us).astimezone(zone(zone_name)).replace(tzinfo=UTC)) - utc_us


def _impute(matrix: FloatArray) -> FloatArray:
    """Replace missing and non-finite values by 0.0 in place, as in training."""
    finite = np.isfinite(matrix)
    if not finite.all():
        matrix[~finite] = 0.0
    return matrix
