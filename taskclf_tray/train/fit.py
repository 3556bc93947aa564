"""Train a model: the same labelled minutes and the same seed give the same bytes.

The model always predicts all eight labels. What the person has not labelled yet comes from the prior, the trees of
the starter model, which count less the more blocks are labelled, and from pseudo-labels for the minutes between the
labelled ones (`weak.py`). The defaults were chosen on held-out days (`docs/learning.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from taskclf_tray.core.errors import LabelError, ModelIncompatibleError, TaskclfError
from taskclf_tray.core.schema import SCHEMAS, FeatureSchema
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.encode import Encoder
from taskclf_tray.infer.forest import Forest
from taskclf_tray.models.bundle import CatEncoders, save_model_bundle
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.train.dataset import Dataset, FloatArray, Provenance
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.lean_lightgbm import lgb
from taskclf_tray.train.lgb_dataset import BASE_PARAMS, FIXED_PARAMS, lgb_datasets, vocabularies
from taskclf_tray.train.lgb_dataset import FitOptions as FitOptions
from taskclf_tray.train.weak import has_unlabelled, labelled_only, unlabelled_only, with_pseudo_labels

MIN_BLOCKS: Final = 10
MIN_LABELS: Final = 2
"""With fewer labelled blocks, or fewer different labels, nothing is trained."""

REPORT_ROUNDS: Final = 5
PREDICTED_ROWS: Final = 4_000
"""At a time: fewer take longer, more take memory (2.6 KB each)."""
_TIME_BASIS: Final = "local"
USUAL: Final = FitOptions()

Progress = Callable[[int, int], None]
"""(rounds done, most rounds)."""


class TrainingCancelledError(TaskclfError):
    """The training was cancelled."""


class TooFewLabelsError(LabelError):
    """There are not enough labels to train on; `found` and `needed` count blocks, or different labels."""

    def __init__(self, title: str, next_step: str, *, found: int, needed: int) -> None:
        super().__init__(title, next_step)
        self.found = found
        self.needed = needed


@dataclass(frozen=True)
class TrainedModel:
    """A model that is not yet on disk: LightGBM text, vocabularies, and what it was trained on."""

    text: str
    cat_encoders: CatEncoders
    schema: FeatureSchema
    params: Mapping[str, Any]
    best_iteration: int
    options: FitOptions
    training: Dataset
    provenance: Provenance

    @property
    def dataset_hash(self) -> str:
        """Of the minutes it was trained on; it takes a second, so only models that are kept have it made."""
        return self.training.dataset_hash

    @property
    def date_range(self) -> tuple[str, str]:
        """Their first and last local date."""
        return self.training.date_range

    @cached_property
    def forest(self) -> Forest:
        """The evaluator that will serve it."""
        return Forest.from_text(self.text)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder for its rows."""
        return Encoder(self.schema.version, self.cat_encoders, _TIME_BASIS)

    def predict(self, dataset: Dataset) -> FloatArray:
        """(N, 8) raw probabilities of the dataset's rows."""
        return _predicted(self.forest, self.encoder, dataset)

    def metadata(self, *, reject_threshold: float | None = None, git_commit: str = "") -> ModelMetadata:
        """As recorded in the bundle; `save_model_bundle` adds the SHA-256 and the time."""
        return ModelMetadata(
            schema_version=self.schema.version,
            schema_hash=self.schema.schema_hash,
            label_set=LABEL_SET_V1,
            train_date_from=self.date_range[0],
            train_date_to=self.date_range[1],
            params=dict(self.params),
            git_commit=git_commit,
            dataset_hash=self.dataset_hash,
            reject_threshold=reject_threshold,
            data_provenance=self.provenance,
            unknown_category_freq_threshold=self.options.unknown_category_freq_threshold,
            unknown_category_mask_rate=self.options.unknown_category_mask_rate,
            time_basis=_TIME_BASIS,
        )

    def save(
        self,
        base_dir: Path,
        metrics: Mapping[str, Any],
        confusion: Any,
        *,
        reject_threshold: float | None = None,
        git_commit: str = "",
    ) -> Path:
        """Write the bundle, whole or not at all, and return its directory. Raises OSError, HomeBusyError."""
        metadata = self.metadata(reject_threshold=reject_threshold, git_commit=git_commit)
        return save_model_bundle(self.text, metadata, metrics, confusion, base_dir, self.cat_encoders)


def fit(
    training: Dataset,
    *,
    validation: Dataset | None = None,
    prior: Prior | None = None,
    options: FitOptions = USUAL,
    progress: Progress | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    least_blocks: int = MIN_BLOCKS,
) -> TrainedModel:
    """Train a model on labelled minutes.

    Args:
        training: the minutes; unlabelled ones may get pseudo-labels.
        validation: later days, for early stopping; None for all rounds.
        prior: the model whose trees come first.
        is_cancelled: asked between rounds.
        least_blocks: the fewest labelled blocks to train on.

    Raises:
        TooFewLabelsError: fewer labelled blocks, or one label only.
        TrainingCancelledError: `is_cancelled` said so.
        ModelIncompatibleError: the prior has another feature schema.
    """
    check_enough(training, least_blocks)
    learnt = labelled_only(training)
    watch = _Watch(progress, is_cancelled, options.rounds)
    task = _Task(validation, prior, options, training.block_count, watch)
    if options.pseudo_label_weight > 0 and has_unlabelled(training):
        grown_short = max(1, round(options.pseudo_label_rounds_per_block * training.block_count))
        watch.before = min(options.rounds, options.pseudo_label_rounds, grown_short)
        first = task.grown(learnt, watch.before)
        probs = _predicted(Forest.from_text(first.text), first.encoder, unlabelled_only(training))
        learnt = with_pseudo_labels(training, probs, options.pseudo_label_weight)
        watch.done_before = watch.before
    grown = task.grown(learnt, options.rounds)
    return TrainedModel(
        text=grown.text,
        cat_encoders=grown.words,
        schema=SCHEMAS[options.schema_version],
        params=_recorded_params(task.params, options, prior),
        best_iteration=grown.best_iteration,
        options=options,
        training=training,
        provenance=training.provenance if prior is None else prior.mixed_with(training.provenance),
    )


