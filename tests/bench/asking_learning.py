"""What a person's labels teach: the two models that learn from them, and how right they are on later days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from starter_rows import SCHEMA
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.train.metrics import confusion_counts, macro_f1
from tests.bench.asking_people import NOBODY, Day

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

OWN_ROUNDS: Final = 40
FURTHER_ROUNDS: Final = 20
_PARAMS: Final = {
    "objective": "multiclass",
    "num_class": len(LABEL_SET_V1),
    "num_leaves": 7,
    "learning_rate": 0.12,
    "min_data_in_leaf": 5,
    "feature_fraction": 0.3,
    "lambda_l2": 2.0,
    "cat_l2": 10.0,
    "cat_smooth": 5.0,
    "min_data_per_group": 10,
    "seed": 7,
    "deterministic": True,
    "verbosity": -1,
}
_DATA: Final = {"max_bin": 63, "num_threads": 1, "force_row_wise": True, "feature_pre_filter": False, "verbosity": -1}


@dataclass(slots=True)
class Lessons:
    """Labelled minutes: what the model sees, what the shipped model answers, and the label."""

    matrices: list[FloatArray] = field(default_factory=list)
    starters: list[FloatArray] = field(default_factory=list)
    labels: list[IntArray] = field(default_factory=list)

    def add(self, day: Day, lines: IntArray, labels: IntArray) -> None:
        """Lines of a day; those the idle rule decides teach nothing."""
        kept = day.is_models[lines]
        self.matrices.append(day.matrix[lines[kept]])
        self.starters.append(day.starter[lines[kept]])
        self.labels.append(labels[kept])

    def kinds(self) -> int:
        """How many different labels there are."""
        return len(np.unique(np.concatenate(self.labels))) if self.labels else 0

    def own_model(self) -> Model:
        """From these labels alone."""
        return _fit(self, with_starter=False)

    def further_model(self) -> Model:
        """The shipped model with further trees for what it says of these labels wrongly."""
        return _fit(self, with_starter=True)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A booster, on top of the shipped model's answers or by itself."""

    booster: Any
    with_starter: bool

    def predict(self, matrix: FloatArray, starter: FloatArray) -> FloatArray:
        """(N, 8) probabilities."""
        scores = self.booster.predict(matrix, raw_score=True, num_threads=1)
        if self.with_starter:
            scores = scores + _scores(starter)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _scores(probabilities: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.clip(probabilities, 1e-4, 1.0)))


def _fit(lessons: Lessons, *, with_starter: bool) -> Model:
    labels = np.concatenate(lessons.labels)
    counts = np.bincount(labels, minlength=len(LABEL_SET_V1))
    data = lgb.Dataset(
        np.vstack(lessons.matrices),
        label=labels,
        weight=(len(labels) / (len(LABEL_SET_V1) * np.maximum(counts, 1)))[labels],
        init_score=_scores(np.vstack(lessons.starters)).ravel(order="F") if with_starter else None,
        categorical_feature=[SCHEMA.model_columns.index(name) for name in SCHEMA.categorical_columns],
        params=dict(_DATA),
    )
    rounds = FURTHER_ROUNDS if with_starter else OWN_ROUNDS
    params = {**_PARAMS, **_DATA, "boost_from_average": not with_starter}
    return Model(lgb.train(params, data, num_boost_round=rounds), with_starter)


def everything(days: Sequence[Day]) -> Lessons:
    """Every minute labelled with what the person really did."""
    lessons = Lessons()
    for day in days:
        lines = np.flatnonzero(day.truth != NOBODY)
        lessons.add(day, lines, day.truth[lines])
    return lessons


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """The minutes of the later days that a model decides and that hold one kind of work from end to end."""

    matrix: FloatArray
    starter: FloatArray
    truth: IntArray

    @classmethod
    def of(cls, days: Sequence[Day]) -> Exam:
        """Of these days."""
        kept = [day.is_models & day.is_pure for day in days]
        parts = list(zip(days, kept, strict=True))
        return cls(
            np.vstack([day.matrix[lines] for day, lines in parts]),
            np.vstack([day.starter[lines] for day, lines in parts]),
            np.concatenate([day.truth[lines] for day, lines in parts]),
        )

    def macro_f1(self, model: Model | None) -> float:
        """Over the labels that occur in truth or answers; None: of the shipped model."""
        said = self.starter if model is None else model.predict(self.matrix, self.starter)
        return macro_f1(confusion_counts(self.truth, said.argmax(axis=1)))
