"""Train a model: the same labelled minutes and the same seed give the same bytes.

The model always answers for all eight labels. What the person has not labelled (yet) comes from the prior, the
starter's own trees, which have the less of a say the more blocks are labelled, and from guesses about the minutes
between the labelled ones (`fit_guesses.py`). The defaults were chosen on days unseen (`docs/learning.md`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from taskclf_tray.core.defaults import DEFAULT_NUM_BOOST_ROUND
from taskclf_tray.core.errors import LabelError, ModelIncompatibleError, TaskclfError
from taskclf_tray.core.model_io import CatEncoders, save_model_bundle
from taskclf_tray.core.model_metadata import ModelMetadata
from taskclf_tray.core.schema import NEWEST_SCHEMA, SCHEMAS, FeatureSchema
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.encode import UNKNOWN_VALUE, Encoder
from taskclf_tray.infer.forest import Forest
from taskclf_tray.train.dataset import Dataset, FloatArray, Provenance
from taskclf_tray.train.dataset_projection import BoolArray, IntArray
from taskclf_tray.train.fit_guesses import has_unsaid, said_only, unsaid_only, with_guesses
from taskclf_tray.train.fit_prior import Prior

MIN_BLOCKS: Final = 10
MIN_LABELS: Final = 2
"""Fewer labelled blocks, or different labels, and nothing is trained."""

REPORT_ROUNDS: Final = 5
_TIME_BASIS: Final = "local"
_CLASSES: Final = len(LABEL_SET_V1)
_CLOCK: Final = ("hour_of_day", "day_of_week")

Progress = Callable[[int, int], None]
"""(rounds done, most rounds)."""

BASE_PARAMS: Final[Mapping[str, Any]] = {
    "objective": "multiclass",
    "metric": "multi_logloss",
    "num_class": _CLASSES,
    "num_leaves": 15,
    "learning_rate": 0.04,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.1,
    "lambda_l2": 5.0,
    "cat_l2": 10.0,
    "cat_smooth": 10.0,
    "min_data_per_group": 20,
    "max_bin": 63,
}
_FIXED_PARAMS: Final[Mapping[str, Any]] = {
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,
    "num_threads": 1,
    "verbosity": -1,
}


class TrainingCancelledError(TaskclfError):
    """Somebody said stop."""


class TooFewLabelsError(LabelError):
    """Not enough labels to train on; `found` and `needed` count blocks, or different labels."""

    def __init__(self, title: str, next_step: str, *, found: int, needed: int) -> None:
        super().__init__(title, next_step)
        self.found = found
        self.needed = needed


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to train. `params` override BASE_PARAMS.

    `unknown_category_freq_threshold`: a value seen in fewer labelled minutes has no code of its own.
    `unknown_category_mask_rate`: this share of values is learnt as `__unknown__`, so that it means something.
    `recency_half_life_days`: after so many days a minute counts half; None for never.
    `block_minutes`: a labelled block weighs as much as so many minutes, for all its minutes are one sample; None for
    as many as it has.
    `prior_blocks`: with so many labelled blocks the prior's trees have half their say.
    `guess_weight`: of a minute nobody labelled, beside 1.0; 0 to learn from none.
    `guess_rounds_per_block`: the model that guesses is grown for so many rounds a labelled block, at most `rounds`.
    `clock_days`: with fewer labelled days hour and weekday teach nothing; they would only name the labelled blocks.
    """

    schema_version: str = NEWEST_SCHEMA
    rounds: int = DEFAULT_NUM_BOOST_ROUND
    early_stopping_rounds: int = 15
    seed: int = 7
    unknown_category_freq_threshold: int = 5
    unknown_category_mask_rate: float = 0.05
    recency_half_life_days: float | None = None
    block_minutes: float | None = 2.0
    prior_blocks: float = 50.0
    guess_weight: float = 0.1
    guess_rounds_per_block: float = 2.0
    clock_days: int = 10
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
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

    def forest(self) -> Forest:
        """As it will be served."""
        return Forest.from_text(self.text)

    def encoder(self) -> Encoder:
        """For its rows."""
        return Encoder(self.schema.version, self.cat_encoders, _TIME_BASIS)

    def predict(self, dataset: Dataset) -> FloatArray:
        """(N, 8) raw probabilities of the dataset's rows."""
        return self.forest().predict(dataset.matrix(self.encoder()))

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
    options: FitOptions = FitOptions(),
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
        return {**BASE_PARAMS, **self.options.params, **_FIXED_PARAMS, "seed": self.options.seed}

    def grown(self, training: Dataset, rounds: int) -> _Grown:
        options, prior = self.options, self.prior
        schema = SCHEMAS[options.schema_version]
        words = vocabularies(training, schema, options.unknown_category_freq_threshold)
        if prior is not None:
            words = _words_with_prior(prior, words, schema)
        encoder = Encoder(schema.version, words, _TIME_BASIS)
        data, later = _lgb_datasets(training, self.validation, encoder, options)
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
    more = {"num_boost_round": options.rounds, "class_weight_method": "balanced_root"}
    return {**params, **more} if prior is None else {**params, **more, "prior_model": prior.name}


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


