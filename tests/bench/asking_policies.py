"""The three ways to choose what to ask about, and one person asked day after day."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean
from typing import Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.defaults import DEFAULT_ASKS_PER_DAY, DEFAULT_BUCKET_SECONDS
from taskclf_tray.core.types import BREAK_IDLE_ID, LABEL_SET_V1
from taskclf_tray.infer.pipeline import LABELS_AND_MIXED
from taskclf_tray.infer.smooth import majority_codes, run_starts
from taskclf_tray.labels.blocks import Block, Minute, ask_threshold, is_long_enough, split_blocks
from taskclf_tray.labels.budget import acquisition_score
from taskclf_tray.simulation.words import rng_of
from tests.bench.asking_learning import Exam, Lessons, Model
from tests.bench.asking_people import NOBODY, Day, Person

STRATEGIES: Final = ("random", "lowest_confidence", "value")
RANDOM_SHARE: Final = 0.1
"""Of the questions of the policy that are about a block taken at random."""
REJECT_THRESHOLD: Final = 0.43
"""The shipped model's."""
_MINUTE_US: Final = DEFAULT_BUCKET_SECONDS * 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A closed block with the lines of the day it covers, and what the person would answer."""

    block: Block
    lines: npt.NDArray[np.int64]
    answer: int


@dataclass(frozen=True, slots=True)
class Course:
    """Macro-F1 after 0, `step` … labels: of a model from these labels alone, and of the one that asks."""

    own: tuple[float, ...]
    in_force: tuple[float, ...]

    @classmethod
    def mean(cls, courses: Sequence[Course]) -> Course:
        """Measurement by measurement."""
        return cls(
            tuple(map(fmean, zip(*(course.own for course in courses), strict=True))),
            tuple(map(fmean, zip(*(course.in_force for course in courses), strict=True))),
        )


def questions_of(day: Day, probabilities: npt.NDArray[np.float64]) -> list[Question]:
    """The blocks of a day that can be asked about, as the app cuts them; the answer is the label most of it has."""
    blocks = split_blocks(_minutes(day, probabilities))
    ends = accumulate(block.minutes for block in blocks)
    found: list[Question] = []
    for block, end in zip(blocks, ends, strict=True):
        lines = np.arange(end - block.minutes, end)
        known = day.truth[lines][day.truth[lines] != NOBODY]
        if block.is_askable and is_long_enough(block) and 2 * len(known) >= block.minutes:
            found.append(Question(block, lines, int(np.bincount(known).argmax())))
    return found


def _minutes(day: Day, probabilities: npt.NDArray[np.float64]) -> list[Minute]:
    idle = np.eye(len(LABEL_SET_V1))[BREAK_IDLE_ID]
    core = np.where(day.is_models[:, None], probabilities, idle)
    confidences = core.max(axis=1)
    runs = np.cumsum(run_starts(day.rows.start_us, DEFAULT_BUCKET_SECONDS))
    smoothed = majority_codes(core.argmax(axis=1), runs, 3)  # also where it is rejected: that label divides blocks
    threshold = ask_threshold(REJECT_THRESHOLD)
    lines = zip(
        day.rows.start_us.tolist(),
        smoothed.tolist(),
        confidences.tolist(),
        core.tolist(),
        day.is_models.tolist(),
        strict=True,
    )
    return [
        Minute(start, start + _MINUTE_US, LABELS_AND_MIXED[label], confidence, tuple(probs), threshold, is_models)
        for start, label, confidence, probs, is_models in lines
    ]


def choose(
    strategy: str, open_questions: Sequence[Question], label_counts: Mapping[str, int], rng: random.Random
) -> Question:
    """The next question. As in the app, what is not drawn at random has a minute the model is unsure of, if any has."""
    if strategy == "random" or (strategy == "value" and rng.random() < RANDOM_SHARE):
        return rng.choice(open_questions)
    unsure = [question for question in open_questions if question.block.is_low] or open_questions
    if strategy == "lowest_confidence":
        return min(unsure, key=lambda question: question.block.confidence)
    return max(unsure, key=lambda question: _value(question.block, label_counts))


def _value(block: Block, label_counts: Mapping[str, int]) -> float:
    return acquisition_score(block.confidence, block.minutes, block.predicted_label, label_counts)


def ask_person(
    person: Person, exam: Exam, strategy: str, *, measured_every: int, learns_every: int, draw: int = 0
) -> Course:
    """Four questions a day; every so many days the model that asks learns from all answers, and both are measured."""
    rng = rng_of("asking", person.persona, person.seed, strategy, draw)
    lessons, counts = Lessons(), Counter[str]()
    in_force: Model | None = None
    own_scores, scores = [exam.macro_f1(None, alone=True)], [exam.macro_f1(None)]
    for number, day in enumerate(person.asked, 1):
        waiting = questions_of(day, day.starter if in_force is None else in_force.predict(day))
        for _ in range(min(DEFAULT_ASKS_PER_DAY, len(waiting))):
            question = choose(strategy, waiting, counts, rng)
            waiting.remove(question)
            lessons.add(day, question.lines, np.full(len(question.lines), question.answer))
            counts[LABEL_SET_V1[question.answer]] += 1
        if number % learns_every == 0:
            in_force = lessons.model()
        if number % measured_every == 0:
            own_scores.append(exam.macro_f1(in_force, alone=True))
            scores.append(exam.macro_f1(in_force))
    return Course(tuple(own_scores), tuple(scores))
