"""A second world of simulated people is as it was measured, and the starter model is honest there."""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from starter_model import BUNDLE_NAME, TEMPERATURE
from starter_rows import FIRST_MONDAY, Sample, matrix, samples_of
from taskclf_tray.adapters.base import Stream
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import BREAK_IDLE_ID, LABEL_SET_V1
from taskclf_tray.infer.forest import Forest
from taskclf_tray.labels.learning import PLAIN_FROM
from taskclf_tray.models.bundle import load_model_bundle
from taskclf_tray.simulation.personas import PERSONAS
from taskclf_tray.simulation.words import rng_of
from taskclf_tray.train.metrics import FloatArray, IntArray, calibration_error, reliability_bins
from tests.support.second_kinds import (
    AWAY_MINUTES,
    KINDS,
    PRESENT_MINUTES,
    PROGRAM_CHANGES,
    STAY_SECONDS,
    WORK_MINUTES,
    Spread,
)
from tests.support.second_world import Day, SecondPerson, second_samples

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time


@functools.cache
def starter() -> tuple[Forest, dict[str, list[str]]]:
    with resources.as_file(resources.files("taskclf_tray") / "data" / "starter") as folder:
        model, _, words = load_model_bundle(Path(folder) / BUNDLE_NAME)
    assert isinstance(model, Forest)
    return model, words


@functools.cache
def days(kind: str = "academic") -> list[Day]:
    return [SecondPerson(kind, seed).day(FIRST_MONDAY + timedelta(days=k)) for seed in range(4) for k in range(5)]


def seconds(day: Day, stream: Stream) -> list[float]:
    return [event.duration_us / 1e6 for event in day.events[stream]]


def scores(samples: Sequence[Sample]) -> tuple[IntArray, FloatArray]:
    """The true labels and the starter's scores of the minutes that the model decides."""
    own = [sample for sample in samples if sample.is_models]
    model, words = starter()
    return np.array([sample.label_id for sample in own]), model.predict_raw(matrix(own, words))


def probabilities(raw: FloatArray) -> FloatArray:
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


# -- the world -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [STAY_SECONDS, WORK_MINUTES, PRESENT_MINUTES, AWAY_MINUTES])
def test_draws_have_the_measured_quantiles(spread: Spread) -> None:
    rng = rng_of("quantiles")
    drawn = np.array([spread.draw(rng) for _ in range(20_000)])
    assert drawn.min() >= spread.points[0][1]
    assert drawn.max() <= spread.points[-1][1]
    for share, value in spread.points[1:-1]:
        assert np.mean(drawn <= value) == pytest.approx(share, abs=0.012)


def test_windows_change_as_often_as_measured() -> None:
    """113 windows an hour, 47 changes of program; a stay is cut where the work changes."""
    stays = [length for day in days() for length in seconds(day, Stream.WINDOW)]
    programs = [[event.data["app"] for event in day.events[Stream.WINDOW]] for day in days()]
    changes = sum(a != b for day in programs for a, b in itertools.pairwise(day))
    assert 100 <= len(stays) / (sum(stays) / 3600) <= 150
    assert 10 <= np.median(stays) <= 18
    assert changes / len(stays) == pytest.approx(PROGRAM_CHANGES, abs=0.1)
    assert max(stays) > 300  # minutes in one window


def test_work_and_absence_come_as_measured() -> None:
    lengths = [(span.end_ts - span.start_ts).total_seconds() / 60 for day in days() for span in day.truth]
    assert 1.5 <= np.median(lengths) <= 3.5
    assert np.percentile(lengths, 90) > 12
    present = [
        event.duration_us / 60e6
        for day in days()
        for event in day.events[Stream.AWAY]
        if event.data["status"] == "not-afk"
    ]
    assert 6 <= np.median(present) <= 14
    minutes = Counter(dict.fromkeys(LABEL_SET_V1, 0.0))
    for day in days():
        for span in day.truth:
            minutes[span.label] += (span.end_ts - span.start_ts).total_seconds() / 60
    assert minutes["BreakIdle"] == minutes["Build"] == minutes["Debug"] == 0
    assert minutes["Write"] / minutes.total() == pytest.approx(0.42, abs=0.15)


