"""Calls in front of an absence: by hand, and the law of parity over any events and any cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskclf_tray.adapters.activitywatch import parse_aw_export
from taskclf_tray.core.intervals import Interval
from taskclf_tray.core.time import US_PER_SECOND, from_us, to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWTabEvent, FeatureRow, SourceEvents
from taskclf_tray.features import idle
from taskclf_tray.features.build import BuilderState, advance, build_features_from_aw_events
from taskclf_tray.features.idle import (
    Absence,
    AwayReports,
    IdleState,
    apply_idle_rule,
    decide,
    listening_times,
    next_idle_state,
)
from tests.support.events import at, away, tab, win

FIELD = Path(__file__).parents[1] / "data" / "field"
IDLE, MODEL = "idle_rule", "model"
MIN, HOUR = 60, 3600


def here(start: float, seconds: float) -> AWAwayEvent:
    return away(start, seconds, is_away=False)


def decided(
    window: Sequence[AWEvent], away_events: Sequence[AWAwayEvent], tabs: Sequence[AWTabEvent] = (), **options: Any
) -> list[str]:
    rows = build_features_from_aw_events(window, user_id="u", tab_events=tabs)
    return [row.decided_by for row in apply_idle_rule(rows, away_events, **options)]


def listened(count: int, then: int = 0) -> list[str]:
    """Two minutes of work, `count` minutes that the model decides, `then` of a break."""
    return [MODEL] * (2 + count) + [IDLE] * then


# -- cases from the field ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["08-teams-meeting.json", "08-zoom-meeting-control.json"])
def test_an_hour_of_listening_is_no_sure_break(case: str) -> None:
    events = parse_aw_export(FIELD / case, title_salt="0" * 64)
    rows = build_features_from_aw_events(events.window, user_id="u", away_events=events.away)
    assert [row.decided_by for row in rows] == [MODEL] * 60


@pytest.mark.parametrize(
    ("app", "title"),
    [
        ("chrome.exe", "Meet - abc-defg-hij - Google Chrome"),
        ("firefox", "Planning | Jitsi Meet — Mozilla Firefox"),
        ("msedge.exe", "Weekly planning | Microsoft Teams - Work - Microsoft\u200b Edge"),
        ("Slack", "Huddle with Sam - Acme - Slack"),
        ("Discord", "#general | Acme - Discord"),
        ("Webex", "Weekly planning"),
        ("FaceTime", ""),
        ("Signal", "Signal"),
        ("crx_kjgfgldnnfoeklkmfkjfagphfepbbdan", "Google Meet - Meet – Weekly planning"),
    ],
)
def test_a_call_in_any_program_or_page(tmp_path: Path, app: str, title: str) -> None:
    case = json.loads((FIELD / "08-teams-meeting.json").read_text("utf-8"))
    case["buckets"]["w"]["events"][0]["data"] = {"app": app, "title": title}
    path = tmp_path / "export.json"
    path.write_text(json.dumps(case), "utf-8")
    events = parse_aw_export(path, title_salt="0" * 64)
    rows = build_features_from_aw_events(events.window, user_id="u", away_events=events.away)
    assert [row.decided_by for row in rows] == [MODEL] * 60


def test_eight_hours_in_front_of_a_chat_are_a_break() -> None:
    night = [here(0, 2 * MIN), away(2 * MIN, 8 * HOUR)]
    assert decided([win(0, 2 * MIN + 8 * HOUR, "chat")], night) == listened(180, 300)
    assert decided([win(0, 2 * MIN + 8 * HOUR, "meet")], night) == listened(180, 300)
    assert decided([win(0, 2 * MIN + 8 * HOUR, "edit")], night) == listened(0, 480)


# -- where it begins --------------------------------------------------------------------------------------------


def test_a_call_window_that_opens_by_itself_later_makes_nobody_present() -> None:
    window = [win(0, 10 * MIN), win(10 * MIN, HOUR, "chat")]
    assert decided(window, [here(0, 2 * MIN), away(2 * MIN, 68 * MIN)]) == listened(0, 68)
    assert decided(window, [here(0, 2 * MIN), away(9 * MIN, 61 * MIN)]) == [MODEL] * 9 + [IDLE] * 61


@pytest.mark.parametrize(("after", "expected"), [(0, MODEL), (59.9, MODEL), (60, IDLE)])
def test_the_click_that_joins_comes_before_the_window(after: float, expected: str) -> None:
    window = [win(0, 120 + after, "web"), win(120 + after, 600 - after, "meet")]
    assert decided(window, [here(0, 120), away(120, 600)])[4:] == [expected] * 8


def test_input_in_the_call_begins_the_three_hours_again() -> None:
    """A single touch has no length, as the watcher sends it, and the next away event begins 1 ms later."""
    touched = 2 * HOUR + 2 * MIN
    reports = [here(0, 2 * MIN), away(2 * MIN, 2 * HOUR), here(touched, 0), away(touched + 0.001, 4 * HOUR)]
    expected = [MODEL] * (2 + 120 + 181) + [IDLE] * 59
    assert decided([win(0, 6 * HOUR + 2 * MIN, "chat")], reports) == expected


def test_a_silent_watcher_brings_nobody_back() -> None:
    """Between two away runs nothing is known: it is one absence, and its three hours run from its beginning."""
    reports = [here(0, 2 * MIN), away(2 * MIN, HOUR), away(2 * HOUR, 3 * HOUR)]
    window = [win(0, 5 * HOUR, "chat")]
    assert decided(window, reports) == [MODEL] * 182 + [IDLE] * 118
    back = [*reports, here(1.5 * HOUR, 1)]
    assert decided(window, back) == [MODEL] * 300


# -- where it ends ----------------------------------------------------------------------------------------------


def test_a_lock_ends_it() -> None:
    window = [win(0, 12 * MIN, "chat"), win(12 * MIN, 3 * MIN, "lock"), win(15 * MIN, 5 * MIN, "chat")]
    assert decided(window, [here(0, 2 * MIN), away(2 * MIN, 18 * MIN)]) == listened(10, 8)


def test_the_lock_signal_ends_it() -> None:
    lock_on = [(to_us(at(12 * MIN)), to_us(at(13 * MIN)))]
    reports = [here(0, 2 * MIN), away(2 * MIN, 18 * MIN)]
    assert decided([win(0, 20 * MIN, "chat")], reports, lock_on=lock_on) == listened(10, 8)


def test_sleep_ends_it() -> None:
    window = [win(0, 12 * MIN, "chat"), win(14 * MIN, 6 * MIN, "chat")]
    assert decided(window, [here(0, 2 * MIN), away(2 * MIN, 18 * MIN)]) == listened(10, 6)


def test_unlocking_does_not_end_what_comes_after_it() -> None:
    window = [win(0, 30, "lock"), win(30, 10 * MIN - 30, "chat")]
    assert decided(window, [here(0, 29), away(29, 10 * MIN - 29)]) == [MODEL] * 10


def test_another_window_is_away_and_the_call_goes_on_after_it() -> None:
    window = [win(0, 12 * MIN, "chat"), win(12 * MIN, 3 * MIN, "edit"), win(15 * MIN, 5 * MIN, "chat")]
    assert decided(window, [here(0, 2 * MIN), away(2 * MIN, 18 * MIN)]) == [MODEL] * 12 + [IDLE] * 3 + [MODEL] * 5


def test_no_absence_crosses_a_blackout() -> None:
    window = [win(0, 10 * MIN), win(12 * MIN, 8 * MIN, "chat")]
    reports = [here(0, 2 * MIN), away(2 * MIN, 8 * MIN), away(12 * MIN, 8 * MIN)]
    blackouts = [(to_us(at(10 * MIN)), to_us(at(12 * MIN)))]
    assert decided(window, reports) == listened(0, 16)
    assert decided(window, reports, blackouts=blackouts) == listened(0, 8) + [MODEL] * 8


def test_an_audible_tab_has_no_bound() -> None:
    playing = [tab(0, 5 * HOUR, "video", audible=True)]
    reports = [here(0, 2 * MIN), away(2 * MIN, 5 * HOUR)]
    assert decided([win(0, 5 * HOUR, "web")], reports, playing) == [MODEL] * 300


def test_without_an_away_watcher_nothing_changes() -> None:
    assert decided([win(0, 5 * HOUR, "chat")], []) == [MODEL] * 300


# -- parity -----------------------------------------------------------------------------------------------------

HORIZON = 75
"""Minutes."""
moments = st.one_of(st.integers(0, HORIZON).map(lambda m: 60.0 * m), st.floats(0, 60 * HORIZON))
lengths = st.one_of(st.sampled_from([0, 20, 300, 1500, 4500]), st.floats(0, 2000))
windows = st.lists(st.tuples(moments, lengths, st.sampled_from(["chat", "chat", "meet", "edit", "lock"])), max_size=9)
reported = st.lists(st.tuples(moments, lengths, st.sampled_from([True, True, False])), max_size=7)
cuts = st.lists(st.integers(0, HORIZON + 9), max_size=12).map(lambda bits: [60 * bit for bit in sorted(set(bits))])
START = BuilderState.initial("u", "d", time_zone="UTC")


def online(
    rows: Sequence[FeatureRow], reports: Sequence[AWAwayEvent], points: Sequence[int], blackouts: Sequence[Interval]
) -> list[str]:
    """Poll by poll: each sees the rows since the last, and the reports from a little before them to long after."""
    state, answers, start = IdleState(), [], -60
    for point in [*points, 60 * (HORIZON + 10)]:
        seen = AwayReports.of(_clipped(reports, start - 310, point + 400))
        mine = [row for row in rows if at(start) <= row.bucket_start_ts < at(point)]
        listening = listening_times(state, mine, seen, blackouts=blackouts)
        answers += [decide(row, seen.away, (), listening) for row in mine]
        state = IdleState.from_json(next_idle_state(state, to_us(at(point)), mine, seen, blackouts=blackouts).to_json())
        start = point
    return answers


def _clipped(events: Sequence[AWAwayEvent], start: float, end: float) -> list[AWAwayEvent]:
    cut = []
    for event in events:
        begin = (event.timestamp - at(0)).total_seconds()
        a, b = max(begin, start), min(begin + event.duration_seconds, end)
        if a <= b:
            cut.append(away(a, b - a, event.is_away))
    return cut


@pytest.mark.no_cover
@settings(max_examples=100)
@given(windows, reported, cuts, st.one_of(st.none(), st.tuples(st.integers(0, HORIZON), st.floats(1, 3000))))
@example([(0, 4500, "chat")], [(0, 120, False), (120, 4000, True)], [60, 600, 1260, 1320, 1380], None)
@example([(0, 1200, "chat"), (1500, 3000, "chat")], [(0, 120, False), (120, 4200, True)], [1200, 1500, 1560], None)
@example([(0, 4500, "chat")], [(0, 100, False), (120, 60, True), (240, 3000, True)], [120, 180, 240], None)
@example([(0, 4500, "chat")], [(0, 120, False), (120, 480, True), (600, 0, False), (600, 3000, True)], [600], None)
def test_any_cut_decides_as_batch(
    parts: list[tuple[float, float, str]],
    reports: list[tuple[float, float, bool]],
    points: list[int],
    dark: tuple[int, float] | None,
) -> None:
    window = tuple(win(*part, event_id=i) for i, part in enumerate(parts))
    told = [away(*report) for report in reports]
    blackouts: list[Interval] = []
    if dark is not None:
        blackouts = [(to_us(at(60 * dark[0])), to_us(at(60 * dark[0] + dark[1])))]
        told = _outside(told, 60 * dark[0], 60 * dark[0] + dark[1])
    end = at(60 * (HORIZON + 10))
    skip = [(from_us(a), from_us(b)) for a, b in blackouts]
    _, rows = advance(START, SourceEvents(at(0), end, window), end, skip=skip)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idle, "_LONGEST_CALL_US", 20 * MIN * US_PER_SECOND)  # three hours take longer to build
        expected = [row.decided_by for row in apply_idle_rule(rows, told, blackouts=blackouts)]
        assert online(rows, told, points, blackouts) == expected


def _outside(events: Sequence[AWAwayEvent], start: float, end: float) -> list[AWAwayEvent]:
    """As read around a blackout."""
    return _clipped(events, -1e6, start) + _clipped(events, end, 1e6)


def test_the_state_comes_back_from_json() -> None:
    states = [
        IdleState(),
        IdleState(5, 3),
        IdleState(9, None, True, Absence(1)),
        IdleState(9, 3, False, Absence(1, 2, 4)),
    ]
    assert [IdleState.from_json(state.to_json()) for state in states] == states


@pytest.mark.parametrize(
    "damaged",
    [
        "[]",
        "{}",
        '{"until_us":"5","row_end_us":null,"is_away":false,"absence":null}',
        '{"until_us":5,"row_end_us":null,"is_away":1,"absence":null}',
        '{"until_us":5,"row_end_us":null,"is_away":true,"absence":null}',
        '{"until_us":5,"row_end_us":null,"is_away":true,"absence":{"start_us":null,"joined_us":1,"ended_us":1}}',
        '{"until_us":null,"row_end_us":null,"is_away":true,"absence":{"start_us":1,"joined_us":1,"ended_us":1}}',
    ],
)
def test_a_damaged_state_is_refused(damaged: str) -> None:
    with pytest.raises(ValueError, match="damaged"):
        IdleState.from_json(damaged)
