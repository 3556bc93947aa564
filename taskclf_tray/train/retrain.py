"""Make a challenger for the model in use: train, calibrate and tune it, and predict held-out days. Writes nothing.

The labelled days are split by time (`splits.py`): the last 15 % judge a model of the days before. With fewer than 20
labelled blocks in them, or fewer than eight days, every day is left out once instead (cross-fitting): all labels judge,
and the served model is trained on all of them.

Calibration and the reject threshold need minutes of days the model was not trained on, and many of them: a threshold is
proven by nearly 30 labelled blocks without a mistake at the least, and 15 % of a month of answers hold ten. So both use
out-of-fold predictions: each day before the judging ones is left out once, and predicted by a forest and a head of the
others. The threshold is tuned on probabilities calibrated without their own day, because that is what a new day gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import numpy as np

from taskclf_tray.core.defaults import DEFAULT_SMOOTH_WINDOW
from taskclf_tray.core.smoothing import DEFAULT_SMOOTHER, SmootherChoice, Transitions, chosen_transitions
from taskclf_tray.infer.calibrators import CalibratorStore
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.models.head_files import as_written
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.train import metrics
from taskclf_tray.train.calibrate import Calibration, calibrate
from taskclf_tray.train.comparison import ModelComparison
from taskclf_tray.train.dataset import BoolArray, Dataset, FloatArray, IntArray
from taskclf_tray.train.encoded_rows import encoded_once
from taskclf_tray.train.evaluate import Answers, Evaluation, answer_some, evaluate
from taskclf_tray.train.fit import FitOptions, Progress, TrainedModel, check_enough, untaught
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.gates import MIN_MINUTES, UserDay, leaked_days
from taskclf_tray.train.head import HeadMinutes, Powers, fit_powers_of, with_powers
from taskclf_tray.train.splits import folds_by_day, needs_cross_fit, split_by_time
from taskclf_tray.train.train_model import LeftOut, answer_parts, fit_leaving_out, learn_transitions, served
from taskclf_tray.train.tune import RejectThresholdResult, tune_reject

SYNTHETIC: Final = "synthetic"
MIN_TEST_BLOCKS: Final = 20
"""The fewest blocks in the last days: with fewer, chance decides which labels are in them."""


@dataclass(frozen=True, slots=True, eq=False)
class Challenger:
    """A new model with its calibrators and threshold, and its predictions for days it was not trained on."""

    model: TrainedModel
    head: PersonalHead | None
    calibration: Calibration
    tuned: RejectThresholdResult
    reject_threshold: float
    dataset: Dataset
    places: IntArray
    """Of the held-out minutes in the dataset."""
    heads: tuple[tuple[IntArray, PersonalHead | None], ...]
    """Some of these places, and the head that was not fitted on them."""
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
    dataset = encoded_once(dataset)
    learnt, test = _learnt_and_test(dataset)
    early = dataset.take(learnt)
    taught = fit_leaving_out(early, folds_by_day(early), prior, recipe.options, progress)
    model, head, out = _with_heads(dataset, learnt, [taught, *_untaught(*taught, prior)])
    parts = out.parts
    calibration = out.calibrated(np.ones(len(out.y), dtype=np.bool_), recipe.created_at)
    method = calibration.global_choice.method  # chosen by each fold for itself, thresholds would not be comparable
    stores = [out.calibrated(out.fold != k, recipe.created_at, method).store for k in range(len(parts))]
    tuned = out.tuned(stores, recipe.target_accuracy)
    threshold = tuned.served_threshold
    if test is None:
        judged = [
            (learnt[part.places], _config(part.model, own, store, threshold, part.transitions, recipe))
            for part, own, store in zip(parts, out.heads, stores, strict=True)
        ]
        leaked = frozenset(day for part in parts for day in part.leaked)
    else:
        judged = [(test, _config(model, head, calibration.store, threshold, learn_transitions(early), recipe))]
        leaked = frozenset(leaked_days(early, dataset.take(test)))
    places, answers = answer_parts(dataset, judged)
    return Challenger(
        model=model,
        head=head,
        calibration=calibration,
        tuned=tuned,
        reject_threshold=threshold,
        dataset=dataset,
        places=places,
        heads=tuple((own, config.head) for own, config in judged),
        held_out=dataset.take(places),
        answers=answers,
        leaked=leaked,
        is_cross_fit=test is None,
    )


def _untaught(
    model: TrainedModel, parts: Sequence[LeftOut], prior: Prior | None
) -> list[tuple[TrainedModel, list[LeftOut]]]:
    """The trees of the prior alone, which have seen no day: with few labels the head does better on them."""
    if prior is None:
        return []
    bare = untaught(model, prior)
    return [(bare, [replace(part, model=bare) for part in parts])]


def _learnt_and_test(dataset: Dataset) -> tuple[IntArray, IntArray | None]:
    """The positions of training minutes and of judging ones; None to judge on days left out of the training."""
    if needs_cross_fit(dataset):
        return np.arange(len(dataset)), None
    split = split_by_time(dataset)
    if dataset.take(split.test).block_count < MIN_TEST_BLOCKS:
        return np.arange(len(dataset)), None
    return np.union1d(split.training, split.tuning), split.test


def _with_heads(
    dataset: Dataset, learnt: IntArray, forests: Sequence[tuple[TrainedModel, Sequence[LeftOut]]]
) -> tuple[TrainedModel, PersonalHead | None, _OutOfFold]:
    """The forest that is best together with a head, this head, and both out of fold.

    `forests`: each with the parts left out of its training, which are the same for all.
    """
    minutes, parts = HeadMinutes.of(dataset), forests[0][1]
    is_learnt = np.isin(minutes.places, learnt)
    left_out = [np.isin(minutes.places, learnt[part.places]) for part in parts]
    head = minutes.fit(is_learnt)
    heads = [None if head is None else minutes.fit(is_learnt & ~out) for out in left_out]
    found = [(model, _blended(minutes, learnt, own, left_out, heads)) for model, own in forests]
    model, out = min(found, key=lambda one: one[1].loss)
    return model, None if head is None else as_written(with_powers(head, out.powers)), out


def _blended(
    minutes: HeadMinutes,
    learnt: IntArray,
    parts: Sequence[LeftOut],
    left_out: Sequence[BoolArray],
    heads: Sequence[PersonalHead | None],
) -> _OutOfFold:
    """Each part predicted by a forest and a head that have not seen its days; the powers are fitted on all parts.

    Args:
        minutes: those with words.
        learnt: (n,) the positions that the parts count in.
        parts: with the forest of the others.
        left_out: for each part, a mask of `minutes`.
        heads: for each part, the head of the others.
    """
    own = [part.held_out.take(part.held_out.is_models) for part in parts]
    probs = [part.model.predict(rows) for part, rows in zip(parts, own, strict=True)]
    with_words = [
        np.isin(learnt[part.places][part.held_out.is_models], minutes.places[out])
        for part, out in zip(parts, left_out, strict=True)
    ]
    powers = fit_powers_of(minutes, left_out, heads, [p[w] for p, w in zip(probs, with_words, strict=True)])
    heads = [None if one is None else with_powers(one, powers) for one in heads]
    for one, out, forest, which in zip(heads, left_out, probs, with_words, strict=True):
        if one is not None:
            forest[which] = one.blend(forest[which], minutes.logits(one, out), which[which])
    return _OutOfFold.of(parts, own, probs, heads, powers)


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
    others = _answers_of(champion, challenger)
    if not is_fair and (~known).sum() >= MIN_MINUTES:
        held_out, answers, others, is_fair = held_out.take(~known), answers.take(~known), others.take(~known), True
        evaluation = evaluate(held_out, answers, resamples=0)
    other = evaluate(held_out, others, resamples=0)
    return ModelComparison(evaluation, other, is_personal=is_personal), is_fair


def _answers_of(champion: PipelineConfig, challenger: Challenger) -> Answers:
    """The champion's predictions for the held-out minutes.

    Its head has learnt from these very labels: heads that have not seen them stand in for it, with its powers.
    """
    if champion.head is None:
        return answer_some(champion, challenger.dataset, challenger.places)
    powers = champion.head.head_power, champion.head.forest_power
    parts = [
        (places, replace(champion, head=None if head is None else with_powers(head, powers)))
        for places, head in challenger.heads
    ]
    return answer_parts(challenger.dataset, parts)[1]


def known_days(held_out: Dataset, metadata: ModelMetadata, *, is_personal: bool) -> BoolArray:
    """(N,) a mask of the minutes between the dates of a model, if it was trained on this person."""
    try:
        first, last = (date.fromisoformat(at[:10]) for at in (metadata.train_date_from, metadata.train_date_to))
    except ValueError:
        return np.zeros(len(held_out), dtype=np.bool_)
    if not is_personal and metadata.data_provenance == SYNTHETIC:
        return np.zeros(len(held_out), dtype=np.bool_)
    return np.asarray((held_out.days >= first.toordinal()) & (held_out.days <= last.toordinal()))


@dataclass(frozen=True, slots=True, eq=False)
class _OutOfFold:
    """Minutes that the model decides, each predicted by a model that was not trained on its day."""

    probs: FloatArray
    y: IntArray
    days: IntArray
    blocks: IntArray
    users: tuple[str, ...]
    fold: IntArray
    parts: Sequence[LeftOut]
    heads: Sequence[PersonalHead | None]
    """For each part, that of the other days."""
    powers: Powers

    @classmethod
    def of(
        cls,
        parts: Sequence[LeftOut],
        own: Sequence[Dataset],
        probs: Sequence[FloatArray],
        heads: Sequence[PersonalHead | None],
        powers: Powers,
    ) -> _OutOfFold:
        """Join the minutes of all parts that the model decides, and their raw probabilities."""
        return cls(
            probs=np.concatenate(probs),
            y=np.concatenate([rows.labels for rows in own]),
            days=np.concatenate([rows.days for rows in own]),
            blocks=np.concatenate([rows.block_ids for rows in own]),
            users=tuple(user for rows in own for user in rows.user_ids.tolist()),
            fold=np.concatenate([np.full(len(rows), k) for k, rows in enumerate(own)]),
            parts=parts,
            heads=heads,
            powers=powers,
        )

    @property
    def loss(self) -> float:
        """The mean negative log-likelihood of a label."""
        return metrics.nll(self.probs, self.y)

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
    model: TrainedModel,
    head: PersonalHead | None,
    store: CalibratorStore,
    threshold: float,
    learnt: Transitions,
    recipe: TrainingConfig,
) -> PipelineConfig:
    """The pipeline that would be served."""
    return replace(
        served(model),
        head=head,
        calibrator_store=store,
        reject_threshold=threshold,
        smooth_window=recipe.smooth_window,
        transitions=chosen_transitions(recipe.smoother, learnt),
    )
