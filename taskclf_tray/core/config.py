"""The settings in `config.toml`: each wrong key falls back to its default, and the file is never rewritten.

Errors name the key and its line. While the exclusions are unknown (a file that is not TOML, `exclude_apps` that is
not a list), no activity may be read. Keys of the taskclf tool's config are accepted even without a use here.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from taskclf_tray.core import defaults
from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.errors import ConfigError
from taskclf_tray.core.person_files import Flag, Number, Whole, about, line_of, remedy_of, salvaged, where
from taskclf_tray.core.smoothing import APP_SMOOTHER, SmootherChoice
from taskclf_tray.core.strict_json import BadJsonError, read_bounded

MAX_CONFIG_BYTES: Final = 1_000_000
_MAX_DEPTH: Final = 20
_TIME_SPAN: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")
_TRUTH: Final = "true or false"
_HEAD: Final = """\
#:schema tray/schemas/config.schema.json
# Settings of taskclf-tray. They apply when it is saved. A removed line has its default.
"""

PanelLabel = Literal["auto", "always", "never"]
Source = Literal["auto", "activitywatch", "simulated", "builtin"]


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port_is_right = parts.port != 0
    except ValueError:
        return False
    bare = not (parts.username or parts.password or parts.query or parts.fragment)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and bare and port_is_right


def _is_app(text: str) -> bool:
    return bool(text.strip())


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return bool(text)


_Key = Annotated[str, where(lambda text: text.isascii() and (text.isprintable() or not text))]
_TimeSpan = Annotated[str, where(lambda text: _TIME_SPAN.fullmatch(text) is not None)]
_Odd = Annotated[Whole, where(lambda number: number % 2 == 1)]


def _number(comment: str, default: float, low: float, high: float) -> Any:
    return about(comment, expected=f"a number from {low:g} to {high:g}", default=default, ge=low, le=high)


def _whole(comment: str, default: int, low: int, high: int, kind: str = "a whole number") -> Any:
    return about(comment, expected=f"{kind} from {low} to {high}", default=default, ge=low, le=high)


class Config(BaseModel):
    """Every setting: type, default, comment, and the allowed values in words.

    >>> Config(asks_per_day=2).model_copy(update={"source": "builtin"}).source
    'builtin'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = about("A name for reports.", expected="a text", default="default-user")
    notifications_enabled: Flag = about("false: no notification is ever shown.", expected=_TRUTH, default=True)
    privacy_notifications: Flag = about("true: notifications name no app.", expected=_TRUTH, default=True)
    source: Source = about(
        'Where activity comes from: "auto", "activitywatch", "builtin" or "simulated".',
        expected="auto, activitywatch, builtin or simulated",
        default="auto",
    )
    aw_host: Annotated[str, where(_is_web_address)] = about(
        "The address of the ActivityWatch server.",
        expected="an address such as http://localhost:5600",
        default=defaults.DEFAULT_AW_HOST,
    )
    aw_api_key: _Key = about(
        "The key of the ActivityWatch server, where it asks for one.",
        expected="a text of printable characters",
        default="",
        repr=False,
    )
    aw_timeout_seconds: Number = _number(
        "Seconds to wait for an answer of ActivityWatch.", defaults.DEFAULT_AW_TIMEOUT_SECONDS, 0.1, 300
    )
    poll_seconds: Whole = _whole(
        "Seconds between two finished looks at the source.", defaults.DEFAULT_POLL_SECONDS, 1, 3600
    )
    exclude_apps: tuple[Annotated[str, where(_is_app)], ...] = about(
        'Apps that are never recorded, for example ["keepassxc"].',
        expected="a list of app names in quotation marks",
        default=(),
    )
    exclude_title_patterns: tuple[Annotated[str, where(_is_pattern)], ...] = about(
        "Regular expressions: a window whose title matches one is never recorded.",
        expected="a list of regular expressions in quotation marks",
        default=(),
        repr=False,
    )
    personal_words: Flag = about(
        "false: no words are recorded, not even as salted numbers, and none are learnt from your answers.",
        expected=_TRUTH,
        default=True,
    )
    count_input: Flag = about(
        "true: the built-in watcher counts keys, clicks and movements (X11), never which.",
        expected=_TRUTH,
        default=False,
    )
    transition_minutes: Number = _number(
        "Minutes a new app must stay in front to count as a change of work.",
        defaults.DEFAULT_TRANSITION_MINUTES,
        0,
        240,
    )
    idle_transition_minutes: Number = _number(
        "The same for being away.", defaults.DEFAULT_IDLE_TRANSITION_MINUTES, 0, 240
    )
    gap_fill_escalation_minutes: Whole = _whole(
        "Minutes without a label before the icon asks for attention.", 480, 1, 10080
    )
    smooth_window: _Odd = _whole(
        "Minutes a label is smoothed over, an odd number; 1 is not at all.",
        defaults.DEFAULT_SMOOTH_WINDOW,
        1,
        15,
        "an odd number",
    )
    smoother: SmootherChoice = about(
        'How labels follow their neighbours: "majority", "hmm" (waits 5 minutes), or "learnt" (hmm after training).',
        expected="learnt, majority or hmm",
        default=APP_SMOOTHER,
    )
    asks_per_day: Whole = _whole("Questions a day at most; 0 is never.", defaults.DEFAULT_ASKS_PER_DAY, 0, 6)
    ask_spacing_minutes: Whole = _whole("Minutes between two questions at least.", 60, 5, 1440)
    quiet_hours: tuple[_TimeSpan, ...] = about(
        'Local times without questions, for example ["22:00-07:00"].',
        expected='a list of times such as "22:00-07:00"',
        default=(),
    )
    target_accuracy: Number = _number(
        "The share of shown labels that should be right after training.", 0.90, 0.5, 0.999
    )
    ui_port: Whole = _whole("The dashboard's port; 0 takes a free one.", 0, 0, 65535)
    retention_days: Whole = _whole("Days the record of minutes is kept; labels are kept for ever.", 400, 1, 36500)
    panel_label: PanelLabel = about(
        'The label as text beside the icon: "auto" (on GNOME, which shows no tooltip), "always" or "never".',
        expected="auto, always or never",
        default="auto",
    )
    autostart: Flag = about("true: start when you log in.", expected=_TRUTH, default=False)


