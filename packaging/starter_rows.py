"""Labelled feature rows of simulated people, as the starter model sees them.

What depends on the install's secret (title sketches, `window_title_bucket`) must not reach a model that is used under
another secret: the same title falls into other bins there. Every simulated person has a secret of their own, and these
columns are held at 0, so no tree can split on them. So are the columns that say more about the simulator than about
work: the hours at which simulated people eat and meet, how long their sessions last, and the length and form of the
titles that their programs write. Measured on other people, trees that split on these are sure and wrong.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.schema import CHAR3_SKETCH, NEWEST_SCHEMA, SCHEMAS, TOKEN_SKETCH
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow, LabelSpan
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.simulation.words import rng_of

SCHEMA: Final = SCHEMAS[NEWEST_SCHEMA]
UNKNOWN: Final = "__unknown__"
MASKED: Final = (
    "window_title_bucket", "hour_of_day", "day_of_week", "backspace_ratio", "shortcut_rate", "session_length_so_far",
    "title_char_count", "title_token_count", "title_unique_token_ratio", "title_digit_ratio", "title_separator_count",
)  # fmt: skip
FIRST_MONDAY: Final = date(2026, 1, 5)
ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo")
WATCHED: Final[Mapping[str, frozenset[Stream]]] = {
    "everything": frozenset(Stream),
    "windows": frozenset({Stream.WINDOW, Stream.AWAY}),
    "windows and input": frozenset({Stream.WINDOW, Stream.AWAY, Stream.INPUT}),
    "windows and tabs": frozenset({Stream.WINDOW, Stream.AWAY, Stream.TAB}),
}
"""What is installed: ActivityWatch comes without the input watcher, and the browser extension is extra. In turn, by
day, so that the same person is met under each."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled bucket: the columns that may be used, categories still as text."""

    persona: str
    person: str
    watched: str
    """A key of WATCHED."""
    label_id: int
    is_models: bool
    """Whether the model decides this bucket (not the idle rule)."""
    numbers: tuple[float, ...]
    categories: tuple[str, ...]


def _is_used(name: str) -> bool:
    return name not in MASKED and not name.startswith((TOKEN_SKETCH, CHAR3_SKETCH))


NUMERIC: Final = tuple(n for n in SCHEMA.model_columns if _is_used(n) and n not in SCHEMA.categorical_columns)


def samples_of(persona: str, seeds: Iterable[int], days_each: int) -> list[Sample]:
    """Labelled buckets of this persona's people on `days_each` days each."""
    return [sample for seed in seeds for sample in _samples_of_person(persona, seed, days_each)]


def _samples_of_person(persona: str, seed: int, days_each: int) -> list[Sample]:
    person = SimulatedPerson(persona, seed, time_zone=ZONES[seed % len(ZONES)])
    name = f"{persona}-{seed}"
    normaliser = Normaliser(hashlib.sha256(name.encode()).hexdigest())
    rng = rng_of("starter days", name)
    found: list[Sample] = []
    for k in range(days_each):
        watched = list(WATCHED)[(seed + k) % len(WATCHED)]
        start, end = person.working_day(FIRST_MONDAY + timedelta(days=rng.randrange(180)))
        rows = simulated_rows(person, normaliser, WATCHED[watched], start, end)
        found += labelled(rows, person.truth(start, end), (persona, name, watched))
    return found


def simulated_rows(
    person: SimulatedPerson, normaliser: Normaliser, watched: frozenset[Stream], start: datetime, end: datetime
) -> list[FeatureRow]:
    """Feature rows of [start, end) as an install with these watchers would build them."""
    raw = {stream: events for stream, events in person.raw_events(start, end).items() if stream in watched}
    events = normaliser.events(start, end, raw)
    return build_features_from_aw_events(
        events.window,
        user_id="simulated",
        input_events=events.input if Stream.INPUT in watched else None,
        away_events=events.away,
        tab_events=events.tab if Stream.TAB in watched else None,
        time_zone=person.time_zone,
    )


def labelled(rows: Sequence[FeatureRow], truth: Sequence[LabelSpan], who: tuple[str, str, str]) -> list[Sample]:
    """The buckets wholly inside one span; those without any window in front teach nothing."""
    found: list[Sample] = []
    at = 0
    for row in rows:
        while at < len(truth) and truth[at].end_ts <= row.bucket_start_ts:
            at += 1
        if at == len(truth):
            break
        span = truth[at]
        if span.start_ts <= row.bucket_start_ts and row.bucket_end_ts <= span.end_ts and row.decided_by != "no_window":
            found.append(
                Sample(
                    *who,
                    label_id=LABEL_SET_V1.index(span.label),
                    is_models=row.decided_by == "model",
                    numbers=tuple(float(getattr(row, column) or 0.0) for column in NUMERIC),
                    categories=tuple(getattr(row, column) for column in SCHEMA.categorical_columns),
                )
            )
    return found


def vocabularies(samples: Sequence[Sample], least_people: int) -> dict[str, list[str]]:
    """For each categorical column the values that at least so many people have, and `__unknown__`."""
    words: dict[str, list[str]] = {}
    for k, column in enumerate(SCHEMA.categorical_columns):
        people: Counter[str] = Counter(value for value, _ in {(s.categories[k], s.person) for s in samples})
        words[column] = sorted({UNKNOWN, *(value for value, count in people.items() if count >= least_people)})
    return words


def matrix(samples: Sequence[Sample], words: Mapping[str, Sequence[str]]) -> NDArray[np.float64]:
    """(N, F) in the schema's column order; masked columns are 0, values without a code are `__unknown__`."""
    columns = SCHEMA.model_columns
    filled = np.zeros((len(samples), len(columns)))
    filled[:, [columns.index(name) for name in NUMERIC]] = [sample.numbers for sample in samples]
    for k, name in enumerate(SCHEMA.categorical_columns):
        codes = {word: code for code, word in enumerate(words[name])}
        filled[:, columns.index(name)] = [codes.get(s.categories[k], codes[UNKNOWN]) for s in samples]
    return filled


def forget(samples: Sequence[Sample], rates: Mapping[str, float], *key: object) -> list[Sample]:
    """The samples with categorical values replaced by `__unknown__` at these rates, one draw per (person, value).

    So that a program nobody has met is judged by its category and the hands, not by a code of no meaning.
    """
    kept: dict[tuple[str, str, str], str] = {}

    def value_of(sample: Sample, column: str, value: str) -> str:
        where = (sample.person, column, value)
        if where not in kept:
            kept[where] = UNKNOWN if rng_of("forget", *key, *where).random() < rates.get(column, 0.0) else value
        return kept[where]

    columns = SCHEMA.categorical_columns
    return [
        replace(
            s, categories=tuple(value_of(s, column, value) for column, value in zip(columns, s.categories, strict=True))
        )
        for s in samples
    ]


def dataset_hash(samples: Sequence[Sample]) -> str:
    """First 16 hex digits of the SHA-256 over every sample, in order."""
    digest = hashlib.sha256()
    for sample in samples:
        text: Any = (
            sample.person,
            sample.watched,
            sample.label_id,
            sample.is_models,
            sample.numbers,
            sample.categories,
        )
        digest.update(repr(text).encode())
    return digest.hexdigest()[:16]
