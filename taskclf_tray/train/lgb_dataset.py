"""What LightGBM is given: its parameters and ours, vocabularies, the matrix, and how much each line weighs.

The defaults were chosen on days unseen (`docs/learning.md`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from taskclf_tray.core.defaults import DEFAULT_NUM_BOOST_ROUND
from taskclf_tray.core.schema import NEWEST_SCHEMA, FeatureSchema
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.encode import UNKNOWN_VALUE, Encoder
from taskclf_tray.models.bundle import CatEncoders
from taskclf_tray.train.dataset import BoolArray, Dataset, FloatArray, IntArray

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
"""Nobody may change these: the same labels give the same bytes."""
_CLASSES: Final = len(LABEL_SET_V1)
_CLOCK: Final = ("hour_of_day", "day_of_week")


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


def lgb_datasets(
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
        params={"max_bin": {**BASE_PARAMS, **options.params}["max_bin"], **FIXED_PARAMS},
        **more,
    )
    if validation is None or not len(validation):
        return data, None
    later = lgb.Dataset(
        validation.matrix(encoder), label=validation.labels, weight=validation.weights, reference=data, **more
    )
    return data, later
