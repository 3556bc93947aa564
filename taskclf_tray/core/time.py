"""Time: aware UTC inside, whole microseconds for arithmetic, local time only where a person's day is meant."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US_PER_SECOND = 1_000_000


def as_utc(moment: datetime) -> datetime:
    """The same instant as an aware UTC datetime; a naive one is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def to_us(moment: datetime) -> int:
    """Whole microseconds since 1970-01-01 UTC (exact: datetimes have no finer unit)."""
    return (as_utc(moment) - _EPOCH) // MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The aware UTC datetime of `to_us`'s result."""
    return _EPOCH + timedelta(microseconds=microseconds)


def seconds_to_us(seconds: float) -> int:
    """A duration in seconds as whole microseconds, rounded to the nearest."""
    return round(seconds * US_PER_SECOND)


def parse_time(text: str) -> datetime:
    """ISO 8601 with any offset, `Z`, or none (then UTC), as aware UTC. Raises ValueError."""
    return as_utc(datetime.fromisoformat(text))


def floor_bucket(moment: datetime, bucket_seconds: int = 60) -> datetime:
    """The start of the wall-clock-aligned bucket that holds `moment` (aligned in UTC)."""
    step = bucket_seconds * US_PER_SECOND
    return from_us(to_us(moment) // step * step)


def iso_z(moment: datetime) -> str:
    """`2026-03-02T08:00:00.123Z`: what ActivityWatch servers of every kind accept."""
    text = as_utc(moment).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


@functools.lru_cache(maxsize=16)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of this name. Raises ValueError for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}") from error


def local_midnight(moment: datetime, zone_name: str) -> datetime:
    """The instant (UTC) at which the local day of `moment` began; right on days of 23 and 25 hours."""
    local = moment.astimezone(zone(zone_name))
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def local_day_bounds(moment: datetime, zone_name: str) -> tuple[datetime, datetime]:
    """[start, end) in UTC of the local day that holds `moment`."""
    local = moment.astimezone(zone(zone_name)).date()
    first = datetime(local.year, local.month, local.day, tzinfo=zone(zone_name))
    after = local + timedelta(days=1)
    last = datetime(after.year, after.month, after.day, tzinfo=zone(zone_name))
    return first.astimezone(UTC), last.astimezone(UTC)
