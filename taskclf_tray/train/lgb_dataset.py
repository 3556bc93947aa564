"""What LightGBM is given: vocabularies, the matrix, and how much each line weighs."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from taskclf_tray.core.schema import FeatureSchema
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.encode import UNKNOWN_VALUE, Encoder
from taskclf_tray.models.bundle import CatEncoders
from taskclf_tray.train.dataset import Dataset, FloatArray
from taskclf_tray.train.dataset_projection import BoolArray, IntArray
from taskclf_tray.train.fit_options import BASE_PARAMS, FIXED_PARAMS, FitOptions

_CLASSES: Final = len(LABEL_SET_V1)
_CLOCK: Final = ("hour_of_day", "day_of_week")


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
