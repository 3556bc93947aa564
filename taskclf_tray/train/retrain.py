"""Make a challenger for the model in use: train, calibrate and tune it, and predict held-out days. Writes nothing.

The labelled days are split by time (`splits.py`): the last 15 % judge a model of the days before. With fewer than 20
labelled blocks in them, or fewer than eight days, every day is left out once instead (cross-fitting): all labels judge,
and the served model is trained on all of them.

Calibration and the reject threshold need minutes of days the model was not trained on, and many of them: a threshold is
proven by nearly 30 labelled blocks without a mistake at the least, and 15 % of a month of answers hold ten. So both use
out-of-fold predictions: each day before the judging ones is left out once and predicted by a model of the others. The
threshold is tuned on probabilities calibrated without their own day, because that is what a new day will get.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from taskclf_tray.core.defaults import DEFAULT_SMOOTH_WINDOW
from taskclf_tray.core.smoothing import DEFAULT_SMOOTHER, SmootherChoice, Transitions, chosen_transitions
from taskclf_tray.infer.calibrators import CalibratorStore
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.models.retention import TRAINING_FILE
from taskclf_tray.train.calibrate import Calibration, calibrate
from taskclf_tray.train.comparison import ModelComparison
from taskclf_tray.train.dataset import BoolArray, Dataset, FloatArray, IntArray
from taskclf_tray.train.evaluate import Answers, Evaluation, answer, evaluate
from taskclf_tray.train.fit import FitOptions, Progress, TrainedModel, check_enough
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.gates import MIN_MINUTES, UserDay, leaked_days
from taskclf_tray.train.splits import folds_by_day, needs_cross_fit, split_by_time
from taskclf_tray.train.train_model import LeftOut, answer_left_out, fit_leaving_out, learn_transitions, served
from taskclf_tray.train.tune import RejectThresholdResult, tune_reject

SYNTHETIC: Final = "synthetic"
MIN_TEST_BLOCKS: Final = 20
"""The fewest blocks in the last days: with fewer, chance decides which labels are in them."""


@dataclass(frozen=True, slots=True, eq=False)
class Challenger:
    """A new model with its calibrators and threshold, and its predictions for days it was not trained on."""

    model: TrainedModel
    calibration: Calibration
    tuned: RejectThresholdResult
    reject_threshold: float
    held_out: Dataset
    answers: Answers
    leaked: frozenset[UserDay]
    is_cross_fit: bool

    @property
    def store(self) -> CalibratorStore:
        """Its calibrators."""
        return self.calibration.store


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a challenger is made."""

    options: FitOptions = field(default_factory=FitOptions)
    target_accuracy: float = 0.90
    smooth_window: int = DEFAULT_SMOOTH_WINDOW
    smoother: SmootherChoice = DEFAULT_SMOOTHER
    created_at: str | None = None


def make_challenger(
    dataset: Dataset, prior: Prior | None, recipe: TrainingConfig, progress: Progress | None = None
) -> Challenger:
    """Train, calibrate and tune a model, and predict the held-out days.

    The same dataset and recipe give the same challenger.

    Raises:
        TooFewLabelsError: fewer than ten labelled blocks, or one label only.
        LabelError: labels on a single day.
    """
    check_enough(dataset)
    early, test = _early_and_test(dataset)
    model, parts = fit_leaving_out(early, folds_by_day(early), prior, recipe.options, progress)
    out = _OutOfFold.of(parts)
    calibration = out.calibrated(np.ones(len(out.y), dtype=np.bool_), recipe.created_at)
    method = calibration.global_choice.method  # chosen by each fold for itself, thresholds would not be comparable
    stores = [out.calibrated(out.fold != k, recipe.created_at, method).store for k in range(len(parts))]
    tuned = out.tuned(stores, recipe.target_accuracy)
    threshold = tuned.served_threshold
    if test is None:
        configs = [
            _config(part.model, store, threshold, part.transitions, recipe)
            for part, store in zip(parts, stores, strict=True)
        ]
        held_out, answers = answer_left_out(early, parts, configs)
        leaked = frozenset(day for part in parts for day in part.leaked)
    else:
        config = _config(model, calibration.store, threshold, learn_transitions(early), recipe)
        held_out, answers = test, answer(config, test)
        leaked = frozenset(leaked_days(early, test))
    return Challenger(model, calibration, tuned, threshold, held_out, answers, leaked, is_cross_fit=test is None)


def _early_and_test(dataset: Dataset) -> tuple[Dataset, Dataset | None]:
    """(training minutes, judging minutes); None to judge on days left out of the training."""
    if needs_cross_fit(dataset):
        return dataset, None
    split = split_by_time(dataset)
    test = dataset.take(split.test)
    if test.block_count < MIN_TEST_BLOCKS:
        return dataset, None
    return dataset.take(np.union1d(split.training, split.tuning)), test


