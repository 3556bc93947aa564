"""People whose weeks are checked for drift: simulated days as feature rows with the shipped model's answers.

A life is a person and what happens to them: from a day on they may have another job, another main program, a broken
input watcher or a holiday schedule. Days are made once and kept, so checks on overlapping windows share them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from starter_rows import FIRST_MONDAY, WATCHED, ZONES
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import local_day_bounds
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.drift.days import CATEGORIES, NUMBERS
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.infer.forest import Forest
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows
from taskclf_tray.models.bundle import load_model_bundle
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.simulation.personas import PERSONAS
from tests.bench.asking_people import STARTER

DRIFTS: Final = (
    "new job",
    "same job elsewhere",
    "new main program",
    "half in a new program",
    "input broken",
    "holidays",
)
_COLUMNS: Final = ("user_id", "bucket_start_ts", "time_zone", "decided_by", *NUMBERS, *CATEGORIES)
_NEW_PROGRAM: Final = "Figma"
_OTHER_NEW_PROGRAM: Final = "Zed"
_HALF_HOUR_US: Final = 1_800_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """One local day's rows in columns, and what the model says of each."""

    columns: Mapping[str, list[Any]]
    labels: list[str]
    probs: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(slots=True)
class Life:
    """A person day by day; `drift` begins on `begins`, if any."""

    persona: str
    seed: int
    drift: str | None = None
    begins: date = date.max
    kept: dict[date, Day] = field(default_factory=dict)

    @property
    def watched(self) -> frozenset[Stream]:
        """What is installed: every combination in turn, apart from the zones."""
        return WATCHED[list(WATCHED)[self.seed // len(ZONES) % len(WATCHED)]]

    @property
    def drifts(self) -> tuple[str, ...]:
        """What can happen to this person: a watcher that is not there cannot break."""
        return tuple(drift for drift in DRIFTS if drift != "input broken" or Stream.INPUT in self.watched)

    def drifting(self, drift: str, begins: date) -> Life:
        """The same person, to whom this happens; days before it are shared."""
        before = {day: rows for day, rows in self.kept.items() if day < begins}
        return Life(self.persona, self.seed, drift, begins, before)

    def day(self, local_date: date) -> Day:
        """This day's rows."""
        if local_date not in self.kept:
            self.kept[local_date] = _answered(self._rows(local_date))
        return self.kept[local_date]

    def window(self, first: date, count: int) -> list[Day]:
        """`count` days from `first` on."""
        return [self.day(first + timedelta(days=k)) for k in range(count)]

    def _rows(self, local_date: date) -> list[FeatureRow]:
        has_drifted = self.drift is not None and local_date >= self.begins
        person = _person(self.persona, self.seed, self.drift if has_drifted else None)
        watched = self.watched - ({Stream.INPUT} if has_drifted and self.drift == "input broken" else set())
        noon = datetime(local_date.year, local_date.month, local_date.day, 12, tzinfo=UTC)
        start, end = local_day_bounds(noon, person.time_zone)
        raw = {stream: events for stream, events in person.raw_events(start, end).items() if stream in watched}
        if has_drifted and self.drift in _RENAMED:
            main = _main_program(self.persona, self.seed)
            raw[Stream.WINDOW] = [_renamed(e, main, _RENAMED[self.drift]) for e in raw[Stream.WINDOW]]
        return _built(raw, start, end, person.time_zone, watched)


def windows_of(days: Sequence[Day]) -> tuple[dict[str, list[Any]], list[str], npt.NDArray[np.float64]]:
    """(columns, labels, probabilities) of some days together."""
    columns = {name: [value for day in days for value in day.columns[name]] for name in _COLUMNS}
    labels = [label for day in days for label in day.labels]
    return columns, labels, np.concatenate([day.probs for day in days])


def _always(_event: RawEvent) -> bool:
    return True


def _in_every_other_half_hour(event: RawEvent) -> bool:
    return event.start_us // _HALF_HOUR_US % 2 == 0


_RENAMED: Final[dict[str | None, Callable[[RawEvent], bool]]] = {
    "new main program": _always,
    "half in a new program": _in_every_other_half_hour,
}


def _renamed(event: RawEvent, main: str, is_moved: Callable[[RawEvent], bool]) -> RawEvent:
    if event.data.get("app") != main or not is_moved(event):
        return event
    name = _OTHER_NEW_PROGRAM if "figma" in main.lower() else _NEW_PROGRAM
    return replace(event, data={**event.data, "app": name})


@lru_cache(maxsize=16)
def _person(persona: str, seed: int, drift: str | None) -> SimulatedPerson:
    zone = ZONES[seed % len(ZONES)]
    if drift == "new job":
        others = [name for name in PERSONAS if name != persona]
        return SimulatedPerson(others[seed % len(others)], seed, time_zone=zone)
    if drift == "same job elsewhere":
        return SimulatedPerson(persona, seed, time_zone=zone, changes={FIRST_MONDAY: "elsewhere"})
    person = SimulatedPerson(persona, seed, time_zone=zone)
    if drift == "holidays":
        habits = person.habits(FIRST_MONDAY)  # drawn as ever: the persona's hours have no say in them
        person._habits[""] = replace(habits, meetings=())
        person.persona = replace(
            person.persona,
            starts_at_hour=person.persona.starts_at_hour + 1.5,
            ends_at_hour=person.persona.starts_at_hour + 5.0,
            meetings_per_day=0.0,
            wanderings_per_hour=3 * person.persona.wanderings_per_hour,
        )
    return person


@lru_cache(maxsize=16)
def _main_program(persona: str, seed: int) -> str:
    """The program in front for longest on an ordinary day."""
    person = _person(persona, seed, None)
    start, end = person.working_day(FIRST_MONDAY)
    seconds: Counter[str] = Counter()
    for event in person.raw_events(start, end)[Stream.WINDOW]:
        seconds[str(event.data["app"])] += event.duration_us
    del seconds[person.habits(start.date()).locker]
    return seconds.most_common(1)[0][0]


def _built(
    raw: Mapping[Stream, list[RawEvent]], start: datetime, end: datetime, zone: str, watched: frozenset[Stream]
) -> list[FeatureRow]:
    events = Normaliser(hashlib.sha256(b"drift").hexdigest()).events(start, end, raw)
    return build_features_from_aw_events(
        events.window,
        user_id="simulated",
        input_events=events.input if Stream.INPUT in watched else None,
        away_events=events.away,
        tab_events=events.tab if Stream.TAB in watched else None,
        time_zone=zone,
    )


@cache
def _starter() -> PipelineConfig:
    forest, metadata, words = load_model_bundle(STARTER)
    assert isinstance(forest, Forest)
    assert isinstance(metadata, ModelMetadata)
    return PipelineConfig(
        model=forest,
        schema_version=metadata.schema_version,
        time_basis="local",
        cat_encoders=words,
        reject_threshold=metadata.reject_threshold,
    )


def _answered(rows: Sequence[FeatureRow]) -> Day:
    columns = {name: [getattr(row, name) for row in rows] for name in _COLUMNS}
    if not rows:
        return Day(columns, [], np.empty((0, 8)))
    decided = decide_rows(_starter(), rows)
    return Day(columns, [p.raw_label for p in decided], np.array([p.core_probs for p in decided]))