WITHOUT_EFFECT: Final = {
    "username": "no report names anybody",
    "poll_seconds": "the source is asked every 5 seconds, and every 10 while you are away",
    "transition_minutes": "a change of work shows in the labels of the minutes",
    "idle_transition_minutes": "being away is five minutes without a key or a click",
    "gap_fill_escalation_minutes": "the icon does not ask for labels",
    "ui_port": "there is no dashboard",
    "autostart": "the menu has the switch, under Advanced → Start at login",
}
"""Settings that are checked and kept without effect (for the taskclf tool or later versions), with the reason."""
UNUSED_KEYS: Final = {
    "title_salt": "titles are hashed with the secret in data/processed/.title_secret",
    "suggestion_banner_ttl_seconds": "there is no banner",
    "auto_save_suggestion_min_confidence": "no suggestion is saved without your answer",
    "user_id": "the user id is in data/processed/.user_id",
}
"""Keys of the taskclf tool without a place here, and why."""
_WHILE_WRONG: Final = {"personal_words": False}
"""What a setting that protects has while its value is wrong."""
_EXCLUSIONS: Final[dict[str, Callable[[str], bool]]] = {"exclude_apps": _is_app, "exclude_title_patterns": _is_pattern}
"""The exclusions, which a mistake in the file must never narrow, with the check of an entry."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """A mistake in the file: key and line, when known, and the remedy.

    `hides_exclusions`: the mistake leaves the exclusions unknown.
    """

    message: str
    key: str | None = None
    line: int | None = None
    hides_exclusions: bool = False

    def __str__(self) -> str:
        where = "config.toml" if self.line is None else f"config.toml, line {self.line}"
        return f"{where}: {self.message}"


def load_config(path: Path, previous: Config | None = None) -> tuple[Config, list[ConfigProblem]]:
    """Load the settings and list the mistakes. Never raises, never writes.

    A wrong key keeps the value of `previous` (the settings in use), else its default. A missing file means the
    defaults, unless settings are in use, which then stay. A mistake never narrows the exclusions: an unusable entry
    alone is left out and the entries in use stay until it is corrected; a misspelt `exclude_apps`, or one inside a
    table, counts.
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
    own = {name: value for name, value in values.items() if name in Config.model_fields and name not in _EXCLUSIONS}
    config, mistakes = salvaged(Config, own, ({} if previous is None else dict(previous)) | _WHILE_WRONG)
    problems = [
        ConfigProblem(f"{one}; {_stays(previous, one.key)}.", one.key, line_of(one.key, text)) for one in mistakes
    ]
    excluded = _Exclusions(text, previous)
    for name, value in values.items():
        if name not in own:
            excluded.take(name, value)
    problems += excluded.problems
    problems.sort(key=lambda problem: problem.line or 0)
    return config.model_copy(update=excluded.good), problems


def _stays(previous: Config | None, key: str = "") -> str:
    if key in _WHILE_WRONG:
        return "no words are recorded until it is corrected"
    return "the default is used instead" if previous is None else "the value in use stays"


def require_exclusions(problems: Sequence[ConfigProblem]) -> None:
    """Raise ConfigError when the exclusions are unknown: then no activity may be read."""
    hidden = next((problem for problem in problems if problem.hides_exclusions), None)
    if hidden is not None:
        where = "" if hidden.line is None else f" (line {hidden.line})"
        raise ConfigError(f"Nothing is recorded until config.toml is corrected{where}.", hidden.message)


