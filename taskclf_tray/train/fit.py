"""Train a model: the same labelled minutes and the same seed give the same bytes.

The model always answers for all eight labels. What the person has not labelled (yet) comes from the prior, the
starter's own trees, which have the less of a say the more blocks are labelled, and from guesses about the minutes
between the labelled ones (`weak.py`). The defaults were chosen on days unseen (`docs/learning.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
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
from taskclf_tray.train.lgb_dataset import BASE_PARAMS, FIXED_PARAMS, lgb_datasets, vocabularies
from taskclf_tray.train.lgb_dataset import FitOptions as FitOptions
from taskclf_tray.train.weak import has_unsaid, said_only, unsaid_only, with_guesses

MIN_BLOCKS: Final = 10
MIN_LABELS: Final = 2
"""Fewer labelled blocks, or different labels, and nothing is trained."""

REPORT_ROUNDS: Final = 5
_TIME_BASIS: Final = "local"
USUAL: Final = FitOptions()

Progress = Callable[[int, int], None]
"""(rounds done, most rounds)."""


class TrainingCancelledError(TaskclfError):
    """Somebody said stop."""


class TooFewLabelsError(LabelError):
    """Not enough labels to train on; `found` and `needed` count blocks, or different labels."""

    def __init__(self, title: str, next_step: str, *, found: int, needed: int) -> None:
        super().__init__(title, next_step)
        self.found = found
        self.needed = needed


@dataclass(frozen=True)
class TrainedModel:
    """A model not yet on disk: LightGBM text, vocabularies, and where it comes from."""

    text: str
    cat_encoders: CatEncoders
    schema: FeatureSchema
    params: Mapping[str, Any]
    best_iteration: int
    options: FitOptions
    dataset_hash: str
    provenance: Provenance
    date_range: tuple[str, str]

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
        return self.forest.predict(dataset.matrix(self.encoder))

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
    """Train on these minutes; on `validation`, later days, growing stops where it no longer helps.

    `prior`: the model whose trees come first. `least_blocks`: below so many labelled ones it refuses. Raises
    TooFewLabelsError, TrainingCancelledError, and ModelIncompatibleError for a prior of another schema.
    """
    check_enough(training, least_blocks)
    learnt = said_only(training)
    watch = _Watch(progress, is_cancelled, options.rounds)
    task = _Task(validation, prior, options, training.block_count, watch)
    if options.guess_weight > 0 and has_unsaid(training):
        watch.before = min(options.rounds, max(1, round(options.guess_rounds_per_block * training.block_count)))
        first = task.grown(learnt, watch.before)
        probs = Forest.from_text(first.text).predict(unsaid_only(training).matrix(first.encoder))
        learnt = with_guesses(training, probs, options.guess_weight)
        watch.done_before = watch.before
    grown = task.grown(learnt, options.rounds)
    return TrainedModel(
        text=grown.text,
        cat_encoders=grown.words,
        schema=SCHEMAS[options.schema_version],
        params=_recorded_params(task.params, options, prior),
        best_iteration=grown.best_iteration,
        options=options,
        dataset_hash=training.dataset_hash,
        provenance=training.provenance if prior is None else prior.mixed_with(training.provenance),
        date_range=training.date_range,
    )


@dataclass(frozen=True, slots=True)
class _Grown:
    text: str
    words: CatEncoders
    encoder: Encoder
    best_iteration: int


@dataclass(frozen=True, slots=True)
class _Task:
    """What is the same for the first and the second model."""

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
        "guess_weight": options.guess_weight,
    }
    if prior is not None:
        more |= {"prior_model": prior.name, "prior_blocks": options.prior_blocks}
    return {**params, **more}


def check_enough(dataset: Dataset, blocks: int = MIN_BLOCKS) -> None:
    """Raise TooFewLabelsError unless a person labelled so many blocks, with two different labels."""
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
    """Between rounds: says how far it is, and looks whether to stop."""

    order = 0
    before_iteration = False

    def __init__(self, progress: Progress | None, is_cancelled: Callable[[], bool] | None, rounds: int) -> None:
        self.before = 0
        """Rounds of the model that guesses, which is grown first, and …"""
        self.done_before = 0
        """… of these the ones that are over."""
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