def untaught(model: TrainedModel, prior: Prior) -> TrainedModel:
    """The model with the trees of the prior alone, at their full weight, in the same vocabularies."""
    booster = lgb.Booster(model_str=prior.under(model.cat_encoders))
    params = {**model.params, "num_boost_round": 0}
    return replace(model, text=str(booster.model_to_string()), params=params, best_iteration=prior.rounds)


def _predicted(forest: Forest, encoder: Encoder, dataset: Dataset) -> FloatArray:
    """(N, 8) raw probabilities, of some rows at a time."""
    starts = range(0, max(1, len(dataset)), PREDICTED_ROWS)
    parts = (dataset.take(np.arange(start, min(start + PREDICTED_ROWS, len(dataset)))) for start in starts)
    return np.concatenate([forest.predict(part.matrix(encoder)) for part in parts])


@dataclass(frozen=True, slots=True)
class _Grown:
    text: str
    words: CatEncoders
    encoder: Encoder
    best_iteration: int


@dataclass(frozen=True, slots=True)
class _Task:
    """What the model for the pseudo-labels and the final model have in common."""

    validation: Dataset | None
    prior: Prior | None
    options: FitOptions
    blocks: int
    watch: _Watch

    @property
    def params(self) -> dict[str, Any]:
        return {**BASE_PARAMS, **self.options.params, **FIXED_PARAMS, "seed": self.options.seed}

    def grown(self, training: Dataset, rounds: int) -> _Grown:
        options, prior = self.options, self.prior
        schema = SCHEMAS[options.schema_version]
        words = vocabularies(training, schema, options.unknown_category_freq_threshold)
        if prior is not None:
            words = _words_with_prior(prior, words, schema)
        encoder = Encoder(schema.version, words, _TIME_BASIS)
        data, later = lgb_datasets(training, self.validation, encoder, options)
        callbacks: list[Callable[..., Any]] = [self.watch]
        if later is not None:
            callbacks.append(lgb.early_stopping(options.early_stopping_rounds, verbose=False))
        booster = lgb.train(
            self.params,
            data,
            rounds,
            valid_sets=[] if later is None else [later],
            init_model=None if prior is None else lgb.Booster(model_str=prior.under(words, self._prior_share)),
            callbacks=callbacks,
        )
        best = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        return _Grown(str(booster.model_to_string(num_iteration=best)), words, encoder, best)

    @property
    def _prior_share(self) -> float:
        return self.options.prior_blocks / (self.options.prior_blocks + self.blocks)


def _words_with_prior(prior: Prior, words: CatEncoders, schema: FeatureSchema) -> CatEncoders:
    if prior.schema is not schema:
        raise ModelIncompatibleError(
            f"The model {prior.name} is of schema {prior.schema.version} and cannot be continued in {schema.version}.",
            "Train without it, or for its schema.",
        )
    return prior.words_with(words)


def _recorded_params(params: Mapping[str, Any], options: FitOptions, prior: Prior | None) -> dict[str, Any]:
    more: dict[str, Any] = {
        "num_boost_round": options.rounds,
        "class_weight_method": "balanced_root",
        "block_minutes": options.block_minutes,
        "pseudo_label_weight": options.pseudo_label_weight,
    }
    if prior is not None:
        more |= {"prior_model": prior.name, "prior_blocks": options.prior_blocks}
    return {**params, **more}


def check_enough(dataset: Dataset, blocks: int = MIN_BLOCKS) -> None:
    """Raise TooFewLabelsError unless a person labelled at least `blocks` blocks, with two different labels."""
    found = dataset.block_count
    if found < blocks:
        raise TooFewLabelsError(
            f"There are {found} labelled blocks; a model of your own needs at least {blocks}.",
            f"Label {blocks - found} more and train again.",
            found=found,
            needed=blocks,
        )
    kinds = len(np.unique(dataset.labels[~dataset.is_weak]))
    if kinds < MIN_LABELS:
        raise TooFewLabelsError(
            f"All labelled blocks have the same label; at least {MIN_LABELS} different ones are needed.",
            "Label other kinds of work too and train again.",
            found=kinds,
            needed=MIN_LABELS,
        )


class _Watch:
    """The callback between rounds: reports progress, and stops a cancelled training."""

    order = 0
    before_iteration = False

    def __init__(self, progress: Progress | None, is_cancelled: Callable[[], bool] | None, rounds: int) -> None:
        self.before = 0
        """Rounds of the model for the pseudo-labels, which comes first, and …"""
        self.done_before = 0
        """… those of them that are over."""
        self._progress = progress
        self._is_cancelled = is_cancelled
        self._rounds = rounds

    def __call__(self, env: Any) -> None:
        if self._is_cancelled is not None and self._is_cancelled():
            raise TrainingCancelledError("The training was cancelled.", "Nothing was changed.")
        done = env.iteration + 1 - env.begin_iteration
        total = env.end_iteration - env.begin_iteration
        if self._progress is not None and (done % REPORT_ROUNDS == 0 or done == total):
            self._progress(self.done_before + done, self.before + self._rounds)
