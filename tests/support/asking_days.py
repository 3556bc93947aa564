"""Days of simulated people who are asked, and a referee that knows what was going on without asking the budget.

A day is walked through from one event to the next: a block is noticed, a state begins or ends, or some minutes have
passed since. At each the budget decides as it would in the application, from what the application would remember.

Time is true time; what the application sees is the clock, which may be wrong for a while.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from statistics import fmean

from taskclf_tray.core.time import local_day_bounds, to_us, zone
from taskclf_tray.labels.asking_state import effective_cap, review_backoff
from taskclf_tray.labels.budget import (
    AskMemory,
    Candidate,
    Moment,
    decide,
    is_random_turn,
    score_of,
    scores_later_in_day,
    silence,
)
from taskclf_tray.store.requests import AskOutcome, AskRecord
from tests.support.asking_people import MINUTE, Person, Stretch, events, notices, plan_day

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
_NO_TIME = timedelta(0)


@dataclass
class Tally:
    """What came of it."""

    days: int = 0
    moments: int = 0
    asks: int = 0
    random_asks: int = 0
    gap_asks: int = 0
    ordinary_days: int = 0
    asks_on_ordinary_days: int = 0
    room_on_ordinary_days: int = 0
    asked_values: list[float] = field(default_factory=list)
    seen_values: list[float] = field(default_factory=list)

    @property
    def gain(self) -> float:
        """How many times as much a block asked about was worth as any unsure one."""
        return fmean(self.asked_values) / fmean(self.seen_values)


def live(person: Person, days: int) -> Tally:
    """So many days of a person; raises AssertionError where a promise was broken."""
    return AskingDays(person).run(days)


class AskingDays:
    """One person's days, one after the other."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.tally = Tally()
        self._rng = random.Random(person.user_id)
        self._at = BEGIN
        self._clock_error = _NO_TIME
        self._zone = person.zones[0]
        self._stretch = Stretch("sleep", BEGIN, BEGIN)
        self._resumed: tuple[datetime, datetime] | None = None
        self._breakpoint: tuple[datetime, datetime] | None = None
        self._clock_changed_at = BEGIN - WEEK
        self._open: list[Candidate] = []
        self._queued: list[Candidate] = []
        self._later: tuple[float, ...] | None = None
        self._asks: list[AskRecord] = []
        self._ask_days: Counter[str] = Counter()
        self._gap_days: Counter[str] = Counter()
        self._asked_ids: set[str] = set()
        self._last: tuple[datetime, datetime] | None = None
        self._first_day: date | None = None
        self._snoozed_until: datetime | None = None
        self._quiet_until: datetime | None = None
        self._halvings = 0
        self._reviewed_at: datetime | None = None
        self._counts: Counter[str] = Counter()

    def run(self, days: int) -> Tally:
        """Live through so many days."""
        for number in range(days):
            self._live(number)
        return self.tally

    # -- the person --------------------------------------------------------------------------------------------------

    def _live(self, number: int) -> None:
        person = self.person
        self._zone = person.zones[number // 10 % len(person.zones)]
        self._answers = person.answers[number // 100 % len(person.answers)]
        self._wake()
        plan = list(plan_day(person, self._rng, self._at))
        noticed = [notice for stretch in plan for notice in notices(person, self._rng, stretch)]
        asked_before, candidates, room = self.tally.asks, 0, effective_cap(person.settings.asks_per_day, self._halvings)
        for at, stretch, candidate in events(self._rng, plan, noticed):
            self._at = at
            self._enter(stretch)
            if candidate is not None:
                candidates += self._notice(candidate)
            self._decide()
        self.tally.days += 1
        if number >= 14 and candidates >= 7 and self._quiet_until is None:
            self.tally.ordinary_days += 1
            self.tally.room_on_ordinary_days += room
            self.tally.asks_on_ordinary_days += self.tally.asks - asked_before
        self._review()

    def _wake(self) -> None:
        """Go to the next morning."""
        rest = self._at + timedelta(hours=4)
        local = rest.astimezone(zone(self._zone))
        morning = datetime.combine(local.date(), time(self.person.begins_at), zone(self._zone)).astimezone(UTC)
        while morning < rest:
            morning += timedelta(days=1)
        self._at = morning + self._rng.uniform(0, 90) * MINUTE
        self._stretch = Stretch("sleep", rest, self._at)
        self._quiet_until = self._snoozed_until = None
        self._queued = [block for block in self._queued if block.end >= self._now - WEEK]
        self._open.clear()

    # -- the application ---------------------------------------------------------------------------------------------

    @property
    def _now(self) -> datetime:
        """What the clock shows."""
        return self._at + self._clock_error

    def _enter(self, stretch: Stretch) -> None:
        if stretch is self._stretch:
            return
        before, self._stretch = self._stretch, stretch
        if before.kind in ("pause", "sleep") and stretch.kind not in ("pause", "sleep"):
            self._resumed = (self._at, self._now)
        if self.person.has_wild_clock and self._rng.random() < 0.03:
            is_wrong = bool(self._clock_error)
            hours = self._rng.choice((-49, -24, -3, -1, -0.3, 0.3, 1, 3, 24, 49, 20_000)) * self._rng.random()
            self._clock_error = _NO_TIME if is_wrong else timedelta(hours=hours)
            self._clock_changed_at = self._at
        if self.person.presses_buttons and (press := self._rng.random()) < 0.01:
            if press < 0.005:
                self._snoozed_until = self._now + timedelta(hours=1)
            else:
                self._quiet_until = local_day_bounds(self._now, self._zone)[1]

    def _notice(self, candidate: Candidate) -> bool:
        """Queue it as the clock shows the time; whether it could be asked about."""
        error = self._clock_error
        shown = replace(
            candidate, start=candidate.start + error, end=candidate.end + error, created=candidate.created + error
        )
        if self._first_day is None:
            self._first_day = self._now.astimezone(zone(self._zone)).date()
        self._open = [*self._open[-15:], shown]
        self._later = None
        if candidate.reason == "low_confidence":
            self._queued.append(shown)
            self.tally.seen_values.append(score_of(shown, self._counts))
        is_prompt = candidate.created - candidate.end <= 10 * MINUTE
        if is_prompt:
            self._breakpoint = (self._at, self._now)
        return is_prompt and candidate.reason == "low_confidence"

    def _decide(self) -> None:
        self.tally.moments += 1
        moment, memory = self._moment(), self._memory()
        if silence(moment, memory, self.person.settings) is not None:
            return
        if self._later is None:
            self._later = scores_later_in_day(self._queued, moment, self._counts)
        memory = replace(memory, later_scores=self._later)
        decision = decide(self._open, moment, memory, self.person.settings, user_id=self.person.user_id)
        if decision.ask is None:
            return
        assert decision.is_first == (self.tally.asks == 0)
        assert not decision.is_random or is_random_turn(self.person.user_id, self.tally.asks)
        self._referee(decision.ask)
        self._ask(decision.ask, is_random=decision.is_random)

    def _moment(self) -> Moment:
        stretch = self._stretch
        return Moment(
            now=self._now,
            time_zone=self._zone,
            breakpoint_at=self._breakpoint and self._breakpoint[1],
            resumed_at=self._resumed and self._resumed[1],
            is_meeting=stretch.kind == "meeting",
            is_full_screen=stretch.is_full_screen,
            is_do_not_disturb=stretch.is_do_not_disturb,
            is_away=stretch.kind in ("away", "sleep"),
            is_dark=stretch.kind == "pause",
        )

    def _memory(self) -> AskMemory:
        day = self._day()
        return AskMemory(
            first_day=self._first_day,
            last_ask_at=self._last and self._last[1],
            asked_today=self._ask_days[day],
            asked_ever=self.tally.asks,
            is_on=True,
            snoozed_until=self._snoozed_until,
            quiet_until=self._quiet_until,
            cap_halvings=self._halvings,
            label_counts=self._counts,
            gaps_asked_today=self._gap_days[day],
        )

    def _day(self) -> str:
        return self._now.astimezone(zone(self._zone)).date().isoformat()

    def _ask(self, candidate: Candidate, *, is_random: bool) -> None:
        tally, day = self.tally, self._day()
        tally.asks += 1
        tally.random_asks += is_random
        tally.gap_asks += candidate.reason == "gap"
        if candidate.reason == "low_confidence" and not is_random:
            tally.asked_values.append(score_of(candidate, self._counts))
        self._ask_days[day] += 1
        self._gap_days[day] += candidate.reason == "gap"
        self._last = (self._at, self._now)
        self._asked_ids.add(candidate.request_id)
        self._open.remove(candidate)
        is_answered = self._rng.random() < self._answers
        if is_answered and candidate.predicted_label is not None:
            self._counts[candidate.predicted_label] += 1
        outcome: AskOutcome | None = "answered" if is_answered else self._rng.choice((None, "dismissed"))
        self._asks.append(AskRecord(tally.asks, candidate.request_id, to_us(self._now), day, is_random, outcome, None))

    def _review(self) -> None:
        after = review_backoff(
            self._asks,
            self._now,
            cap_halvings=self._halvings,
            reviewed_at=self._reviewed_at,
            asks_per_day=self.person.settings.asks_per_day,
        )
        if after.reviewed_at != self._reviewed_at:
            self._asks.clear()
        self._halvings, self._reviewed_at = after.cap_halvings, after.reviewed_at

    # -- the referee -------------------------------------------------------------------------------------------------

    def _referee(self, candidate: Candidate) -> None:
        """Every promise about an interruption, from what really happens."""
        settings, at, now, stretch = self.person.settings, self._at, self._now, self._stretch
        local = now.astimezone(zone(self._zone))
        assert (stretch.kind, stretch.is_full_screen, stretch.is_do_not_disturb) == ("work", False, False)
        asked = self._ask_days[local.date().isoformat()]
        assert asked < settings.asks_per_day
        assert asked == 0 or asked < settings.asks_per_day >> self._halvings
        assert self._first_day not in (None, local.date())
        assert not any(_is_in(local, span) for span in settings.quiet_hours)
        assert self._snoozed_until is None or now >= self._snoozed_until
        assert self._quiet_until is None or now >= self._quiet_until
        assert candidate.request_id not in self._asked_ids
        assert _NO_TIME <= now - candidate.end <= timedelta(hours=2)
        assert candidate.created - candidate.end <= 10 * MINUTE
        assert self._breakpoint is not None
        assert _NO_TIME <= now - self._breakpoint[1] <= 15 * MINUTE
        spacing = timedelta(seconds=settings.spacing_seconds)
        assert self._last is None or abs(now - self._last[1]) >= spacing
        assert self._resumed is None or abs(now - self._resumed[1]) >= 10 * MINUTE
        if self._clock_changed_at < at - timedelta(hours=2):  # the clock tells the truth about all of this
            assert at - self._breakpoint[0] <= 15 * MINUTE
            assert self._last is None or at - self._last[0] >= spacing
            assert self._resumed is None or at - self._resumed[0] >= 10 * MINUTE


def _is_in(local: datetime, span: tuple[time, time]) -> bool:
    """By arithmetic on a clock of 1440 minutes."""
    start, end = ((clock.hour * 60 + clock.minute) for clock in span)
    return (local.hour * 60 + local.minute - start) % 1440 < (end - start) % 1440
