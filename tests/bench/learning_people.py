"""The people who teach: simulated ones, made harder, with the blocks they labelled and later days to be judged on.

They are harder than those the shipped model was made from, so that nothing is learnt by heart: they look elsewhere and
wander off more often, one answer in twenty-five is a slip, and after the labelled days a program they use much is
another one. Programs are shared between labels as ever, projects change from week to week, and which watchers are
installed goes in turn.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from starter_rows import FIRST_MONDAY, WATCHED, ZONES
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow, LabelSpan
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows, finish
from taskclf_tray.labels.blocks import Block, is_long_enough, split_blocks, to_minute
from taskclf_tray.labels.budget import acquisition_score
from taskclf_tray.models.bundle import load_model_bundle
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.simulation.words import rng_of
from tests.bench.asking_people import STARTER

MORE_GLANCES: Final = 2.0
MORE_WANDERINGS: Final = 1.5
SLIP_RATE: Final = 0.04
"""Of the answers that name another label than the block has."""
ANSWERS_A_DAY: Final = 10
"""Four questions, and some blocks from the review or by themselves."""
NEW_PROGRAM: Final = "Zettlr"
USER: Final = "simulated"


@dataclass(frozen=True, slots=True)
class Answer:
    """One labelled block, on the labelled day of this number."""

    day: int
    span: LabelSpan
    minutes: int


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person: the rows of the labelled days, the answers in the order they were given, and the judged days."""

    persona: str
    seed: int
    watched: str
    taught: tuple[tuple[FeatureRow, ...], ...]
    answers: tuple[Answer, ...]
    judged: tuple[tuple[FeatureRow, ...], ...]
    truth: tuple[LabelSpan, ...]
    """Of the judged days."""

    @property
    def taught_rows(self) -> Iterator[FeatureRow]:
        """Of all labelled days."""
        return (row for day in self.taught for row in day)

    @property
    def judged_rows(self) -> Iterator[FeatureRow]:
        """Of all judged days."""
        return (row for day in self.judged for row in day)

    def first_blocks(self, count: int) -> list[LabelSpan]:
        """The first answers."""
        return [answer.span for answer in self.answers[:count]]

    def first_minutes(self, minutes: int, days: int) -> list[LabelSpan]:
        """Answers of the first days, evenly over them, to about so many minutes."""
        found: list[LabelSpan] = []
        for day in range(days):
            left = minutes / days
            for answer in (a for a in self.answers if a.day == day):
                if left <= 0:
                    break
                found.append(_shortened(answer.span, left))
                left -= answer.minutes
        return found


def _shortened(span: LabelSpan, minutes: float) -> LabelSpan:
    return replace(span, end_ts=min(span.end_ts, span.start_ts + timedelta(minutes=max(1, round(minutes)))))


def make_person(persona: str, number: int, seed: int, taught_days: int, judged_days: int) -> Person:
    """The same person for the same arguments; which watchers are installed goes in turn with `number`."""
    watched = list(WATCHED)[number % len(WATCHED)]
    person = _harder(SimulatedPerson(persona, seed, time_zone=ZONES[seed % len(ZONES)]))
    rng, counts = rng_of("answers", persona, seed), Counter[str]()
    days: list[tuple[FeatureRow, ...]] = []
    answers: list[Answer] = []
    truth: list[LabelSpan] = []
    moved, at = "", FIRST_MONDAY
    while len(days) < taught_days + judged_days:
        start, end = person.working_day(at)
        spans = person.truth(start, end)
        moved = moved or _a_program_of(person, start, end)
        days.append(_rows(person, start, end, watched, moved if len(days) >= taught_days else None))
        if len(days) <= taught_days:
            answers += _answers(len(days) - 1, days[-1], spans, counts, rng)
        else:
            truth += spans
        at = end.date() + timedelta(days=1)
    taught, judged = tuple(days[:taught_days]), tuple(days[taught_days:])
    return Person(persona, seed, watched, taught, tuple(answers), judged, tuple(truth))


