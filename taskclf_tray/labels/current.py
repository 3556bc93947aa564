"""The current block, read from the record alone: what a label means that is given now, without a tray to ask."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.labels.blocks import MAX_BLOCK_SECONDS
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database

FRESH_FOR: Final = timedelta(minutes=10)
"""After so long without a minute on record nobody knows what goes on now."""

_MAX_BLOCK: Final = timedelta(seconds=MAX_BLOCK_SECONDS)
_READ_AT_ONCE: Final = 60


def current_block(database: Database, user_id: str, now: datetime) -> tuple[datetime, datetime] | None:
    """[start, now) of the block that goes on now, as the tray's: the run of the last minutes' label, cut each 30 min.

    It begins after a gap and after a pause or private mode. None while nothing is recorded, and when the last
    recorded minute was time away. Raises StoreError.
    """
    now_us = to_us(now)
    with database.reading():
        run = _run(database, user_id)
        if run is None or abs(now - from_us(run[-1].end_us)) > FRESH_FOR or run[-1].decided_by == "idle_rule":
            return None
        dark = database.blackouts.overlapping(run[0].start_us, now_us)
    light_us = max((_end_us(blackout, now_us) for blackout in dark), default=run[0].start_us)
    start = from_us(max(run[0].start_us, light_us))
    if light_us >= run[-1].end_us or start >= now:
        return None
    passed = now - start - timedelta(microseconds=1)  # a block that is just full has not given way to an empty one
    return start + passed // _MAX_BLOCK * _MAX_BLOCK, now


def _run(database: Database, user_id: str) -> tuple[BucketRecord, BucketRecord] | None:
    """The first and the last of the newest buckets that touch and have one label."""
    last = first = None
    while True:
        before_us = 1 << 62 if first is None else first.start_us
        records = database.buckets.before(user_id, before_us, _READ_AT_ONCE)
        for record in reversed(records):
            if first is not None and (record.end_us != first.start_us or record.ui_label != first.ui_label):
                break
            first, last = record, last or record
        else:
            if records:
                continue
        return None if first is None or last is None else (first, last)


def _end_us(blackout: Blackout, now_us: int) -> int:
    """When it ended; a pause whose time is over ends by itself, also while nothing runs that would close it."""
    if blackout.end_us is not None:
        return blackout.end_us
    return now_us if blackout.resume_us is None else min(now_us, blackout.resume_us)