def test_titles_have_as_many_words_as_measured() -> None:
    person = SecondPerson("academic", 0)
    titles: dict[str, list[int]] = {}
    for k in range(5):
        for event in person.day(FIRST_MONDAY + timedelta(days=k)).events[Stream.WINDOW]:
            titles.setdefault(event.data["app"], []).append(len(re.findall("[a-z]+", event.data["title"])))
    assert 6 <= np.median(titles[person.programs["browser"]]) <= 8
    assert np.median(titles[person.programs["slides"]]) <= 4


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_program_serves_several_labels_and_a_label_several_programs(kind: str) -> None:
    """The best label per program is right in about half of the time, as with the real person (0.53 in ten days)."""
    shares = [share_of_best_label(SecondPerson(kind, seed)) for seed in range(4)]
    assert 0.45 <= np.mean(shares) <= 0.7


def share_of_best_label(person: SecondPerson) -> float:
    """How right the best label of each program would be in ten days."""
    by_program: dict[str, Counter[str]] = {}
    for k in range(10):
        day = person.day(FIRST_MONDAY + timedelta(days=k))
        starts = [to_us(span.start_ts) for span in day.truth]
        for event in day.events[Stream.WINDOW]:
            label = day.truth[bisect.bisect_right(starts, event.start_us) - 1].label
            by_program.setdefault(event.data["app"], Counter())[label] += event.duration_us
    best = sum(counts.most_common(1)[0][1] for counts in by_program.values())
    return best / sum(counts.total() for counts in by_program.values())


def test_a_day_is_the_same_again_and_its_streams_are_sound() -> None:
    again = SecondPerson("coder", 3)
    assert again.day(FIRST_MONDAY).events == SecondPerson("coder", 3).day(FIRST_MONDAY).events
    for events in again.day(FIRST_MONDAY).events.values():
        assert events
        assert all(a.end_us <= b.start_us for a, b in itertools.pairwise(events))


# -- the starter model there -------------------------------------------------------------------------------------


def test_the_temperature_is_the_one_measured_there() -> None:
    """The largest distance of mean probability and accuracy, over kinds of people, is about the smallest."""
    samples = [sample for sample in second_samples(1, 4) if sample.is_models]
    kinds = np.array([sample.persona for sample in samples])
    y, raw = scores(samples)
    grown = raw * TEMPERATURE
    worst: dict[float, float] = {}
    for tenths in range(12, 40):
        probs = probabilities(grown / (tenths / 10))
        gaps = probs.max(axis=1) - (probs.argmax(axis=1) == y)
        worst[tenths / 10] = max(abs(float(gaps[kinds == kind].mean())) for kind in KINDS)
    best = min(worst, key=worst.__getitem__)
    assert abs(best - TEMPERATURE) <= 0.3


def test_the_starter_is_honest_about_people_of_the_second_world() -> None:
    y, raw = scores(second_samples(101, 4))
    probs = probabilities(raw)
    confidence, is_right = probs.max(axis=1), probs.argmax(axis=1) == y
    assert calibration_error(reliability_bins(confidence, is_right)) <= 0.1
    sure = confidence >= 0.9
    assert sure.mean() < 0.01
    assert (~is_right[sure]).sum() <= 0.1 * sure.sum()
    plain = confidence >= PLAIN_FROM  # hardly a minute: nothing is right often enough there
    assert plain.mean() < 0.005


def test_the_starter_never_says_breakidle() -> None:
    """Neither about people of either world, nor about any row at all."""
    own = [sample for persona in PERSONAS for sample in samples_of(persona, [3001], 1)]
    for _, raw in (scores(second_samples(101, 4)), scores(own)):
        assert BREAK_IDLE_ID not in raw.argmax(axis=1)
    model, words = starter()
    rng = np.random.default_rng(5)
    rows = matrix(own, words)
    mixed = np.column_stack([rng.permutation(column) for column in rows.T])
    hostile = np.concatenate([mixed, mixed * rng.choice([-1e9, 0.0, 1.0, 1e9], size=mixed.shape)])
    raw = model.predict_raw(hostile)
    assert len(np.unique(raw[:, BREAK_IDLE_ID])) == 1
    assert BREAK_IDLE_ID not in raw.argmax(axis=1)
