"""Files that a person or another program writes, checked against the pydantic model that describes them.

Each field carries the parts of a sentence about it (see `about`): the meaning of the key, and the remedy of a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    Strict,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from taskclf_tray.core.strict_json import describe, shorten
from taskclf_tray.core.time import parse_time

M = TypeVar("M", bound=BaseModel)

Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A whole number counts too; true, false and a text in quotation marks do not."""
Share = Annotated[Number, Field(ge=0, le=1)]

_MISSING: Final = "is missing"
_NAME_OF_ENTRY: Final = "[key]"
"""Pydantic's last step to the name of an entry of a dict, which is to blame and not the value."""
_EMPTY: Final = ("too_short", "string_too_short")
_COLLECT: Final = object()
"""Passed as validation context by `checked`: every mistake is wanted, not the room's own error for the first."""


def about(description: str = "", *, expected: str = "", remedy: str = "", **more: Any) -> Any:
    """Return the `pydantic.Field` of a key, with its meaning and the remedy of a mistake.

    The remedy is `write {expected}`, or `remedy` where something else is to be done. `more` goes to `Field`.
    """
    told: JsonDict | None = {"remedy": remedy or f"write {expected}"} if remedy or expected else None
    return Field(description=description or None, json_schema_extra=told, **more)


def where(holds: Callable[[Any], bool], problem: str = "") -> AfterValidator:
    """Metadata of an `Annotated` type that refuses a value for which `holds` is false.

    `problem`: the rest of a sentence that begins with the key; left out, the sentence names the value.
    """

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(problem)
        return value

    return AfterValidator(check)


def misplaced(path: tuple[str | int, ...], problem: str) -> PydanticCustomError:
    """Return the error for a validator of a whole model, when a key below it is wrong; `problem` as in `where`."""
    return PydanticCustomError("misplaced", "{problem}", {"problem": problem, "path": path})


def is_none(value: object) -> bool:
    """For `exclude_if`: the key is written only where it has a value."""
    return value is None


def _is_time(text: str) -> bool:
    try:
        return not text or bool(parse_time(text))
    except (ValueError, OverflowError):
        return False


TimeText = Annotated[str, where(_is_time)]
"""A time in ISO 8601, or an empty text."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong value of a file; as text a sentence without its full stop.

    `path`: the keys and list positions that lead to the value. `key`: the declared field it belongs to, dotted.
    `problem`: the rest of a sentence that begins with the key. `remedy`: what to do, in the imperative.
    """

    path: tuple[str | int, ...]
    key: str
    problem: str
    remedy: str

    @property
    def place(self) -> str:
        """The whole path, dotted: `buckets[0].name`."""
        return dotted(self.path)

    def __str__(self) -> str:
        if self.problem == _MISSING:
            return f"The key {self.key} is missing: add it ({self.remedy.removeprefix('write ')})"
        sentence = f"{self.key or 'It'} {self.problem}"
        return f"{sentence}: {self.remedy}" if self.remedy else sentence


