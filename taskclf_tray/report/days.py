"""Which buckets make a day: each belongs to the date in its own stored time zone (contract, section 2)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from taskclf_tray.core.time import from_us, to_us, zone
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database

_WIDEST_OFFSET = timedelta(hours=16)
"""More than any zone has ever been away from UTC."""


def local_date(record: BucketRecord) -> date:
    """The date on the person's calendar when the bucket began."""
    return from_us(record.start_us).astimezone(zone(record.time_zone)).date()


def read_day(database: Database, user_id: str, day: date) -> list[BucketRecord]:
    """The day's buckets in order of time, whatever zones the person was in. Raises StoreError."""
    midnight = datetime.combine(day, time(), UTC)
    start_us, end_us = to_us(midnight - _WIDEST_OFFSET), to_us(midnight + timedelta(days=1) + _WIDEST_OFFSET)
    with database.reading():
        near = database.buckets.iterate(user_id, start_us, end_us)
        return [record for record in near if local_date(record) == day]
