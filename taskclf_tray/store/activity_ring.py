"""The built-in watcher's events of the last days, cleaned: a file of its own beside the record, without a title.

It is less than the record: no minute depends on it once it is recorded. So a commit does not wait for the disk, and a
damaged file is replaced by an empty one.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.private_files import make_private_folder
from taskclf_tray.core.regular_files import Links, check_regular
from taskclf_tray.core.time import US_PER_SECOND, from_us, seconds_to_us, to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, SourceEvents
from taskclf_tray.store.connection import BUSY_TIMEOUT_SECONDS, mapped_errors

log = logging.getLogger(__name__)

_TABLE: Final = """CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL CHECK (stream IN ('window', 'input', 'away')),
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    content TEXT NOT NULL
)"""
_INDEX: Final = "CREATE INDEX IF NOT EXISTS events_end ON events (end_us)"
_KEEP: Final = (
    "INSERT INTO events (id, stream, start_us, end_us, content) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET start_us = min(start_us, excluded.start_us), end_us = max(end_us, excluded.end_us)"
)
_CLASSES: Final[Mapping[str, type[AWEvent | AWInputEvent | AWAwayEvent]]] = {
    "window": AWEvent,
    "input": AWInputEvent,
    "away": AWAwayEvent,
}
_TIMES: Final = ("timestamp", "duration_seconds", "event_id")


class ActivityRing:
    """Opens the file, and creates it where it is missing. Used by one thread. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._connection = _opened(path)
        except sqlite3.DatabaseError:
            log.warning("%s is damaged; a new one takes its place.", path.name)
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            with mapped_errors(path):
                self._connection = _opened(path)

    def keep(self, events: SourceEvents, forget_before_us: int) -> None:
        """Store events by id, in the place of shorter versions of them, and forget what ended before."""
        rows = [_row(stream, event) for stream in _CLASSES for event in getattr(events, stream)]
        with mapped_errors(self._path), self._connection:
            self._connection.executemany(_KEEP, rows)
            self._connection.execute("DELETE FROM events WHERE end_us < ?", (forget_before_us,))

    def between(self, start_us: int, end_us: int) -> SourceEvents:
        """Return whole events that overlap [start, end), and those without length within it, in order of start, id."""
        query = (
            "SELECT id, stream, start_us, end_us, content FROM events WHERE start_us < ? AND "
            "(end_us > ? OR (end_us = start_us AND start_us >= ?)) ORDER BY start_us, id"
        )
        with mapped_errors(self._path):
            rows = self._connection.execute(query, (end_us, start_us, start_us)).fetchall()
        found: dict[str, list[Any]] = {stream: [] for stream in _CLASSES}
        for event_id, stream, first_us, last_us, content in rows:
            found[stream].append(_event(event_id, stream, first_us, last_us, content))
        return SourceEvents(
            from_us(start_us), from_us(end_us), **{stream: tuple(listed) for stream, listed in found.items()}
        )

    def newest(self) -> tuple[int, datetime | None]:
        """Return the highest id (0 without one), and the end of the newest window event."""
        with mapped_errors(self._path):
            last_id = self._connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
            query = "SELECT max(end_us) FROM events WHERE stream = 'window'"
            newest_us = self._connection.execute(query).fetchone()[0]
        return last_id, None if newest_us is None else from_us(newest_us)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _opened(path: Path) -> sqlite3.Connection:
    """Open and check the file. Raises sqlite3.DatabaseError for a damaged one, StoreError for no plain file."""
    make_private_folder(path.parent)
    try:
        check_regular(path, Links.NONE)
    except OSError as error:
        raise StoreError(f"{path} is in the way ({error.strerror}).", "Move it away.") from error
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)
    try:
        path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_TABLE)
        connection.execute(_INDEX)
    except BaseException:
        connection.close()
        raise
    return connection


def _row(stream: str, event: AWEvent | AWInputEvent | AWAwayEvent) -> tuple[int, str, int, int, str]:
    start_us = to_us(event.timestamp)
    content = {name: getattr(event, name) for name in event.__slots__ if name not in _TIMES}
    end_us = start_us + seconds_to_us(event.duration_seconds)
    return event.event_id, stream, start_us, end_us, json.dumps(content, separators=(",", ":"))


def _event(event_id: int, stream: str, start_us: int, end_us: int, content: str) -> Any:
    values = {name: _tuples(value) for name, value in json.loads(content).items()}
    seconds = (end_us - start_us) / US_PER_SECOND
    return _CLASSES[stream](timestamp=from_us(start_us), duration_seconds=seconds, event_id=event_id, **values)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
