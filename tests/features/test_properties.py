"""Laws of the builder, over any events."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskclf_tray.core.intervals import union
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import AWEvent, AWInputEvent, AWTabEvent, FeatureRow, SourceEvents
from taskclf_tray.features.build import BuilderState, advance, build_features_from_aw_events
from tests.features.events import at, keys, tab, win

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

HORIZON = 1500
START = BuilderState.initial("u", "d", time_zone="Europe/Berlin", idle_gap_seconds=120)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# whole seconds make ties and borders likely, fractions make them rare
moments = st.one_of(st.integers(0, HORIZON), st.integers(0, 25).map(lambda m: 60 * m), st.floats(0, HORIZON))
lengths = st.one_of(st.just(0), st.integers(0, 90), st.just(400), st.floats(0, 200))
apps = st.sampled_from(["edit", "web", "meet", "lock", "?"])


@st.composite
def windows(draw: st.DrawFn) -> list[AWEvent]:
    """Any window events, each with its own id."""
    parts = draw(st.lists(st.tuples(moments, lengths, apps, st.sampled_from("xy")), max_size=14))
    ids = draw(st.permutations(range(len(parts))))
    return [win(*part, event_id=i) for part, i in zip(parts, ids, strict=True)]


@st.composite
def inputs(draw: st.DrawFn) -> list[AWInputEvent]:
    """Input events as the watcher makes them: whole samples, one after the other, at any offset."""
    events, now = [], draw(st.integers(0, 60)) + draw(st.sampled_from([0, 0.25]))
    for i in range(draw(st.integers(0, 8))):
        samples = draw(st.sampled_from([1, 1, 3, 20]))
        presses, distance = draw(st.sampled_from([(0, 0), (7, 0), (0, 31), (13, 2)]))
        events.append(keys(now, 5 * samples, presses, event_id=i, dx=distance))
        now += 5 * samples + draw(st.sampled_from([0, 0, 5, 130]))
    return events


@st.composite
def tab_events(draw: st.DrawFn) -> list[AWTabEvent]:
    """Any tabs, each with its own id."""
    parts = draw(st.lists(st.tuples(moments, lengths, st.sampled_from(["docs", "video"]), st.booleans()), max_size=6))
    return [tab(*part, event_id=i) for i, part in enumerate(parts)]


cuts = st.lists(st.integers(0, HORIZON // 60 + 9), max_size=12).map(lambda bits: sorted(60 * bit for bit in bits))
END = HORIZON + 600


def batch(source: SourceEvents, skip: Sequence[tuple[Any, Any]] = ()) -> tuple[BuilderState, list[FeatureRow]]:
    return advance(START, source, at(END), skip=skip)


def whole(window: list[AWEvent], inputs: list[AWInputEvent], tabs: list[AWTabEvent]) -> SourceEvents:
    return SourceEvents(at(0), at(END), tuple(window), tuple(inputs), (), tuple(tabs))


def clipped(events: Sequence[Any], start: float, end: float) -> tuple[Any, ...]:
    """As a server answers: cut to [start, end), same id; what ended at `start` comes as a piece without length."""
    pieces = []
    for event in events:
        begin = (event.timestamp - at(0)).total_seconds()
        a, b = max(begin, start), min(begin + event.duration_seconds, end)
        if a <= b and a < end:
            pieces.append(dataclasses.replace(event, timestamp=at(a), duration_seconds=b - a))
    return tuple(pieces)


@quick
@given(windows(), inputs(), tab_events(), cuts, st.booleans())
def test_any_cut_of_whole_events_gives_the_same_rows(
    window: list[AWEvent], inputs: list[AWInputEvent], tabs: list[AWTabEvent], points: list[int], saved: bool
) -> None:
    source = whole(window, inputs, tabs)
    expected_state, expected = batch(source)
    state, rows = START, []
    for point in [*points, END]:
        state, new = advance(state, source, at(point))
        state = BuilderState.from_json(state.to_json()) if saved else state
        rows += new
    assert rows == expected
    assert state == expected_state


@quick
@given(windows(), inputs(), tab_events(), cuts, st.booleans(), st.sampled_from([0, 20, 90]))
def test_any_cut_of_clipped_events_gives_the_same_rows(
    window: list[AWEvent],
    inputs: list[AWInputEvent],
    tabs: list[AWTabEvent],
    points: list[int],
    saved: bool,
    tail: int,
) -> None:
    """Each poll sees only [last point, this point + tail), with the ids kept."""
    expected_state, expected = batch(whole(window, inputs, tabs))
    state, rows, start = START, [], 0
    for point in [*points, END]:
        end = point + tail
        polled = [clipped(events, start, end) for events in (window, inputs, tabs)]
        state, new = advance(state, SourceEvents(at(start), at(end), polled[0], polled[1], (), polled[2]), at(point))
        state = BuilderState.from_json(state.to_json()) if saved else state
        rows += new
        start = point
    assert rows == expected
    assert state == expected_state


@quick
@given(windows(), cuts, st.integers(0, HORIZON), st.floats(1, 700))
def test_any_cut_gives_the_same_rows_around_a_blackout(
    window: list[AWEvent], points: list[int], begin: int, length: float
) -> None:
    skip = [(at(begin), at(begin + length))]
    source = whole(window, [], [])
    _, expected = batch(source, skip)
    state, rows = START, []
    for point in [*points, END]:
        state, new = advance(state, source, at(point), skip=skip)
        rows += new
    assert rows == expected
    for row in rows:
        assert row.bucket_end_ts <= skip[0][0] or row.bucket_start_ts >= skip[0][1]


@quick
@given(windows())
def test_no_second_is_lost_or_counted_twice(window: list[AWEvent]) -> None:
    rows = build_features_from_aw_events(window, user_id="u")
    spans = [(to_us(event.timestamp), to_us(event.timestamp) + round(event.duration_seconds * 1e6)) for event in window]
    covered = union(spans)
    assert sum(round(row.covered_seconds * 1e6) for row in rows) == sum(end - start for start, end in covered)
    for row in rows:
        assert row.covered_seconds <= 60.0
        parts = row.unknown_seconds + row.locked_seconds
        assert parts <= row.covered_seconds + 1e-9
        assert 0.0 <= row.app_foreground_time_ratio <= 1.0
        assert 0.0 <= row.top2_app_concentration_15m <= 1.0
        assert row.app_entropy_5m >= 0.0


@quick
@given(windows(), inputs(), tab_events(), st.randoms(use_true_random=False))
def test_order_and_copies_do_not_matter(
    window: list[AWEvent], inputs: list[AWInputEvent], tabs: list[AWTabEvent], rng: Any
) -> None:
    lists: list[list[Any]] = [list(window), list(inputs), list(tabs)]
    for events in lists:
        events += [rng.choice(events) for _ in events[:3]]
        rng.shuffle(events)
    assert batch(whole(lists[0], lists[1], lists[2])) == batch(whole(window, inputs, tabs))


@quick
@given(windows(), inputs())
def test_rows_are_whole_minutes_in_order_and_once(window: list[AWEvent], inputs: list[AWInputEvent]) -> None:
    rows = build_features_from_aw_events(window, user_id="u", input_events=inputs)
    starts = [to_us(row.bucket_start_ts) for row in rows]
    assert starts == sorted(set(starts))
    assert all(start % 60_000_000 == 0 for start in starts)
    for row in rows:
        if row.active_seconds_any is not None:
            assert row.max_idle_run_seconds is not None
            assert row.active_seconds_any + row.max_idle_run_seconds <= 60.01
