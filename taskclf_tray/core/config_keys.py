"""The settings of `config.toml`: for each key what it may hold, in a check and in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from taskclf_tray.core.smoothing import SMOOTHER_CHOICES
from taskclf_tray.core.strict_json import is_number

UNUSED_KEYS: Final[dict[str, str]] = {
    "title_salt": "titles are hashed with the secret in data/processed/.title_secret",
    "suggestion_banner_ttl_seconds": "there is no banner",
    "auto_save_suggestion_min_confidence": "no suggestion is saved without your answer",
    "user_id": "the user id is in data/processed/.user_id",
}
"""Keys of the taskclf tool without a place here, and why."""

EXCLUSION_KEYS: Final = ("exclude_apps", "exclude_title_patterns")
"""Settings that a mistake in the file must never narrow."""

_TIME_SPAN: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """`holds`: whether a value is allowed; `expected`: which are, in words; `convert`: to the field's type.

    `without_effect`: why nothing in this version reads it; empty for a key that is read.
    """

    comment: str
    expected: str
    holds: Callable[[object], bool]
    convert: Callable[[Any], Any]
    without_effect: str = ""


def _text(comment: str, expected: str = "a text", check: Callable[[str], bool] = lambda _: True) -> ConfigKey:
    return ConfigKey(comment, expected, lambda value: isinstance(value, str) and check(value), str)


def _flag(comment: str) -> ConfigKey:
    return ConfigKey(comment, "true or false", lambda value: isinstance(value, bool), bool)


def _whole(comment: str, low: int, high: int) -> ConfigKey:
    def holds(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return ConfigKey(comment, f"a whole number from {low} to {high}", holds, int)


def _number(comment: str, low: float, high: float) -> ConfigKey:
    def holds(value: object) -> bool:
        return is_number(value) and low <= value <= high

    return ConfigKey(comment, f"a number from {low:g} to {high:g}", holds, float)


def _texts(comment: str, expected: str, check: Callable[[str], bool]) -> ConfigKey:
    def holds(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(item, str) and check(item) for item in value)

    return ConfigKey(comment, expected, holds, tuple)


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port_is_right = parts.port != 0
    except ValueError:
        return False
    bare = not (parts.username or parts.password or parts.query or parts.fragment)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and bare and port_is_right


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return bool(text)


def _odd(key: ConfigKey) -> ConfigKey:
    return ConfigKey(key.comment, f"an odd{key.expected.removeprefix('a whole')}", lambda v: _is_odd(key, v), int)


def _is_odd(key: ConfigKey, value: object) -> bool:
    return key.holds(value) and isinstance(value, int) and value % 2 == 1


def _idle(key: ConfigKey, why: str) -> ConfigKey:
    return replace(key, without_effect=why)


_SOURCES: Final = ("auto", "activitywatch", "simulated", "builtin")

KEYS: Final[dict[str, ConfigKey]] = {
    "username": _idle(_text("A name for reports."), "no report names anybody"),
    "notifications_enabled": _flag("false: no notification is ever shown."),
    "privacy_notifications": _flag("true: notifications name no app."),
    "source": _text(
        'Where activity comes from: "auto", "activitywatch", "builtin" or "simulated".',
        "auto, activitywatch, builtin or simulated",
        lambda text: text in _SOURCES,
    ),
    "aw_host": _text(
        "The address of the ActivityWatch server.", "an address such as http://localhost:5600", _is_web_address
    ),
    "aw_api_key": _text(
        "The key of the ActivityWatch server, where it asks for one.",
        "a text of printable characters",
        lambda text: text.isascii() and (text.isprintable() or not text),
    ),
    "aw_timeout_seconds": _number("Seconds to wait for an answer of ActivityWatch.", 0.1, 300),
    "poll_seconds": _idle(
        _whole("Seconds between two finished looks at the source.", 1, 3600),
        "the source is asked every 5 seconds, and every 10 while you are away",
    ),
    "exclude_apps": _texts(
        'Apps that are never recorded, for example ["keepassxc"].',
        "a list of app names in quotation marks",
        lambda text: bool(text.strip()),
    ),
    "exclude_title_patterns": _texts(
        "Regular expressions: a window whose title matches one is never recorded.",
        "a list of regular expressions in quotation marks",
        _is_pattern,
    ),
    "transition_minutes": _idle(
        _number("Minutes a new app must stay in front to count as a change of work.", 0, 240),
        "a change of work shows in the labels of the minutes",
    ),
    "idle_transition_minutes": _idle(
        _number("The same for being away.", 0, 240), "being away is five minutes without a key or a click"
    ),
    "gap_fill_escalation_minutes": _idle(
        _whole("Minutes without a label before the icon asks for attention.", 1, 10080),
        "the icon does not ask for labels",
    ),
    "smooth_window": _odd(_whole("Minutes a label is smoothed over, an odd number; 1 is not at all.", 1, 15)),
    "smoother": _text(
        'How labels follow their neighbours: "majority", "hmm" (waits 5 minutes), or "learnt" (hmm once there is one).',
        "learnt, majority or hmm",
        lambda text: text in SMOOTHER_CHOICES,
    ),
    "asks_per_day": _whole("Questions a day at most; 0 is never.", 0, 6),
    "ask_spacing_minutes": _whole("Minutes between two questions at least.", 5, 1440),
    "quiet_hours": _texts(
        'Local times without questions, for example ["22:00-07:00"].',
        'a list of times such as "22:00-07:00"',
        lambda text: _TIME_SPAN.fullmatch(text) is not None,
    ),
    "target_accuracy": _number("The share of shown labels that should be right after training.", 0.5, 0.999),
    "ui_port": _idle(_whole("The dashboard's port; 0 takes a free one.", 0, 65535), "there is no dashboard"),
    "retention_days": _idle(
        _whole("Days the record of minutes is kept; labels are kept for ever.", 1, 36500),
        "nothing is deleted by its age",
    ),
    "autostart": _idle(_flag("true: start when you log in."), "the app does not start itself"),
}

WITHOUT_EFFECT: Final = frozenset(name for name, key in KEYS.items() if key.without_effect)
"""Keys that are checked and kept, for the taskclf tool and for what this program does not do yet."""
