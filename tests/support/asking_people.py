"""Simulated people: when they work, meet, rest, pause and sleep, and what the application notices of it.

All in true time, whatever the clock shows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.budget import AskSettings, Candidate

MINUTE = timedelta(minutes=1)
KINDS = {"work": 68, "meeting": 9, "away": 14, "pause": 5, "sleep": 4}
LENGTHS = {"work": (5, 30), "meeting": (15, 60), "away": (3, 70), "pause": (5, 90), "sleep": (10, 120)}


@dataclass(frozen=True)
class Person:
    """`zones`: changed every ten days. `answers`: the chance that a question is answered, changed every 100 days.

    `low_share`: of the blocks, those the model is unsure of.
    """

    user_id: str
    zones: tuple[str, ...] = ("UTC",)
    settings: AskSettings = field(default_factory=AskSettings)
    answers: tuple[float, ...] = (0.8,)
    begins_at: int = 9
    hours: float = 8.5
    low_share: float = 0.5
    has_wild_clock: bool = False
    presses_buttons: bool = False


@dataclass(frozen=True)
class Stretch:
    """What the person does between two moments of true time."""

    kind: str
    start: datetime
    end: datetime
    is_full_screen: bool = False
    is_do_not_disturb: bool = False


def plan_day(person: Person, rng: random.Random, start: datetime) -> Iterator[Stretch]:
    """What follows what, until the hours are over."""
    end_of_day = start + timedelta(hours=person.hours)
    while start < end_of_day:
        (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
        end = start + rng.uniform(*LENGTHS[kind]) * MINUTE
        chance = rng.random() if kind == "work" else 1.0
        yield Stretch(kind, start, end, chance < 0.08, 0.08 <= chance < 0.13)
        start = end


def notices(person: Person, rng: random.Random, stretch: Stretch) -> list[tuple[datetime, Candidate]]:
    """What the application notices of a stretch after its end, in true time."""
    start, end = stretch.start, stretch.end
    name = f"{start.timestamp():.0f}"
    if stretch.kind == "away" and end - start >= 10 * MINUTE:
        return [(end, Candidate(name, start, end, end, None, None, "gap"))]
    if stretch.kind != "work":
        return []
    noticed = end + rng.uniform(1, 4) * MINUTE if rng.random() < 0.97 else end + rng.uniform(10, 60) * MINUTE
    is_low = rng.random() < person.low_share
    confidence = rng.uniform(0.2, 0.55) if is_low else rng.uniform(0.55, 1.0)
    label = rng.choices(LABEL_SET_V1, (1, 30, 20, 8, 2, 15, 10, 5))[0]
    reason = "low_confidence" if is_low else "audit"
    return [(noticed, Candidate(name, start, end, noticed, confidence, label, reason))]


def events(
    rng: random.Random, plan: Sequence[Stretch], noticed: Sequence[tuple[datetime, Candidate]]
) -> Iterator[tuple[datetime, Stretch, Candidate | None]]:
    """Every moment to decide at, with what is going on then."""
    end = plan[-1].end
    found: list[tuple[datetime, int, Candidate | None]] = [
        (after.start, 0, None) for before, after in pairwise(plan) if before.kind != "work" or after.kind != "work"
    ]
    for at, candidate in noticed:
        found.append((at, 1, candidate))
        if rng.random() < 0.5:
            found.append((at + rng.uniform(0, 20) * MINUTE, 2, None))
    position = 0
    for at, _, candidate in sorted(found, key=lambda event: event[:2]):
        if at >= end:
            break
        while plan[position].end <= at:
            position += 1
        yield at, plan[position], candidate