class FileModel(BaseModel):
    """The content of a file, frozen. The constructor raises the error that `refusal` makes of the first mistake."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def refusal(cls, mistake: Mistake) -> Exception:
        """The error of the room whose file this is; pydantic turns a ValueError into its own ValidationError."""
        return ValueError(str(mistake))

    @model_validator(mode="wrap")
    @classmethod
    def _refuse(cls, values: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            if info.context is _COLLECT:
                raise
            raise cls.refusal(mistakes_in(cls, error)[0]) from error


def checked(model: type[M], values: Mapping[str, Any], required: Iterable[str] = ()) -> tuple[M | None, list[Mistake]]:
    """The values as a model, None when one of them is wrong, and every mistake in the order of the fields.

    `required`: keys a file must have although the model has a default for them.
    """
    absent = [Mistake((name,), name, _MISSING, remedy_of(model, name)) for name in required]
    mistakes = [mistake for mistake in absent if mistake.key not in values]
    try:
        answer = model.model_validate(values, context=_COLLECT)
    except ValidationError as error:
        mistakes += mistakes_in(model, error)
    places = {name: place for place, name in enumerate(model.model_fields)}
    mistakes.sort(key=lambda mistake: places.get(str(mistake.path[0]) if mistake.path else "", len(places)))
    return (None if mistakes else answer), mistakes


def salvaged(
    model: type[M], values: Mapping[str, Any], instead: Mapping[str, Any] | None = None
) -> tuple[M, list[Mistake]]:
    """The values as a model in which a wrong key costs only itself, and every mistake.

    `instead`: what wrong keys have, else their default. Raises ValidationError when there is neither.
    """
    answer, mistakes = checked(model, values)
    if answer is None:
        wrong = {mistake.path[0] for mistake in mistakes if mistake.path}
        right = {name: value for name, value in values.items() if name not in wrong}
        kept = {name: value for name, value in (instead or {}).items() if name in wrong}
        answer = model.model_validate(kept | right)
    return answer, mistakes


def mistakes_in(model: type[BaseModel], error: ValidationError) -> list[Mistake]:
    """Convert the errors that pydantic found, in its order."""
    return [
        _mistake(model, found["loc"], found["type"], found["input"], found.get("ctx", {}))
        for found in error.errors(include_url=False)
    ]


def _mistake(
    model: type[BaseModel], path: tuple[str | int, ...], kind: str, found: Any, context: Mapping[str, Any]
) -> Mistake:
    path = (*path, *context.get("path", ()))
    is_name = path[-1:] == (_NAME_OF_ENTRY,)
    path = path[:-1] if is_name else path
    holder, field, depth = _declared(model, path)
    key = dotted(path[:depth])
    remedy = _remedy(field)
    if kind == "missing":
        return Mistake(path, dotted(path), _MISSING, remedy)
    if kind == "extra_forbidden":
        return Mistake(path, dotted(path), "is not known", f"known are {', '.join(holder.model_fields)}")
    problem = str(context.get("error", context.get("problem", ""))) or ("is empty" if kind in _EMPTY else "")
    if field is not None and not field.repr:
        problem = "cannot be used"  # a value hidden from repr stays hidden
    elif is_name:
        problem = f"has the entry {shorten(path[-1])}" + (f", {problem}" if problem else "")
    elif not problem and depth < len(path):
        entry = path[-1]
        problem = f"has {describe(found)} as {f'entry {entry + 1}' if isinstance(entry, int) else shorten(entry)}"
    return Mistake(path, key, problem or f"is {describe(found)}", remedy)


def _declared(model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[type[BaseModel], FieldInfo | None, int]:
    """(the innermost model on the path, its field, how much of the path leads to what the field declares)."""
    field: FieldInfo | None = None
    inner: type[BaseModel] | None = model
    depth = 0
    for place, part in enumerate(path, 1):
        if inner is None or (isinstance(part, str) and part not in inner.model_fields):
            break
        if isinstance(part, str):
            model, field = inner, inner.model_fields[part]
            inner = _model_in(field.annotation)
        depth = place
    return inner or model, field, depth


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in `Part`, `Part | None` or `list[Part]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for inner in map(_model_in, get_args(annotation)) if inner is not None), None)


def remedy_of(model: type[BaseModel], name: str) -> str:
    """Return the remedy for a mistake in a field."""
    return _remedy(model.model_fields[name])


def _remedy(field: FieldInfo | None) -> str:
    told = None if field is None else field.json_schema_extra
    return str(told.get("remedy", "")) if isinstance(told, dict) else ""


def dotted(path: Iterable[str | int]) -> str:
    """A path as a person writes it: `buckets[0].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def line_of(key: str, text: str) -> int | None:
    """The first line of a TOML or JSON text that sets the key or opens its table; None where no line begins with it."""
    pattern = re.compile(rf"\s*[\[{{,]*\s*[\"']?{re.escape(key)}[\"']?\s*[=.\]:]")
    return next((number for number, line in enumerate(text.split("\n"), 1) if pattern.match(line)), None)
