"""The plan of one simulated day: the blocks of work, before any window is opened."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from taskclf_tray.core.types import CoreLabel
from taskclf_tray.simulation.habits import Habits
from taskclf_tray.simulation.personas import Persona

DAY_BEGINS_AT_HOUR: Final = 4.0
"""Plans count milliseconds from here (local wall clock): after the hour at which summer time comes and goes."""

_LAST_MS: Final = int((23.75 - DAY_BEGINS_AT_HOUR) * 3_600_000)
_SHORTEST_MS: Final = 4 * 60_000

_FOLLOWS: Final[Mapping[CoreLabel, Mapping[CoreLabel, float]]] = {
    CoreLabel.BUILD: {CoreLabel.DEBUG: 2.4, CoreLabel.BUILD: 0.3},
    CoreLabel.DEBUG: {CoreLabel.BUILD: 2.2, CoreLabel.DEBUG: 0.2, CoreLabel.READ_RESEARCH: 1.3},
    CoreLabel.READ_RESEARCH: {CoreLabel.WRITE: 1.6, CoreLabel.BUILD: 1.3, CoreLabel.READ_RESEARCH: 0.3},
    CoreLabel.WRITE: {CoreLabel.READ_RESEARCH: 1.3, CoreLabel.WRITE: 0.4},
    CoreLabel.REVIEW: {CoreLabel.COMMUNICATE: 1.6, CoreLabel.REVIEW: 0.3},
    CoreLabel.COMMUNICATE: {CoreLabel.COMMUNICATE: 0.1},
    CoreLabel.MEET: {CoreLabel.COMMUNICATE: 1.5},
    CoreLabel.BREAK_IDLE: {CoreLabel.COMMUNICATE: 1.4},
}


class Presence(StrEnum):
    """The state of the machine and the person during a block."""

    WORKING = "working"
    LEFT = "left"  # gone, the window stays in front
    LOCKED = "locked"  # gone, the screen locker is in front
    ASLEEP = "asleep"  # gone, the machine sleeps and no watcher runs


@dataclass(frozen=True, slots=True)
class Block:
    """[start_ms, end_ms) of the plan day with one label."""

    start_ms: int
    end_ms: int
    label: CoreLabel
    presence: Presence = Presence.WORKING
    is_web_meeting: bool = False


def _ms_of_hour(hour: float) -> int:
    return int((hour - DAY_BEGINS_AT_HOUR) * 3_600_000)


def plan_day(persona: Persona, habits: Habits, weekday: int, rng: random.Random) -> list[Block]:
    """Plan the contiguous blocks of one day; empty on a free day."""
    is_weekend = weekday >= 5
    if rng.random() < (1 - persona.weekend_chance if is_weekend else 0.02):
        return []
    start = persona.starts_at_hour + habits.start_shift_hours + rng.gauss(0, 0.25) + (1.5 if is_weekend else 0)
    end = start + rng.uniform(1.5, 4.0) if is_weekend else persona.ends_at_hour + rng.gauss(0, 0.5)
    at, last = _ms_of_hour(start), min(_LAST_MS, _ms_of_hour(end))
    blocks: list[Block] = []
    for fixed in _fixed_blocks(persona, habits, -1 if is_weekend else weekday, at, last, rng):
        _fill(blocks, at, fixed.start_ms, persona, habits, rng)
        blocks.append(fixed)
        at = fixed.end_ms
    _fill(blocks, at, last, persona, habits, rng)
    return blocks


def _fixed_blocks(
    persona: Persona, habits: Habits, weekday: int, first_ms: int, last_ms: int, rng: random.Random
) -> list[Block]:
    """Return lunch and meetings, in order, without overlaps."""
    lunch_at = _ms_of_hour(habits.lunch_at_hour + rng.gauss(0, 0.15))
    lunch_kind = rng.choice((Presence.LOCKED, Presence.LOCKED, Presence.ASLEEP, Presence.LEFT))
    wanted = [Block(lunch_at, lunch_at + int(rng.uniform(28, 62) * 60_000), CoreLabel.BREAK_IDLE, lunch_kind)]
    for meeting in habits.meetings:
        if weekday in meeting.weekdays and rng.random() < 0.93:
            begins = _ms_of_hour(meeting.at_hour) + int(rng.uniform(-1, 3) * 60_000)
            length = int(meeting.minutes * rng.uniform(0.8, 1.2) * 60_000)
            wanted.append(Block(begins, begins + length, CoreLabel.MEET, is_web_meeting=meeting.is_web))
    expected = persona.meetings_per_day * 0.4 if weekday >= 0 else 0.0
    for _ in range(int(expected) + (rng.random() < expected % 1)):
        begins = rng.randint(first_ms, max(first_ms, last_ms)) // 900_000 * 900_000 + rng.randint(0, 120_000)
        length = int(rng.choice((20, 30, 30, 45, 60)) * rng.uniform(0.8, 1.2) * 60_000)
        wanted.append(Block(begins, begins + length, CoreLabel.MEET, is_web_meeting=rng.random() < 0.4))
    fixed: list[Block] = []
    free_from = first_ms
    for block in sorted(wanted, key=lambda b: b.start_ms):
        if block.start_ms >= free_from and block.end_ms <= last_ms:
            fixed.append(block)
            free_from = block.end_ms
    return fixed


def _fill(blocks: list[Block], at: int, until: int, persona: Persona, habits: Habits, rng: random.Random) -> None:
    """Append work and breaks for [at, until)."""
    fresh_ms = 0  # work since the last break
    tired_after_ms = habits.minutes_between_breaks * 60_000 * rng.uniform(0.7, 1.4)
    while until - at > 0:
        left = until - at
        before = blocks[-1].label if blocks else CoreLabel.BREAK_IDLE
        if fresh_ms > tired_after_ms and left > 3 * _SHORTEST_MS:
            block = _break_block(at, rng)
            fresh_ms, tired_after_ms = 0, habits.minutes_between_breaks * 60_000 * rng.uniform(0.7, 1.4)
        else:
            label = _next_label(before, not blocks, habits, rng)
            mean_ms = persona.block_minutes[label] * 60_000
            length = min(max(int(mean_ms * math.exp(rng.gauss(-0.1, 0.5))), _SHORTEST_MS), 90 * 60_000)
            block = Block(at, at + length, label)
            fresh_ms += length
        end = until if until - block.end_ms < _SHORTEST_MS else block.end_ms
        blocks.append(Block(at, end, block.label, block.presence))
        at = end


def _break_block(at: int, rng: random.Random) -> Block:
    kind = rng.choices((Presence.WORKING, Presence.LEFT, Presence.LOCKED, Presence.ASLEEP), weights=(30, 28, 32, 10))[0]
    minutes = rng.uniform(4, 14) if kind is not Presence.LEFT else rng.uniform(4, 18)
    return Block(at, at + int(minutes * 60_000), CoreLabel.BREAK_IDLE, kind)


def _next_label(before: CoreLabel, is_first: bool, habits: Habits, rng: random.Random) -> CoreLabel:
    if is_first and rng.random() < 0.6:
        return CoreLabel.COMMUNICATE
    labels = tuple(habits.work_share)
    factors = _FOLLOWS[before]
    return rng.choices(labels, weights=[habits.work_share[x] * factors.get(x, 1.0) for x in labels])[0]
