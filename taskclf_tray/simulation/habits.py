"""What makes one simulated person differ from the next: machine, programs, favourite ways, hands, meetings."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from taskclf_tray.core.types import CoreLabel
from taskclf_tray.simulation.apps import BROWSERS, LOCKERS, PLATFORMS, SUFFIXES, SURFACES, Platform
from taskclf_tray.simulation.personas import Persona
from taskclf_tray.simulation.scenes import RHYTHMS, SCENES, Rhythm, Scene
from taskclf_tray.simulation.words import Vocabulary, invent_vocabulary, invented_word, rng_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where a surface is found: a native program, or hosts in the browser."""

    app: str
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StandingMeeting:
    """A meeting that recurs: on these weekdays (Monday 0), at this hour of the day, for so long."""

    weekdays: frozenset[int]
    at_hour: float
    minutes: float
    is_web: bool


@dataclass(frozen=True, slots=True)
class Habits:
    """One person's fixed ways; drawn once per (persona, seed, era)."""

    platform: Platform
    browser: str
    locker: str
    vocabulary: Vocabulary
    places: Mapping[str, Place]
    scenes: Mapping[CoreLabel, tuple[tuple[Scene, ...], tuple[float, ...]]]
    rhythms: Mapping[str, Rhythm]
    meetings: tuple[StandingMeeting, ...]
    lunch_at_hour: float
    start_shift_hours: float
    minutes_between_breaks: float
    work_share: Mapping[CoreLabel, float]

    def suffix(self, app: str) -> str:
        """What this program adds to its titles here."""
        return "" if self.platform == "macos" else SUFFIXES.get(app.lower(), "")


def draw_habits(persona: Persona, seed: int, era: str) -> Habits:
    """The habits of this person; another `era` (after a change of life) gives other programs, ways and words."""
    rng = rng_of("habits", persona.name, seed, era)
    platform = rng.choice(PLATFORMS)
    browser = rng.choice(BROWSERS.native(platform))
    vocabulary = invent_vocabulary(rng)
    tool = invented_word(rng, 2).capitalize()
    places = {
        name: _place(rng, persona, name, platform, browser, vocabulary, tool) for name in sorted(persona.surfaces)
    }
    places["meeting:web"] = Place(browser, SURFACES["meeting"].hosts)
    hands = {kind: math.exp(rng.gauss(0, 0.22)) for kind in ("keys", "click", "move", "scroll", "begin", "rest")}
    return Habits(
        platform=platform,
        browser=browser,
        locker=rng.choice(LOCKERS.native(platform)),
        vocabulary=vocabulary,
        places=places,
        scenes={label: _own_scenes(rng, scenes, places) for label, scenes in SCENES.items()},
        rhythms={name: _own_rhythm(rng, rhythm, hands) for name, rhythm in RHYTHMS.items()},
        meetings=_standing_meetings(rng, persona),
        lunch_at_hour=rng.uniform(12.0, 13.1),
        start_shift_hours=rng.gauss(0, 0.35),
        minutes_between_breaks=rng.uniform(45, 100),
        work_share={label: share * math.exp(rng.gauss(0, 0.3)) for label, share in persona.work.items()},
    )


def _place(
    rng: random.Random,
    persona: Persona,
    surface_name: str,
    platform: Platform,
    browser: str,
    vocabulary: Vocabulary,
    tool: str,
) -> Place:
    surface = SURFACES[surface_name]
    programs = surface.native(platform)
    in_browser = bool(surface.hosts) and (not programs or rng.random() < persona.web_share)
    if not in_browser:
        return Place(rng.choice(programs).format(tool=tool)) if programs else Place(browser, ("localhost",))
    hosts = tuple(host.format(place=rng.choice(vocabulary.places)) for host in surface.hosts)
    return Place(browser, tuple(rng.sample(hosts, min(len(hosts), 3))))


def _own_scenes(
    rng: random.Random, scenes: tuple[Scene, ...], places: Mapping[str, Place]
) -> tuple[tuple[Scene, ...], tuple[float, ...]]:
    """The scenes this person has the surfaces for, with personal weights; a few are almost never used."""
    own = tuple(scene for scene in scenes if scene.surface in places)
    weights = tuple(
        scene.weight * math.exp(rng.gauss(0, 0.45)) * (0.1 if rng.random() < 0.12 else 1.0) for scene in own
    )
    return own, weights


def _own_rhythm(rng: random.Random, rhythm: Rhythm, hands: Mapping[str, float]) -> Rhythm:
    def varied(value: float, kind: str, limit: float = 0.97) -> float:
        return min(limit, value * hands[kind] * math.exp(rng.gauss(0, 0.15)))

    if rhythm.rest >= 1:
        return rhythm
    return Rhythm(
        begin=varied(rhythm.begin, "begin"),
        stop=rhythm.stop,
        keys=varied(rhythm.keys, "keys", 60),
        click=varied(rhythm.click, "click"),
        move=varied(rhythm.move, "move"),
        scroll=varied(rhythm.scroll, "scroll"),
        rest=varied(rhythm.rest, "rest", 0.4),
        rest_samples=rhythm.rest_samples,
    )


def _standing_meetings(rng: random.Random, persona: Persona) -> tuple[StandingMeeting, ...]:
    """About half of a persona's meetings recur; the rest are drawn day by day."""
    meetings: list[StandingMeeting] = []
    expected = persona.meetings_per_day * 0.6
    while expected > 0.05:
        daily = rng.random() < 0.35 and expected >= 0.8
        weekdays = frozenset(range(5)) if daily else frozenset(rng.sample(range(5), rng.randint(1, 2)))
        at_hour = rng.choice((9.5, 10.0, 10.5, 11.0, 13.5, 14.0, 14.5, 15.0, 15.5, 16.0))
        minutes = rng.choice((15, 15, 25) if daily else (30, 30, 45, 60))
        meetings.append(StandingMeeting(weekdays, at_hour, minutes, rng.random() < 0.4))
        expected -= len(weekdays) / 5
    return tuple(meetings)
