"""A simulated person: days of realistic ActivityWatch events with the true labels, as a source with its clocks.

A day depends only on (persona, seed, local date), so any day can be generated on its own, and reads in any order or in
parts give the same events. Used by the demo, tests, benchmarks and the training of the starter model.
"""

from __future__ import annotations

import bisect
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Final, Protocol

from taskclf_tray.adapters.base import ActivitySource, SourceStatus, Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import Interval
from taskclf_tray.core.time import as_utc, from_us, to_us
from taskclf_tray.core.types import LabelSpan, SourceEvents
from taskclf_tray.core.zones import zone
from taskclf_tray.simulation.habits import Habits, draw_habits
from taskclf_tray.simulation.personas import PERSONAS
from taskclf_tray.simulation.plan import DAY_BEGINS_AT_HOUR, Block, plan_day
from taskclf_tray.simulation.screen import ScreenWriter
from taskclf_tray.simulation.watchers import (
    AWAY_TIMEOUT_MS,
    LOOK_MS,
    SAMPLE_MS,
    Recorded,
    input_moments,
    play_hands,
    record_away,
    record_input,
    record_tabs,
    record_windows,
)
from taskclf_tray.simulation.words import rng_of


class Clock(Protocol):
    """A clock with aware UTC times."""

    def now(self) -> datetime:
        """Return the present."""
        ...


