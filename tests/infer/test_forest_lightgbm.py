"""The evaluator answers what LightGBM answers, and a row's answer does not depend on its company."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from taskclf_tray.infer import forest as forest_module
from taskclf_tray.infer.forest import Forest
from tests.support.examples import examples
from tests.support.forest_models import AWKWARD, AWKWARD_CATEGORIES, FEATURES, ask, train

DATA = Path(__file__).parents[1] / "data"
BUNDLE = next((DATA / "taskclf_home" / "models").glob("*/model.txt")).parent
ROWS = 10_000
MODELS = 20


@cache
def model(seed: int) -> tuple[lgb.Booster, NDArray[np.float64], Forest]:
    booster, seen = train(seed)
    return booster, seen, Forest.from_text(booster.model_to_string())


@pytest.mark.parametrize("seed", range(MODELS))
def test_random_model_equals_lightgbm(seed: int) -> None:
    booster, seen, forest = model(seed)
    rows = ask(booster, seen, ROWS, seed)
    np.testing.assert_allclose(forest.predict(rows), booster.predict(rows, num_threads=1), rtol=0, atol=1e-12)
    raw = booster.predict(rows, raw_score=True, num_threads=1)
    assert np.array_equal(forest.predict_raw(rows), raw)  # sums in the same order: the same bits


def test_random_models_cover_the_format() -> None:
    """The 20 models hold every kind of node, sets of several words, and trees of one leaf."""
    kinds: set[int] = set()
    one_leaf_trees = wide_sets = 0
    for seed in range(MODELS):
        for line in model(seed)[0].model_to_string().splitlines():
            key, _, value = line.partition("=")
            if key == "decision_type":
                kinds |= set(map(int, value.split()))
            one_leaf_trees += line == "num_leaves=1"
            wide_sets += key == "cat_boundaries" and int(value.split()[-1]) > len(value.split()) - 1
    categorical = {kind for kind in kinds if kind & 1}
    assert kinds - categorical >= {2, 4, 6, 8, 10}
    assert categorical
    assert one_leaf_trees
    assert wide_sets


def value_of(column: int) -> st.SearchStrategy[float]:
    return st.one_of(
        st.sampled_from(AWKWARD_CATEGORIES if column % 2 else AWKWARD), st.floats(), st.integers(0, 20).map(float)
    )


rows_strategy = st.lists(st.tuples(*map(value_of, range(FEATURES))), min_size=1, max_size=12).map(np.array)


@examples(120)
@given(rows=rows_strategy, seed=st.integers(0, 3), data=st.data())
def test_parity_of_any_cut(rows: NDArray[np.float64], seed: int, data: st.DataObject) -> None:
    """Alone, in any cut, in chunks of any size, by either walk: the same bits."""
    forest = model(seed)[2]
    alone = b"".join(forest.predict(rows[i : i + 1]).tobytes() for i in range(len(rows)))
    cut = data.draw(st.integers(0, len(rows)))
    assert forest.predict(rows[:cut]).tobytes() + forest.predict(rows[cut:]).tobytes() == alone
    assert forest.predict(np.asfortranarray(rows)).tobytes() == alone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest_module, "_FEWEST_ROWS_IN_CHUNK", data.draw(st.integers(1, 4)))
        patch.setattr(forest_module, "_MOST_CHUNK_VALUES", 1)
        assert forest.predict(rows).tobytes() == alone


def golden_matrix(forest: Forest) -> NDArray[np.float64]:
    """The golden rows as the contract encodes them (section 5)."""
    rows = pd.read_parquet(DATA / "golden_predictions" / "rows_v3.parquet")
    vocabularies = json.loads((BUNDLE / "categorical_encoders.json").read_text())
    matrix = np.empty((len(rows), len(forest.feature_names)))
    for index, name in enumerate(forest.feature_names):
        if name in vocabularies:
            codes = {word: code for code, word in enumerate(sorted(vocabularies[name]))}
            matrix[:, index] = [codes.get(word, codes["__unknown__"]) for word in rows[name]]
        else:
            matrix[:, index] = rows[name].astype(float)
    matrix[~np.isfinite(matrix)] = 0.0
    return matrix


def test_golden_predictions() -> None:
    forest = Forest.load(BUNDLE / "model.txt")
    assert (forest.num_class, forest.num_trees, len(forest.feature_names)) == (8, 800, 299)
    matrix = golden_matrix(forest)
    golden = np.load(DATA / "golden_predictions" / "raw_proba.npy")
    predicted = forest.predict(matrix)
    np.testing.assert_allclose(predicted, golden, rtol=0, atol=1e-9)
    many = forest.predict(np.tile(matrix, (9, 1)))  # enough rows for the walk by tree
    assert many.tobytes() == np.tile(predicted, (9, 1)).tobytes()
