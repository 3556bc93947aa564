"""Time: aware UTC inside, whole microseconds for arithmetic, local time only for the person's days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from taskclf_tray.core.zones import stored_zone
from taskclf_tray.core.zones import zone as zone

MICROSECOND = timedelta(microseconds=1)
_SECONDS_PER_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US_PER_SECOND = 1_000_000


def as_utc(moment: datetime) -> datetime:
    """Convert to an aware UTC datetime; a naive one is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def to_us(moment: datetime) -> int:
    """Convert to whole microseconds since 1970-01-01 UTC (exact: datetimes have no finer unit)."""
    since = (moment if moment.tzinfo is UTC else as_utc(moment)) - _EPOCH
    return (since.days * _SECONDS_PER_DAY + since.seconds) * US_PER_SECOND + since.microseconds


def from_us(microseconds: int) -> datetime:
    """Convert microseconds since 1970-01-01 UTC to an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=microseconds)


def seconds_to_us(seconds: float) -> int:
    """Convert seconds to whole microseconds, rounded to the nearest."""
    return round(seconds * US_PER_SECOND)


def parse_time(text: str) -> datetime:
    """Parse ISO 8601 with any offset, `Z`, or none (UTC) to aware UTC. Raises ValueError."""
    return as_utc(datetime.fromisoformat(text))


def floor_bucket(moment: datetime, bucket_seconds: int = 60) -> datetime:
    """Return the start of the bucket that contains `moment`; buckets are aligned in UTC."""
    step = bucket_seconds * US_PER_SECOND
    return from_us(to_us(moment) // step * step)


def iso_z(moment: datetime) -> str:
    """Format as `2026-03-02T08:00:00.123Z`, which every ActivityWatch server accepts."""
    text = as_utc(moment).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def local_midnight(moment: datetime, zone_name: str) -> datetime:
    """Return the UTC instant at which the local day of `moment` began; correct for days of 23 and 25 hours."""
    return local_day_bounds(moment, zone_name)[0]


def local_day_bounds(moment: datetime, zone_name: str) -> tuple[datetime, datetime]:
    """Return [start, end) in UTC of the local day that contains `moment`."""
    return day_bounds(local_date(moment, zone_name), zone_name)


def local_date(moment: datetime, zone_name: str) -> date:
    """Return the calendar date of `moment` in the zone."""
    return as_utc(moment).astimezone(stored_zone(zone_name)).date()


def day_bounds(day: date, zone_name: str) -> tuple[datetime, datetime]:
    """Return [start, end) in UTC of a date in a zone; a day ends where the next one begins.

    Clock changes at midnight are handled. A date that the zone's calendar skipped, such as 2011-12-30 in Pacific/Apia,
    is empty. A zone that this computer does not know counts as UTC.
    """
    here = stored_zone(zone_name)
    return _start_of(day, here), _start_of(day + timedelta(days=1), here)


def _start_of(day: date, here: ZoneInfo) -> datetime:
    """Return the start of a date: its first moment, unless the previous day returns after that."""
    first, second = (datetime(day.year, day.month, day.day, fold=fold, tzinfo=here).astimezone(UTC) for fold in (0, 1))
    if second < first:  # the clock is set forward over midnight
        return _first_change(second, first, here)
    if first < second and (second - MICROSECOND).astimezone(here).date() < day:  # back over midnight, to the day before
        return second
    return first


def _first_change(start: datetime, end: datetime, here: ZoneInfo) -> datetime:
    """Return the instant in (start, end] at which the zone's offset changes, to the second."""
    before = start.astimezone(here).utcoffset()
    while (end - start) > timedelta(seconds=1):
        middle = start + (end - start) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(here).utcoffset() == before:
            start = middle
        else:
            end = middle
    return end
