"""The marks of time that the app stores, and whether any of them lies ahead of the clock. Every command asks this."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.labels.asking_state import load_asking
from taskclf_tray.labels.learning import load_last_training
from taskclf_tray.store.database import Database

TOLERANCE: Final = timedelta(seconds=60)
"""Marks ahead by less than this are waited for: the network puts clocks back by seconds."""
EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""A clock that shows an earlier time has lost its battery: everything would lie ahead of it."""
CURSORS: Final = ("newest_end_us", "blocks")
"""State of one user that holds a moment in microseconds."""


def is_ahead(database: Database, user_id: str, now: datetime) -> bool:
    """Whether a stored moment lies in the future of a clock that can be right. Raises StoreError."""
    newest = newest_mark(database, user_id)
    return newest is not None and newest > now + TOLERANCE and now >= EARLIEST


def newest_mark(database: Database, user_id: str) -> datetime | None:
    """The latest stored moment at which the app did anything. Raises StoreError."""
    last = load_last_training(database, user_id)
    with database.reading():
        marks = [database.ahead.newest_mark_us(user_id), *(number_of(database, name, user_id) for name in CURSORS)]
        saved, seen = (database.state.get(f"{name}:{user_id}") for name in ("builder", "clock"))
    marks.append(None if seen is None else int(json.loads(seen)["seen_us"]))
    marks += [None if saved is None else until_us(saved), None if last is None else last.at_us]
    reviewed = load_asking(database, user_id).reviewed_at
    marks.append(None if reviewed is None else to_us(reviewed))
    return max((from_us(mark) for mark in marks if mark is not None), default=None)


def number_of(database: Database, name: str, user_id: str) -> int | None:
    saved = database.state.get(f"{name}:{user_id}")
    return None if saved is None else int(saved)


def until_us(saved: str) -> int | None:
    """The high-water mark of a builder state, in microseconds; None for a damaged state."""
    try:
        until = json.loads(saved)["until"]
    except (ValueError, TypeError, KeyError):
        return None
    return until if type(until) is int else None


@dataclass(frozen=True, slots=True)
class Seen:
    """The last stored look at the clock. `is_exact`: the clock was put back right after it."""

    moment: datetime
    is_exact: bool = False


def load_seen(database: Database, user_id: str) -> Seen | None:
    """Read the last stored look. Raises StoreError."""
    with database.reading():
        saved = database.state.get(f"clock:{user_id}")
    if saved is None:
        return None
    values = json.loads(saved)
    return Seen(from_us(int(values["seen_us"])), bool(values["is_exact"]))


def save_seen(database: Database, user_id: str, moment: datetime, *, is_exact: bool = False) -> None:
    """Store a look at the clock. Raises StoreError."""
    with database.transaction():
        database.state.set(f"clock:{user_id}", json.dumps({"seen_us": to_us(moment), "is_exact": is_exact}))
