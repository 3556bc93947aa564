"""What a person's labels teach: the personal head, alone and beside the shipped model, and how right it is later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.head import fit_head
from taskclf_tray.train.metrics import confusion_counts, macro_f1
from taskclf_tray.train.weak import UNLABELLED
from tests.bench.asking_people import NOBODY, Day

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(slots=True)
class Lessons:
    """Labelled lines of some days; each batch of lines is one block."""

    days: list[Day] = field(default_factory=list)
    blocks: list[tuple[int, IntArray, IntArray]] = field(default_factory=list)
    """The number of the day, lines, and their labels."""

    def add(self, day: Day, lines: IntArray, labels: IntArray) -> None:
        """Label some lines of a day."""
        if not self.days or self.days[-1] is not day:
            self.days.append(day)
        self.blocks.append((len(self.days) - 1, lines, labels))

    def model(self) -> Model | None:
        """What the app fits after an answer, beside the shipped model; None for fewer than two labels."""
        parts = [replace(day.rows, labels=np.full(len(day.rows), UNLABELLED)) for day in self.days]
        ids = [np.full(len(part), -1) for part in parts]
        for number, (day, lines, labels) in enumerate(self.blocks):
            parts[day].labels[lines], ids[day][lines] = labels, number
        taught = Dataset.joined(parts)
        block_ids = np.concatenate(ids)
        taught = replace(taught, is_weak=block_ids < 0, block_ids=block_ids)
        starter = np.concatenate([day.starter for day in self.days])
        at = {start: place for place, start in enumerate(taught.start_us.tolist())}
        fitted = fit_head(taught, lambda rows: starter[[at[start] for start in rows.start_us.tolist()]])
        return None if fitted is None else Model(fitted.head)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A head."""

    head: PersonalHead

    def predict(self, day: Day) -> FloatArray:
        """(N, 8) probabilities of the head and the shipped model together."""
        return self._predict(day, self.head)

    def predict_alone(self, day: Day) -> FloatArray:
        """(N, 8) probabilities of the head by itself: what these labels teach and nothing else."""
        return self._predict(day, replace(self.head, head_power=1.0, forest_power=0.0))

    def _predict(self, day: Day, head: PersonalHead) -> FloatArray:
        scores = head.scores(day.words)
        return head.blend(day.starter, head.logits(scores, day.rows.runs), scores.has_words)


def everything(days: Sequence[Day]) -> Lessons:
    """Every minute labelled with what the person really did; a run of one label is a block."""
    lessons = Lessons()
    for day in days:
        turns = np.flatnonzero(np.diff(day.truth, prepend=-2))
        for lines in np.split(np.arange(len(day.truth)), turns[1:]):
            if day.truth[lines[0]] != NOBODY:
                lessons.add(day, lines, day.truth[lines])
    return lessons


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """The minutes of the later days that a model decides and that hold one kind of work from end to end."""

    days: Sequence[Day]

    def macro_f1(self, model: Model | None, *, alone: bool = False) -> float:
        """Over the labels that occur in truth or answers; None: of the shipped model, or 0 alone."""
        if model is None and alone:
            return 0.0
        said = [self._said(day, model, alone)[day.is_models & day.is_pure].argmax(axis=1) for day in self.days]
        truth = np.concatenate([day.truth[day.is_models & day.is_pure] for day in self.days])
        return macro_f1(confusion_counts(truth, np.concatenate(said)))

    @staticmethod
    def _said(day: Day, model: Model | None, alone: bool) -> FloatArray:
        if model is None:
            return day.starter
        return model.predict_alone(day) if alone else model.predict(day)
