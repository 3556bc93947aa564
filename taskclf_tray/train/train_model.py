"""Train a model and get answers for days it was not trained on: the one way behind `train lgbm` and Retrain now.

Where there are enough labelled days, later days judge a model of earlier ones. Where there are few, each day is left
out once and answered by a model of the others (cross-fitting), and the model itself learns from all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS, Transitions
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.train.dataset import Dataset, FloatArray, IntArray
from taskclf_tray.train.evaluate import Answers, Evaluation, answer, answer_some, evaluate
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
from taskclf_tray.train.gates import UserDay, leaked_days
from taskclf_tray.train.splits import Fold, folds_by_day, later_days, needs_cross_fit, split_by_time

DEFAULT_OPTIONS: Final = FitOptions()
CHOOSING_SHARE: Final = 0.2
"""The last days of the training minutes, by which the number of boosting rounds is chosen."""
MIN_CHOOSING_BLOCKS: Final = 20
"""The fewest labelled blocks in those days: with fewer, chance stops the training after a round or two."""
MIN_ROUNDS: Final = 40
"""The fewest boosting rounds that may be chosen."""
PRIOR_MINUTES: Final = 60.0
"""The built-in transitions weigh as much as an hour of each label."""
_DECIMALS: Final = 6


@dataclass(frozen=True, slots=True, eq=False)
class JudgedModel:
    """A model, and how good it is on days it was not trained on.

    `is_crossed`: there were too few days for later ones, so the model was trained on all days, and each day judged by
    a model of the others.
    """

    model: TrainedModel
    evaluation: Evaluation
    training: Dataset
    held_out: Dataset
    is_crossed: bool


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """Days left out of training: their positions and lines, and what was learnt from the other days.

    `leaked`: days that the model was trained on all the same.
    """

    places: IntArray
    held_out: Dataset
    model: TrainedModel
    transitions: Transitions
    leaked: set[UserDay]


def train_and_judge(
    dataset: Dataset,
    *,
    prior: Prior | None = None,
    options: FitOptions = DEFAULT_OPTIONS,
    progress: Progress | None = None,
) -> JudgedModel:
    """Train on the first 70 % of each person's minutes, by whole days, and judge on the rest.

    With fewer than eight labelled days: train on all of them and judge by cross-fitting.

    Raises:
        TooFewLabelsError: fewer than ten labelled blocks, or one label only.
        LabelError: labels on a single day.
        ModelIncompatibleError: the prior has another feature schema.
    """
    check_enough(dataset)
    if needs_cross_fit(dataset):
        model, parts = fit_leaving_out(dataset, folds_by_day(dataset), prior, options, progress)
        places, answers = answer_parts(dataset, [(part.places, served(part.model)) for part in parts])
        held_out = dataset.take(places)
        return JudgedModel(model, evaluate(held_out, answers), dataset, held_out, True)
    split = split_by_time(dataset)
    training = dataset.take(split.training)
    later = dataset.take(np.sort(np.concatenate([split.tuning, split.test])))
    model = fit_by_days(training, prior=prior, options=options, progress=progress)
    return JudgedModel(model, evaluate(later, answer(served(model), later)), training, later, False)


def served(model: TrainedModel) -> PipelineConfig:
    """The pipeline with this model, without calibrators and reject threshold."""
    return PipelineConfig(
        model=model.forest,
        schema_version=model.schema.version,
        time_basis=model.encoder.time_basis,
        cat_encoders=model.cat_encoders,
    )


def fit_leaving_out(
    dataset: Dataset, folds: Sequence[Fold], prior: Prior | None, options: FitOptions, progress: Progress | None
) -> tuple[TrainedModel, list[LeftOut]]:
    """A model of all days, and for each fold one of the days not left out, with as many boosting rounds.

    A fold whose remaining days have a single label is skipped. Raises as `fit` does.
    """
    stages = Stages(progress, len(folds) + 1, options.rounds)
    model = fit_by_days(dataset, prior=prior, options=options, progress=stages.stage(0))
    parts = [_left_out(dataset, fold, prior, model.options, stages.stage(k)) for k, fold in enumerate(folds, 1)]
    return model, [part for part in parts if part is not None]


def _left_out(
    dataset: Dataset, fold: Fold, prior: Prior | None, options: FitOptions, progress: Progress | None
) -> LeftOut | None:
    training = dataset.take(fold.training)
    try:
        model = fit(training, prior=prior, options=options, progress=progress, least_blocks=1)
    except TooFewLabelsError:
        return None
    held_out = dataset.take(fold.held_out)
    return LeftOut(fold.held_out, held_out, model, learn_transitions(training), leaked_days(training, held_out))


def answer_parts(dataset: Dataset, parts: Sequence[tuple[IntArray, PipelineConfig]]) -> tuple[IntArray, Answers]:
    """The positions of all parts, and the predictions of each part's pipeline for its lines.

    `parts`: rising positions in the dataset, and what predicts them.
    """
    answers, is_judged = Answers.none(len(dataset)), np.zeros(len(dataset), dtype=np.bool_)
    for places, config in parts:
        answers.put(places, answer_some(config, dataset, places))
        is_judged[places] = True
    return np.flatnonzero(is_judged), answers.take(is_judged)


def fit_by_days(
    training: Dataset,
    *,
    prior: Prior | None = None,
    options: FitOptions = DEFAULT_OPTIONS,
    progress: Progress | None = None,
) -> TrainedModel:
    """Train on all days, with as many boosting rounds as help on the last days after training on those before.

    With too few labels to tell, all rounds. Raises as `fit` does.
    """
    stages = Stages(progress, 2, options.rounds)
    rounds = _useful_rounds(training, prior, options, stages.stage(0))
    return fit(training, prior=prior, options=replace(options, rounds=rounds), progress=stages.stage(1))


def _useful_rounds(training: Dataset, prior: Prior | None, options: FitOptions, progress: Progress | None) -> int:
    fold = later_days(training, CHOOSING_SHARE)
    earlier, later = training.take(fold.training), training.take(fold.held_out)
    if earlier.block_count < MIN_BLOCKS or later.block_count < MIN_CHOOSING_BLOCKS:
        return options.rounds
    try:
        model = fit(earlier, validation=later, prior=prior, options=options, progress=progress)
    except TooFewLabelsError:  # all of one label
        return options.rounds
    return max(min(MIN_ROUNDS, options.rounds), model.best_iteration - (0 if prior is None else prior.rounds))


class Stages:
    """The progress of several trainings as one."""

    def __init__(self, progress: Progress | None, count: int, rounds: int) -> None:
        self._progress = progress
        self._count = count
        self._rounds = rounds

    def stage(self, number: int) -> Progress | None:
        """The callback for the training with this number, counted from 0; None without a callback."""
        told = self._progress
        if told is None:
            return None

        def tell(done: int, total: int) -> None:
            told(number * self._rounds + self._rounds * done // total, self._count * self._rounds)

        return tell


# -- transitions ------------------------------------------------------------------------------------------------


def learn_transitions(dataset: Dataset) -> Transitions:
    """Learn how the labels follow each other, for the smoother `hmm`.

    The counts of label after label in adjoining minutes, with the built-in probabilities as pseudo-counts: the mean of
    the Dirichlet posterior of each row (Murphy, “Machine Learning: A Probabilistic Perspective”, 2012, section
    17.2.2.1). The end of a span counts as nothing, because what came next is not labelled. So single labelled blocks
    change little, and whole labelled hours teach what follows what. A pair counts with the lower weight of its two.
    """
    counts = change_counts(dataset) + PRIOR_MINUTES * np.array(BUILT_IN_TRANSITIONS.rows)
    shares = np.maximum(np.round(counts / counts.sum(axis=1, keepdims=True), _DECIMALS), 10.0**-_DECIMALS)
    np.fill_diagonal(shares, 0.0)
    np.fill_diagonal(shares, np.round(1 - shares.sum(axis=1), _DECIMALS))
    return Transitions(tuple(map(tuple, shares.tolist())))


def change_counts(dataset: Dataset) -> FloatArray:
    """(8, 8): how often the label of the column followed that of the row, in adjoining minutes of one user."""
    counts = np.zeros((len(LABEL_SET_V1), len(LABEL_SET_V1)))
    adjoin = (dataset.user_ids[1:] == dataset.user_ids[:-1]) & (dataset.start_us[1:] == dataset.end_us[:-1])
    adjoin &= (dataset.labels[1:] >= 0) & (dataset.labels[:-1] >= 0)  # the others are unlabelled minutes
    weights = np.minimum(dataset.weights[1:], dataset.weights[:-1])
    np.add.at(counts, (dataset.labels[:-1][adjoin], dataset.labels[1:][adjoin]), weights[adjoin])
    return counts
