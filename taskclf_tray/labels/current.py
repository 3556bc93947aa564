"""The current block: the time that a label given now applies to, the same in the tray and in a command.

It is the run of the label that shows, without a missing minute, a pause, private mode or time away, cut every 30 min as
the blocks of the queue are. If the current app came to the front later, or the person came back to the keyboard later,
the block begins then (`labels.presence`), because the live label follows a change of work only after a minute or two.

The running app knows the events of its last minutes, so at each change it stores where its block begins, and a command
reads that. While no app runs, the record alone decides, by the main app of each minute. A terminal that has just come
to the front is where the command is typed, so for a command the work before it counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.labels.blocks import MAX_BLOCK_SECONDS
from taskclf_tray.labels.presence import Front, changed_us
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database

FRESH_FOR: Final = timedelta(minutes=10)
"""After this long without a minute on record the current block is unknown."""

Named = Callable[[BucketRecord], str]
"""The label that shows for a stored bucket."""

_MAX_BLOCK: Final = timedelta(seconds=MAX_BLOCK_SECONDS)
_READ_AT_ONCE: Final = 60
_FAR_US: Final = 1 << 62
_AWAY: Final = "idle_rule"


def stored_name(record: BucketRecord) -> str:
    """Return the label that showed when the bucket was predicted."""
    return record.ui_label


def block_start(since: datetime, end: datetime, changed_at: datetime | None = None) -> datetime:
    """Return the start of the block at `end`, in a run of one label since `since`.

    `changed_at`: a later change to the current app, or return of the person. A block that has just become full is not
    yet followed by an empty one.
    """
    passed = max(timedelta(0), end - since - timedelta(microseconds=1))
    start = since + passed // _MAX_BLOCK * _MAX_BLOCK
    return start if changed_at is None else max(start, changed_at)


def run_before(
    database: Database,
    user_id: str,
    before_us: int = _FAR_US,
    *,
    label: str | None = None,
    named: Named = stored_name,
    with_away: bool = False,
) -> tuple[BucketRecord, BucketRecord] | None:
    """Return the first and last of the newest contiguous buckets before `before_us` with one label.

    Args:
        database: the record.
        user_id: the user.
        before_us: the end of the search.
        label: the label they must have; by default the newest's.
        named: returns the shown label of a bucket.
        with_away: include time away.

    Returns:
        The two buckets; None when the newest one does not fit.

    Raises:
        StoreError: the record cannot be read.
    """
    first = last = None
    while True:
        with database.reading():
            records = database.buckets.before(user_id, before_us if first is None else first.start_us, _READ_AT_ONCE)
        for record in reversed(records):
            touches = first is None or record.end_us == first.start_us
            is_work = with_away or record.decided_by != _AWAY
            if not (touches and is_work and (label is None or named(record) == label)):
                break
            label = named(record)
            first, last = record, last or record
        else:
            if records:
                continue
        return None if first is None or last is None else (first, last)


# -- without a tray to ask ------------------------------------------------------------------------------------


def current_block(
    database: Database, user_id: str, now: datetime, *, names: Callable[[], Named] = lambda: stored_name
) -> tuple[datetime, datetime] | None:
    """Return [start, now) of the current block, as the tray shows it. `names` is called while no app runs.

    None while nothing is recorded, and when the last recorded minute was time away. Raises StoreError.
    """
    with database.reading():
        newest = database.buckets.before(user_id, _FAR_US, 1)
    is_fresh = bool(newest) and abs(now - from_us(newest[0].end_us)) <= FRESH_FOR
    note = _read_note(database, user_id)
    if note is not None and (is_fresh or abs(now - note.at) <= FRESH_FOR):
        if note.start is None:
            return None
        if now - note.start <= _MAX_BLOCK + FRESH_FOR:  # otherwise the note is from a killed program
            return _outside_dark(database, note.start, now, now)
    return recorded_block(database, user_id, now, named=names()) if is_fresh else None


def recorded_block(
    database: Database, user_id: str, now: datetime, *, named: Named = stored_name
) -> tuple[datetime, datetime] | None:
    """Return the current block from the record alone: a switch of app shows in the minute it filled.

    Raises StoreError.
    """
    run = run_before(database, user_id, named=named)
    light = None if run is None else _outside_dark(database, from_us(run[0].start_us), from_us(run[-1].end_us), now)
    if run is None or light is None:
        return None
    start = block_start(light[0], now)
    with database.reading():
        records = database.buckets.between(user_id, run[0].start_us, run[-1].end_us)
    fronts = [
        Front(record.row().app_id, record.start_us, record.end_us) for record in records if record.end_us > to_us(start)
    ]
    changed = changed_us(fronts, to_us(start))
    return (start if changed is None else from_us(changed)), now


def _outside_dark(
    database: Database, start: datetime, known_until: datetime, now: datetime
) -> tuple[datetime, datetime] | None:
    """Return [start, now) after the last pause or private mode in it;

    None when nothing is known of the time after that.
    """
    with database.reading():
        dark = database.blackouts.overlapping(to_us(start), to_us(now))
    light_us = max((_end_us(blackout, to_us(now)) for blackout in dark), default=to_us(start) - 1)
    start = max(start, from_us(light_us))
    return None if light_us >= to_us(known_until) or start >= now else (start, now)


def _end_us(blackout: Blackout, now_us: int) -> int:
    """Return the end of a blackout; a timed pause ends on time even when no app runs to close it."""
    if blackout.end_us is not None:
        return blackout.end_us
    return now_us if blackout.resume_us is None else min(now_us, blackout.resume_us)


# -- what the running app shows -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Note:
    """The stored start of the block; None when there was nothing to label."""

    start: datetime | None
    at: datetime


class BlockNote:
    """Stores for commands where the running app's block begins; writes only changes."""

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._name = _name(user_id)
        self._written: _Note | None = None

    def write(
        self, start: datetime | None, now: datetime, *, is_typing: bool = False, not_before: datetime | None = None
    ) -> None:
        """Store the start of the block; None when there is nothing to label. Raises StoreError.

        `is_typing`: a terminal has just come to the front, so the stored block continues if it began at `not_before` or
        later.
        """
        before = None if self._written is None else self._written.start
        if is_typing and before is not None and start is not None and (not_before is None or before >= not_before):
            start = min(start, block_start(before, now))
        if self._written is not None and self._written.start == start:
            return
        content = {"start_us": None if start is None else to_us(start), "at_us": to_us(now)}
        with self._database.transaction():
            self._database.state.set(self._name, json.dumps(content))
        self._written = _Note(start, now)

    def remove(self) -> None:
        """Remove the note when the app begins or ends, so that the record alone decides. Raises StoreError."""
        self._written = None
        with self._database.reading():
            if self._database.state.get(self._name) is None:
                return
        with self._database.transaction():
            self._database.state.remove(self._name)


def _read_note(database: Database, user_id: str) -> _Note | None:
    with database.reading():
        saved = database.state.get(_name(user_id))
    if saved is None:
        return None
    content = json.loads(saved)
    return _Note(None if content["start_us"] is None else from_us(content["start_us"]), from_us(content["at_us"]))


def _name(user_id: str) -> str:
    return f"current_block:{user_id}"
