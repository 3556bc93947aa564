"""The data of a day: buckets by the date in their own stored time zone, and the person's labels."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from taskclf_tray.core.intervals import Interval, intersect, subtract
from taskclf_tray.core.time import day_bounds, from_us, to_us
from taskclf_tray.core.time import local_date as date_in_zone
from taskclf_tray.labels.categories import Categories, Shown
from taskclf_tray.labels.overlay import is_person
from taskclf_tray.labels.spans import extend_growing
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord

_WIDEST_OFFSET = timedelta(hours=16)
"""More than the largest offset of any zone from UTC."""


@dataclass(frozen=True, slots=True)
class LabelledTime:
    """Labelled time without a bucket, such as a meeting away from the desk."""

    start_us: int
    end_us: int
    label: str


@dataclass(frozen=True, slots=True)
class Day:
    """One local date: its buckets, the person's spans over them in order of time, and labelled time without buckets.

    `time_zone`: where the day began. `shown`: the name of each bucket in today's categories; None for the stored names.
    """

    date: date
    records: Sequence[BucketRecord]
    spans: Sequence[SpanRecord] = ()
    away: Sequence[LabelledTime] = ()
    time_zone: str = "UTC"
    shown: Sequence[Shown] | None = None

    def __bool__(self) -> bool:
        return bool(self.records or self.away)


def local_date(record: BucketRecord) -> date:
    """Return the local date on which the bucket began."""
    return date_in_zone(from_us(record.start_us), record.time_zone)


def near_us(day: date) -> Interval:
    """Return an interval [start, end) that contains the date in any zone."""
    midnight = datetime.combine(day, time(), UTC)
    return to_us(midnight - _WIDEST_OFFSET), to_us(midnight + timedelta(days=1) + _WIDEST_OFFSET)


def dates_near(start_us: int, end_us: int) -> list[date]:
    """List every date that [start, end) may touch in any zone."""
    first = (from_us(start_us) - _WIDEST_OFFSET).date()
    last = (from_us(end_us) + _WIDEST_OFFSET).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def day_bounds_us(day: date, zone_name: str) -> Interval:
    """Return [start, end) of a date in a zone; correct for days of 23 and 25 hours."""
    start, end = day_bounds(day, zone_name)
    return to_us(start), to_us(end)


def iterate_day(database: Database, user_id: str, day: date) -> Iterator[BucketRecord]:
    """Yield the stored buckets of a day in order of time, across the zones of a traveller. Raises StoreError."""
    with database.reading():
        for record in database.buckets.iterate(user_id, *near_us(day)):
            if local_date(record) == day:
                yield record


def read_day(database: Database, user_id: str, day: date) -> list[BucketRecord]:
    """List the buckets of `iterate_day`."""
    return list(iterate_day(database, user_id, day))


def read_spans(database: Database, user_id: str, start_us: int, end_us: int) -> list[SpanRecord]:
    """Return the person's spans in force that overlap [start, end), in order of time.

    A growing span covers every later minute on record. Raises StoreError.
    """
    with database.reading():
        spans = [span for span in database.labels.between(user_id, start_us, end_us) if is_person(span)]
    return grown_with_record(database, user_id, spans)


def grown_with_record(database: Database, user_id: str, spans: list[SpanRecord]) -> list[SpanRecord]:
    """Extend the growing span to the end of the last minute on record. Raises StoreError."""
    if not any(span.is_growing for span in spans):
        return spans
    with database.reading():
        reach = database.buckets.reach(user_id)
    return spans if reach is None else extend_growing(spans, from_us(reach[1]))


def load_day(
    database: Database,
    user_id: str,
    day: date,
    zone_name: str,
    categories: Categories | None = None,
) -> Day:
    """Load the data for the report of a day.

    Args:
        database: the record.
        user_id: the user.
        day: the local date.
        zone_name: where the record begins, for labels before it.
        categories: names the buckets; None for the core labels.

    Raises:
        StoreError: the record cannot be read.
    """
    categories = Categories(database, None) if categories is None else categories
    start_us, end_us = near_us(day)
    with database.reading():
        near = database.buckets.between(user_id, start_us, end_us)
        before = database.buckets.before(user_id, start_us, 1)
    spans = read_spans(database, user_id, start_us, end_us)
    first_zone = before[0].time_zone if before else zone_name
    records = [record for record in near if local_date(record) == day]
    here = records[0].time_zone if records else first_zone
    shown = [categories.name(record) for record in records]
    return Day(day, records, spans, tuple(_away(day, near, spans, first_zone)), here, shown)


def _away(
    day: date, near: Sequence[BucketRecord], spans: Sequence[SpanRecord], first_zone: str
) -> Iterator[LabelledTime]:
    """Yield the labelled time without buckets on this date, in the zone of the last bucket before it.

    So each moment has one date, even for a traveller. A growing label is ahead of the record: its time past the newest
    bucket is not away.
    """
    starts, buckets = [record.start_us for record in near], [(record.start_us, record.end_us) for record in near]
    newest_us = near[-1].end_us if near else 0
    for span in spans:
        end_us = min(span.end_us, newest_us) if span.is_growing else span.end_us
        if end_us <= span.start_us:
            continue
        for free in subtract([(span.start_us, end_us)], buckets):
            last = bisect_right(starts, free[0]) - 1
            zone_name = near[last].time_zone if last >= 0 else first_zone
            for start_us, stop_us in intersect([free], [day_bounds_us(day, zone_name)]):
                yield LabelledTime(start_us, stop_us, span.label)
