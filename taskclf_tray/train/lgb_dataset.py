"""The input of LightGBM: parameters, vocabularies, the matrix, and the weight of each minute.

The defaults were chosen on days unseen (`docs/learning.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from taskclf_tray.core.defaults import DEFAULT_NUM_BOOST_ROUND
from taskclf_tray.core.schema import NEWEST_SCHEMA, FeatureSchema
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.encode import UNKNOWN_VALUE, Encoder
from taskclf_tray.models.bundle import CatEncoders
from taskclf_tray.train.dataset import Dataset, FloatArray, class_weights
from taskclf_tray.train.lean_lightgbm import lgb

BASE_PARAMS: Final[Mapping[str, Any]] = {
    "objective": "multiclass",
    "metric": "multi_logloss",
    "num_class": len(LABEL_SET_V1),
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
FIXED_PARAMS: Final[Mapping[str, Any]] = {
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,
    "num_threads": 1,
    "verbosity": -1,
}
"""Always used, so that the same labels give the same bytes."""
_CLOCK: Final = ("hour_of_day", "day_of_week")


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to train.

    Args:
        rounds: the most boosting rounds.
        early_stopping_rounds: rounds without improvement on the validation days after which training stops.
        unknown_category_freq_threshold: a value seen in fewer labelled minutes has no code of its own.
        unknown_category_mask_rate: the share of values replaced by `__unknown__`, so that its code is learned.
        recency_half_life_days: the age in days at which a minute counts half; None for no decay.
        block_minutes: the most minutes a labelled block counts for: its minutes are one sample; None for no limit.
        prior_blocks: the number of labelled blocks at which the trees of the prior count half.
        pseudo_label_weight: of a pseudo-labelled minute, where a labelled one has 1.0; 0 for no pseudo-labels.
        pseudo_label_rounds_per_block: rounds per labelled block of the model that gives the pseudo-labels, …
        pseudo_label_rounds: … and the most of them.
        clock_days: with fewer labelled days hour and weekday are left out; they would only identify the blocks.
        params: LightGBM parameters that override BASE_PARAMS.
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
    pseudo_label_weight: float = 0.1
    pseudo_label_rounds_per_block: float = 2.0
    pseudo_label_rounds: int = 40
    clock_days: int = 10
    params: Mapping[str, Any] = field(default_factory=dict)


def vocabularies(dataset: Dataset, schema: FeatureSchema, least_rows: int) -> CatEncoders:
    """For each categorical column the values that at least `least_rows` rows have, and `__unknown__`, sorted."""
    counts = dataset.value_counts(schema.categorical_columns)
    return {
        column: sorted({UNKNOWN_VALUE, *(value for value, count in counter.items() if count >= least_rows)})
        for column, counter in counts.items()
    }


def mask_categories(matrix: FloatArray, dataset: Dataset, encoder: Encoder, options: FitOptions) -> None:
    """Replace a share of the codes by that of `__unknown__`, in place; the draw depends on the seed alone."""
    rng = np.random.default_rng(options.seed)
    for column, vocabulary in encoder.vocabularies.items():
        hidden = rng.random(len(dataset)) < options.unknown_category_mask_rate
        matrix[hidden, encoder.place[column]] = vocabulary.code(UNKNOWN_VALUE)


def line_weights(dataset: Dataset, options: FitOptions) -> FloatArray:
    """(N,) weights: those of the lines, higher for rarer labels by the root of their rarity, lower for older minutes.

    Their mean is 1 before the weights of each block are limited to `block_minutes`.
    """
    weights = dataset.weights * class_weights(dataset.labels, dataset.weights)[dataset.labels]
    if options.recency_half_life_days is not None:
        age_days = dataset.days.max() - dataset.days
        weights = weights * 0.5 ** (age_days / options.recency_half_life_days)
    weights = weights * (len(dataset) / weights.sum())
    return np.asarray(weights if options.block_minutes is None else weights * _block_shares(dataset, options))


def _block_shares(dataset: Dataset, options: FitOptions) -> FloatArray:
    """(N,) the factor that limits a block to `block_minutes` minutes."""
    assert options.block_minutes is not None
    _, block, lengths = np.unique(dataset.block_ids, return_inverse=True, return_counts=True)
    shares = np.minimum(1.0, options.block_minutes / lengths)[block]
    return np.where(dataset.is_weak, 1.0, shares)


def lgb_datasets(
    training: Dataset, validation: Dataset | None, encoder: Encoder, options: FitOptions
) -> tuple[Any, Any]:
    """(training data, validation data for early stopping or None)."""
    matrix = training.matrix(encoder)
    mask_categories(matrix, training, encoder, options)
    if training.day_count < options.clock_days:
        matrix[:, [encoder.place[column] for column in _CLOCK]] = 0.0  # nothing to split on
    more: dict[str, Any] = {"feature_name": list(encoder.columns), "categorical_feature": list(encoder.vocabularies)}
    data = lgb.Dataset(
        matrix,
        label=training.labels,
        weight=line_weights(training, options),
        params={"max_bin": {**BASE_PARAMS, **options.params}["max_bin"], **FIXED_PARAMS},
        **more,
    )
    if validation is None or not len(validation):
        return data, None
    later = lgb.Dataset(
        validation.matrix(encoder), label=validation.labels, weight=validation.weights, reference=data, **more
    )
    return data, later
