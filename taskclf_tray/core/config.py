"""The person's settings, `config.toml`: read with a default for each key that is wrong, never rewritten.

A wrong key costs that key only, and is named with its line. While it is not known what is excluded (a file that is no
TOML, `exclude_apps` that is no list) nothing may be read. Keys of the taskclf tool's config are known; those without a
use here are accepted.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from taskclf_tray.core import defaults
from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.config_keys import EXCLUSION_KEYS, KEYS, UNUSED_KEYS, WITHOUT_EFFECT, ConfigKey
from taskclf_tray.core.errors import ConfigError
from taskclf_tray.core.smoothing import DEFAULT_SMOOTHER, SmootherChoice
from taskclf_tray.core.strict_json import BadJsonError, read_bounded

MAX_CONFIG_BYTES: Final = 1_000_000
_MAX_DEPTH: Final = 20

Source = Literal["auto", "activitywatch", "simulated", "builtin"]


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting with its type and default; what each means is said in `config_keys.KEYS`."""

    username: str = "default-user"
    notifications_enabled: bool = True
    privacy_notifications: bool = True
    source: Source = "auto"
    aw_host: str = defaults.DEFAULT_AW_HOST
    aw_api_key: str = field(default="", repr=False)
    aw_timeout_seconds: float = defaults.DEFAULT_AW_TIMEOUT_SECONDS
    poll_seconds: int = defaults.DEFAULT_POLL_SECONDS
    exclude_apps: tuple[str, ...] = ()
    exclude_title_patterns: tuple[str, ...] = field(default=(), repr=False)
    transition_minutes: float = defaults.DEFAULT_TRANSITION_MINUTES
    idle_transition_minutes: float = defaults.DEFAULT_IDLE_TRANSITION_MINUTES
    gap_fill_escalation_minutes: int = 480
    smooth_window: int = defaults.DEFAULT_SMOOTH_WINDOW
    smoother: SmootherChoice = DEFAULT_SMOOTHER
    asks_per_day: int = defaults.DEFAULT_ASKS_PER_DAY
    ask_spacing_minutes: int = 60
    quiet_hours: tuple[str, ...] = ()
    target_accuracy: float = 0.90
    ui_port: int = 0
    retention_days: int = 400
    autostart: bool = False


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing to say about the file: which key and line, when known, and what to write instead.

    `hides_exclusions`: because of it nobody knows which apps and titles the person has excluded.
    """

    message: str
    key: str | None = None
    line: int | None = None
    hides_exclusions: bool = False

    def __str__(self) -> str:
        where = "config.toml" if self.line is None else f"config.toml, line {self.line}"
        return f"{where}: {self.message}"


def load_config(path: Path, previous: Config | None = None) -> tuple[Config, list[ConfigProblem]]:
    """The settings in the file, and what is wrong with it. Never raises, never writes.

    What is wrong has the value of `previous`, the settings in use, else its default. A missing file means the defaults,
    but settings in use stay. A mistake never narrows what is excluded: an entry that cannot be understood is left out
    alone and the entries in use stay until it is corrected; a key that is nearly `exclude_apps` or stands in a table
    counts.
    """
    if not path.exists() and not path.is_symlink():
        if previous is None or previous == Config():
            return Config(), []
        gone = (
            "The file is gone; the settings in use stay until the next start. Advanced, Edit Config writes a new one."
        )
        return previous, [ConfigProblem(gone)]
    try:
        text, values = _parsed(path)
    except _UnreadableError as error:
        stays = "nothing is recorded until it is corrected." if previous is None else "the settings in use stay."
        return previous or Config(), [
            ConfigProblem(f"{error}; {stays}", line=error.line, hides_exclusions=previous is None)
        ]
    reader = _Reader(text, previous)
    for name, value in values.items():
        reader.take(name, value)
    return Config(**reader.good), reader.problems


def require_exclusions(problems: Sequence[ConfigProblem]) -> None:
    """Raise ConfigError when it is not known what the person has excluded: then no activity may be read."""
    hidden = next((problem for problem in problems if problem.hides_exclusions), None)
    if hidden is not None:
        where = "" if hidden.line is None else f" (line {hidden.line})"
        raise ConfigError(f"Nothing is recorded until config.toml is corrected{where}.", hidden.message)


def settings_without_effect(path: Path) -> list[ConfigProblem]:
    """The settings in the file that nothing reads, each with its line and why; no mistakes. Never raises."""
    if not path.exists() and not path.is_symlink():
        return []
    try:
        text, values = _parsed(path)
    except _UnreadableError:
        return []
    reasons = {**UNUSED_KEYS, **{name: key.without_effect for name, key in KEYS.items() if key.without_effect}}
    return [
        ConfigProblem(f"{name} has no effect in this version: {reasons[name]}.", name, _line_of(name, text))
        for name in values
        if name in reasons
    ]


class _Reader:
    """Takes in one key after the other: `good` values, and `problems`."""

    def __init__(self, text: str, previous: Config | None) -> None:
        self._text = text
        self._previous = previous
        self._stays = "the default is used instead" if previous is None else "the value in use stays"
        self.good: dict[str, Any] = {}
        self.problems: list[ConfigProblem] = []

    def take(self, name: str, value: object) -> None:
        line = _line_of(name, self._text)
        key = KEYS.get(name)
        if key is None:
            self._take_unknown(name, value, line)
        elif name in EXCLUSION_KEYS:
            self._take_exclusions(name, key, value, line)
        elif key.holds(value):
            self.good[name] = key.convert(value)
        else:
            self._keep(name)
            self.problems.append(ConfigProblem(f"{name} must be {key.expected}; {self._stays}.", name, line))

    def _keep(self, name: str) -> None:
        if self._previous is not None:
            self.good[name] = getattr(self._previous, name)

    def _take_exclusions(self, name: str, key: ConfigKey, value: object, line: int | None) -> None:
        """Of a list only the wrong entries are left out; anything but a list of texts leaves all unknown."""
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            self._keep(name)
            is_hidden = self._previous is None
            stays = "nothing is recorded until it is corrected" if is_hidden else self._stays
            message = f"{name} must be {key.expected}; {stays}."
            self.problems.append(ConfigProblem(message, name, line, hides_exclusions=is_hidden))
            return
        good = [entry for entry in value if key.holds([entry])]
        bad = [entry for entry in value if not key.holds([entry])]
        before = getattr(self._previous, name, ()) if bad else ()  # one of them may be what is meant
        self.good[name] = tuple(dict.fromkeys((*self.good.get(name, ()), *good, *before)))
        what_counts = "the others count" if self._previous is None else "the others and those in use count"
        for entry in bad:
            which = f"{json.dumps(entry[:60], ensure_ascii=False)} is left out, {what_counts}"
            self.problems.append(ConfigProblem(f"{name} must be {key.expected}; {which}.", name, line))

    def _take_unknown(self, name: str, value: object, line: int | None) -> None:
        if name in UNUSED_KEYS:
            return
        shown = name[:60]
        meant = next(iter(get_close_matches(name.lower(), EXCLUSION_KEYS, 1, 0.7)), None)
        if meant is not None:
            message = f"{shown!r} is no setting; it counts as {meant} until you correct its name."
            self.problems.append(ConfigProblem(message, shown, line))
            self._take_exclusions(meant, KEYS[meant], value, line)
            return
        self.problems.append(
            ConfigProblem(f"{shown!r} is no setting; remove the line or correct its name.", shown, line)
        )
        for inner, found in _exclusions_in(value):
            message = f"{inner} stands under [{shown}]; it counts, but belongs at the top of the file."
            self.problems.append(ConfigProblem(message, inner, _line_of(inner, self._text)))
            self._take_exclusions(inner, KEYS[inner], found, _line_of(inner, self._text))


def _exclusions_in(value: object, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Exclusion keys inside a table: a `[header]` above them takes all that follows."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from _exclusions_in(item, depth + 1)
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in EXCLUSION_KEYS:
                yield name, inner
            else:
                yield from _exclusions_in(inner, depth + 1)


class _UnreadableError(Exception):
    """The file cannot be read as a whole; where it stumbles, when that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def _parsed(path: Path) -> tuple[str, dict[str, Any]]:
    """The text and its values. Raises _UnreadableError."""
    try:
        data = read_bounded(path, MAX_CONFIG_BYTES)
        text = data.decode("utf-8-sig")
        return text, tomllib.loads(text)
    except BadJsonError as error:
        raise _UnreadableError(f"The file {error}") from None
    except UnicodeDecodeError as error:
        raise _UnreadableError("The file is not UTF-8 text", data[: error.start].count(b"\n") + 1) from None
    except tomllib.TOMLDecodeError as error:
        raise _UnreadableError("The file is not valid TOML", _error_line(str(error), text)) from None
    except (RecursionError, ValueError):  # nested too deeply; a number of thousands of digits
        raise _UnreadableError("The file cannot be read") from None


