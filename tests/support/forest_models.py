"""Models and rows for the evaluator's tests: random ones trained with LightGBM, and text written by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

CLASSES = 8
FEATURES = 12
AWKWARD = (np.nan, 0.0, -0.0, 1e-36, -1e-36, 1.1e-35, -1.1e-35, np.inf, -np.inf, 1e300, -1e300, 0.5, -0.5, -1.0, -3.0)
AWKWARD_CATEGORIES = (*AWKWARD, 1.9, 31.0, 32.0, 63.99, 64.0, 1e6, 2.0**31 - 1, 2.0**31, 2.0**32 + 1, 2.0**63)


def train(
    seed: int, *, rounds: int | None = None, leaves: int | None = None
) -> tuple[lgb.Booster, NDArray[np.float64]]:
    """A small multiclass model with parameters drawn from the seed, and the rows it was trained on."""
    rng = np.random.default_rng(seed)
    categorical = sorted(rng.choice(FEATURES, int(rng.integers(0, 6)), replace=False).tolist())
    rows = _training_rows(rng, categorical)
    score = np.nansum(rows * rng.normal(size=FEATURES) / (1 + np.nanstd(rows, axis=0)), axis=1) + rng.normal(size=800)
    classes = CLASSES - int(seed % 3 == 0)  # a class without rows gets trees of one leaf
    labels = np.searchsorted(np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1]), score)
    params = {
        "objective": "multiclass",
        "num_class": CLASSES,
        "num_leaves": leaves or int(rng.choice([2, 3, 8, 31, 64])),
        "min_data_in_leaf": 5 if leaves else int(rng.choice([1, 5, 20, 150])),
        "min_data_per_group": 2,
        "cat_smooth": 1.0,
        "max_cat_to_onehot": int(rng.choice([1, 4])),
        "learning_rate": float(rng.choice([0.1, 0.5])),
        "zero_as_missing": bool(seed % 4 == 1),
        "use_missing": bool(seed % 4 != 2),
        "seed": seed,
        "deterministic": True,
        "num_threads": 1,
        "verbose": -1,
    }
    data = lgb.Dataset(rows, labels, categorical_feature=categorical)
    return lgb.train(params, data, rounds or int(rng.integers(2, 7))), rows


def _training_rows(rng: np.random.Generator, categorical: list[int]) -> NDArray[np.float64]:
    rows = rng.normal(size=(800, FEATURES)) * rng.choice([0.01, 1.0, 1000.0], FEATURES)
    rows[:, 1::3] = np.round(rows[:, 1::3])
    rows[rng.random(rows.shape) < 0.15] = 0.0
    for column in categorical:
        rows[:, column] = rng.choice(int(rng.choice([3, 12, 100])), 800)
    rows[:, : FEATURES // 2][rng.random((800, FEATURES // 2)) < 0.1] = np.nan
    return rows


def ask(booster: lgb.Booster, seen: NDArray[np.float64], count: int, seed: int) -> NDArray[np.float64]:
    """Rows that probe a model: seen values, its own thresholds and their neighbours, and awkward values."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.choice(seen[:, column], count) for column in range(FEATURES)])
    splits = booster.trees_to_dataframe().dropna(subset=["split_feature"])
    for column in range(FEATURES):
        mine = splits[splits["split_feature"] == f"Column_{column}"]
        numeric = mine[mine["decision_type"] == "<="]["threshold"].to_numpy(np.float64)
        pool = np.array(AWKWARD if len(numeric) else AWKWARD_CATEGORIES)
        if len(numeric):
            pool = np.concatenate((pool, numeric, np.nextafter(numeric, np.inf), np.nextafter(numeric, -np.inf)))
        chosen = rng.random(count) < 0.4
        rows[chosen, column] = rng.choice(pool, int(chosen.sum()))
    return rows


@dataclass(frozen=True)
class Tree:
    """One tree as its text has it; the defaults are one question, feature 0 ≤ 0.5, default right."""

    leaf_value: str = "1 2"
    split_feature: str = "0"
    threshold: str = "0.5"
    decision_type: str = "0"
    left_child: str = "-1"
    right_child: str = "-2"
    num_leaves: str = "2"
    num_cat: str = "0"
    extra: dict[str, str] = field(default_factory=dict)

    def text(self, number: int) -> str:
        """The block of this tree."""
        fields = [(key, getattr(self, key)) for key in self.__dataclass_fields__ if key != "extra"]
        lines = [f"{key}={value}" for key, value in (*fields, *self.extra.items())]
        return "\n".join([f"Tree={number}", *lines, "is_linear=0", "shrinkage=1", "", "", ""])


def one_leaf(value: str) -> Tree:
    """A tree that answers `value` to everything."""
    return Tree(value, "", "", "", "", "", "1")


def model_text(*trees: Tree, classes: int = 2, features: int = 2) -> str:
    """A whole file of hand-written trees, as LightGBM would write it (with tree_sizes)."""
    blocks = [tree.text(number) for number, tree in enumerate(trees)]
    header = [
        "tree",
        "version=v4",
        f"num_class={classes}",
        f"num_tree_per_iteration={classes}",
        "label_index=0",
        f"max_feature_idx={features - 1}",
        f"objective=multiclass num_class:{classes}",
        "feature_names=" + " ".join(f"f{index}" for index in range(features)),
        "feature_infos=" + " ".join(["[0:1]"] * features),
        "tree_sizes=" + " ".join(str(len(block)) for block in blocks),
    ]
    return "\n".join(header) + "\n\n" + "".join(blocks) + "end of trees\n\nfeature_importances:\n"
