"""The idle rule, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.features.idle import apply_idle_rule, away_intervals, decide
from tests.support.events import at, away, tab, win

IDLE, MODEL, NO_WINDOW = "idle_rule", "model", "no_window"


def decided(window: Sequence[AWEvent], away_events: Sequence[AWAwayEvent], **options: Any) -> list[str]:
    rows = build_features_from_aw_events(window, user_id="u", away_events=away_events, **options)
    return [row.decided_by for row in rows]


def test_only_buckets_wholly_inside_the_away_run_are_idle() -> None:
    assert decided([win(0, 480)], [away(30, 400)]) == [MODEL, *[IDLE] * 6, MODEL]


@pytest.mark.parametrize(("seconds", "expected"), [(300, IDLE), (299.999, MODEL)])
def test_the_away_run_must_be_300_seconds(seconds: float, expected: str) -> None:
    assert decided([win(0, 240)], [away(0, seconds)]) == [expected] * 4


def test_the_run_counts_beyond_the_window_events() -> None:
    assert decided([win(0, 60)], [away(-200, 600)]) == [IDLE]


def test_copies_and_overlaps_are_no_longer_run() -> None:
    twice = [away(0, 200), away(0, 200), away(100, 100)]
    assert decided([win(0, 180)], twice) == [MODEL] * 3
    assert decided([win(0, 300)], [away(0, 200), away(150, 150)]) == [IDLE] * 5


def test_not_away_wins() -> None:
    back = [away(0, 700), away(310, 20, is_away=False)]
    assert decided([win(0, 660)], back) == [*[IDLE] * 5, MODEL, *[IDLE] * 5]
    assert away_intervals([away(0, 700), away(310, 20, is_away=False)]) == [
        (to_us(at(0)), to_us(at(310))),
        (to_us(at(330)), to_us(at(700))),
    ]


def test_not_away_may_split_a_run_below_300_seconds() -> None:
    assert decided([win(0, 480)], [away(0, 480), away(240, 1, is_away=False)]) == [MODEL] * 8


def test_nobody_is_idle_in_a_meeting_or_while_a_tab_plays() -> None:
    assert decided([win(0, 120, "meet"), win(120, 180)], [away(0, 300)]) == [MODEL, MODEL, IDLE, IDLE, IDLE]
    playing = [tab(70, 10, "video", audible=True), tab(130, 60, "video")]
    assert decided([win(0, 180, "web")], [away(0, 300)], tab_events=playing) == [IDLE, MODEL, IDLE]


def test_a_locker_in_front_for_the_whole_bucket() -> None:
    assert decided([win(0, 60), win(60, 100, "lock")], []) == [MODEL, IDLE, MODEL]
    assert decided([win(0, 120, "lock")], [], tab_events=[tab(60, 1, "video", audible=True)]) == [IDLE, IDLE]


def test_music_behind_another_program_goes_on_when_the_person_has_left() -> None:
    music = [tab(0, 300, "video", audible=True)]
    assert decided([win(0, 180, "edit"), win(180, 120, "web")], [away(0, 300)], tab_events=music) == [
        *[IDLE] * 3,
        *[MODEL] * 2,
    ]


def test_the_lock_signal_on_for_the_whole_bucket() -> None:
    rows = build_features_from_aw_events([win(0, 180)], user_id="u")
    lock_on = [(to_us(at(59)), to_us(at(130)))]
    assert [row.decided_by for row in apply_idle_rule(rows, [], lock_on)] == [MODEL, IDLE, MODEL]
    assert decide(rows[1], [], lock_on) == IDLE


def test_more_than_half_without_a_window() -> None:
    assert decided([win(0, 30, "?"), win(30, 30)], []) == [MODEL]
    assert decided([win(0, 30.001, "?"), win(30.001, 20)], []) == [NO_WINDOW]
    assert decided([win(0, 31, "?")], [away(-1, 400)]) == [IDLE]


def test_a_later_report_takes_back() -> None:
    rows = build_features_from_aw_events([win(0, 60)], user_id="u", away_events=[away(0, 400)])
    assert [row.decided_by for row in apply_idle_rule(rows, [away(0, 400), away(50, 5, is_away=False)])] == [MODEL]
