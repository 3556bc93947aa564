"""Strict JSON for the files of a home: bounded size, UTF-8, unique keys, finite numbers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from taskclf_tray.core.regular_files import Links, NotRegularError, TooLargeError, read_regular

MAX_JSON_BYTES: Final = 1_000_000


class BadJsonError(ValueError):
    """The text is not strict JSON; the message continues a sentence that begins with the file's name."""


def read_json_object(path: Path, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read the JSON object in a file. Raises BadJsonError, also for a missing, irregular or too large file."""
    return parse_json_object(read_bounded(path, max_bytes))


def read_bounded(path: Path, max_bytes: int, links: Links = Links.TRUSTED) -> bytes:
    """Read a regular file of at most `max_bytes`. Raises BadJsonError; never waits on a pipe or device."""
    try:
        return read_regular(path, max_bytes, links)
    except FileNotFoundError:
        raise BadJsonError("is missing") from None
    except TooLargeError as error:
        found = f"{error.size} bytes, more than" if error.size is not None else "more than"
        raise BadJsonError(f"has {found} the {max_bytes} such a file may have") from error
    except NotRegularError as error:
        raise BadJsonError(str(error.strerror).removeprefix("it ")) from error
    except OSError as error:
        raise BadJsonError(f"cannot be read ({error.strerror or type(error).__name__})") from error


def parse_json_object(data: bytes | str) -> dict[str, Any]:
    """Parse a JSON object; a byte order mark is allowed. Raises BadJsonError."""
    value = _parse(data)
    if not isinstance(value, dict):
        raise BadJsonError(f"holds {describe(value)} instead of an object {{…}}")
    return value


def parse_json_list(data: bytes | str) -> list[Any]:
    """Parse a JSON list; a byte order mark is allowed. Raises BadJsonError."""
    value = _parse(data)
    if not isinstance(value, list):
        raise BadJsonError(f"holds {describe(value)} instead of a list […]")
    return value


def _parse(data: bytes | str) -> Any:
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise BadJsonError(f"is not UTF-8 text (byte {error.start})") from error
    if not text.strip():
        raise BadJsonError("is empty")
    try:
        return _Parser().parse(text)
    except json.JSONDecodeError as error:
        raise BadJsonError(f"is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})") from error
    except RecursionError:
        raise BadJsonError("is nested too deeply") from None


class _Parser:
    """One parse. It remembers an invalid number until its key is known, so that the error can name the key."""

    def __init__(self) -> None:
        self._bad: _BadNumber | None = None

    def parse(self, text: str) -> Any:
        value = json.loads(
            text,
            object_pairs_hook=self._object,
            parse_constant=lambda word: self._note(word, "which is not a number in JSON"),
            parse_float=self._float,
            parse_int=self._integer,
        )
        if self._bad is not None:
            raise BadJsonError(f"holds {self._bad.word}, {self._bad.why}")
        return value

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key, item in pairs:
            if key in value:
                raise BadJsonError(f"has the key {shorten(key)} twice")
            if self._bad is not None and _holds(item, self._bad):
                raise BadJsonError(f"holds {self._bad.word} as {shorten(key)}, {self._bad.why}")
            value[key] = item
        return value

    def _float(self, text: str) -> Any:
        value = float(text)
        return value if math.isfinite(value) else self._note(shorten(text), "a number too large")

    def _integer(self, text: str) -> Any:
        return int(text) if len(text) <= 30 else self._note(shorten(text), "a number too large")

    def _note(self, word: str, why: str) -> Any:
        self._bad = self._bad or _BadNumber(word, why)
        return self._bad


@dataclass(frozen=True, slots=True, eq=False)
class _BadNumber:
    word: str
    why: str


def _holds(item: Any, wanted: _BadNumber) -> bool:
    return item is wanted or (isinstance(item, list) and any(_holds(part, wanted) for part in item))


def shorten(value: object, limit: int = 40) -> str:
    """Return `repr` cut to `limit` characters, for a sentence."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def describe(value: object) -> str:
    """Describe a JSON value as the file shows it, not as Python names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return shorten(value)
    if isinstance(value, str):
        return f"the text {shorten(value)}"
    return "a list" if isinstance(value, list | tuple) else "an object"


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether the value is a finite int or float; booleans are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
