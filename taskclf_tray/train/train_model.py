"""Train on earlier days and judge on later ones; where there are few days, judge by leaving each out once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.dataset_projection import BoolArray
from taskclf_tray.train.evaluate import Answers, Evaluation, answer, evaluate
from taskclf_tray.train.fit import (
    MIN_BLOCKS,
    FitOptions,
    Progress,
    TooFewLabelsError,
    TrainedModel,
    check_enough,
    fit,
)
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.splits import folds_by_day, later_days, needs_cross_fit, split_by_time

USUAL: Final = FitOptions()
CHOOSING_SHARE: Final = 0.2
"""Of the minutes learnt from: the last days, on which it is found out how many rounds help."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedModel:
    """A model, and how good it is on days it was not trained on."""

    model: TrainedModel
    evaluation: Evaluation
    training: Dataset
    is_crossed: bool
    """Too few days for later ones: it was trained on all, and each day judged by a model of the others."""


def train_and_judge(
    dataset: Dataset,
    *,
    prior: Prior | None = None,
    options: FitOptions = USUAL,
    progress: Progress | None = None,
) -> JudgedModel:
    """Train on the first 70 % of each person's minutes, by whole days, and judge on the rest.

    Below eight labelled days: on all of them. Raises TooFewLabelsError, LabelError for labels on a single day, and
    ModelIncompatibleError.
    """
    check_enough(dataset)
    if needs_cross_fit(dataset):
        return _crossed(dataset, prior, options, progress)
    split = split_by_time(dataset)
    training = dataset.take(split.training)
    later = dataset.take(np.sort(np.concatenate([split.tuning, split.test])))
    model = fit_by_days(training, prior=prior, options=options, progress=progress)
    return JudgedModel(model, evaluate(later, answer(served(model), later)), training, False)


def served(model: TrainedModel) -> PipelineConfig:
    """The pipeline with this model: no calibrators and no threshold yet."""
    return PipelineConfig(
        model=model.forest, schema_version=model.schema.version, time_basis="local", cat_encoders=model.cat_encoders
    )


def fit_by_days(
    training: Dataset,
    *,
    prior: Prior | None = None,
    options: FitOptions = USUAL,
    progress: Progress | None = None,
) -> TrainedModel:
    """As many rounds as help on the last days when learning from those before; then all days, with so many rounds.

    Where the days before hold too few labels to tell, all the rounds. Raises as `fit` does.
    """
    stages = Stages(progress, 2, options.rounds)
    rounds = _useful_rounds(training, prior, options, stages.stage(0))
    return fit(training, prior=prior, options=replace(options, rounds=rounds), progress=stages.stage(1))


def _useful_rounds(training: Dataset, prior: Prior | None, options: FitOptions, progress: Progress | None) -> int:
    fold = later_days(training, CHOOSING_SHARE)
    earlier = training.take(fold.training)
    if earlier.block_count < MIN_BLOCKS:
        return options.rounds
    try:
        model = fit(earlier, validation=training.take(fold.held_out), prior=prior, options=options, progress=progress)
    except TooFewLabelsError:  # all of one label
        return options.rounds
    return max(1, model.best_iteration - (0 if prior is None else prior.rounds))


def _crossed(dataset: Dataset, prior: Prior | None, options: FitOptions, progress: Progress | None) -> JudgedModel:
    folds = folds_by_day(dataset)
    stages = Stages(progress, 2 + len(folds), options.rounds)
    rounds = _useful_rounds(dataset, prior, options, stages.stage(0))
    options = replace(options, rounds=rounds)
    answers, is_judged = Answers.none(len(dataset)), np.zeros(len(dataset), dtype=np.bool_)
    for number, fold in enumerate(folds, 1):
        try:
            model = fit(
                dataset.take(fold.training), prior=prior, options=options, progress=stages.stage(number), least_blocks=1
            )
        except TooFewLabelsError:  # what is left is all of one label
            continue
        answers.put(fold.held_out, answer(served(model), dataset.take(fold.held_out)))
        is_judged[fold.held_out] = True
    model = fit(dataset, prior=prior, options=options, progress=stages.stage(len(folds) + 1))
    return JudgedModel(model, _judged(dataset, answers, is_judged), dataset, True)


def _judged(dataset: Dataset, answers: Answers, which: BoolArray) -> Evaluation:
    return evaluate(dataset.take(which), answers.take(which))


class Stages:
    """The progress of several trainings as one."""

    def __init__(self, progress: Progress | None, count: int, rounds: int) -> None:
        self._progress = progress
        self._count = count
        self._rounds = rounds

    def stage(self, number: int) -> Progress | None:
        """What the training of this number (from 0) reports to."""
        told = self._progress
        if told is None:
            return None

        def tell(done: int, total: int) -> None:
            told(number * self._rounds + self._rounds * done // total, self._count * self._rounds)

        return tell
