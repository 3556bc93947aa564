"""Thousands of days of being asked: never too often, never in a state that forbids it, and yet asked.

The promises are checked at every question by the simulation's own referee, which raises.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import time
from functools import partial

import pytest

from taskclf_tray.labels.budget import AskSettings
from tests.support.asking_days import Tally, live
from tests.support.asking_people import Person

DAYS = 10_000 if os.environ.get("TASKCLF_FAULTS") == "long" else 400
"""For each of the ten people."""

NIGHT = ((time(22), time(7)),)
PEOPLE = {
    person.user_id: person
    for person in (
        Person("london", ("Europe/London",)),
        Person("busy in tokyo", ("Asia/Tokyo",), AskSettings(2), low_share=0.9),
        Person("new york", ("America/New_York",), AskSettings(quiet_hours=((time(12), time(13, 30)), *NIGHT))),
        Person("night in berlin", ("Europe/Berlin",), begins_at=20, answers=(0.6,)),
        Person("lord howe", ("Australia/Lord_Howe",), AskSettings(6, 3600.0), hours=12, presses_buttons=True),
        Person("never answers", ("Asia/Kathmandu",), answers=(0.1, 0.9)),
        Person("crew", ("Europe/Paris", "Pacific/Kiritimati", "Pacific/Honolulu", "Asia/Kolkata", "Pacific/Apia")),
        Person("wild clock", ("America/Sao_Paulo",), has_wild_clock=True, presses_buttons=True),
        Person("wild crew at night", ("Pacific/Auckland", "America/Los_Angeles"), AskSettings(5, 2700.0, NIGHT),
               begins_at=15, hours=13, has_wild_clock=True, answers=(0.5, 0.2)),
        Person("seldom", ("Africa/Cairo",), AskSettings(1, 7200.0), answers=(0.2, 0.7)),
    )
}  # fmt: skip
STEADY = ("london", "new york", "crew", "busy in tokyo")
"""These answer always as often and have nothing in the way."""

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def lived() -> dict[str, Tally]:
    """What came of their days; the referee has seen each question.

    In processes of their own, since measuring the coverage of half a million decisions would take a minute.
    """
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        return dict(zip(PEOPLE, pool.map(partial(live, days=DAYS), PEOPLE.values()), strict=True))


@pytest.mark.parametrize("user_id", PEOPLE)
def test_every_promise_holds_on_every_day(user_id: str, lived: dict[str, Tally]) -> None:
    tally = lived[user_id]
    assert tally.days == DAYS
    assert tally.asks >= DAYS / 2, "the days were not silent ones"


@pytest.mark.parametrize("user_id", STEADY)
def test_the_budget_is_spent_on_ordinary_days(user_id: str, lived: dict[str, Tally]) -> None:
    tally = lived[user_id]
    assert tally.ordinary_days >= DAYS / 3
    assert tally.asks_on_ordinary_days >= 0.8 * tally.room_on_ordinary_days


@pytest.mark.parametrize(("user_id", "gain"), [("london", 1.2), ("new york", 1.2), ("busy in tokyo", 1.6)])
def test_the_budget_goes_to_what_is_worth_more(user_id: str, gain: float, lived: dict[str, Tally]) -> None:
    assert lived[user_id].gain >= gain


def test_one_question_in_ten_is_random(lived: dict[str, Tally]) -> None:
    drawn = sum(tally.random_asks for tally in lived.values())
    assert drawn / sum(tally.asks for tally in lived.values()) == pytest.approx(0.1, abs=0.015)


def test_gaps_leave_most_of_the_budget_to_blocks(lived: dict[str, Tally]) -> None:
    assert 0 < lived["london"].gap_asks < 0.5 * lived["london"].asks


def test_a_person_who_does_not_answer_is_asked_less(lived: dict[str, Tally]) -> None:
    assert lived["never answers"].asks < 0.75 * lived["london"].asks
