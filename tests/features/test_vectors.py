"""Hand-computed rows for each special case of events → buckets (contract, sections 3 and 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskclf_tray.core.types import AWEvent, FeatureRow
from taskclf_tray.features.build import BuilderState, advance, build_features_from_aw_events
from tests.support.events import at, keys, source, tab, win


def build(window: Sequence[AWEvent], **options: Any) -> list[FeatureRow]:
    return build_features_from_aw_events(window, user_id="u", **options)


def minutes(rows: Sequence[FeatureRow]) -> list[float]:
    return [(row.bucket_start_ts - at(0)) / timedelta(minutes=1) for row in rows]


def test_forty_minutes_in_one_window_are_forty_buckets() -> None:
    rows = build([win(0, 2400)])
    assert minutes(rows) == list(range(40))
    assert {row.app_foreground_time_ratio for row in rows} == {1.0}
    assert {row.app_change_count for row in rows} == {0}
    assert [row.app_dwell_time_seconds for row in rows[:3]] == [60.0, 120.0, 180.0]
    assert [row.title_repeat_count_session for row in rows[:3]] == [1, 2, 3]
    assert [row.session_length_so_far for row in rows[:3]] == [0.0, 1.0, 2.0]


def test_an_event_counts_in_each_minute_with_its_overlap() -> None:
    rows = build([win(45, 30)])
    assert [row.covered_seconds for row in rows] == [15.0, 15.0]
    assert [row.app_foreground_time_ratio for row in rows] == [0.25, 0.25]


def test_the_later_start_wins_and_the_earlier_resumes() -> None:
    (row,) = build([win(0, 60, "edit"), win(20, 15, "web")])
    assert (row.app_id, row.app_foreground_time_ratio) == ("edit", 0.75)
    assert row.app_change_count == 2
    assert row.covered_seconds == 60.0
    # 45 and 15 of 60 s: 0.75 log2(4/3) + 0.25 log2 4
    assert row.app_entropy_5m == 0.8113
    assert row.top2_app_concentration_15m == 1.0


def test_of_three_nested_events_each_moment_goes_to_the_latest_start() -> None:
    (row,) = build([win(0, 60, "a"), win(10, 40, "b"), win(20, 10, "c")])
    # a 10, b 10, c 10, b 20, a 10
    assert (row.app_id, row.app_foreground_time_ratio, row.app_change_count) == ("b", 0.5, 4)


@pytest.mark.parametrize(("web_id", "winner"), [(7, "web"), (1, "edit")])
def test_equal_starts_go_to_the_higher_id(web_id: int, winner: str) -> None:
    (row,) = build([win(0, 40, "edit", event_id=5), win(0, 40, "web", event_id=web_id)])
    assert (row.app_id, row.covered_seconds, row.app_change_count) == (winner, 40.0, 0)


def test_copies_and_shorter_readings_of_a_growing_event_collapse() -> None:
    once = build([win(0, 0, "edit", event_id=1), win(5, 40, "web", event_id=2), win(50, 0, "edit", event_id=3)])
    grown = [win(0, 0, "edit", event_id=1), win(5, 40, "web", event_id=2), win(5, 10, "web", event_id=2)]
    zero_before_growth = win(5, 0, "web", event_id=2)
    assert build([*grown, win(50, 0, "edit", event_id=3), zero_before_growth, win(50, 0, "edit", event_id=4)]) == once
    assert once[0].app_change_count == 2


def test_order_does_not_matter() -> None:
    events = [win(0, 30, "a"), win(20, 30, "b"), win(55, 0, "c"), win(70, 20, "a")]
    assert build(events[::-1]) == build(events)


def test_an_event_without_length_is_a_change_of_app_and_nothing_else() -> None:
    (row,) = build([win(0, 30, "edit"), win(30, 0, "web"), win(30, 30, "edit", "other")])
    assert row.app_change_count == 2
    assert (row.app_id, row.app_foreground_time_ratio) == ("edit", 1.0)
    assert (row.app_switch_count_last_5m, row.app_switch_count_last_15m) == (0, 0)
    assert (row.app_entropy_5m, row.top2_app_concentration_15m) == (0.0, 1.0)


def test_an_event_without_length_cuts_the_one_it_falls_into() -> None:
    (row,) = build([win(0, 60, "edit"), win(30, 0, "web")])
    assert (row.app_change_count, row.covered_seconds) == (2, 60.0)


def test_an_event_without_length_on_the_border_belongs_to_the_next_minute() -> None:
    rows = build([win(0, 60, "edit"), win(60, 0, "web"), win(61, 10, "edit")])
    assert [row.app_change_count for row in rows] == [0, 1]


def test_a_minute_of_only_events_without_length() -> None:
    rows = build([win(0, 60, "edit"), win(70, 0, "web"), win(80, 0, "edit"), win(90, 0, "web")])
    row = rows[1]
    assert (row.app_id, row.app_change_count) == ("web", 2)
    assert (row.app_foreground_time_ratio, row.covered_seconds) == (0.0, 0.0)
    assert (row.app_entropy_5m, row.app_entropy_15m, row.top2_app_concentration_15m) == (0.0, 0.0, 0.0)
    assert row.app_dwell_time_seconds == 0.0


def test_the_dominant_app_has_most_seconds_not_most_events() -> None:
    tabs = [win(54 + 2 * i, 2, "web", f"tab {i}") for i in range(3)]
    (row,) = build([win(0, 54, "edit"), *tabs])
    assert (row.app_id, row.app_foreground_time_ratio) == ("edit", 0.9)


def test_equal_seconds_go_to_the_first_seen() -> None:
    assert build([win(0, 20, "b"), win(20, 20, "a")])[0].app_id == "b"
    assert build([win(0, 0, "a"), win(5, 20, "b"), win(25, 20, "a")])[0].app_id == "a"


def test_the_title_is_the_dominant_apps_longest_event() -> None:
    long = win(25, 20, "edit", "long")
    (row,) = build([win(0, 15, "edit", "short"), win(15, 10, "web", "w"), long, win(45, 15, "edit", "short 2")])
    assert row.window_title_hash == long.window_title_hash
    assert row.window_title_bucket == int(long.window_title_hash, 16) % 256


def test_the_pieces_of_an_interrupted_title_add_up() -> None:
    interrupted = win(0, 60, "edit", "interrupted")
    (row,) = build([interrupted, win(20, 25, "edit", "inner")])  # 20 + 15 s against 25 s
    assert row.window_title_hash == interrupted.window_title_hash


def test_holes_hold_no_time() -> None:
    rows = build([win(0, 20), win(30, 10), win(130, 5)])
    assert minutes(rows) == [0, 2]
    assert [row.covered_seconds for row in rows] == [30.0, 5.0]


def test_the_windows_reach_5_and_15_minutes_before_the_minute() -> None:
    apps = [win(60 * i, 60, f"app{i}") for i in range(20)]
    rows = build(apps)
    assert [row.app_switch_count_last_5m for row in rows[:7]] == [0, 1, 2, 3, 4, 5, 5]
    assert [row.app_switch_count_last_15m for row in rows[14:18]] == [14, 15, 15, 15]
    assert rows[19].app_entropy_5m == 2.585  # log2 6
    assert rows[19].app_entropy_15m == 4.0  # log2 16
    assert rows[19].top2_app_concentration_15m == 0.125


def test_input_counts_and_seconds() -> None:
    inputs = [
        keys(0, 5, 4, clicks=1, dx=30, dy=12, sx=1, sy=2),
        keys(5, 5),
        keys(10, 5, 6),
        keys(15, 5, dx=5),
        keys(20, 20),
    ]
    (row,) = build([win(0, 60)], input_events=inputs)
    assert (row.keys_per_min, row.clicks_per_min, row.scroll_events_per_min) == (10.0, 1.0, 3.0)
    assert row.mouse_distance == 47.0
    assert (row.active_seconds_keyboard, row.active_seconds_mouse, row.active_seconds_any) == (10.0, 10.0, 15.0)
    assert row.max_idle_run_seconds == 20.0
    assert row.event_density == 0.2


def test_a_merged_event_counts_each_of_its_samples() -> None:
    (row,) = build([win(0, 60)], input_events=[keys(10, 15, 4, dx=2)])
    assert (row.keys_per_min, row.mouse_distance) == (12.0, 6.0)
    assert (row.active_seconds_any, row.event_density) == (15.0, 0.2)
    assert row.max_idle_run_seconds == 0.0  # time without samples is not an idle run


def test_an_input_event_across_the_border_is_split_in_proportion() -> None:
    rows = build([win(0, 120)], input_events=[keys(58, 5, 10), keys(115, 15, 4)])
    assert [row.keys_per_min for row in rows] == [4.0, 10.0]  # 2/5 of 10; 3/5 of 10 and 5/15 of 12
    assert [row.active_seconds_keyboard for row in rows] == [2.0, 8.0]
    assert [row.event_density for row in rows] == [0.2, 0.2]


def test_no_sample_is_missing_and_samples_of_zeros_are_zero() -> None:
    rows = build([win(0, 180)], input_events=[keys(60, 60)])
    assert [row.keys_per_min for row in rows] == [None, 0.0, None]
    assert [row.max_idle_run_seconds for row in rows] == [None, 60.0, None]
    assert [row.event_density for row in rows] == [None, 0.0, None]
    assert rows[1].keys_per_min_delta is None
    assert [row.keys_per_min_rolling_5 for row in rows] == [None, 0.0, 0.0]


def test_samples_a_few_microseconds_long_stay_in_their_minute() -> None:
    rows = build([win(0, 180)], input_events=[keys(55, 5.000029, 100), keys(60, 4.999968, 10), keys(65, 9.999222)])
    assert [row.keys_per_min for row in rows] == [100.0, 10.0, None]
    assert rows[0].active_seconds_any == 5.0
    assert rows[1].max_idle_run_seconds == 10.0


def test_copies_of_input_collapse_and_different_ones_add_up() -> None:
    inputs = [keys(0, 5, 4, event_id=1), keys(0, 5, 4, event_id=2), keys(0, 5, 3, event_id=3)]
    (row,) = build([win(0, 60)], input_events=inputs)
    assert (row.keys_per_min, row.active_seconds_keyboard) == (7.0, 5.0)


def test_rolling_means_and_deltas_run_over_rows_across_a_gap() -> None:
    window = [win(60 * i, 60) for i in (0, 1, 2, 10)]
    inputs = [keys(0, 5, 10), keys(60, 5, 20), keys(600, 5, 40)]
    rows = build(window, input_events=inputs)
    assert minutes(rows) == [0, 1, 2, 10]
    assert [row.keys_per_min_rolling_5 for row in rows] == [10.0, 15.0, 15.0, 23.3333]
    assert [row.keys_per_min_delta for row in rows] == [None, 10.0, None, None]


def test_the_rolling_mean_of_5_forgets_the_sixth() -> None:
    inputs = [keys(60 * i, 5, 2**i, dx=2**i) for i in range(7)]
    rows = build([win(0, 420)], input_events=inputs)
    assert rows[6].keys_per_min_rolling_5 == (4 + 8 + 16 + 32 + 64) / 5
    assert rows[6].mouse_distance_rolling_15 == round(127 / 7, 4)
    assert rows[6].mouse_distance_delta == 32.0


def test_tabs_name_the_domain_of_a_dominant_browser_only() -> None:
    tabs = [tab(0, 25, "docs"), tab(25, 10, "video"), tab(35, 100, "docs"), tab(300, 20, "mail")]
    window = [win(0, 20, "web"), win(20, 40, "edit"), win(60, 60, "web"), win(180, 30, "web")]
    rows = build(window, tab_events=tabs)
    assert [row.domain_category for row in rows] == ["non_browser", "docs", "unknown"]


def test_the_tab_shown_longest_while_the_browser_was_in_front() -> None:
    tabs = [tab(0, 40, "docs"), tab(40, 20, "video")]
    (row,) = build([win(0, 12, "web"), win(12, 26, "edit"), win(38, 22, "web")], tab_events=tabs)
    assert (row.app_id, row.domain_category) == ("web", "video")  # docs 12 + 2 s, video 20 s


def test_a_tab_seen_once_decides_when_no_tab_has_time() -> None:
    (row,) = build([win(0, 60, "web")], tab_events=[tab(10, 0, "docs")])
    assert row.domain_category == "docs"
    (row,) = build([win(0, 60, "web")], tab_events=[tab(10, 0, "docs"), tab(20, 5, "video")])
    assert row.domain_category == "video"


def test_attended_is_a_meeting_app_or_an_audible_tab_in_front() -> None:
    window = [win(0, 20, "meet"), win(20, 40, "web"), win(60, 60, "web")]
    tabs = [tab(10, 20, "video", audible=True), tab(15, 30, "docs"), tab(70, 5, "video", audible=True)]
    rows = build(window, tab_events=tabs)
    assert [row.attended_seconds for row in rows] == [30.0, 5.0]


def test_a_tab_that_plays_behind_another_program_attends_nothing() -> None:
    window = [win(0, 20, "meet"), win(20, 40, "edit"), win(60, 30, "edit"), win(90, 10, "web"), win(100, 20, "lock")]
    tabs = [tab(10, 20, "video", audible=True), tab(15, 30, "docs"), tab(70, 45, "video", audible=True)]
    rows = build(window, tab_events=tabs)
    assert [row.attended_seconds for row in rows] == [20.0, 10.0]


def test_unfocused_and_locked_seconds() -> None:
    rows = build([win(0, 35, "?"), win(35, 30, "edit"), win(65, 55, "lock")])
    assert [row.unknown_seconds for row in rows] == [35.0, 0.0]
    assert [row.locked_seconds for row in rows] == [0.0, 55.0]
    assert [row.covered_seconds for row in rows] == [60.0, 60.0]
    assert [row.decided_by for row in rows] == ["no_window", "model"]


def test_a_session_ends_at_a_gap_of_300_seconds_between_end_and_start() -> None:
    just_less = build([win(0, 60), win(359.999999, 60)])
    assert {row.session_id for row in just_less} == {just_less[0].session_id}
    rows = build([win(0, 60), win(360, 30), win(400, 90, "web")])
    assert minutes(rows) == [0, 6, 7, 8]
    assert [row.idle_return_indicator for row in rows] == [True, True, False, False]
    assert [row.session_length_so_far for row in rows] == [0.0, 0.0, 1.0, 2.0]
    assert [row.title_repeat_count_session for row in rows] == [1, 1, 1, 2]
    for row, start in ((rows[0], "2026-03-02T08:00:00+00:00"), (rows[3], "2026-03-02T08:06:00+00:00")):
        assert row.session_id == hashlib.sha256(f"u:{start}".encode()).hexdigest()[:12]


def test_a_long_event_is_no_gap() -> None:
    rows = build([win(0, 1000), win(5, 1, "web"), win(1100, 10)])
    assert len({row.session_id for row in rows}) == 1


def test_a_given_session_start_goes_on() -> None:
    rows = build([win(0, 60), win(500, 10)], session_start=at(-90))
    assert [row.session_length_so_far for row in rows] == [2.0, 0.0]
    assert [row.idle_return_indicator for row in rows] == [False, True]


def test_dwell_counts_foreground_seconds_across_a_gap_and_resets_on_change() -> None:
    rows = build([win(0, 30), win(600, 20), win(660, 50, "web"), win(720, 60, "edit")])
    assert [row.app_dwell_time_seconds for row in rows] == [30.0, 50.0, 50.0, 60.0]


def test_hours_are_those_of_the_zone() -> None:
    (row,) = build([win(0, 60)], time_zone="Asia/Tokyo")  # 08:00 UTC on a Monday
    assert (row.hour_of_day, row.day_of_week, row.time_zone) == (17, 0, "Asia/Tokyo")
    (row,) = build([win(3600 * 8, 60)], time_zone="Asia/Tokyo")
    assert (row.hour_of_day, row.day_of_week) == (1, 1)


def test_the_day_summer_time_begins_has_no_hour_two() -> None:
    start = (datetime(2026, 3, 29, 0, 0, tzinfo=UTC) - at(0)).total_seconds()
    rows = build([win(start, 3 * 3600)], time_zone="Europe/Berlin")
    assert [row.hour_of_day for row in rows[::60]] == [1, 3, 4]
    assert {row.day_of_week for row in rows} == {6}


def test_the_schema_version_is_a_mark() -> None:
    (row,) = build([win(0, 60)], schema_version="v1")
    assert row.schema_version == "v1"
    assert row.as_dict("v1")["hour_of_day"] == 8
    with pytest.raises(ValueError, match="schema version"):
        build([], schema_version="v4")


def test_buckets_of_another_length() -> None:
    rows = build([win(0, 90), win(90, 60, "web")], bucket_seconds=100, input_events=[keys(0, 5, 10, dx=7)])
    assert [row.bucket_seconds for row in rows] == [100, 100]
    assert [row.app_foreground_time_ratio for row in rows] == [0.9, 0.5]
    assert (rows[0].keys_per_min, rows[0].mouse_distance) == (6.0, 7.0)
    with pytest.raises(ValueError, match="bucket_seconds"):
        build([win(0, 90)], bucket_seconds=70)


def test_no_events_no_rows() -> None:
    assert build([]) == []


def test_a_blackout_leaves_no_row_no_time_and_no_history() -> None:
    state = BuilderState.initial("u", "d", time_zone="UTC")
    events = source([win(0, 150, "a", event_id=1), win(150, 90, "secret", event_id=2), win(240, 180, "b", event_id=3)])
    _, rows = advance(state, events, at(420), skip=[(at(140), at(250))])
    assert minutes(rows) == [0, 1, 5, 6]
    assert "secret" not in {row.app_id for row in rows}
    assert rows[2].app_switch_count_last_15m == 0
    assert rows[2].app_dwell_time_seconds == 60.0
    assert {row.session_id for row in rows} == {rows[0].session_id}


def test_a_long_blackout_ends_the_session() -> None:
    state = BuilderState.initial("u", "d", time_zone="UTC")
    _, rows = advance(state, source([win(0, 1000)]), at(600), skip=[(at(130), at(430))])
    assert minutes(rows) == [0, 1, 8, 9]
    assert [row.idle_return_indicator for row in rows] == [True, False, True, False]
    assert [row.title_repeat_count_session for row in rows] == [1, 2, 1, 2]


def test_an_event_cut_around_a_blackout_is_one_event() -> None:
    """Whole, or asked for around the blackout: the same rows, also where another event overlaps it."""
    whole = [win(0, 600, "a", event_id=1), win(50, 500, "b", event_id=2)]
    parts = [
        *(win(0, 130, "a", event_id=1), win(50, 80, "b", event_id=2)),
        *(win(250, 350, "a", event_id=1), win(250, 300, "b", event_id=2)),
    ]
    state = BuilderState.initial("u", "d", time_zone="UTC")
    skip = [(at(130), at(250))]
    assert advance(state, source(whole), at(600), skip=skip)[1] == advance(state, source(parts), at(600), skip=skip)[1]


def test_until_must_be_a_border_and_never_goes_back() -> None:
    state = BuilderState.initial("u", "d", time_zone="UTC")
    with pytest.raises(ValueError, match="border"):
        advance(state, source([win(0, 60)]), at(59))
    after, rows = advance(state, source([win(0, 60)]), at(60))
    assert len(rows) == 1
    assert advance(after, source([win(0, 60)]), at(60)) == (after, [])
    assert advance(after, source([win(0, 60)]), at(0)) == (after, [])


def test_before_the_first_event_nothing_happens() -> None:
    state = BuilderState.initial("u", "d", time_zone="UTC")
    assert advance(state, source([]), at(600)) == (state, [])
    assert advance(state, source([win(700, 10)]), at(600)) == (state, [])


def test_what_is_left_of_an_event_that_ended_on_the_border_is_nothing() -> None:
    """A server answers an event that ended at the start of what was asked with a piece without length."""
    state = BuilderState.initial("u", "d", time_zone="UTC")
    after, _ = advance(state, source([win(0, 60, "web", event_id=4)]), at(60))
    left = [win(60, 0, "web", event_id=4), win(61, 30, "edit", event_id=5)]
    _, (row,) = advance(after, source(left, start=60), at(120))
    assert row.app_change_count == 0


def test_input_that_ended_before_the_first_window_event_does_not_touch_its_minute() -> None:
    """Cut at the border, the server answers the input event's end with a piece without length."""
    state = BuilderState.initial("u", "d", time_zone="UTC")
    after, rows = advance(state, source([], [keys(20, 100, event_id=1)]), at(120))
    assert rows == []
    _, (row,) = advance(after, source([win(120, 30)], [keys(120, 0, event_id=1)], start=120), at(180))
    assert row.keys_per_min is None