def vocabularies(dataset: Dataset, schema: FeatureSchema, least_rows: int) -> CatEncoders:
    """For each categorical column the values of at least so many rows, and `__unknown__`, sorted."""
    counts: dict[str, Counter[str]] = {column: Counter() for column in schema.categorical_columns}
    for _, rows in dataset.chunks():
        for column, counter in counts.items():
            counter.update(getattr(row, column) for row in rows)
    return {
        column: sorted({UNKNOWN_VALUE, *(value for value, count in counter.items() if count >= least_rows)})
        for column, counter in counts.items()
    }


def mask_categories(matrix: FloatArray, dataset: Dataset, encoder: Encoder, options: FitOptions) -> None:
    """Turn a share of the codes into that of `__unknown__`, in place; the draw depends on the seed alone."""
    rng = np.random.default_rng(options.seed)
    for column, vocabulary in encoder.vocabularies.items():
        hidden = rng.random(len(dataset)) < options.unknown_category_mask_rate
        matrix[hidden, encoder.place[column]] = vocabulary.code(UNKNOWN_VALUE)


def line_weights(dataset: Dataset, options: FitOptions) -> FloatArray:
    """(N,) the lines' own weights, rarer labels heavier by the root of their rarity, older minutes lighter.

    They are 1 on average, before a block's are limited to what counts as `block_minutes` of them.
    """
    weights = dataset.weights * class_weights(dataset.labels, dataset.weights)[dataset.labels]
    if options.recency_half_life_days is not None:
        age_days = dataset.days.max() - dataset.days
        weights = weights * 0.5 ** (age_days / options.recency_half_life_days)
    weights = weights * (len(dataset) / weights.sum())
    return np.asarray(weights if options.block_minutes is None else weights * _block_shares(dataset, options))


def _block_shares(dataset: Dataset, options: FitOptions) -> FloatArray:
    """(N,) what is left of a minute's weight where its block has more of them than count."""
    assert options.block_minutes is not None
    _, block, lengths = np.unique(dataset.block_ids, return_inverse=True, return_counts=True)
    shares = np.minimum(1.0, options.block_minutes / lengths)[block]
    return np.where(dataset.is_weak, 1.0, shares)


def class_weights(labels: IntArray, weights: FloatArray) -> FloatArray:
    """(8,) the root of how much rarer than average each label is; 0 weight counts for labels that do not occur."""
    mass = np.bincount(labels, weights=weights, minlength=_CLASSES)
    present: BoolArray = mass > 0
    scale = np.zeros(_CLASSES)
    scale[present] = np.sqrt(mass.sum() / (present.sum() * mass[present]))
    return scale


def _lgb_datasets(
    training: Dataset, validation: Dataset | None, encoder: Encoder, options: FitOptions
) -> tuple[Any, Any]:
    """What LightGBM learns from, and what it is stopped by (None without validation)."""
    matrix = training.matrix(encoder)
    mask_categories(matrix, training, encoder, options)
    if training.day_count < options.clock_days:
        matrix[:, [encoder.place[column] for column in _CLOCK]] = 0.0  # nothing to split on
    more: dict[str, Any] = {"feature_name": list(encoder.columns), "categorical_feature": list(encoder.vocabularies)}
    data = lgb.Dataset(
        matrix,
        label=training.labels,
        weight=line_weights(training, options),
        params={"max_bin": {**BASE_PARAMS, **options.params}["max_bin"], **_FIXED_PARAMS},
        **more,
    )
    if validation is None or not len(validation):
        return data, None
    later = lgb.Dataset(
        validation.matrix(encoder), label=validation.labels, weight=validation.weights, reference=data, **more
    )
    return data, later


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
