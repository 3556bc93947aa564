"""The bar: the budget of the day goes to the best of what the day brings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.budget import Why, score_of, scores_later_in_day
from tests.support.asking import MOMENT, RANDOM_TURN, ago, asked, at, candidate, gap, remembering

WEEK = tuple(float(value) for value in range(1, 71))
"""Ten blocks a day from now on, the best of them worth 70."""


def worth(value: float) -> Any:
    """A block of this value while nothing is labelled."""
    return candidate(minutes=value, confidence=0.0, label="Build")


@pytest.mark.parametrize(
    ("asked_today", "lowest"),
    [(0, 70 - 4 * 7 + 1), (1, 70 - 3 * 7 + 1), (3, 70 - 7 + 1)],
)
def test_asks_only_for_what_the_rest_of_the_budget_reaches(asked_today: int, lowest: float) -> None:
    memory = remembering(asked_today=asked_today, later_scores=WEEK)
    assert asked(worth(lowest), memory=memory).why is Why.ASK
    decision = asked(worth(lowest - 0.1), memory=memory)
    assert (decision.ask, decision.why) == (None, Why.BELOW_BAR)


def test_there_is_no_bar_when_no_more_is_expected_than_may_be_asked() -> None:
    assert asked(worth(0.5), memory=remembering(asked_today=0, later_scores=WEEK[:28])).why is Why.ASK
    assert asked(worth(0.5), memory=remembering(asked_today=0, later_scores=WEEK[:29])).why is Why.BELOW_BAR


def test_there_is_no_bar_in_the_first_week() -> None:
    for day, why in ((4, Why.ASK), (3, Why.BELOW_BAR)):
        assert asked(worth(1), memory=remembering(first_day=date(2026, 3, day), later_scores=WEEK)).why is why


def test_the_bar_is_for_neither_gaps_nor_random_turns() -> None:
    assert asked(gap(), memory=remembering(later_scores=WEEK)).ask == gap()
    assert asked(worth(1), memory=remembering(later_scores=WEEK, asked_ever=RANDOM_TURN)).is_random


def test_a_random_draw_from_nothing_is_no_question() -> None:
    assert asked(gap(end=ago(minutes=20)), memory=remembering(asked_ever=RANDOM_TURN)).why is Why.NOTHING


def test_the_bar_knows_the_blocks_of_the_week_that_ended_later_in_the_day() -> None:
    def on(day: int, hour: int, **changes: Any) -> Any:
        return candidate(end=datetime(2026, 3, day, hour, tzinfo=UTC), **changes)

    counted = [on(9, 15), on(3, 18, confidence=0.2)]
    others = [
        on(9, 13), on(2, 15), on(9, 15, reason="audit"), on(9, 15, reason="drift"),
        on(9, 16, created=datetime(2026, 3, 10, tzinfo=UTC)), on(11, 15),
    ]  # fmt: skip
    counts = dict.fromkeys(LABEL_SET_V1, 3)
    values = scores_later_in_day([*counted, *others], MOMENT, counts)
    assert values == tuple(score_of(block, counts) for block in counted)


def test_later_in_the_day_is_meant_on_the_persons_clock() -> None:
    """14:00 UTC is 23:00 in Tokyo: what ended at 15:00 UTC ended after midnight, early in its day."""
    ended = [candidate(end=datetime(2026, 3, 9, 15, tzinfo=UTC))]
    assert len(scores_later_in_day(ended, MOMENT, {})) == 1
    assert scores_later_in_day(ended, at(time_zone="Asia/Tokyo"), {}) == ()
