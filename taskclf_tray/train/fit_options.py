"""How a model is trained: LightGBM's parameters, and what is ours. The defaults were chosen on days unseen
(`docs/learning.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from taskclf_tray.core.defaults import DEFAULT_NUM_BOOST_ROUND
from taskclf_tray.core.schema import NEWEST_SCHEMA
from taskclf_tray.core.types import LABEL_SET_V1

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
