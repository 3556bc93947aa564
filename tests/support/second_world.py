"""A second world of simulated people, drawn another way than `taskclf_tray.simulation`.

The shipped model is made from that simulation, so nothing measured there shows how it does elsewhere. Here the rhythm
of a day follows one real person, whose ten labelled days (one academic, windows and away time only) were measured: how
long a window stays in front, how long a kind of work lasts, how long the person is present and away, how often a change
of window is one of program, how many words a title has, and which programs serve which kind of work. Only these numbers
are here; every name and word is invented. The other kinds of people have invented programs with the same rhythm and
about the same overlap: one label has many programs, one program many labels.

Nothing but the program, the site and the words of titles depends on the kind of work: keys and mouse follow the person
and the program. Work is labelled, time away is not, and nobody takes a break at the keyboard.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from starter_rows import FIRST_MONDAY, WATCHED, Sample, labelled
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.core.types import FeatureRow, LabelSpan
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.simulation.words import rng_of
from tests.support.second_kinds import (
    AWAY_MINUTES,
    HOURS_PRESENT,
    KINDS,
    LETTERS,
    PRESENT_MINUTES,
    PROGRAM_CHANGES,
    PROGRAMS,
    SAME_WORK_AGAIN,
    SITES,
    STAY_SECONDS,
    TITLE_WORDS,
    WORK_MINUTES,
    Spread,
)

SAMPLE_SECONDS: Final = 5
LONGEST_STILL_SECONDS: Final = 170
"""Hands move at least this often, so that the away watcher, which waits 180 s, agrees that the person is present."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something a person works on for weeks: a kind of work, with words and sites of its own."""

    label: str
    words: tuple[str, ...]
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """One window in front, in seconds of the day, with the kind of its program."""

    start: float
    end: float
    kind: str
    title: str
    site: str | None


@dataclass(frozen=True, slots=True)
class Day:
    """The raw events of one day and its labels; [start, end) is from the first event to the last."""

    events: Mapping[Stream, Sequence[RawEvent]]
    truth: Sequence[LabelSpan]
    start: datetime
    end: datetime


