"""Damaged minutes of the record: left out, read again where the source still has them, and told once.

The store leaves out a bucket whose checksum does not match. The worker walks through the record, a little at a time,
and records again what is damaged; a minute that the source no longer has stays a gap.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from taskclf_tray.app import record_text
from taskclf_tray.app.text import Message
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.record.guard import BlackoutOpenError
from taskclf_tray.store.database import Database

if TYPE_CHECKING:  # a command that counts the damaged minutes has no use for what predicts
    from taskclf_tray.record.recorder import Recorder

log = logging.getLogger(__name__)

WALK_SECONDS: Final = 60.0
WALK_BUCKETS: Final = 200
"""5 ms a minute of uptime, and a year of working days in a day of it."""
_AT_ONCE: Final = 5
"""Each asks the source for six hours, as a start does."""
_SETTLED: Final = timedelta(minutes=15)
_MOST_KEPT: Final = 10_000
_FAR_US: Final = 1 << 62


def lost_minutes(database: Database, user_id: str) -> list[int]:
    """Starts of damaged buckets that could not be read again and were told, in microseconds. Raises StoreError."""
    with database.reading():
        saved = database.state.get(_name(user_id))
    try:
        return [int(start_us) for start_us in json.loads(saved)] if saved else []
    except (ValueError, TypeError):
        return []


def damaged_minutes(database: Database, user_id: str) -> int:
    """How many damaged buckets were met so far, without those known to be lost. Raises StoreError."""
    return len({*database.buckets.unreadable(user_id)} - {*lost_minutes(database, user_id)})


def left_out(database: Database, user_id: str) -> str | None:
    """The sentence of a command about damaged minutes it has left out; None when there are none. Raises StoreError."""
    count = damaged_minutes(database, user_id)
    return record_text.minutes_left_out(count) if count else None


def _name(user_id: str) -> str:
    return f"unreadable:{user_id}"


class UnreadableMinutes:
    """Records damaged minutes again; one for each session, in the worker's thread."""

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._user_id = user_id
        self._left_out: list[int] | None = None
        self._again = self._gone = 0
        self._position_us = -_FAR_US
        self._walk_at = 0.0

    def look(self, recorder: Recorder, now: datetime) -> list[Message]:
        """Record a few damaged minutes again. Raises StoreError; SourceError: try later."""
        self._walk()
        known = self._known()
        found = [start_us for start_us in self._database.buckets.unreadable(self._user_id) if start_us not in known]
        due = [start_us for start_us in found if start_us <= to_us(now - _SETTLED)]
        try:
            for start_us in due[:_AT_ONCE]:
                self._mend(recorder, start_us, now)
        except BlackoutOpenError:
            return []
        if len(due) > _AT_ONCE or not self._again + self._gone:
            return []
        told = record_text.minutes_damaged(self._again, self._gone)
        self._again = self._gone = 0
        return [told]

    def _mend(self, recorder: Recorder, start_us: int, now: datetime) -> None:
        # a start that is damaged itself can be any number
        if start_us > 0 and recorder.read_again(from_us(start_us), now):
            self._again += 1
            log.warning("A damaged minute of the record was read again.")
            return
        self._gone += 1
        log.warning("A damaged minute of the record is left out; the source has nothing of it.")
        known = [*self._known(), start_us][-_MOST_KEPT:]
        with self._database.transaction():
            self._database.buckets.settle(self._user_id, start_us)
            self._database.state.set(_name(self._user_id), json.dumps(known))
        self._left_out = known

    def _walk(self) -> None:
        """Read the next buckets; the store remembers which of them are damaged."""
        if time.monotonic() < self._walk_at:
            return
        self._walk_at = time.monotonic() + WALK_SECONDS
        with self._database.reading():
            buckets = self._database.buckets.iterate(self._user_id, self._position_us, _FAR_US)
            walked = list(itertools.islice(buckets, WALK_BUCKETS))
        self._position_us = walked[-1].start_us + 1 if len(walked) == WALK_BUCKETS else -_FAR_US

    def _known(self) -> list[int]:
        """The starts that stay left out and were told."""
        if self._left_out is None:
            self._left_out = lost_minutes(self._database, self._user_id)
        return self._left_out
