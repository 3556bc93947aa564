"""What holds for any candidates, any moments in any order, and any memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from taskclf_tray.labels.asking_state import effective_cap
from taskclf_tray.labels.budget import AskMemory, AskSettings, Candidate, Moment, Why, decide, silence
from tests.support.asking import MEMORY, MOMENT

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu")
BEGIN = datetime(2026, 3, 27, tzinfo=UTC)
"""Before Berlin's clocks change, and not long after New York's."""

FLAGS = ("is_meeting", "is_full_screen", "is_do_not_disturb", "is_away", "is_dark")
clock_times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
minutes = st.integers(-30, 200).map(lambda number: timedelta(minutes=number))
moments = st.integers(0, 5 * 24 * 60).map(lambda number: BEGIN + timedelta(minutes=number))
settings = st.builds(
    AskSettings,
    st.integers(0, 6),
    st.sampled_from([300.0, 3600.0, 5400.0]),
    st.lists(st.tuples(clock_times, clock_times), max_size=2).map(tuple),
)


@st.composite
def candidates(draw: st.DrawFn, now: datetime) -> Candidate:
    """Around a moment; old, fresh or not yet over."""
    end = now - draw(minutes)
    reason = draw(st.sampled_from(["low_confidence", "drift", "audit", "gap"]))
    confidence = None if reason == "gap" else draw(st.floats(0, 1))
    label = None if reason == "gap" else draw(st.sampled_from(["Build", "Meet"]))
    start = end - timedelta(minutes=draw(st.integers(5, 30)))
    return Candidate(draw(st.uuids()).hex, start, end, end + draw(minutes) / 10, confidence, label, reason)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Moment, list[Candidate]]:
    """A moment with what waits at it."""
    now = draw(moments)
    moment = Moment(
        now,
        draw(st.sampled_from(ZONES)),
        draw(st.none() | minutes.map(lambda ago: now - ago / 8)),
        draw(st.none() | minutes.map(lambda ago: now - ago)),
        **{flag: draw(st.integers(0, 9)) == 0 for flag in FLAGS},
    )
    return moment, draw(st.lists(candidates(now), max_size=4, unique_by=lambda block: block.start))


def remembered(asks: list[tuple[Moment, Candidate]], moment: Moment, memory: AskMemory) -> AskMemory:
    """As a caller would count it, by the date each question had when it was asked."""
    today = [candidate for then, candidate in asks if then.local.date() == moment.local.date()]
    return replace(
        memory,
        last_ask_at=asks[-1][0].now if asks else None,
        asked_today=len(today),
        asked_ever=len(asks),
        gaps_asked_today=sum(candidate.reason == "gap" for candidate in today),
    )


def is_quiet(moment: Moment, quiet_hours: tuple[tuple[time, time], ...]) -> bool:
    """By arithmetic on a clock of 1440 minutes, on which a span of none is one of all."""
    clock = moment.local.hour * 60 + moment.local.minute
    spans = [(start.hour * 60 + start.minute, end.hour * 60 + end.minute) for start, end in quiet_hours]
    return any((clock - start) % 1440 < ((end - start) % 1440 or 1440) for start, end in spans)


@examples(max_examples=150)
@given(
    st.lists(situations(), min_size=1, max_size=15),
    settings,
    st.integers(0, 2),
    st.lists(st.floats(0, 30), max_size=60).map(tuple),
)
def test_no_sequence_of_moments_breaks_a_promise(
    lived: list[tuple[Moment, list[Candidate]]], chosen: AskSettings, halvings: int, values: tuple[float, ...]
) -> None:
    """In any order: what is earlier than the one before is a clock that was set back."""
    cap = effective_cap(chosen.asks_per_day, halvings)
    asks: list[tuple[Moment, Candidate]] = []
    for moment, waiting in lived:
        memory = remembered(asks, moment, replace(MEMORY, cap_halvings=halvings, later_scores=values))
        decision = decide(waiting, moment, memory, chosen, user_id="user")
        assert (decision.ask is not None) == (decision.why is Why.ASK)
        if decision.ask is None:
            continue
        now, block = moment.now, decision.ask
        assert not any(getattr(moment, flag) for flag in FLAGS)
        assert not is_quiet(moment, chosen.quiet_hours)
        assert moment.breakpoint_at is not None
        assert timedelta(0) <= now - moment.breakpoint_at <= timedelta(minutes=15)
        assert moment.resumed_at is None or abs(now - moment.resumed_at) >= timedelta(minutes=10)
        assert not asks or abs(now - asks[-1][0].now).total_seconds() >= chosen.spacing_seconds
        assert timedelta(0) <= now - block.end <= timedelta(minutes=15 if block.reason == "gap" else 120)
        assert block.reason != "audit" or decision.is_random
        assert decision.is_first == (not asks)
        asks.append((moment, block))
    assert all(count <= cap for count in Counter(moment.local.date() for moment, _ in asks).values())


@examples(max_examples=100)
@given(situations(), settings, st.randoms(use_true_random=False))
def test_the_order_of_what_waits_changes_nothing(
    situation: tuple[Moment, list[Candidate]], chosen: AskSettings, rng: object
) -> None:
    moment, waiting = situation
    shuffled = list(waiting)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = (decide(some, moment, MEMORY, chosen, user_id="user") for some in (waiting, shuffled))
    assert first == second


@examples(max_examples=100)
@given(situations(), settings)
def test_silence_is_what_a_decision_says_whatever_waits(
    situation: tuple[Moment, list[Candidate]], chosen: AskSettings
) -> None:
    moment, waiting = situation
    why = silence(moment, MEMORY, chosen)
    decision = decide(waiting, moment, MEMORY, chosen, user_id="user")
    assert (decision.why == why) == (why is not None)


@given(st.integers(-200_000, 200_000).map(lambda number: timedelta(minutes=number)))
def test_a_wait_is_over_after_its_time_whatever_the_clock_did(jump: timedelta) -> None:
    """However far the clock goes, back or forth, an hour and a breakpoint later somebody may be asked again."""
    now = MOMENT.now + jump + timedelta(hours=2)
    moment = replace(MOMENT, now=now, breakpoint_at=now, resumed_at=MOMENT.now)
    yesterday = moment.local.date() - timedelta(days=1)
    memory = replace(MEMORY, last_ask_at=MOMENT.now, asked_today=0, first_day=yesterday)
    is_far = abs(now - MOMENT.now) >= timedelta(hours=1)
    assert (silence(moment, memory, AskSettings()) is None) == is_far