class SecondPerson:
    """One person of a kind; the seed decides the programs, the tasks and the hands. Every day is drawn by itself."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind = KINDS[kind]
        self.name = f"{kind}-{seed}"
        rng = rng_of("second world", kind, seed)
        self.programs = {name: rng.choice(list(names)) for name, names in PROGRAMS.items()}
        self._common = _words(rng, 40)
        own = [f"{word}.example" for word in _words(rng, 5)]
        self._tasks = [_task(rng, label, own) for label in self.kind.work for _ in range(rng.randint(2, 4))]
        self._shares = {
            label: {name: share * math.exp(rng.gauss(0, 0.5)) for name, share in programs.items()}
            for label, programs in self.kind.programs.items()
        }  # fmt: skip
        self._typing = {name: 0.5 * math.exp(rng.gauss(-1, 0.7)) for name in PROGRAMS}

    def day(self, local_date: date) -> Day:
        """Draw a day, in UTC."""
        rng = rng_of("second day", self.name, local_date.isoformat())
        midnight_us = to_us(datetime(local_date.year, local_date.month, local_date.day, tzinfo=UTC))
        at, left = rng.uniform(7.5, 10) * 3600, rng.uniform(*HOURS_PRESENT) * 3600
        present: list[tuple[float, float]] = []
        windows: list[Window] = []
        spans: list[tuple[float, float, str]] = []
        task = self._next_task(rng, None)
        while left > 0 and at < 22 * 3600:
            end = at + PRESENT_MINUTES.draw(rng) * 60
            task = self._work(rng, at, end, task, windows, spans)
            present.append((at, end))
            left -= end - at
            at = end + AWAY_MINUTES.draw(rng) * 60
        recorded = {
            Stream.WINDOW: _window_events(windows, self.programs),
            Stream.AWAY: _away_events(present),
            Stream.INPUT: self._input_events(rng, present, windows),
            Stream.TAB: _tab_events(windows),
        }
        events = {stream: _at(midnight_us, found) for stream, found in recorded.items()}
        truth = [
            LabelSpan(from_us(midnight_us + _us(a)), from_us(midnight_us + _us(b)), label) for a, b, label in spans
        ]
        return Day(events, truth, truth[0].start_ts, truth[-1].end_ts)

    def _work(
        self,
        rng: random.Random,
        at: float,
        until: float,
        task: Task,
        windows: list[Window],
        spans: list[tuple[float, float, str]],
    ) -> Task:
        """Fill one run of presence; returns the task at its end."""
        while at < until:
            end = min(until, at + WORK_MINUTES.draw(rng) * 60)
            _look(rng, at, end, self._views(rng, task), windows)
            spans.append((at, end, task.label))
            task, at = self._next_task(rng, task), end
        return task

    def _views(self, rng: random.Random, task: Task) -> _Views:
        return _Views(rng, task, self._shares[task.label], self._common)

    def _next_task(self, rng: random.Random, before: Task | None) -> Task:
        if before is not None and rng.random() < SAME_WORK_AGAIN:
            return before
        labels = list(self.kind.work)
        label = rng.choices(labels, weights=list(self.kind.work.values()))[0]
        return rng.choice([task for task in self._tasks if task.label == label])

    def _input_events(
        self, rng: random.Random, present: Sequence[tuple[float, float]], windows: Sequence[Window]
    ) -> list[_Recorded]:
        starts = [window.start for window in windows]
        found: list[_Recorded] = []
        for begin, end in present:
            still = 0
            for at in range(int(begin) + 1, int(end) - SAMPLE_SECONDS, SAMPLE_SECONDS):
                window = windows[max(0, bisect.bisect_right(starts, at) - 1)]
                counts = _hands(rng, self._typing[window.kind], must_move=still >= LONGEST_STILL_SECONDS)
                still = 0 if any(counts.values()) else still + SAMPLE_SECONDS
                found.append((at, at + SAMPLE_SECONDS, counts))
        return found


_Recorded = tuple[float, float, Mapping[str, Any]]


class _Views:
    """What is looked at for one task: the next program, its title, and its site."""

    def __init__(self, rng: random.Random, task: Task, shares: Mapping[str, float], common: Sequence[str]) -> None:
        self._rng, self._task, self._common = rng, task, common
        self._kinds, self._weights = list(shares), list(shares.values())
        self._kind = rng.choices(self._kinds, self._weights)[0]

    def next(self) -> tuple[str, str, str | None]:
        """Return (kind of program, title, site)."""
        rng = self._rng
        if rng.random() < PROGRAM_CHANGES * 1.35:  # a draw may be the same program again
            self._kind = rng.choices(self._kinds, self._weights)[0]
        count = max(1, round(_title_words(self._kind).draw(rng)))
        own = rng.sample(self._task.words, min(count, len(self._task.words)))
        title = " ".join(word if rng.random() < 0.7 else rng.choice(self._common) for word in own)
        return self._kind, title, rng.choice(self._task.sites) if self._kind == "browser" else None


def _look(rng: random.Random, at: float, until: float, views: _Views, windows: list[Window]) -> None:
    while at < until:
        end = min(until, at + STAY_SECONDS.draw(rng))
        windows.append(Window(at, end, *views.next()))
        at = end


def _title_words(kind: str) -> Spread:
    shares = (0.1, 0.25, 0.5, 0.75, 0.9)
    words = TITLE_WORDS[kind]
    return Spread(((0, words[0]), *zip(shares, words, strict=True), (1, words[-1] + 2)))


def _words(rng: random.Random, count: int) -> tuple[str, ...]:
    letters = "aeioubcdfghjklmnpqrstvwxyz"
    return tuple("".join(rng.choice(letters) for _ in range(rng.randint(*LETTERS))) for _ in range(count))


def _task(rng: random.Random, label: str, own: Sequence[str]) -> Task:
    sites = tuple(rng.choice(own) if site == "{own}" else site for site in SITES[label])
    return Task(label, _words(rng, 14), tuple(rng.sample(sites, 2)))


def _hands(rng: random.Random, typing: float, *, must_move: bool) -> dict[str, int]:
    presses = int(rng.expovariate(1 / 14)) if rng.random() < typing else 0
    moves = must_move or rng.random() < 0.4
    return {
        "presses": presses,
        "clicks": int(moves and rng.random() < 0.3),
        "deltaX": int(rng.expovariate(1 / 250)) + 1 if moves else 0,
        "deltaY": int(rng.expovariate(1 / 160)) if moves else 0,
        "scrollX": 0,
        "scrollY": int(rng.expovariate(1 / 6)) if rng.random() < 0.2 else 0,
    }


def _window_events(windows: Sequence[Window], programs: Mapping[str, str]) -> list[_Recorded]:
    return [(w.start, w.end, {"app": programs[w.kind], "title": w.title}) for w in windows]


def _tab_events(windows: Sequence[Window]) -> list[_Recorded]:
    return [
        (w.start, w.end, {"url": f"https://{w.site}/", "title": w.title, "audible": False, "incognito": False})
        for w in windows
        if w.site is not None
    ]


def _away_events(present: Sequence[tuple[float, float]]) -> list[_Recorded]:
    found: list[_Recorded] = []
    for k, (begin, end) in enumerate(present):
        found.append((begin, end, {"status": "not-afk"}))
        if k + 1 < len(present):
            found.append((end, present[k + 1][0], {"status": "afk"}))
    return found


def _at(midnight_us: int, recorded: Sequence[_Recorded]) -> list[RawEvent]:
    return [
        RawEvent(midnight_us + _us(begin), _us(end) - _us(begin), data, k)
        for k, (begin, end, data) in enumerate(recorded)
    ]


def _us(seconds: float) -> int:
    return round(seconds * 1000) * 1000


def rows_of(person: SecondPerson, day: Day, watched: str) -> list[FeatureRow]:
    """Build the feature rows of a day as an install with these watchers (a key of `WATCHED`) would."""
    streams = WATCHED[watched]
    raw = {stream: list(events) for stream, events in day.events.items() if stream in streams}
    normaliser = Normaliser(hashlib.sha256(person.name.encode()).hexdigest())
    events = normaliser.events(day.start, day.end, raw)
    return build_features_from_aw_events(
        events.window,
        user_id="second",
        input_events=events.input if Stream.INPUT in streams else None,
        away_events=events.away,
        tab_events=events.tab if Stream.TAB in streams else None,
        time_zone="UTC",
    )


@functools.cache
def second_samples(first_seed: int, people: int, days_each: int = 1) -> list[Sample]:
    """Collect the labelled minutes of so many people of each kind; what is watched goes in turn, day by day."""
    found: list[Sample] = []
    for kind in KINDS:
        for seed in range(first_seed, first_seed + people):
            person = SecondPerson(kind, seed)
            for k in range(days_each):
                watched = list(WATCHED)[(seed + k) % len(WATCHED)]
                day = person.day(FIRST_MONDAY + timedelta(days=k + seed % 90))
                found += labelled(rows_of(person, day, watched), day.truth, (kind, person.name, watched))
    return found