def _error_line(message: str, text: str) -> int:
    found = re.search(r"at line (\d+)", message)
    return int(found[1]) if found else text.count("\n") + 1


def _line_of(name: str, text: str) -> int | None:
    """The first line that sets the key or opens its table; None when it is written in a way we do not search for."""
    pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[=.\]]")
    return next((number for number, line in enumerate(text.split("\n"), 1) if pattern.match(line)), None)


def render_default_config(values: Mapping[str, Any] | None = None) -> str:
    """A `config.toml` with every key that has an effect, its comment and its default, or the value given for it.

    A key without effect is written only when its value is not the default, so that nobody turns a wheel in vain.
    """
    config, default = Config(**(values or {})), Config()
    parts = ["# Settings of taskclf-tray. They apply when it is saved. A removed line has its default.\n"]
    for name, key in KEYS.items():
        if name in WITHOUT_EFFECT and getattr(config, name) == getattr(default, name):
            continue
        idle = f" It has no effect in this version: {key.without_effect}." if key.without_effect else ""
        parts.append(f"# {key.comment}{idle}\n{setting_line(name, getattr(config, name))}\n")
    return "\n".join(parts)


def setting_line(name: str, value: object) -> str:
    """`name = value` as it stands in the file."""
    return f"{name} = {_toml(value)}"


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):  # JSON's escapes are TOML's, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()


def ensure_config(path: Path, adopt_from: Path | None = None) -> bool:
    """Write the default file where there is none; whether it was written. Raises OSError.

    `adopt_from`: the taskclf tool's config, whose valid values the new file takes over; it stays as it is.
    """
    if path.exists() or path.is_symlink():
        return False
    adopted = load_config(adopt_from)[0] if adopt_from is not None else Config()
    values = {item.name: getattr(adopted, item.name) for item in fields(Config) if item.name != "ui_port"}
    write_text_atomic(path, render_default_config(values), 0o600)  # it may hold a server's key
    return True
