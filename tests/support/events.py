"""Short ways to write events down, and raw ActivityWatch data as events."""

from __future__ import annotations

import csv
import hashlib
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from taskclf_tray.adapters.titles import TitleHasher
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent, SourceEvents

DATA = Path(__file__).parents[1] / "data"
T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday."""

CATEGORIES = {
    "edit": "editor",
    "web": "browser",
    "meet": "meeting",
    "shell": "terminal",
    "lock": "lockscreen",
    "chat": "chat",
}


def at(seconds: float) -> datetime:
    """`seconds` after 08:00."""
    return T0 + timedelta(microseconds=round(seconds * 1e6))


def win(start: float, seconds: float, app: str = "edit", title: str = "", event_id: int = 0) -> AWEvent:
    """A window event; the app's name says its category, `?` is no focused window, `lock` a screen locker.

    `chat` is a program with calls, and so is `meet` by its category.
    """
    return AWEvent(
        timestamp=at(start),
        duration_seconds=seconds,
        app_id=app,
        app_category=CATEGORIES.get(app, "other"),
        is_browser=app == "web",
        is_editor=app == "edit",
        is_terminal=app == "shell",
        window_title_hash=hashlib.sha256(f"{app}{title}".encode()).hexdigest()[:12],
        event_id=event_id,
        is_locker=app == "lock",
        is_unknown=app == "?",
        is_call=app == "chat",
        word_buckets=() if app == "?" else tuple(sorted({_word(app), _word(title), _word(app + title)})),
    )


WORDS = (3, 70, 71, 900, 2047, 4000, 4095, 4100, 4607)
"""The buckets that words and programs of tests fall into."""


def _word(text: str) -> int:
    return WORDS[zlib.crc32(text.encode()) % len(WORDS)]


def keys(start: float, seconds: float = 5, presses: int = 0, event_id: int = 0, **mouse: int) -> AWInputEvent:
    """An input event; `clicks`, `dx`, `dy`, `sx`, `sy` are the mouse's counts."""
    names = {"clicks": "clicks", "dx": "delta_x", "dy": "delta_y", "sx": "scroll_x", "sy": "scroll_y"}
    counts = {full: mouse.get(short, 0) for short, full in names.items()}
    return AWInputEvent(at(start), seconds, presses, event_id=event_id, **counts)


def away(start: float, seconds: float, is_away: bool = True) -> AWAwayEvent:
    """A word of the away watcher."""
    return AWAwayEvent(at(start), seconds, is_away)


def tab(start: float, seconds: float, domain: str, audible: bool = False, event_id: int = 0) -> AWTabEvent:
    """A browser tab."""
    return AWTabEvent(at(start), seconds, domain, audible, event_id)


def source(
    window: Sequence[AWEvent],
    input_events: Sequence[AWInputEvent] = (),
    tabs: Sequence[AWTabEvent] = (),
    *,
    start: float = -86400,
    end: float = 10 * 86400,
) -> SourceEvents:
    """What a source says of a long time, or of [start, end)."""
    return SourceEvents(at(start), at(end), tuple(window), tuple(input_events), (), tuple(tabs))


@cache
def _registry() -> dict[str, dict[str, str]]:
    with (DATA / "app_registry.csv").open(encoding="utf-8", newline="") as file:
        return {row["reported_name"]: row for row in csv.DictReader(file)}


def raw_window(raw: dict[str, Any], hasher: TitleHasher, event_id: int) -> AWEvent:
    """An event as ActivityWatch stores it, by the contract's app table alone."""
    name = raw["data"]["app"].strip().lower()
    known = _registry().get(name) or _registry().get(name.removesuffix(".exe"))
    title = hasher.features(raw["data"]["title"])
    unknown = {"app_id": "unknown." + name.replace(" ", "_").replace("/", "_"), "app_category": "other"}
    app = known or unknown
    return AWEvent(
        timestamp=datetime.fromisoformat(raw["timestamp"]),
        duration_seconds=raw["duration"],
        app_id=app["app_id"],
        app_category=app["app_category"],
        is_browser=app.get("is_browser") == "1",
        is_editor=app.get("is_editor") == "1",
        is_terminal=app.get("is_terminal") == "1",
        window_title_hash=title.window_title_hash,
        title_token_sketch=title.title_token_sketch,
        title_char3_sketch=title.title_char3_sketch,
        title_char_count=title.title_char_count,
        title_token_count=title.title_token_count,
        title_unique_token_ratio=title.title_unique_token_ratio,
        title_digit_ratio=title.title_digit_ratio,
        title_separator_count=title.title_separator_count,
        event_id=event_id,
        is_unknown=name == "unknown" and raw["data"]["title"] == "unknown",
    )


def raw_input(raw: dict[str, Any], event_id: int) -> AWInputEvent:
    """An input event as ActivityWatch stores it."""
    data = raw["data"]
    return AWInputEvent(
        timestamp=datetime.fromisoformat(raw["timestamp"]),
        duration_seconds=raw["duration"],
        presses=data["presses"],
        clicks=data["clicks"],
        delta_x=data["deltaX"],
        delta_y=data["deltaY"],
        scroll_x=data["scrollX"],
        scroll_y=data["scrollY"],
        event_id=event_id,
    )
