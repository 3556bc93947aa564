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

SECOND: Final = 1_000_000
SAMPLE_SECONDS: Final = 5
LONGEST_STILL_SECONDS: Final = 170
"""Hands move at least this often, so that the away watcher, which waits 180 s, agrees that the person is present."""

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution by points (share of draws at or below, value), geometric between them."""

    points: Points

    def draw(self, rng: random.Random) -> float:
        """Draw a value."""
        share = rng.random()
        k = max(1, bisect.bisect_left(self.points, (share,)))
        (low, a), (high, b) = self.points[k - 1], self.points[k]
        return a * math.exp(math.log(b / a) * (share - low) / (high - low))


# Measured over 4 353 windows, 345 runs of one label, and 144 runs of presence and of absence.
STAY_SECONDS: Final = Spread(
    ((0, 5), (0.05, 6), (0.25, 10), (0.5, 15), (0.75, 30), (0.9, 60), (0.95, 120), (0.99, 300), (1, 1380))
)
WORK_MINUTES: Final = Spread(
    ((0, 0.2), (0.05, 0.3), (0.25, 0.8), (0.5, 2.6), (0.75, 9.8), (0.9, 22), (0.95, 28), (0.99, 44), (1, 60))
)
PRESENT_MINUTES: Final = Spread(
    ((0, 1), (0.1, 1.5), (0.25, 2.5), (0.5, 9.5), (0.75, 24.5), (0.9, 45), (0.95, 53), (0.99, 88), (1, 100))
)
AWAY_MINUTES: Final = Spread(((0, 3), (0.1, 3.5), (0.25, 4.7), (0.5, 8), (0.75, 19.7), (0.9, 69), (1, 180)))
PROGRAM_CHANGES: Final = 0.42
"""Of the changes of window, those to another program: 47 of 113 an hour."""
SAME_WORK_AGAIN: Final = 0.36
"""After an interruption, or the end of a run."""
HOURS_PRESENT: Final = (2.0, 5.5)
"""A day's labelled hours: 206 to 639 windows of half a minute, the hours away not counted."""
LETTERS: Final = (2, 12)

# Words of a title by kind of program: shares 0.1, 0.25, 0.5, 0.75 and 0.9.
TITLE_WORDS: Final[Mapping[str, Sequence[float]]] = {
    "browser": (4, 5, 7, 10, 12), "slides": (2, 3, 3, 5, 6), "mail": (2, 3, 5, 6, 7), "paper": (7, 8, 8, 10, 11),
    "document": (2, 2, 4, 6, 7), "chat": (3, 3, 5, 6, 7), "sheet": (2, 2, 3, 6, 10), "files": (1, 1, 2, 3, 4),
    "editor": (3, 4, 5, 6, 8), "terminal": (1, 1, 2, 3, 5), "notes": (2, 2, 2, 3, 5), "tool": (2, 2, 3, 4, 5),
}  # fmt: skip

PROGRAMS: Final[Mapping[str, Sequence[str]]] = {
    "browser": ("Google Chrome", "msedge.exe", "firefox", "vivaldi-stable", "Safari", "opera"),
    "slides": ("Microsoft PowerPoint", "libreoffice-impress", "Keynote"),
    "mail": ("Microsoft Outlook", "thunderbird", "evolution", "Spark"),
    "paper": ("Adobe Acrobat ", "okular", "Zotero", "Preview"),
    "document": ("Microsoft Word", "libreoffice-writer", "Scrivener"),
    "chat": ("Microsoft Teams", "Slack", "Mattermost", "telegram-desktop"),
    "sheet": ("Microsoft Excel", "gnumeric", "Numbers"),
    "files": ("Windows Explorer", "thunar", "Finder", "Total Commander"),
    "editor": ("nvim-qt", "Code", "Eclipse", "RStudio", "kate"),
    "terminal": ("foot", "mintty", "Terminal", "tilix"),
    "notes": ("Notepad", "Notion", "zim", "Evernote"),
    "tool": ("Microsoft Power BI Desktop", "saplogon.exe", "QGIS", "Photoshop", "SPSS"),
}
"""Names that watchers report; some are in no registry."""

