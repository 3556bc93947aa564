"""Each rule of asking, alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from taskclf_tray.core.config import Config
from taskclf_tray.labels.budget import AskSettings, Why, decide, is_random_turn, score_of, silence
from tests.support.asking import (
    MEMORY,
    MOMENT,
    NOW,
    RANDOM_TURN,
    SETTINGS,
    ago,
    asked,
    at,
    candidate,
    gap,
    remembering,
)

NIGHT = AskSettings(quiet_hours=((time(22), time(7)),))


def test_asks_about_a_block_that_has_just_ended() -> None:
    decision = asked()
    assert (decision.ask, decision.why) == (candidate(), Why.ASK)
    assert (decision.is_random, decision.is_first) == (False, False)


def test_the_first_question_ever_is_marked() -> None:
    assert asked(memory=remembering(asked_ever=0, asked_today=0, last_ask_at=None)).is_first
    assert not asked(candidate(end=ago(hours=3)), memory=remembering(asked_ever=0)).is_first


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("is_meeting", Why.MEETING),
        ("is_full_screen", Why.FULL_SCREEN),
        ("is_do_not_disturb", Why.DO_NOT_DISTURB),
        ("is_away", Why.AWAY),
        ("is_dark", Why.DARK),
    ],
)
def test_is_silent_in_a_state_that_forbids_it(flag: str, why: Why) -> None:
    decision = asked(moment=at(**{flag: True}))
    assert (decision.ask, decision.why) == (None, why)
    assert silence(at(**{flag: True}), MEMORY, SETTINGS) is why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"is_on": False}, Why.OFF),
        ({"asked_today": 4}, Why.CAP),
        ({"asked_today": 5}, Why.CAP),
        ({"asked_today": 2, "cap_halvings": 1}, Why.CAP),
        ({"asked_today": 1, "cap_halvings": 2}, Why.CAP),
        ({"last_ask_at": ago(minutes=59, seconds=59)}, Why.SPACING),
        ({"snoozed_until": NOW + timedelta(seconds=1)}, Why.SNOOZED),
        ({"quiet_until": NOW + timedelta(hours=10)}, Why.NOT_TODAY),
        ({"first_day": date(2026, 3, 10)}, Why.FIRST_DAY),
        ({"first_day": None}, Why.FIRST_DAY),
    ],
)
def test_is_silent_because_of_what_went_before(changes: dict[str, Any], why: Why) -> None:
    decision = asked(memory=remembering(**changes))
    assert (decision.ask, decision.why) == (None, why)


@pytest.mark.parametrize(
    "changes",
    [
        {"asked_today": 3},
        {"asked_today": 0, "cap_halvings": 2},
        {"last_ask_at": ago(minutes=60)},
        {"last_ask_at": None},
        {"snoozed_until": NOW},
        {"quiet_until": NOW},
        {"first_day": date(2026, 3, 9)},
    ],
)
def test_asks_once_that_is_over(changes: dict[str, Any]) -> None:
    assert asked(memory=remembering(**changes)).why is Why.ASK


def test_nobody_is_asked_who_wants_no_questions() -> None:
    assert asked(settings=AskSettings(asks_per_day=0), memory=remembering(asked_today=0)).why is Why.OFF


def test_spacing_holds_across_midnight() -> None:
    moment = at(now=datetime(2026, 3, 11, 0, 20, tzinfo=UTC), breakpoint_at=datetime(2026, 3, 11, 0, 19, tzinfo=UTC))
    memory = remembering(asked_today=0, last_ask_at=datetime(2026, 3, 10, 23, 30, tzinfo=UTC))
    assert asked(moment=moment, memory=memory).why is Why.SPACING


def test_the_first_day_is_the_persons_own() -> None:
    """At 14:00 UTC it is the 11th in Auckland already, and still the 10th in Los Angeles."""
    memory = remembering(first_day=date(2026, 3, 10))
    assert asked(moment=at(time_zone="Pacific/Auckland"), memory=memory).why is Why.ASK
    assert asked(moment=at(time_zone="America/Los_Angeles"), memory=memory).why is Why.FIRST_DAY


def test_the_first_day_goes_on_behind_the_date_line() -> None:
    assert asked(memory=remembering(first_day=date(2026, 3, 11))).why is Why.FIRST_DAY
    assert asked(memory=remembering(first_day=date(2035, 3, 11))).why is Why.ASK, "the clock was wrong"


@pytest.mark.parametrize(
    ("span", "quiet"),
    [
        ((time(14), time(15)), True),
        ((time(13), time(14)), False),
        ((time(15), time(14)), False),
        ((time(22), time(14, 1)), True),
        ((time(13, 59), time(2)), True),
        ((time(9), time(9)), True),
    ],
)
def test_quiet_hours(span: tuple[time, time], quiet: bool) -> None:
    settings = AskSettings(quiet_hours=((time(3), time(4)), span))
    assert (asked(settings=settings).why is Why.QUIET_HOURS) == quiet


def test_quiet_hours_are_local() -> None:
    assert asked(settings=NIGHT).why is Why.ASK
    assert asked(moment=at(time_zone="Asia/Tokyo"), settings=NIGHT).why is Why.QUIET_HOURS
    assert asked(moment=at(time_zone="America/Los_Angeles"), settings=NIGHT).why is Why.ASK


def test_quiet_hours_follow_the_clock_on_the_wall_when_it_changes() -> None:
    """In Berlin 7:00 was 6:00 UTC until 28 March 2026, and is 5:00 UTC from the 29th on."""
    for day, hour in ((28, 6), (29, 5)):
        seven = datetime(2026, 3, day, hour, tzinfo=UTC)
        for moment, is_quiet in ((seven - timedelta(seconds=1), True), (seven, False)):
            why = silence(at(now=moment, time_zone="Europe/Berlin", breakpoint_at=moment), MEMORY, NIGHT)
            assert (why is Why.QUIET_HOURS) == is_quiet


@pytest.mark.parametrize(
    ("resumed_at", "why"),
    [
        (ago(minutes=9, seconds=59), Why.AFTER_RESUME),
        (NOW, Why.AFTER_RESUME),
        (ago(minutes=10), Why.ASK),
        (None, Why.ASK),
    ],
)
def test_leaves_a_person_alone_who_has_just_come_back(resumed_at: datetime | None, why: Why) -> None:
    assert asked(moment=at(resumed_at=resumed_at)).why is why


@pytest.mark.parametrize(
    ("breakpoint_at", "why"),
    [
        (None, Why.NO_BREAKPOINT),
        (ago(minutes=15, seconds=1), Why.NO_BREAKPOINT),
        (NOW + timedelta(seconds=1), Why.NO_BREAKPOINT),
        (ago(minutes=15), Why.ASK),
        (NOW, Why.ASK),
    ],
)
def test_asks_at_a_breakpoint_or_soon_after_it(breakpoint_at: datetime | None, why: Why) -> None:
    assert asked(moment=at(breakpoint_at=breakpoint_at)).why is why


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (candidate(end=ago(hours=2)), Why.ASK),
        (candidate(end=ago(hours=2, seconds=1)), Why.NOTHING),
        (candidate(end=NOW + timedelta(seconds=1)), Why.NOTHING),
        (candidate(end=ago(minutes=30), created=ago(minutes=20)), Why.ASK),
        (candidate(end=ago(minutes=30), created=ago(minutes=19)), Why.NOTHING),
        (candidate(end=ago(minutes=30), created=ago(minutes=31)), Why.ASK),
        (candidate(reason="audit"), Why.NOTHING),
        (gap(end=ago(minutes=16)), Why.NOTHING),
    ],
    ids=["2h", "older", "ends later", "queued late", "back-filled", "grown since", "sure", "old gap"],
)
def test_a_block_of_another_time_is_for_the_queue_only(block: Any, why: Why) -> None:
    assert asked(block).why is why


def test_without_a_candidate_there_is_nothing_to_ask() -> None:
    assert decide((), MOMENT, MEMORY, SETTINGS, user_id="user").why is Why.NOTHING


def test_asks_about_the_block_whose_answer_is_worth_most() -> None:
    short, sure = candidate("short", minutes=5), candidate("sure", confidence=0.5)
    usual, rare = candidate("usual"), candidate("rare", label="Meet")
    memory = remembering(label_counts={"Build": 50, "Meet": 1})
    assert asked(short, usual, sure, candidate("unpredicted", label=None, confidence=None)).ask == usual
    assert asked(short, usual, sure, rare, memory=memory).ask == rare
    assert score_of(rare, memory.label_counts) > score_of(usual, memory.label_counts) > 0


def test_of_equal_blocks_the_newer_one_is_asked_about_in_any_order() -> None:
    older, newer = candidate("z", end=ago(minutes=40)), candidate("b")
    assert asked(older, newer).ask == asked(newer, older).ask == newer


def test_a_fresh_gap_goes_before_blocks() -> None:
    assert asked(candidate(minutes=30, confidence=0.1), gap()).ask == gap()
    assert asked(candidate(), gap(end=ago(minutes=16))).ask == candidate()


def test_of_two_gaps_the_newer_one_is_asked_about() -> None:
    assert asked(gap("z", end=ago(minutes=12)), gap()).ask == gap()


def test_gaps_spend_half_of_the_budget_at_most() -> None:
    assert asked(candidate(), gap(), memory=remembering(gaps_asked_today=1)).ask == gap()
    assert asked(candidate(), gap(), memory=remembering(gaps_asked_today=2)).ask == candidate()
    least = AskSettings(asks_per_day=1)
    assert asked(candidate(), gap(), memory=remembering(asked_today=0), settings=least).ask == gap()


def test_on_a_random_turn_a_sure_block_may_be_drawn_and_a_gap_waits() -> None:
    memory = remembering(asked_ever=RANDOM_TURN)
    sure = candidate("sure", confidence=0.99, reason="audit")
    decision = asked(sure, gap(), memory=memory)
    assert (decision.ask, decision.is_random) == (sure, True)
    assert asked(sure, gap()).ask == gap()


def test_a_random_turn_does_not_wait_for_a_block_where_there_are_none() -> None:
    decision = asked(gap(), memory=remembering(asked_ever=RANDOM_TURN))
    assert (decision.ask, decision.is_random) == (gap(), False)


def test_one_turn_in_ten_is_random_for_everybody() -> None:
    for user_id in ("a", "b", "3f8c7d4e-0000-4000-8000-000000000000"):
        share = sum(is_random_turn(user_id, number) for number in range(20_000)) / 20_000
        assert share == pytest.approx(0.1, abs=0.01)
    assert [is_random_turn("a", n) for n in range(99)] != [is_random_turn("b", n) for n in range(99)]


def test_every_block_is_drawn_equally_often_whatever_it_is_worth() -> None:
    blocks = [candidate(str(n), confidence=n / 5, minutes=5 + n, reason="audit" if n else "drift") for n in range(5)]
    turns = [number for number in range(1, 30_000) if is_random_turn("user", number)]
    drawn = Counter()
    for number in turns:
        block = asked(*blocks, memory=remembering(asked_ever=number)).ask
        assert block == asked(*reversed(blocks), memory=remembering(asked_ever=number)).ask
        assert block is not None
        drawn[block.request_id] += 1
    assert all(count == pytest.approx(len(turns) / 5, rel=0.15) for count in drawn.values())
    assert len(drawn) == 5


def test_settings_come_from_the_config() -> None:
    config = Config(asks_per_day=2, ask_spacing_minutes=90, quiet_hours=("22:00-07:00", "12:00-13:00"))
    assert AskSettings.from_config(config) == AskSettings(2, 5400.0, ((time(22), time(7)), (time(12), time(13))))
    assert AskSettings.from_config(Config()) == AskSettings()


def test_a_clock_that_was_set_back_makes_nobody_wait_for_the_future() -> None:
    """What bears a later time than now holds as long as if it were as far in the past."""
    years = timedelta(days=3000)
    assert asked(memory=remembering(last_ask_at=NOW + years), moment=at(resumed_at=NOW + years)).why is Why.ASK
    assert asked(memory=remembering(last_ask_at=NOW + timedelta(minutes=59))).why is Why.SPACING
    assert asked(moment=at(resumed_at=NOW + timedelta(minutes=9))).why is Why.AFTER_RESUME