def _harder(person: SimulatedPerson) -> SimulatedPerson:
    kind = person.persona
    person.persona = replace(
        kind,
        glances_per_hour=MORE_GLANCES * kind.glances_per_hour,
        wanderings_per_hour=MORE_WANDERINGS * kind.wanderings_per_hour,
    )
    return person


def _a_program_of(person: SimulatedPerson, start: datetime, end: datetime) -> str:
    """The program that will be replaced: the second most used of a day, beside the browser."""
    seconds: Counter[str] = Counter()
    for event in person.raw_events(start, end)[Stream.WINDOW]:
        seconds[str(event.data["app"])] += event.duration_us
    habits = person.habits(start.date())
    for kept in (habits.locker, habits.browser, "unknown"):
        del seconds[kept]
    return seconds.most_common(2)[-1][0] if seconds else "none"


def _rows(
    person: SimulatedPerson, start: datetime, end: datetime, watched: str, moved: str | None
) -> tuple[FeatureRow, ...]:
    streams = WATCHED[watched]
    raw = {stream: events for stream, events in person.raw_events(start, end).items() if stream in streams}
    if moved:
        raw[Stream.WINDOW] = [_renamed(event, moved) for event in raw[Stream.WINDOW]]
    name = f"{person.persona.name}-{person.seed}"
    events = Normaliser(hashlib.sha256(name.encode()).hexdigest()).events(start, end, raw)
    rows = build_features_from_aw_events(
        events.window,
        user_id=USER,
        input_events=events.input if Stream.INPUT in streams else None,
        away_events=events.away,
        tab_events=events.tab if Stream.TAB in streams else None,
        time_zone=person.time_zone,
    )
    return tuple(row for row in rows if row.decided_by != "no_window")


def _renamed(event: RawEvent, moved: str) -> RawEvent:
    return replace(event, data={**event.data, "app": NEW_PROGRAM}) if event.data.get("app") == moved else event


@cache
def starter() -> PipelineConfig:
    """The shipped model as it is served."""
    forest, metadata, words = load_model_bundle(STARTER)
    return PipelineConfig(
        model=forest,
        schema_version=metadata.schema_version,
        time_basis=metadata.time_basis,
        cat_encoders=words,
        reject_threshold=metadata.reject_threshold,
    )


def _answers(
    day: int, rows: Sequence[FeatureRow], truth: Sequence[LabelSpan], counts: Counter[str], rng: random.Random
) -> list[Answer]:
    """Labels for some of the day's blocks, as the app cuts them: every other one is chosen by its policy."""
    waiting = [(block, label) for block in _blocks(rows) if (label := _label(block, truth))]
    found: list[Answer] = []
    while waiting and len(found) < ANSWERS_A_DAY:
        picked = max(waiting, key=lambda w: _worth(w[0], counts)) if len(found) % 2 == 0 else rng.choice(waiting)
        waiting.remove(picked)
        block, label = picked
        counts[label] += 1
        said = rng.choice(LABEL_SET_V1) if rng.random() < SLIP_RATE else label
        span = LabelSpan(from_us(block.start_us), from_us(block.end_us), said, user_id=USER)
        found.append(Answer(day, span, block.minutes))
    return found


def _worth(block: Block, counts: Counter[str]) -> float:
    return acquisition_score(block.confidence, block.minutes, block.predicted_label, counts)


def _blocks(rows: Sequence[FeatureRow]) -> list[Block]:
    decided = finish(decide_rows(starter(), rows), resolver_of=lambda _: None)
    minutes = [minute for minute in map(to_minute, decided) if minute is not None]
    return [block for block in split_blocks(minutes) if block.is_askable and is_long_enough(block)]


def _label(block: Block, truth: Sequence[LabelSpan]) -> str | None:
    """What most of the block was; None where the simulation does not say."""
    held: Counter[str] = Counter()
    for span in truth:
        held[span.label] += max(0, min(block.end_us, to_us(span.end_ts)) - max(block.start_us, to_us(span.start_ts)))
    label, most = held.most_common(1)[0]
    return label if 2 * most >= block.end_us - block.start_us else None
