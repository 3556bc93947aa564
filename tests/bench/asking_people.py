"""The people who are asked: working days of simulated ones as a model sees them, with the truth beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from starter_rows import FIRST_MONDAY, WATCHED, ZONES, simulated_rows
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow, LabelSpan, WordSeconds
from taskclf_tray.infer.encode import Encoder
from taskclf_tray.infer.forest import Forest
from taskclf_tray.models.bundle import load_model_bundle
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.train.dataset import Dataset, LabelledBucket
from taskclf_tray.train.dataset_sources import PackedBucket
from taskclf_tray.train.weak import UNLABELLED

STARTER: Final = Path(__file__).parents[2] / "taskclf_tray/data/starter/2026-01-01_000000_run-0001"
NOBODY: Final = -1
"""In place of a label id where the simulation does not say what the person did."""


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """The buckets of one working day that had a window in front, in order of time; all arrays have one line each.

    `rows`: without labels; `words`: of each; `truth`: the label id at the middle of the minute; `is_pure`: whether it
    held for the whole minute; `is_models`: the idle rule does not decide; `starter`: what the shipped model answers.
    """

    rows: Dataset
    words: tuple[WordSeconds, ...]
    starter: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]
    is_pure: npt.NDArray[np.bool_]
    is_models: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated person: the days on which there are questions, and later ones on which the model is judged."""

    persona: str
    seed: int
    asked: tuple[Day, ...]
    judged: tuple[Day, ...]


@cache
def _starter() -> tuple[Forest, Encoder]:
    forest, metadata, words = load_model_bundle(STARTER)
    return forest, Encoder(metadata.schema_version, words, metadata.time_basis)


def make_person(persona: str, seed: int, asked_days: int, judged_days: int) -> Person:
    """The same person for the same arguments; the watchers that are installed go in turn with the seed."""
    person = SimulatedPerson(persona, seed, time_zone=ZONES[seed % len(ZONES)])
    normaliser = Normaliser(hashlib.sha256(f"{persona}-{seed}".encode()).hexdigest())
    watched = WATCHED[list(WATCHED)[seed % len(WATCHED)]]
    days: list[tuple[list[FeatureRow], list[LabelSpan]]] = []
    at = FIRST_MONDAY
    for _ in range(asked_days + judged_days):
        start, end = person.working_day(at)
        rows = [row for row in simulated_rows(person, normaliser, watched, start, end) if row.decided_by != "no_window"]
        days.append((rows, person.truth(start, end)))
        at = end.date() + timedelta(days=1)
    made = [_day(rows, truth) for rows, truth in days]
    return Person(persona, seed, tuple(made[:asked_days]), tuple(made[asked_days:]))


def _day(rows: Sequence[FeatureRow], spans: Sequence[LabelSpan]) -> Day:
    forest, starters = _starter()
    truth = [_truth(row, spans) for row in rows]
    return Day(
        rows=Dataset.of(_line(PackedBucket.of(row), row.bucket_start_ts.toordinal()) for row in rows),
        words=tuple(row.word_seconds for row in rows),
        starter=forest.predict(starters.encode_rows(rows)),
        truth=np.array([label for label, _ in truth]),
        is_pure=np.array([is_pure for _, is_pure in truth]),
        is_models=np.array([row.decided_by == "model" for row in rows]),
    )


def _line(bucket: PackedBucket, day: int) -> LabelledBucket:
    is_models = bucket.decided_by == "model"
    where = bucket.user_id, bucket.start_us, bucket.end_us, day
    return LabelledBucket(*where, UNLABELLED, 1.0, is_weak=True, is_models=is_models, packed=bucket.feature_row)


def _truth(row: FeatureRow, spans: Sequence[LabelSpan]) -> tuple[int, bool]:
    middle = row.bucket_start_ts + (row.bucket_end_ts - row.bucket_start_ts) / 2
    for span in spans:
        if span.start_ts <= middle < span.end_ts:
            is_pure = span.start_ts <= row.bucket_start_ts and row.bucket_end_ts <= span.end_ts
            return LABEL_SET_V1.index(span.label), is_pure
    return NOBODY, False