def compare_with_champion(
    challenger: Challenger,
    evaluation: Evaluation,
    champion: PipelineConfig,
    known: BoolArray,
    *,
    is_personal: bool = True,
) -> tuple[ModelComparison, bool]:
    """Compare both models on the same held-out minutes.

    Args:
        challenger: the new model.
        evaluation: of its answers on all held-out minutes.
        champion: the pipeline of the model in use.
        known: (N,) a mask of the minutes the champion may have been trained on; left out while enough others remain.
        is_personal: whether the champion was trained on this person.

    Returns:
        The comparison, and whether it is fair: the champion was trained on none of these minutes.
    """
    held_out, answers, is_fair = challenger.held_out, challenger.answers, not known.any()
    if not is_fair and (~known).sum() >= MIN_MINUTES:
        held_out, answers, is_fair = held_out.take(~known), answers.take(~known), True
        evaluation = evaluate(held_out, answers, resamples=0)
    other = evaluate(held_out, answer(champion, held_out), resamples=0)
    return ModelComparison(evaluation, other, is_personal=is_personal), is_fair


def known_days(held_out: Dataset, metadata: ModelMetadata, *, is_personal: bool) -> BoolArray:
    """(N,) a mask of the minutes between the dates of a model, if it was trained on this person."""
    try:
        first, last = (date.fromisoformat(at[:10]) for at in (metadata.train_date_from, metadata.train_date_to))
    except ValueError:
        return np.zeros(len(held_out), dtype=np.bool_)
    if not is_personal and metadata.data_provenance == SYNTHETIC:
        return np.zeros(len(held_out), dtype=np.bool_)
    return np.asarray((held_out.days >= first.toordinal()) & (held_out.days <= last.toordinal()))


def is_personal(bundle_dir: Path, metadata: ModelMetadata) -> bool:
    """Whether a model was trained on this person, by a retraining or by hand."""
    return (bundle_dir / TRAINING_FILE).exists() or metadata.data_provenance != SYNTHETIC


@dataclass(frozen=True, slots=True, eq=False)
class _OutOfFold:
    """Minutes that the model decides, each predicted by a model that was not trained on its day."""

    probs: FloatArray
    y: IntArray
    days: IntArray
    blocks: IntArray
    users: tuple[str, ...]
    fold: IntArray

    @classmethod
    def of(cls, parts: Sequence[LeftOut]) -> _OutOfFold:
        own = [part.held_out.take(part.held_out.is_models) for part in parts]
        return cls(
            probs=np.concatenate([part.model.predict(rows) for part, rows in zip(parts, own, strict=True)]),
            y=np.concatenate([rows.labels for rows in own]),
            days=np.concatenate([rows.days for rows in own]),
            blocks=np.concatenate([rows.block_ids for rows in own]),
            users=tuple(user for rows in own for user in rows.user_ids.tolist()),
            fold=np.concatenate([np.full(len(rows), k) for k, rows in enumerate(own)]),
        )

    def calibrated(self, rows: BoolArray, created_at: str | None, method: str | None = None) -> Calibration:
        """Choose calibrators on these rows, or fit those of a method chosen before."""
        return calibrate(
            self.probs[rows],
            self.y[rows],
            days=self.days[rows],
            block_ids=self.blocks[rows],
            user_ids=[user for user, is_in in zip(self.users, rows.tolist(), strict=True) if is_in],
            created_at=created_at,
            method=method,
        )

    def served(self, stores: Sequence[CalibratorStore]) -> FloatArray:
        """(N, 8): the probabilities of each fold, calibrated with calibrators of the other folds."""
        served = np.empty_like(self.probs)
        for k, store in enumerate(stores):
            rows = self.fold == k
            users = [user for user, is_in in zip(self.users, rows.tolist(), strict=True) if is_in]
            served[rows] = store.calibrate_batch(self.probs[rows], users)
        return served

    def tuned(self, stores: Sequence[CalibratorStore], target_accuracy: float) -> RejectThresholdResult:
        return tune_reject(self.served(stores), self.y, self.blocks, target_accuracy=target_accuracy)


def _config(
    model: TrainedModel, store: CalibratorStore, threshold: float, learnt: Transitions, recipe: TrainingConfig
) -> PipelineConfig:
    """The pipeline that would be served."""
    return replace(
        served(model),
        calibrator_store=store,
        reject_threshold=threshold,
        smooth_window=recipe.smooth_window,
        transitions=chosen_transitions(recipe.smoother, learnt),
    )
