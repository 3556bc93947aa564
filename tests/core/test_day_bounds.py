"""A local day is where the calendar says it is: without a midnight, with two of them, or left out altogether."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.time import MICROSECOND, day_bounds, local_date, local_day_bounds, local_midnight

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "day", "start", "hours"),
    [
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00", 23),  # set forward at midnight
        ("America/Havana", date(2026, 3, 8), "2026-03-08T05:00", 23),
        ("America/Santiago", date(2026, 9, 6), "2026-09-06T04:00", 23),
        ("Asia/Beirut", date(2026, 3, 29), "2026-03-28T22:00", 23),
        ("Atlantic/Azores", date(2026, 3, 29), "2026-03-29T01:00", 23),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00", 25),  # midnight comes twice
        ("Atlantic/Azores", date(2026, 10, 25), "2026-10-25T00:00", 25),
        ("Africa/Cairo", date(2026, 10, 29), "2026-10-28T21:00", 25),  # back at midnight, to the day before
        ("America/St_Johns", date(2010, 11, 6), "2010-11-06T02:30", 25),  # back at 00:01
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07T03:30", 24),
        ("Australia/Lord_Howe", date(2026, 10, 4), "2026-10-03T13:30", 23.5),
        ("Antarctica/Troll", date(2026, 10, 25), "2026-10-24T22:00", 26),
        ("Pacific/Apia", date(2011, 12, 29), "2011-12-29T10:00", 24),
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00", 0),  # left out
        ("Pacific/Kwajalein", date(1993, 8, 21), "1993-08-21T12:00", 0),
        ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30", 23.5),  # from 23:30 to 00:30
        ("CET-1CEST,M3.5.0,M10.5.0/3", date(2026, 3, 29), "2026-03-28T23:00", 23),
        ("Mars/Elysium", date(2026, 3, 29), "2026-03-29T00:00", 24),  # unknown: UTC
    ],
)
def test_days_on_which_the_clock_is_changed(name: str, day: date, start: str, hours: float) -> None:
    begin, end = day_bounds(day, name)
    assert begin == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert (end - begin) / HOUR == hours
    if hours:
        noon = begin + (end - begin) / 2
        assert local_day_bounds(noon, name) == (begin, end)
        assert local_midnight(noon, name) == begin


HARD = ("Africa/Cairo", "America/Havana", "America/Santiago", "America/St_Johns", "Asia/Beirut", "Asia/Gaza",
        "Atlantic/Azores", "Australia/Lord_Howe", "Antarctica/Troll", "America/Nuuk", "Pacific/Apia",
        "Pacific/Kwajalein", "America/Sao_Paulo", "Asia/Tehran", "Africa/Casablanca")  # fmt: skip
NAMES = st.sampled_from(HARD) | st.sampled_from(sorted(zoneinfo.available_timezones()))
DAYS = st.dates(date(1972, 1, 2), date(2037, 12, 30))


@settings(max_examples=150)
@given(name=NAMES, day=DAYS)
def test_days_partition_time(name: str, day: date) -> None:
    """Each day ends where the next one begins, and both its ends bear its date, unless it has no moment at all."""
    start, end = day_bounds(day, name)
    assert day_bounds(day - timedelta(days=1), name)[1] == start
    assert day_bounds(day + timedelta(days=1), name)[0] == end
    assert timedelta(0) <= end - start <= 48 * HOUR
    if start < end:
        assert local_date(start, name) == local_date(end - MICROSECOND, name) == day
        assert local_day_bounds(start, name) == (start, end)


@pytest.mark.parametrize("name", HARD)
def test_every_change_of_a_hard_zone_keeps_the_days_in_order(name: str) -> None:
    here = zoneinfo.ZoneInfo(name)
    day, offset = date(1990, 1, 1), None
    while day.year < 2031:
        before, offset = offset, datetime(day.year, day.month, day.day, 12, tzinfo=here).utcoffset()
        if before not in (None, offset):
            for near in (day - timedelta(days=1), day, day + timedelta(days=1)):
                start, end = day_bounds(near, name)
                assert day_bounds(near + timedelta(days=1), name)[0] == end
                assert start == end or local_date(start, name) == local_date(end - MICROSECOND, name) == near
        day += timedelta(days=1)
