"""Laws of the builder, over any events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.intervals import union
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import AWEvent, AWInputEvent, AWTabEvent, FeatureRow, SourceEvents
from taskclf_tray.features.build import BuilderState, advance, build_features_from_aw_events
from tests.support.event_strategies import HORIZON, clipped, inputs, tab_events, windows
from tests.support.events import at

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

START = BuilderState.initial("u", "d", time_zone="Europe/Berlin", idle_gap_seconds=120)
quick = settings(max_examples=60)


cuts = st.lists(st.integers(0, HORIZON // 60 + 9), max_size=12).map(lambda bits: sorted(60 * bit for bit in bits))
END = HORIZON + 600


def batch(source: SourceEvents, skip: Sequence[tuple[Any, Any]] = ()) -> tuple[BuilderState, list[FeatureRow]]:
    return advance(START, source, at(END), skip=skip)


def whole(window: list[AWEvent], inputs: list[AWInputEvent], tabs: list[AWTabEvent]) -> SourceEvents:
    return SourceEvents(at(0), at(END), tuple(window), tuple(inputs), (), tuple(tabs))


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
