"""The evaluator's decisions, checked by hand, and its public face."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from taskclf_tray.core.errors import ModelFormatError
from taskclf_tray.infer.forest import Forest
from tests.support.forest_models import Tree, model_text, one_leaf

TINY = 1e-36  # LightGBM takes it for zero
ABOVE_TINY = 1.1e-35


def goes_left(tree: Tree, value: float) -> bool:
    """Where a row with this value of feature 0 ends in a tree with the leaves 1 (left) and 2 (right)."""
    forest = Forest.from_text(model_text(tree, one_leaf("0")))
    return float(forest.predict_raw(np.array([[value, 0.0]]))[0, 0]) == 1.0


@pytest.mark.parametrize(
    ("decision", "threshold", "left", "right"),
    [
        ("0", "0.5", [0.5, 0.0, -9.0, -np.inf, np.nan], [0.6, np.inf]),  # no missing type: NaN counts as 0
        ("2", "-0.5", [-0.5], [np.nan, 0.0]),  # default left means nothing without a missing type
        ("10", "-0.5", [np.nan, -0.5], [0.0, TINY]),  # NaN is missing, default left
        ("8", "0.5", [0.0, 0.5], [np.nan, 0.6]),  # NaN is missing, default right
        ("6", "-0.5", [0.0, -0.0, TINY, -TINY, np.nan, -1.0], [ABOVE_TINY, -0.4]),  # zero is missing, default left
        ("4", "0.5", [ABOVE_TINY, -1.0], [0.0, TINY, np.nan]),  # zero is missing, default right
        ("8", "inf", [1e300, np.inf, -np.inf], [np.nan]),  # "is it missing?"
        ("10", "inf", [1e300, np.inf, np.nan], []),
        ("0", "0", [TINY, -TINY, -0.0], [ABOVE_TINY]),  # tiny values are zero for every question
    ],
)
def test_numeric_decision(decision: str, threshold: str, left: list[float], right: list[float]) -> None:
    tree = Tree(decision_type=decision, threshold=threshold)
    assert all(goes_left(tree, value) for value in left)
    assert not any(goes_left(tree, value) for value in right)


@pytest.mark.parametrize("decision", ["1", "3", "5", "9", "11"])
def test_categorical_decision_ignores_the_missing_type(decision: str) -> None:
    """The set is {0, 33}: two words, bit 0 of the first and bit 1 of the second."""
    sets = {"cat_boundaries": "0 2", "cat_threshold": "1 2"}
    tree = Tree(decision_type=decision, threshold="0", num_cat="1", extra=sets)
    inside = [0.0, -0.0, 0.9, -0.9, 33.0, 33.5]
    outside = [1.0, 32.0, 34.0, 63.0, 64.0, 65.0, 1e9, 2.0**31, 2.0**32, 2.0**32 + 33, -1.0, -33.0, 1e300]
    assert all(goes_left(tree, value) for value in inside)
    assert not any(goes_left(tree, value) for value in (*outside, np.nan, np.inf, -np.inf))


def test_second_set_of_a_tree_is_found() -> None:
    tree = Tree(
        leaf_value="1 2 3",
        split_feature="0 1",
        threshold="0 1",
        decision_type="1 1",
        left_child="-1 -2",
        right_child="1 -3",
        num_leaves="3",
        num_cat="2",
        extra={"cat_boundaries": "0 2 3", "cat_threshold": "0 1 4"},
    )
    forest = Forest.from_text(model_text(one_leaf("0"), tree))
    rows = np.array([[32.0, 0.0], [0.0, 2.0], [0.0, 0.0], [0.0, 32.0]])
    assert forest.predict_raw(rows)[:, 1].tolist() == [1.0, 2.0, 3.0, 3.0]


def test_one_leaf_trees_alone_make_a_model() -> None:
    forest = Forest.from_text(model_text(one_leaf("0"), one_leaf("0")))
    assert forest.predict(np.zeros((3, 2))).tolist() == [[0.5, 0.5]] * 3


def test_trees_are_added_in_order() -> None:
    """1e17 + 1 − 1e17 is 0 from left to right, and 1 in any order that is more exact."""
    values = ["1e+17", "0", "1", "0", "-1e+17", "0"]
    forest = Forest.from_text(model_text(*[one_leaf(value) for value in values]))
    assert forest.predict_raw(np.zeros((1, 2))).tolist() == [[0.0, 0.0]]


def test_negative_zero_sums_to_zero_on_both_paths() -> None:
    forest = Forest.from_text(model_text(one_leaf("-0"), one_leaf("1")))
    assert not np.signbit(forest.predict_raw(np.zeros((1, 2)))).any()
    assert not np.signbit(forest.predict_raw(np.zeros((2000, 2)))).any()


def test_very_different_scores_stay_finite() -> None:
    forest = Forest.from_text(model_text(one_leaf("1e+299"), one_leaf("-1e+299")))
    assert forest.predict(np.zeros((1, 2))).tolist() == [[1.0, 0.0]]


def test_deep_tree_is_walked_to_the_end() -> None:
    """A chain of 3000 questions "≤ k": value v leaves at question ⌈v⌉."""
    count = 3000
    chain = Tree(
        leaf_value=" ".join(str(k) for k in range(count + 1)),
        split_feature=" ".join(["0"] * count),
        threshold=" ".join(str(k) for k in range(count)),
        decision_type=" ".join(["0"] * count),
        left_child=" ".join(str(~k) for k in range(count)),
        right_child=" ".join([*(str(k) for k in range(1, count)), str(~count)]),
        num_leaves=str(count + 1),
    )
    forest = Forest.from_text(model_text(chain, one_leaf("0")))
    rows = np.zeros((1500, 2))
    rows[:, 0] = np.linspace(-1, count + 1, 1500)
    expected = np.clip(np.ceil(rows[:, 0]), 0, count)
    assert np.array_equal(forest.predict_raw(rows)[:, 0], expected)
    assert np.array_equal(forest.predict_raw(rows[::100])[:, 0], expected[::100])


def test_attributes_and_hash() -> None:
    text = model_text(Tree(), Tree(), Tree(), Tree())
    digest = hashlib.sha256(text.encode()).hexdigest()
    unverified, verified = Forest.from_text(text), Forest.from_text(text.encode(), sha256=digest.upper())
    assert (unverified.num_class, unverified.num_trees, unverified.feature_names) == (2, 4, ("f0", "f1"))
    assert unverified.sha256 == verified.sha256 == digest
    assert (unverified.verified, verified.verified) == (False, True)
    assert len(repr(verified)) < 300


def test_other_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.write_text(model_text(Tree(), Tree()))
    for wrong in ("0" * 64, "", "not a hash"):
        with pytest.raises(ModelFormatError, match="SHA-256"):
            Forest.load(path, sha256=wrong)


def test_load_equals_from_text(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.write_text(model_text(Tree(), Tree()))
    assert Forest.load(path).sha256 == Forest.from_text(path.read_text()).sha256


def test_unreadable_file_is_a_model_format_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"model\.txt cannot be read: No such file"):
        Forest.load(tmp_path / "model.txt")
    with pytest.raises(ModelFormatError, match="cannot be read"):
        Forest.load(tmp_path)


def test_forest_cannot_be_changed() -> None:
    forest = Forest.from_text(model_text(Tree(), Tree()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        forest.num_class = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        forest._walk.leaf_value[0] = 1.0


def test_matrix_shapes() -> None:
    forest = Forest.from_text(model_text(Tree(), Tree()))
    assert forest.predict(np.zeros((0, 2))).shape == (0, 2)
    assert forest.predict(np.asfortranarray(np.ones((3, 2), np.float32))).shape == (3, 2)
    for wrong in (np.zeros(2), np.zeros((1, 3)), np.zeros((1, 1, 2))):
        with pytest.raises(ValueError, match="expected"):
            forest.predict(wrong)


def test_evaluator_imports_nothing_heavy() -> None:
    code = (
        "import sys, taskclf_tray.infer.forest; heavy = {'numpy.random', 'lightgbm', 'pandas', 'sklearn', 'pyarrow'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.strip() == "[]"