SITES: Final[Mapping[str, Sequence[str]]] = {
    "Build": ("github.com", "localhost:8080", "docs.google.com", "www.figma.com", "{own}"),
    "Communicate": ("mail.google.com", "outlook.office.com", "web.whatsapp.com", "{own}", "{own}", "www.linkedin.com"),
    "Debug": ("stackoverflow.com", "github.com", "{own}", "www.google.com"),
    "Meet": ("meet.google.com", "outlook.office.com", "docs.google.com", "{own}"),
    "ReadResearch": ("scholar.google.com", "en.wikipedia.org", "www.youtube.com", "{own}", "www.google.com"),
    "Review": ("github.com", "docs.google.com", "{own}", "{own}", "mail.google.com"),
    "Write": ("docs.google.com", "www.overleaf.com", "{own}", "{own}", "www.google.com", "chatgpt.com"),
}
"""Where each kind of work happens in the browser; `{own}` is a site of the person's own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of person: share of time of each label, and shares of the kinds of programs within a label."""

    work: Mapping[str, float]
    programs: Mapping[str, Mapping[str, float]]


KINDS: Final[Mapping[str, Kind]] = {
    # measured
    "academic": Kind(
        {"Write": 0.42, "Communicate": 0.29, "Meet": 0.12, "Review": 0.09, "ReadResearch": 0.08},
        {
            "Communicate": {"browser": 57, "mail": 15, "chat": 8, "slides": 7, "files": 3, "paper": 3, "notes": 1},
            "Meet": {"browser": 28, "chat": 22, "mail": 19, "slides": 15, "document": 6, "files": 3, "paper": 2},
            "ReadResearch": {"sheet": 43, "mail": 14, "chat": 13, "document": 9, "browser": 7, "tool": 5, "files": 3},
            "Review": {"paper": 63, "browser": 15, "document": 9, "mail": 4, "files": 4, "sheet": 3},
            "Write": {"browser": 39, "slides": 23, "document": 12, "paper": 7, "files": 5, "tool": 4, "mail": 3},
        },
    ),
    # invented, with as much overlap
    "coder": Kind(
        {"Build": 0.36, "Debug": 0.2, "Review": 0.12, "Communicate": 0.15, "ReadResearch": 0.12, "Write": 0.05},
        {
            "Build": {"editor": 42, "browser": 30, "terminal": 15, "chat": 5, "files": 3},
            "Debug": {"editor": 32, "browser": 30, "terminal": 28, "chat": 6},
            "Review": {"browser": 58, "editor": 24, "terminal": 8, "chat": 8},
            "Communicate": {"chat": 42, "browser": 30, "mail": 18, "editor": 6},
            "ReadResearch": {"browser": 70, "paper": 10, "editor": 12, "notes": 6},
            "Write": {"browser": 32, "editor": 28, "notes": 22, "document": 14},
        },
    ),
    "clerk": Kind(
        {"Build": 0.3, "Communicate": 0.32, "Review": 0.14, "Write": 0.12, "Meet": 0.12},
        {
            "Build": {"sheet": 42, "tool": 28, "browser": 18, "files": 6, "mail": 5},
            "Communicate": {"mail": 48, "chat": 24, "browser": 15, "sheet": 6, "document": 4},
            "Review": {"sheet": 30, "paper": 28, "mail": 20, "tool": 14, "document": 8},
            "Write": {"document": 48, "mail": 22, "browser": 16, "sheet": 8, "files": 4},
            "Meet": {"chat": 40, "browser": 20, "slides": 18, "mail": 12, "sheet": 8},
        },
    ),
    "designer": Kind(
        {"Build": 0.42, "Review": 0.16, "Communicate": 0.2, "ReadResearch": 0.12, "Meet": 0.1},
        {
            "Build": {"tool": 48, "browser": 32, "files": 10, "slides": 5},
            "Review": {"tool": 34, "browser": 32, "slides": 14, "mail": 10, "chat": 8},
            "Communicate": {"chat": 40, "mail": 24, "browser": 24, "tool": 8},
            "ReadResearch": {"browser": 76, "tool": 10, "notes": 8, "paper": 5},
            "Meet": {"browser": 46, "chat": 24, "tool": 14, "slides": 12},
        },
    ),
    "scientist": Kind(
        {"Debug": 0.14, "Build": 0.26, "ReadResearch": 0.24, "Write": 0.24, "Communicate": 0.12},
        {
            "Debug": {"editor": 36, "terminal": 24, "browser": 26, "tool": 10},
            "Build": {"editor": 34, "tool": 22, "browser": 18, "sheet": 12, "terminal": 10},
            "ReadResearch": {"paper": 40, "browser": 40, "notes": 10, "mail": 5},
            "Write": {"document": 34, "editor": 20, "browser": 18, "paper": 14, "slides": 8, "notes": 5},
            "Communicate": {"mail": 40, "browser": 28, "chat": 20, "document": 6},
        },
    ),
}  # fmt: skip


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
