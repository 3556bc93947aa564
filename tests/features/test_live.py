"""The live row, by hand."""

from __future__ import annotations

import dataclasses

from taskclf_tray.core.types import FeatureRow
from taskclf_tray.features.build import BuilderState, advance, live_row
from tests.support.events import at, keys, source, tab, win

START = BuilderState.initial("u", "d", time_zone="UTC")


def seconds(row: FeatureRow | None) -> tuple[float, float]:
    assert row is not None
    return (row.bucket_start_ts - at(0)).total_seconds(), (row.bucket_end_ts - at(0)).total_seconds()


def test_it_covers_the_time_since_the_app_came_to_the_front() -> None:
    events = source([win(0, 100, "edit"), win(100, 10, "web")], [keys(95, 5, 9), keys(100, 5, 2, dx=3), keys(105, 5)])
    row = live_row(START, events, at(112))
    assert seconds(row) == (100.0, 110.0)
    assert row is not None
    assert (row.app_id, row.app_foreground_time_ratio, row.app_change_count) == ("web", 1.0, 0)
    assert (row.keys_per_min, row.mouse_distance) == (12.0, 18.0)
    assert (row.active_seconds_any, row.max_idle_run_seconds, row.event_density) == (30.0, 30.0, 0.2)
    # the other columns: the running minute 08:01 has 40 s of edit and 10 s of web, 08:00 has 60 s of edit
    assert row.app_switch_count_last_5m == 1
    assert row.app_entropy_5m == 0.4395  # 100 and 10 of 110 s
    assert row.app_dwell_time_seconds == 10.0
    assert row.session_length_so_far == 1.0
    assert row.title_repeat_count_session == 1
    assert row.covered_seconds == 10.0


def test_it_covers_at_most_60_seconds_and_the_dwell_goes_on() -> None:
    row = live_row(START, source([win(0, 400)], [keys(5 * i, 5, 1) for i in range(80)]), at(400))
    assert seconds(row) == (340.0, 400.0)
    assert row is not None
    assert (row.app_dwell_time_seconds, row.keys_per_min, row.session_length_so_far) == (400.0, 12.0, 6.0)
    assert row.title_repeat_count_session == 7
    assert (row.keys_per_min_rolling_5, row.keys_per_min_delta) == (12.0, 0.0)


def test_a_hole_lowers_the_ratio() -> None:
    row = live_row(START, source([win(0, 5, "web"), win(10, 15, "edit"), win(35, 15, "edit")]), at(50))
    assert seconds(row) == (10.0, 50.0)
    assert row is not None
    assert row.app_foreground_time_ratio == 0.75


def test_events_after_now_do_not_count() -> None:
    row = live_row(START, source([win(0, 100, "edit"), win(100, 100, "web")]), at(90))
    assert seconds(row) == (30.0, 90.0)


def test_stale_data_give_no_row() -> None:
    events = source([win(0, 100)])
    assert live_row(START, events, at(175)) is not None
    assert live_row(START, events, at(175.1)) is None
    assert live_row(START, source([]), at(0)) is None


def test_an_app_seen_once_is_already_in_front() -> None:
    row = live_row(START, source([win(0, 50, "edit"), win(51, 0, "web")]), at(51))
    assert seconds(row) == (51.0, 52.0)
    assert row is not None
    assert (row.app_id, row.app_foreground_time_ratio) == ("web", 1.0)


def test_the_same_from_any_state_and_the_state_is_left_alone() -> None:
    window = [win(40 * i, 40, f"app{i % 3}", event_id=i) for i in range(20)]
    events = source(window, [keys(5 * i, 5, i % 7, event_id=i) for i in range(160)], [tab(0, 700, "docs", event_id=1)])
    expected = live_row(START, events, at(791))
    assert expected is not None
    for until in (0, 60, 420, 780):
        state, _ = advance(START, events, at(until))
        before = state.to_json()
        assert live_row(state, events, at(791)) == expected
        assert state.to_json() == before


def test_events_clipped_to_the_poll_give_the_same_row() -> None:
    """The newest minute only, an event's start cut off but its id kept."""
    whole = source([win(0, 900, "edit", event_id=1), win(700, 100, "web", event_id=2)])
    state, _ = advance(START, whole, at(780))
    part = source([win(730, 170, "edit", event_id=1), win(730, 70, "web", event_id=2)], start=730)
    assert live_row(state, part, at(799)) == live_row(START, whole, at(799))


def test_at_the_end_of_a_minute_it_is_that_minutes_row() -> None:
    window = [win(0, 300, "edit", "a"), win(300, 60, "web", "b")]
    events = source(window, [keys(5 * i, 5, i % 4, dx=i) for i in range(72)], [tab(0, 400, "docs", audible=True)])
    _, rows = advance(START, events, at(360))
    assert live_row(START, events, at(360)) == rows[-1]


def test_without_newer_data_the_finished_minutes_stay_counted_once() -> None:
    events = source([win(0, 55, "web", "a")])
    state, rows = advance(START, events, at(60))
    row = live_row(state, events, at(70))
    assert row is not None
    assert row.app_dwell_time_seconds == rows[-1].app_dwell_time_seconds == 55.0
    assert row.app_entropy_5m == 0.0


def test_it_never_reaches_into_a_blackout() -> None:
    events = source([win(0, 200, "edit", event_id=1), win(100, 20, "secret", event_id=2)])
    skip = [(at(90), at(170.5))]
    row = live_row(START, events, at(200), skip=skip)
    assert seconds(row) == (170.5, 200.0)
    assert row is not None
    assert (row.app_id, row.app_switch_count_last_15m) == ("edit", 0)
    assert live_row(START, events, at(169), skip=[(at(90), at(9999))]) is None


def test_it_is_marked_like_every_row() -> None:
    row = live_row(dataclasses.replace(START, time_zone="Asia/Tokyo"), source([win(0, 30)]), at(30))
    assert row is not None
    assert (row.user_id, row.device_id, row.time_zone, row.hour_of_day) == ("u", "d", "Asia/Tokyo", 17)