class ReplayClock:
    """A clock that starts at a past moment and runs `speed` times as fast as real time (60: a minute per second)."""

    def __init__(self, start: datetime, speed: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        if speed <= 0:
            raise ValueError("a clock's speed is above 0")
        self._start = as_utc(start)
        self._speed = speed
        self._monotonic = monotonic
        self._began = monotonic()

    def now(self) -> datetime:
        """Return the simulated present."""
        return self._start + timedelta(seconds=(self._monotonic() - self._began) * self._speed)


class ManualClock:
    """A clock that moves only when it is set or advanced."""

    def __init__(self, start: datetime) -> None:
        self._now = as_utc(start)

    def now(self) -> datetime:
        """Return the moment it was set to."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Jump to a moment, forwards or backwards."""
        self._now = as_utc(moment)

    def advance(self, seconds: float) -> None:
        """Advance by this many seconds."""
        self._now += timedelta(seconds=seconds)


_DAYS_KEPT: Final = 2
"""Generated days held in memory: a read of up to 24 h touches at most two local days."""

FIRST_DAY: Final = date(2020, 1, 1)
"""The default first day of the recording of simulated people."""


@dataclass(frozen=True, slots=True)
class SimulatedDay:
    """One local day: raw events by stream in order of time, moments of input, and the true labels."""

    events: Mapping[Stream, tuple[RawEvent, ...]]
    input_moments_us: tuple[int, ...]
    truth: tuple[LabelSpan, ...]
    on: tuple[Interval, ...]
    """Intervals in which the machine was on."""


class SimulatedPerson:
    """One person of a persona; the seed decides every difference from others of the persona.

    Args:
        persona: name of the persona.
        seed: the seed.
        time_zone: IANA name.
        changes: from a date on, the named era of life (any text) gives other programs, habits and words.
        first_day: before it nothing was recorded.

    Raises:
        ValueError: the persona or zone is unknown.
    """

    def __init__(
        self,
        persona: str,
        seed: int,
        *,
        time_zone: str = "UTC",
        changes: Mapping[date, str] | None = None,
        first_day: date = FIRST_DAY,
    ) -> None:
        if persona not in PERSONAS:
            raise ValueError(f"unknown persona {persona!r}; there are {', '.join(PERSONAS)}")
        self.persona = PERSONAS[persona]
        self.seed = seed
        self.time_zone = time_zone
        self.first_day = first_day
        self._zone = zone(time_zone)
        self._changes = sorted((changes or {}).items())
        self._habits: dict[str, Habits] = {}
        self._days: OrderedDict[date, SimulatedDay] = OrderedDict()

    def __repr__(self) -> str:
        return f"SimulatedPerson({self.persona.name!r}, {self.seed}, time_zone={self.time_zone!r})"

    def day(self, local_date: date) -> SimulatedDay:
        """Return this local day, generated unless it is cached."""
        if local_date in self._days:
            self._days.move_to_end(local_date)
        else:
            self._days[local_date] = self._generate(local_date)
            while len(self._days) > _DAYS_KEPT:
                self._days.popitem(last=False)
        return self._days[local_date]

    def days(self, start: datetime, end: datetime) -> list[SimulatedDay]:
        """Return the local days that [start, end) touches."""
        if end <= start:
            return []
        first = start.astimezone(self._zone).date()
        last = (end - timedelta(microseconds=1)).astimezone(self._zone).date()
        first = max(first, self.first_day)
        return [self.day(first + timedelta(days=k)) for k in range((last - first).days + 1)]

    def raw_events(self, start: datetime, end: datetime) -> dict[Stream, list[RawEvent]]:
        """Return the events of every stream that overlap [start, end), uncut, in order of time."""
        start_us, end_us = to_us(start), to_us(end)
        found: dict[Stream, list[RawEvent]] = {stream: [] for stream in Stream}
        for day in self.days(start, end):
            for stream, events in day.events.items():
                # a stream's events never overlap, so at most one begins before `start` and reaches into it
                first = max(0, bisect.bisect_left(events, start_us, key=_start_us) - 1)
                upto = bisect.bisect_left(events, end_us, key=_start_us)
                found[stream] += [e for e in events[first:upto] if e.end_us >= start_us]
        return found

    def truth(self, start: datetime, end: datetime) -> list[LabelSpan]:
        """Return the true labels in [start, end), clipped, in order; none outside working hours."""
        return [
            LabelSpan(max(span.start_ts, start), min(span.end_ts, end), span.label, span.provenance)
            for day in self.days(start, end)
            for span in day.truth
            if span.start_ts < end and span.end_ts > start
        ]

    def working_day(self, not_before: date) -> tuple[datetime, datetime]:
        """Return [start, end) of the first day with work from this date on."""
        local_date = max(not_before, self.first_day)
        while not self.day(local_date).truth:
            local_date += timedelta(days=1)
        spans = self.day(local_date).truth
        return spans[0].start_ts, spans[-1].end_ts

    def last_input_us(self, moment_us: int) -> int | None:
        """Return the last input at or before a moment of its local day, None without any."""
        moments = self.day(from_us(moment_us).astimezone(self._zone).date()).input_moments_us
        at = bisect.bisect_right(moments, moment_us)
        return moments[at - 1] if at else None

    def habits(self, local_date: date) -> Habits:
        """Return the person's habits on a date."""
        era = next((name for begin, name in reversed(self._changes) if begin <= local_date), "")
        if era not in self._habits:
            self._habits[era] = draw_habits(self.persona, self.seed, era)
        return self._habits[era]

    def _generate(self, local_date: date) -> SimulatedDay:
        habits = self.habits(local_date)
        parts = (self.persona.name, self.seed, local_date.isoformat())
        midnight = datetime(local_date.year, local_date.month, local_date.day, tzinfo=self._zone)
        begin_us = to_us(midnight.replace(hour=int(DAY_BEGINS_AT_HOUR)))
        blocks = plan_day(self.persona, habits, local_date.weekday(), rng_of("plan", *parts))
        projects = habits.vocabulary.projects
        project = projects[(local_date.toordinal() // 7 + self.seed) % len(projects)]
        views = ScreenWriter(self.persona, habits, rng_of("screen", *parts), project).views(blocks)
        samples = play_hands(views, habits.rhythms, rng_of("hands", *parts))
        moments = input_moments(samples)
        rng = rng_of("watchers", *parts)
        recorded: dict[Stream, list[Recorded]] = {
            Stream.WINDOW: record_windows(views, rng.randrange(LOOK_MS)),
            Stream.AWAY: record_away(views, moments),
            Stream.INPUT: record_input(samples),
            Stream.TAB: record_tabs(views, rng.randint(900, 1100), rng),
        }
        first_id = local_date.toordinal() * 100_000
        return SimulatedDay(
            events={stream: _numbered(events, begin_us, first_id) for stream, events in recorded.items()},
            input_moments_us=tuple(begin_us + moment * 1000 for moment in moments),
            truth=_spans(blocks, begin_us),
            on=tuple((begin_us + v.start_ms * 1000, begin_us + v.end_ms * 1000) for v in views if v.is_on),
        )


def _numbered(events: Sequence[Recorded], begin_us: int, first_id: int) -> tuple[RawEvent, ...]:
    return tuple(
        RawEvent(begin_us + e.start_ms * 1000, (e.end_ms - e.start_ms) * 1000, e.data, first_id + k)
        for k, e in enumerate(events)
    )


def _spans(blocks: Sequence[Block], begin_us: int) -> tuple[LabelSpan, ...]:
    """Return the plan as label spans, with contiguous blocks of one label joined."""
    merged: list[tuple[int, int, str]] = []
    for block in blocks:
        if merged and merged[-1][2] == block.label and merged[-1][1] == block.start_ms:
            merged[-1] = (merged[-1][0], block.end_ms, block.label.value)
        else:
            merged.append((block.start_ms, block.end_ms, block.label.value))
    return tuple(
        LabelSpan(from_us(begin_us + start * 1000), from_us(begin_us + end * 1000), label, "simulated")
        for start, end, label in merged
    )


def known_by(
    person: SimulatedPerson, start: datetime, end: datetime, now: datetime, lag_seconds: float
) -> dict[Stream, list[RawEvent]]:
    """Return the part of the events that the watchers have reported by `now`.

    Windows and tabs are reported up to `lag_seconds` ago, input up to the last whole sample before that, `not-afk` up
    to the last input, `afk` only after 180 s without any. The newest event grows from one moment to the next.
    """
    horizon_us = to_us(now) - round(lag_seconds * 1e6)
    known: dict[Stream, list[RawEvent]] = {}
    for stream, events in person.raw_events(start, min(end, now)).items():
        cut = (_cut(event, stream, horizon_us, person) for event in events)
        known[stream] = [event for event in cut if event is not None]
    return known


def _cut(event: RawEvent, stream: Stream, horizon_us: int, person: SimulatedPerson) -> RawEvent | None:
    """Return the event as known at the horizon, None when it is not known yet."""
    if event.start_us > horizon_us:
        return None
    end_us = min(event.end_us, horizon_us)
    if stream is Stream.INPUT:
        sample_us = SAMPLE_MS * 1000
        end_us = event.start_us + (end_us - event.start_us) // sample_us * sample_us
        if end_us == event.start_us:
            return None
    elif stream is Stream.AWAY and event.data["status"] == "afk":
        if horizon_us < event.start_us + AWAY_TIMEOUT_MS * 1000:
            return None
    elif stream is Stream.AWAY and end_us == horizon_us:
        end_us = max(event.start_us, person.last_input_us(horizon_us) or 0)
    if end_us == event.end_us:
        return event
    return RawEvent(event.start_us, end_us - event.start_us, event.data, event.event_id)


def _start_us(event: RawEvent) -> int:
    return event.start_us


class SimulatedSource(ActivitySource):
    """A simulated person as a source, at the time of its clock, with the delays of real watchers."""

    name: ClassVar[str] = "simulated"

    def __init__(
        self, person: SimulatedPerson, normaliser: Normaliser, *, clock: Clock, lag_seconds: float = 5.0
    ) -> None:
        self._person = person
        self._normaliser = normaliser
        self._clock = clock
        self._lag_seconds = lag_seconds

    @property
    def person(self) -> SimulatedPerson:
        """The simulated person."""
        return self._person

    def now(self) -> datetime:
        """Return the simulated present."""
        return self._clock.now()

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        """Return the events of [start, end) that are known by now."""
        known = known_by(self._person, start, end, self.now(), self._lag_seconds)
        return self._normaliser.events(start, end, known)

    def status(self) -> SourceStatus:
        """Report the source, which is always reachable."""
        now = self.now()
        known = known_by(self._person, now - timedelta(days=1), now, now, self._lag_seconds)[Stream.WINDOW]
        newest = max((event.end_us for event in known), default=None)
        return SourceStatus(
            name=self.name,
            reachable=True,
            streams=frozenset(Stream),
            detail=f"A simulated {self._person.persona.name}; no real activity is read.",
            newest_event=None if newest is None else from_us(newest),
        )