def settings_without_effect(path: Path) -> list[ConfigProblem]:
    """List the settings in the file that this version does not use, each with its line and reason. Never raises."""
    if not path.exists() and not path.is_symlink():
        return []
    try:
        text, values = _parsed(path)
    except _UnreadableError:
        return []
    reasons = UNUSED_KEYS | WITHOUT_EFFECT
    return [
        ConfigProblem(f"{name} has no effect in this version: {reasons[name]}.", name, line_of(name, text))
        for name in values
        if name in reasons
    ]


class _Exclusions:
    """Reads the keys that are not valid settings on their own into `good` values and `problems`."""

    def __init__(self, text: str, previous: Config | None) -> None:
        self._text = text
        self._previous = previous
        self.good: dict[str, tuple[str, ...]] = {}
        self.problems: list[ConfigProblem] = []

    def take(self, name: str, value: object) -> None:
        line = line_of(name, self._text)
        if name in _EXCLUSIONS:
            self._take_exclusions(name, value, line)
        else:
            self._take_unknown(name, value, line)

    def _take_exclusions(self, name: str, value: object, line: int | None) -> None:
        """Leave only the wrong entries of a list out; anything but a list of texts makes the exclusions unknown."""
        remedy = remedy_of(Config, name)
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            is_hidden = self._previous is None
            if self._previous is not None:
                self.good[name] = getattr(self._previous, name)
            stays = "nothing is recorded until it is corrected" if is_hidden else _stays(self._previous)
            message = f"{name} is not a list of texts: {remedy}; {stays}."
            self.problems.append(ConfigProblem(message, name, line, hides_exclusions=is_hidden))
            return
        good = [entry for entry in value if _EXCLUSIONS[name](entry)]
        bad = [entry for entry in value if not _EXCLUSIONS[name](entry)]
        before = getattr(self._previous, name, ()) if bad else ()  # a bad entry may stand for one of them
        self.good[name] = tuple(dict.fromkeys((*self.good.get(name, ()), *good, *before)))
        what_counts = "the others count" if self._previous is None else "the others and those in use count"
        for entry in bad:
            which = f"{json.dumps(entry[:60], ensure_ascii=False)} is left out, {what_counts}"
            self.problems.append(ConfigProblem(f"{name} has a wrong entry: {remedy}; {which}.", name, line))

    def _take_unknown(self, name: str, value: object, line: int | None) -> None:
        if name in UNUSED_KEYS:
            return
        shown = name[:60]
        meant = next(iter(get_close_matches(name.lower(), _EXCLUSIONS, 1, 0.7)), None)
        if meant is not None:
            message = f"{shown!r} is not a setting; it counts as {meant} until you correct its name."
            self.problems.append(ConfigProblem(message, shown, line))
            self._take_exclusions(meant, value, line)
            return
        self.problems.append(
            ConfigProblem(f"{shown!r} is not a setting; remove the line or correct its name.", shown, line)
        )
        for inner, found in _exclusions_in(value):
            message = f"{inner} stands under [{shown}]; it counts, but belongs at the top of the file."
            self.problems.append(ConfigProblem(message, inner, line_of(inner, self._text)))
            self._take_exclusions(inner, found, line_of(inner, self._text))


def _exclusions_in(value: object, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Yield the exclusion keys inside a table, because a `[header]` above them captures every key that follows."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from _exclusions_in(item, depth + 1)
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _EXCLUSIONS:
                yield name, inner
            else:
                yield from _exclusions_in(inner, depth + 1)


class _UnreadableError(Exception):
    """The file cannot be parsed; `line` is the position when known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def _parsed(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text and its values. Raises _UnreadableError."""
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


def render_default_config(values: Mapping[str, Any] | None = None) -> str:
    """Render a `config.toml` with every effective key, its comment and its value or default.

    A key without effect is written only when its value is not the default.
    """
    config, default = Config(**(values or {})), Config()
    parts = [_HEAD]
    for name, field in Config.model_fields.items():
        why = WITHOUT_EFFECT.get(name)
        if why is not None and getattr(config, name) == getattr(default, name):
            continue
        idle = "" if why is None else f" It has no effect in this version: {why}."
        parts.append(f"# {field.description}{idle}\n{setting_line(name, getattr(config, name))}\n")
    return "\n".join(parts)


def setting_line(name: str, value: object) -> str:
    """Return `name = value` as the file has it."""
    return f"{name} = {_toml(value)}"


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):  # JSON's escapes are TOML's, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()


def ensure_config(path: Path, adopt_from: Path | None = None) -> bool:
    """Write the default file when it is missing. Returns whether it was written. Raises OSError.

    `adopt_from`: the config of the taskclf tool, whose valid values the new file takes over; that config stays
    unchanged.
    """
    if path.exists() or path.is_symlink():
        return False
    adopted = load_config(adopt_from)[0] if adopt_from is not None else Config()
    values = render_default_config(adopted.model_dump(exclude={"ui_port"}))
    write_text_atomic(path, values, 0o600)  # it may hold a server's key
    return True
