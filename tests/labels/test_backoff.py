"""A person who does not answer is asked less, and more again once they do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from taskclf_tray.core.time import to_us
from taskclf_tray.labels.asking_state import Backoff, effective_cap, review_backoff
from taskclf_tray.store.requests import AskOutcome, AskRecord

NOW = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
WEEK_AGO = NOW - timedelta(days=7)


def asks(*outcomes: AskOutcome | None, since: datetime = WEEK_AGO) -> list[AskRecord]:
    """One after the other, some hours apart."""
    times = [to_us(since + timedelta(hours=4 * n + 1)) for n in range(len(outcomes))]
    return [AskRecord(n, str(n), times[n], "", False, outcome, None) for n, outcome in enumerate(outcomes)]


def reviewed(
    *outcomes: AskOutcome | None, halvings: int = 0, since: datetime | None = WEEK_AGO, per_day: int = 4
) -> Backoff:
    """The review of a week with these outcomes."""
    records = asks(*outcomes, since=since or WEEK_AGO)
    return review_backoff(records, NOW, cap_halvings=halvings, reviewed_at=since, asks_per_day=per_day)


@pytest.mark.parametrize(
    ("per_day", "caps"), [(0, [0, 0, 0]), (1, [1, 1, 1]), (2, [2, 1, 1]), (4, [4, 2, 1]), (6, [6, 3, 1])]
)
def test_the_cap_halves_down_to_one(per_day: int, caps: list[int]) -> None:
    assert [effective_cap(per_day, halvings) for halvings in range(3)] == caps


def test_fewer_than_a_third_answered_halves_the_cap() -> None:
    assert reviewed("answered", *["dismissed"] * 2, *[None] * 4) == Backoff(1, NOW, is_changed=True)
    assert reviewed("answered", *["dismissed"] * 2, *[None] * 4, halvings=1) == Backoff(2, NOW, is_changed=True)


def test_half_answered_takes_a_halving_back() -> None:
    week: list[AskOutcome | None] = [*["answered"] * 3, *[None] * 3]
    assert reviewed(*week, halvings=2) == Backoff(1, NOW, is_changed=True)
    assert reviewed(*week, halvings=0) == Backoff(0, NOW, is_changed=False)


def test_in_between_nothing_changes_for_a_week() -> None:
    assert reviewed("answered", "answered", *[None] * 4, halvings=1) == Backoff(1, NOW, is_changed=False)


def test_a_skip_is_an_answer_and_a_closed_notice_is_none() -> None:
    assert reviewed(*["skipped"] * 6, halvings=1).cap_halvings == 0
    assert reviewed(*["dismissed", "other"] * 3).cap_halvings == 1


def test_what_the_desktop_took_away_does_not_count() -> None:
    taken = [replace(ask, outcome_us=ask.at_us + 5_000_000) for ask in asks(*[None] * 6)]
    assert all(ask.is_unseen for ask in taken)
    review = partial(review_backoff, now=NOW, cap_halvings=0, reviewed_at=WEEK_AGO, asks_per_day=4)
    assert review(taken) == Backoff(0, WEEK_AGO, is_changed=False)
    assert review([*taken, *asks(*["answered"] * 3, *["dismissed"] * 3)]).cap_halvings == 0
    assert review([*taken, *asks("answered", *["dismissed"] * 5)]).cap_halvings == 1


def test_a_cap_of_one_is_not_halved() -> None:
    assert reviewed(*[None] * 7, halvings=2) == Backoff(2, NOW, is_changed=False)
    assert reviewed(*[None] * 7, per_day=1) == Backoff(0, NOW, is_changed=False)
    assert reviewed(*["answered"] * 7, halvings=2, per_day=1) == Backoff(1, NOW, is_changed=False)


def test_a_review_is_held_once_a_week() -> None:
    since = WEEK_AGO + timedelta(seconds=1)
    assert reviewed(*[None] * 12, since=since) == Backoff(0, since, is_changed=False)


def test_too_few_questions_say_nothing_and_the_review_waits_for_more() -> None:
    assert reviewed(*[None] * 5) == Backoff(0, WEEK_AGO, is_changed=False)
    two_weeks_ago = NOW - timedelta(days=14)
    assert reviewed(*[None] * 6, since=two_weeks_ago) == Backoff(1, NOW, is_changed=True)


def test_a_question_that_may_still_be_answered_is_not_missed_yet() -> None:
    records = [*asks(*["answered"] * 2, *[None] * 3), AskRecord(9, "9", to_us(NOW), "", False, None, None)]
    assert review_backoff(records, NOW, cap_halvings=0, reviewed_at=WEEK_AGO, asks_per_day=4).reviewed_at == WEEK_AGO


def test_questions_from_before_the_last_review_do_not_count_again() -> None:
    records = [*asks(*[None] * 9, since=WEEK_AGO - timedelta(days=7)), *asks(*["answered"] * 6)]
    assert review_backoff(records, NOW, cap_halvings=1, reviewed_at=WEEK_AGO, asks_per_day=4).cap_halvings == 0


@pytest.mark.parametrize("since", [None, NOW + timedelta(days=2000)])
def test_the_first_week_begins_with_the_first_look(since: datetime | None) -> None:
    assert reviewed(*[None] * 20, since=since) == Backoff(0, NOW, is_changed=False)
