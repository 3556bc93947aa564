"""Events over each other: what counts of them stays, and what they cost grows with their number alone."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.adapters.apps import AppRegistry
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.cleaning import (
    MOST_OVERLAP,
    holds_too_many_values,
    subtract_intervals,
    thinned,
    too_many_minutes,
)
from taskclf_tray.adapters.follow import Desk, Screen, follow
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import Interval, flatten, union
from tests.support.processes import allowed

S = 1_000_000
DAY = 86_400
lookup = AppRegistry({}).lookup


def event(start: float, seconds: float, number: int = 0, **data: Any) -> RawEvent:
    return RawEvent(round(start * S), round(seconds * S), data, number)


def won(events: list[RawEvent]) -> dict[str, list[Interval]]:
    """When each app is in front."""
    pieces = flatten([(e.start_us, e.end_us, e.event_id) for e in events])
    times: dict[str, list[Interval]] = {}
    for start, end, at in pieces:
        times.setdefault(events[at].data["app"], []).append((start, end))
    return {app: union(intervals) for app, intervals in times.items()}


def crowd(count: int, seconds: float = DAY, step: float = 1.0, **data: Any) -> list[RawEvent]:
    return [event(step * n, seconds, n + 1, app=f"a{n}", title="t", **data) for n in range(count)]


def test_what_a_watcher_writes_stays_as_it_is() -> None:
    twice = [event(n * 600, 900, n + 1, app="a", title="t") for n in range(50)]
    assert thinned(Stream.WINDOW, twice) == twice
    assert thinned(Stream.WINDOW, []) == []


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(600, 90_000)), min_size=1, max_size=30), st.integers(0, 9))
def test_who_is_in_front_does_not_change(spans: list[tuple[int, int]], moments: int) -> None:
    events = [event(start, length, n + 1, app=f"a{n % 5}") for n, (start, length) in enumerate(spans * 12)]
    events += [event(60 * n, 0, 10_000 + n, app="seen once") for n in range(moments)]
    thin = thinned(Stream.WINDOW, events)
    assert won(thin) == won(events)
    assert sum(e.duration_us == 0 for e in thin) == moments
    covered = sum(end - start for start, end in union((e.start_us, e.end_us) for e in events))
    assert sum(e.duration_us for e in thin) <= MOST_OVERLAP * covered + len(thin) * 60 * S


def test_away_time_means_what_it_meant() -> None:
    statuses = ("afk", "not-afk")
    events = [event(n, 3600 + n, n + 1, status=statuses[n % 2]) for n in range(400)]
    thin = thinned(Stream.AWAY, events)
    assert len(thin) <= 2 * len(events)
    for status in statuses:
        before, after = (
            union((e.start_us, e.end_us) for e in listed if e.data["status"] == status) for listed in (events, thin)
        )
        assert after == before


def test_following_and_cutting_cost_no_minute_of_what_is_hidden() -> None:
    began = time.monotonic()
    count = 4000
    left, right = (Desk([Screen(thinned(Stream.WINDOW, crowd(count, step=0.5)), (n,))]) for n in range(2))
    raw = follow([left, right], Desk(), lookup)
    assert len(raw[Stream.WINDOW]) < 4 * count
    holes = [(120 * n * S, (120 * n + 60) * S) for n in range(1000)]
    assert len(subtract_intervals(thinned(Stream.WINDOW, crowd(count)), holes)) < 4 * count
    assert time.monotonic() - began < allowed(3)  # each minute of each event: more than a minute


def test_many_computers_in_one_minute_are_not_compared_each_with_all() -> None:
    began = time.monotonic()
    desks = [Desk([Screen([event(n / 20, 0.04, 1, app=f"a{n}", title="t")])]) for n in range(1000)]
    raw = follow(desks, Desk(), lookup)
    assert len(raw[Stream.WINDOW]) == 1000
    assert time.monotonic() - began < allowed(3)


@pytest.mark.parametrize(
    ("count", "seconds", "expected"),
    [
        (40, DAY - 60, 0),
        (1, 31 * DAY, 0),
        (99, DAY, 0),
        (1000, DAY, 1_440_000),
        (300_000, 600, 0),
        (300_000, 3600, 18_000_000),
        (3000, 3600, 0),
    ],
)
def test_what_a_file_may_claim(count: int, seconds: int, expected: int) -> None:
    assert too_many_minutes([[event(0, seconds)] * count, []]) == expected
    assert too_many_minutes([[event(0, seconds)] * (count // 2)] * 2) in (0, expected)


def test_values_of_a_text() -> None:
    honest = b'{"id":1,"timestamp":"2026-03-02T08:00:00Z","duration":5.0,"data":{"status":"afk"}},'
    assert not holds_too_many_values(honest * 100_000)
    assert holds_too_many_values(b"[]," * 150_000)
    assert holds_too_many_values(b'{"":0},' * 200_000)
    assert holds_too_many_values(b"[" * 150_000)
    assert not holds_too_many_values(b"[[[[{{{{" * 10_000)
