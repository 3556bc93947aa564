"""The person's settings, `config.toml`: read with a default for each key that is wrong, never rewritten.

A wrong key costs that key only, and is named with its line. A file that is no TOML costs the defaults for all, and is
kept as it is. Keys of the taskclf tool's config are known; those without a use here are accepted.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from taskclf_tray.core import defaults
from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.config_keys import KEYS, UNUSED_KEYS, WITHOUT_EFFECT, ConfigKey
from taskclf_tray.core.smoothing import DEFAULT_SMOOTHER, SmootherChoice
from taskclf_tray.core.strict_json import BadJsonError, read_bounded

MAX_CONFIG_BYTES: Final = 1_000_000

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
    """One thing to say about the file: which key and line, when known, and what to write instead."""

    message: str
    key: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = "config.toml" if self.line is None else f"config.toml, line {self.line}"
        return f"{where}: {self.message}"


def load_config(path: Path) -> tuple[Config, list[ConfigProblem]]:
    """The settings in the file, and what is wrong with it. A missing file is no problem. Never raises, never writes."""
    if not path.exists() and not path.is_symlink():
        return Config(), []
    values, problems = _read(path)
    good: dict[str, Any] = {}
    for name, (value, line) in values.items():
        key = KEYS.get(name)
        problem = _check(name, key, value, line)
        if problem is not None:
            problems.append(problem)
        elif key is not None:
            good[name] = key.convert(value)
    return Config(**good), problems


def settings_without_effect(path: Path) -> list[ConfigProblem]:
    """The settings in the file that nothing reads, each with its line and why; no mistakes. Never raises."""
    if not path.exists() and not path.is_symlink():
        return []
    reasons = {**UNUSED_KEYS, **{name: key.without_effect for name, key in KEYS.items() if key.without_effect}}
    return [
        ConfigProblem(f"{name} has no effect in this version: {reasons[name]}.", name, line)
        for name, (_, line) in _read(path)[0].items()
        if name in reasons
    ]


def _check(name: str, key: ConfigKey | None, value: object, line: int | None) -> ConfigProblem | None:
    if key is None:
        if name in UNUSED_KEYS:
            return None
        return ConfigProblem(f"{name[:60]!r} is no setting; remove the line or correct its name.", name[:60], line)
    if key.holds(value):
        return None
    return ConfigProblem(f"{name} must be {key.expected}; the default is used instead.", name, line)


def _read(path: Path) -> tuple[dict[str, tuple[Any, int | None]], list[ConfigProblem]]:
    """Key → (value, line), and the one problem of a file that cannot be read as a whole."""
    unused = "all settings have their defaults until it is corrected."
    try:
        data = read_bounded(path, MAX_CONFIG_BYTES)
        text = data.decode("utf-8-sig")
        values = tomllib.loads(text)
    except BadJsonError as error:
        return {}, [ConfigProblem(f"The file {error}; {unused}")]
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return {}, [ConfigProblem(f"The file is not UTF-8 text; {unused}", line=line)]
    except tomllib.TOMLDecodeError as error:
        return {}, [ConfigProblem(f"The file is not valid TOML; {unused}", line=_error_line(str(error), text))]
    except (RecursionError, ValueError):  # nested too deeply; a number of thousands of digits
        return {}, [ConfigProblem(f"The file cannot be read; {unused}")]
    return {name: (value, _line_of(name, text)) for name, value in values.items()}, []


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
        parts.append(f"# {key.comment}{idle}\n{name} = {_toml(getattr(config, name))}\n")
    return "\n".join(parts)


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
