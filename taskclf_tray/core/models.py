"""What the inference documents call a model: a frozen dataclass with the four methods of a pydantic model.

`model_dump`, `model_dump_json`, `model_copy` and `model_validate` do what pydantic's do. Nothing else of pydantic is
here, and `isinstance(x, BaseModel)` is False.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import types
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin, get_type_hints

from taskclf_tray.core.strict_json import describe
from taskclf_tray.core.time import as_utc, parse_time

_JSON = "json"


class Model:
    """The four methods; a class that has them is a frozen dataclass of fields with plain types.

    >>> @dataclasses.dataclass(frozen=True, slots=True)
    ... class Point(Model):
    ...     x: float
    ...     names: list[str] = dataclasses.field(default_factory=list)
    >>> Point.model_validate({"x": 1}).model_copy(update={"names": ["a"]}).model_dump()
    {'x': 1.0, 'names': ['a']}
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: set[str] | None = None,
        exclude: set[str] | None = None,
        exclude_none: bool = False,
    ) -> dict[str, Any]:
        """The fields as a dict; with mode "json" of values JSON can hold, times in ISO 8601."""
        values = {
            name: _dumped(value, mode, exclude_none)
            for name, value in self._dump_values().items()
            if (include is None or name in include) and name not in (exclude or ())
        }
        return {name: value for name, value in values.items() if not (exclude_none and value is None)}

    def model_dump_json(
        self,
        *,
        indent: int | None = None,
        include: set[str] | None = None,
        exclude: set[str] | None = None,
        exclude_none: bool = False,
    ) -> str:
        """The fields as JSON text."""
        values = self.model_dump(mode=_JSON, include=include, exclude=exclude, exclude_none=exclude_none)
        separators = (",", ":") if indent is None else (",", ": ")
        return json.dumps(values, ensure_ascii=False, indent=indent, separators=separators)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with some fields replaced; `deep` copies the lists and dicts as well."""
        return replace(copy.deepcopy(self) if deep else self, **(update or {}))

    @classmethod
    def model_validate(cls, obj: Any) -> Self:
        """An instance from a mapping of its fields (texts for times are fine), or `obj` itself when it is one.

        Keys that are no field are ignored. Raises ValueError that names the field.
        """
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, Mapping):
            raise ValueError(f"{cls.__name__} is made of an object {{…}}, not {describe(obj)}")
        return cls._from_mapping(obj)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes) -> Self:
        """An instance from JSON text. Raises ValueError."""
        return cls.model_validate(json.loads(json_data))

    def _dump_values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _field_names(type(self))}  # type: ignore[arg-type]

    @classmethod
    def _from_mapping(cls, values: Mapping[str, Any]) -> Self:
        kinds = _kinds(cls)  # type: ignore[arg-type]
        known: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            if not field.init:
                continue
            if field.name in values:
                try:
                    known[field.name] = _converted(kinds[field.name], values[field.name])
                except ValueError as error:
                    raise ValueError(f"{field.name}: {error}") from error
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise ValueError(f"{field.name} is missing")
        return cls(**known)


@functools.cache
def _field_names(cls: type[Model]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls) if field.init)


@functools.cache
def _kinds(cls: type[Model]) -> dict[str, Any]:
    return get_type_hints(cls)


def _dumped(value: Any, mode: str, exclude_none: bool) -> Any:
    if isinstance(value, Model):
        return value.model_dump(mode=mode, exclude_none=exclude_none)
    if isinstance(value, Mapping):
        return {_plain(key, mode): _dumped(item, mode, exclude_none) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_dumped(item, mode, exclude_none) for item in value]
        return items if mode == _JSON or isinstance(value, list) else tuple(items)
    return _plain(value, mode)


def _plain(value: Any, mode: str) -> Any:
    if mode != _JSON:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        text = value.isoformat()
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def _converted(kind: Any, value: Any) -> Any:
    """`value` as `kind` wants it. Raises ValueError."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"it is {describe(value)}, not {' or '.join(map(str, arguments))}")
        return value
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"it is {describe(value)}, not an object {{…}}")
        return {_converted(arguments[0], key): _converted(arguments[1], item) for key, item in value.items()}
    if origin in (list, tuple):
        if not isinstance(value, list | tuple):
            raise ValueError(f"it is {describe(value)}, not a list […]")
        items = [_converted(arguments[0], item) for item in value]
        return items if origin is list else tuple(items)
    return _single(kind, value)


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in kinds:
        return None
    problem = ValueError(f"it is {describe(value)}")
    for kind in kinds:
        if kind is not type(None):
            try:
                return _converted(kind, value)
            except ValueError as error:
                problem = error
    raise problem


def _single(kind: Any, value: Any) -> Any:
    if issubclass(kind, Model):
        return kind.model_validate(value)
    if issubclass(kind, Enum):
        return kind(value)
    if issubclass(kind, datetime):
        moment = parse_time(value) if isinstance(value, str) else value
        if isinstance(moment, datetime):
            return as_utc(moment)
    elif issubclass(kind, date):
        return date.fromisoformat(value) if isinstance(value, str) else value
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"it is {describe(value)}, not a {kind.__name__}")
