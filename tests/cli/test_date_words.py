"""Dates, times, weeks and shares as people write them."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.cli.labels import share_of
from taskclf_tray.cli.time_options import clock_of, date_of, week_of

WEDNESDAY = date(2026, 3, 4)
DATES = st.dates(date(1971, 1, 4), date(2198, 12, 31))


@pytest.mark.parametrize(
    ("word", "day"),
    [
        ("2026-03-02", date(2026, 3, 2)),
        ("2.3.2026", date(2026, 3, 2)),
        ("02.03.2026", date(2026, 3, 2)),
        ("2.3.", date(2026, 3, 2)),
        ("5.3.", date(2025, 3, 5)),
        ("today", WEDNESDAY),
        (" Yesterday ", date(2026, 3, 3)),
        ("monday", date(2026, 3, 2)),
        ("Wed", WEDNESDAY),
        ("thursday", date(2026, 2, 26)),
        ("31.2.2026", None),
        ("2026-02-30", None),
        ("30.2.", None),
        ("3/2/2026", None),
        ("1111-01-01", None),
        ("mo", None),
        ("", None),
        ("²026-03-02", None),
    ],
)
def test_days(word: str, day: date | None) -> None:
    assert date_of(word, WEDNESDAY) == day


@pytest.mark.parametrize(
    ("word", "clock"),
    [
        ("14:05", time(14, 5)),
        ("8:05", time(8, 5)),
        ("8pm", time(20)),
        ("8 PM", time(20)),
        ("8:30pm", time(20, 30)),
        ("12am", time(0)),
        ("12 p.m.", time(12)),
        ("24:00", None),
        ("14:60", None),
        ("13pm", None),
        ("0am", None),
        ("noon", None),
        ("8", None),
        ("", None),
    ],
)
def test_clocks(word: str, clock: time | None) -> None:
    assert clock_of(word) == clock


@pytest.mark.parametrize(
    ("word", "monday"),
    [
        ("2026-W10", date(2026, 3, 2)),
        ("2026-w10", date(2026, 3, 2)),
        ("W10", date(2026, 3, 2)),
        ("10", date(2026, 3, 2)),
        ("11", date(2025, 3, 10)),
        ("this", date(2026, 3, 2)),
        ("last", date(2026, 2, 23)),
        ("2026-W54", None),
        ("2026-10", None),
        ("0", None),
        ("2026-W", None),
        ("next", None),
    ],
)
def test_weeks(word: str, monday: date | None) -> None:
    assert week_of(word, WEDNESDAY) == monday


@pytest.mark.parametrize(
    ("word", "share"),
    [
        ("0.8", 0.8), ("80%", 0.8), ("80 %", 0.8), ("80", 0.8), ("100", 1.0), ("1", 1.0), ("0", 0.0), ("1%", 0.01),
        ("1.5", None), ("-0.1", None), ("101", None), ("nan", None), ("inf", None), ("sure", None), ("", None),
    ],
)  # fmt: skip
def test_shares(word: str, share: float | None) -> None:
    assert share_of(word) == share


@given(day=DATES, today=DATES)
def test_every_date_can_be_written_with_numbers(day: date, today: date) -> None:
    assert date_of(day.isoformat(), today) == date_of(f"{day.day}.{day.month}.{day.year}", today) == day
    near = date_of(f"{day.day}.{day.month}.", today)
    assert near is None or (near <= today and (near.day, near.month) == (day.day, day.month))
    year, week, _ = day.isocalendar()
    assert week_of(f"{year}-W{week:02}", today) == day - timedelta(days=day.weekday())


@given(
    today=DATES, name=st.sampled_from(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])
)
def test_a_weekday_is_the_last_of_its_name(today: date, name: str) -> None:
    day = date_of(name, today)
    assert day is not None
    assert f"{day:%A}".casefold() == name
    assert 0 <= (today - day).days < 7


@given(st.text(max_size=20))
def test_no_word_raises(word: str) -> None:
    for day in (date_of(word, WEDNESDAY), week_of(word, WEDNESDAY)):
        assert day is None or isinstance(day, date)
    clock_of(word)
    share = share_of(word)
    assert share is None or 0 <= share <= 1
