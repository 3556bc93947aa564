"""A column of texts as codes into its distinct values, for the batch path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

CodeArray = npt.NDArray[np.int32]


class Categorical(Sequence[Any]):
    """N values as `codes` (N,) into `values`, the distinct values in order of appearance. Immutable.

    A slice keeps all of `values`, so codes compare across the slices of one column.
    """

    __slots__ = ("codes", "values")

    def __init__(self, codes: CodeArray, values: Sequence[Any]) -> None:
        self.codes = codes
        self.values = tuple(values)

    @classmethod
    def of(cls, column: Any) -> Categorical:
        """Build from a pandas Series (through its own hash table), an array or any sequence of hashable values."""
        if isinstance(column, Categorical):
            return column
        if hasattr(column, "factorize"):
            codes, values = column.factorize(use_na_sentinel=False)
            return cls(np.asarray(codes, dtype=np.int32), _listed(values))
        cells = _listed(column)
        numbers = {value: code for code, value in enumerate(dict.fromkeys(cells))}
        return cls(np.fromiter(map(numbers.__getitem__, cells), dtype=np.int32, count=len(cells)), tuple(numbers))

    @classmethod
    def joined(cls, parts: Sequence[Categorical]) -> Categorical:
        """Concatenate columns."""
        numbers: dict[Any, int] = {}
        codes = [np.empty(0, dtype=np.int32)]
        for part in parts:
            places = [numbers.setdefault(value, len(numbers)) for value in part.values]
            codes.append(np.array(places, dtype=np.int32)[part.codes])
        return cls(np.concatenate(codes), tuple(numbers))

    @classmethod
    def repeated(cls, value: Any, count: int) -> Categorical:
        """Repeat one value `count` times."""
        return cls(np.zeros(count, dtype=np.int32), (value,))

    def table(self, per_value: Iterable[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Look up each row in `per_value`, which has one entry per distinct value; returns (N,)."""
        return np.array(list(per_value), dtype=dtype)[self.codes]

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Categorical: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Categorical(self.codes[index], self.values)
        return self.values[self.codes[index]]


def _listed(column: Any) -> list[Any]:
    values: list[Any] = column.tolist() if hasattr(column, "tolist") else list(column)
    return values
