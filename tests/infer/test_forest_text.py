"""Every defect of a model file is refused with a sentence that says what and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from taskclf_tray.core.errors import ModelFormatError
from taskclf_tray.infer import forest_text
from taskclf_tray.infer.forest import Forest
from tests.support.forest_models import Tree, model_text, one_leaf

# 0 asks, its right child 1 asks; leaves 0, 1, 2
BRANCH = Tree(
    leaf_value="1 2 3",
    split_feature="0 1",
    threshold="0.5 0.5",
    decision_type="0 0",
    left_child="-1 -2",
    right_child="1 -3",
    num_leaves="3",
)
SETS = replace(
    BRANCH,
    threshold="0 1",
    decision_type="1 1",
    num_cat="2",
    extra={"cat_boundaries": "0 1 3", "cat_threshold": "4 8 15"},
)


def refused(text: str | bytes) -> str:
    """The whole message of the refusal."""
    with pytest.raises(ModelFormatError) as caught:
        Forest.from_text(text)
    assert caught.value.next_step
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"left_child": "-1 -3"}, "tree 1, node 1: a child of it has a second parent"),
        ({"left_child": "1 -2"}, "tree 1, node 0: a child of it has a second parent"),
        ({"right_child": "0 -3"}, "tree 1, node 0: right_child points back"),
        ({"left_child": "-1 0"}, "tree 1, node 1: left_child points back"),
        ({"right_child": "1 2"}, "tree 1, node 1: right_child points outside"),
        ({"left_child": "-4 -2"}, "tree 1, node 0: left_child points outside"),
        ({"left_child": "-99999999999999999999999 -2"}, "left_child holds a number that does not fit"),
        ({"left_child": "-1"}, "tree 1, left_child has 1 values where 2 are needed"),
        ({"right_child": "1 -3 -4"}, "tree 1, right_child has 3 values where 2 are needed"),
        ({"right_child": "1 -"}, "tree 1, right_child holds what is not a whole number"),
        ({"split_feature": "0 2"}, "tree 1, node 1: split_feature names no feature"),
        ({"split_feature": "-1 1"}, "tree 1, node 0: split_feature names no feature"),
        ({"split_feature": "0 1_0"}, "tree 1, split_feature holds a character"),
        ({"decision_type": "0 16"}, "tree 1, node 1: decision_type has unknown bits"),
        ({"decision_type": "-2 0"}, "tree 1, node 0: decision_type has unknown bits"),
        ({"decision_type": "0 12"}, "tree 1, node 1: decision_type has an unknown missing type"),
        ({"decision_type": "0 1"}, "tree 1, node 1: the threshold names no category set"),
        ({"threshold": "0.5 nan"}, "tree 1, threshold holds a character"),
        ({"threshold": "0.5 -inf"}, "tree 1, node 1: threshold is not a number above -inf"),
        ({"threshold": "0.5 1.2.3"}, "tree 1, threshold holds what is not a number"),
        ({"threshold": "0.5 " + "0" * 200}, "tree 1, threshold is longer than 2 numbers can be"),
        ({"leaf_value": "1 2"}, "tree 1, leaf_value has 2 values where 3 are needed"),
        ({"leaf_value": "1 -1e999 3"}, "tree 1: leaf_value holds a number that is not finite"),
        ({"leaf_value": "1 1e300 3"}, "sums overflow"),
        ({"num_leaves": "0"}, "tree 1, num_leaves is 0"),
        ({"num_leaves": "4"}, "tree 1, split_feature has 2 values where 3 are needed"),
        ({"num_leaves": "131073"}, "cannot be used: tree 1 has 131073 leaves, more than 131072"),
        ({"num_leaves": "16385"}, "tree 1, split_feature has 2 values where 16384 are needed"),
        ({"num_leaves": ""}, "tree 1, num_leaves has 0 values"),
        ({"num_cat": "3"}, "tree 1, num_cat is 3"),
        ({"num_cat": "1"}, "tree 1 has no cat_boundaries"),
        ({"extra": {"cat_threshold": "1"}}, "tree 1 has category sets although num_cat is 0"),
        ({"extra": {"leaf_coeff": "1"}}, "tree 1 has the unknown line 'leaf_coeff'"),
        ({"extra": {"shrinkage": "1"}}, "tree 1 has shrinkage twice"),
        ({"extra": {"split_gain": "1 2 3"}}, "tree 1, split_gain does not have 2 values"),
        ({"extra": {"leaf_weight": "1 2"}}, "tree 1, leaf_weight does not have 3 values"),
    ],
)
def test_damaged_tree(change: dict[str, str], message: str) -> None:
    assert message in refused(model_text(BRANCH, replace(BRANCH, **change)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": "0 2"}, "tree 1, node 1: the threshold names no category set"),
        ({"threshold": "0 0.5"}, "tree 1, node 1: the threshold names no category set"),
        ({"threshold": "-1 0"}, "tree 1, node 0: the threshold names no category set"),
        ({"num_cat": "1"}, "tree 1, cat_boundaries has 3 values where 2 are needed"),
        ({"cat_boundaries": "0 2 1"}, "tree 1, cat_boundaries does not rise from 0"),
        ({"cat_boundaries": "0 0 3"}, "tree 1, cat_boundaries does not rise from 0"),
        ({"cat_boundaries": "1 2 3"}, "tree 1, cat_boundaries does not rise from 0"),
        ({"cat_boundaries": "0 1 4"}, "tree 1, cat_threshold has 3 values where 4 are needed"),
        ({"cat_boundaries": "0 1 2"}, "tree 1, cat_threshold has 3 values where 2 are needed"),
        ({"cat_boundaries": "0 1 65537"}, "tree 1 has category sets of more than 65536 words"),
        ({"cat_threshold": "4 8 4294967296"}, "cat_threshold holds a word that is not 32 bits"),
        ({"cat_threshold": "4 8 -1"}, "cat_threshold holds a word that is not 32 bits"),
    ],
)
def test_damaged_category_sets(change: dict[str, str], message: str) -> None:
    extra = SETS.extra | {key: value for key, value in change.items() if key in SETS.extra}
    fields = {key: value for key, value in change.items() if key not in SETS.extra}
    assert message in refused(model_text(SETS, replace(SETS, extra=extra, **fields)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tree\n", "tree \n", 'does not begin with the line "tree"'),
        ("version=v4", "version=v2", "format version is 'v2'"),
        ("version=v4\n", "", "format version is ''"),
        ("num_class=2", "num_class=3", "its objective is 'multiclass num_class:2'"),
        ("num_class=2", "num_class=1001", "num_class is 1001"),
        ("num_class=2\n", "", "the header has no num_class"),
        ("num_tree_per_iteration=2", "num_tree_per_iteration=1", "num_tree_per_iteration is not num_class"),
        (
            "objective=multiclass num_class:2",
            "objective=binary sigmoid:1",
            "'binary sigmoid:1', not multiclass softmax",
        ),
        ("objective=multiclass ", "objective=multiclassova ", "'multiclassova num_class:2', not multiclass softmax"),
        ("objective=multiclass num_class:2\n", "", "its objective is ''"),
        ("label_index=0", "average_output", "averages its trees (average_output"),
        ("label_index=0", "strange=1", "the header has the unknown line 'strange'"),
        ("label_index=0", "version=v4", "the header has version twice"),
        ("max_feature_idx=1", "max_feature_idx=2", "a different number of features"),
        ("feature_names=f0 f1", "feature_names=f0 f0", "an empty or a repeated name"),
        ("feature_names=f0 f1", "feature_names=f0 ", "an empty or a repeated name"),
        ("feature_infos=[0:1] [0:1]", "feature_infos=[0:1]", "does not describe every feature"),
        ("tree_sizes=", "tree_sizes=1 ", "the lengths that tree_sizes gives"),
        ("Tree=1", "Tree=7", "tree 1 is numbered '7'"),
        ("is_linear=0", "is_linear=1", "tree 0 is a linear tree (is_linear='1')"),
        ("end of trees", "end of tree", 'the line "end of trees" is missing'),
        ("shrinkage=1", "shrinkage=1" + "\n" * 80, "tree 0 has more than 64 lines"),
    ],
)
def test_damaged_header(old: str, new: str, message: str) -> None:
    text = model_text(BRANCH, SETS)
    assert old in text
    if old not in ("tree_sizes=", "end of trees"):
        text = without_sizes(text)
    assert message in refused(text.replace(old, new, 1))


def without_sizes(text: str) -> str:
    """The file without its tree_sizes line, so that a change of length is not what gets it refused."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("tree_sizes"))


def test_sizes_may_be_absent() -> None:
    assert Forest.from_text(without_sizes(model_text(BRANCH, SETS))).num_trees == 2


def test_version_3_is_read() -> None:
    assert Forest.from_text(model_text(BRANCH, SETS).replace("version=v4", "version=v3")).num_trees == 2


def test_odd_number_of_trees() -> None:
    assert "3 trees cannot be divided among 2 classes" in refused(model_text(BRANCH, BRANCH, BRANCH))


def test_no_tree_and_nothing_at_all() -> None:
    assert "it holds no tree" in refused(model_text())
    for text in ("", "\n", "tree", "\0" * 100, "PK\x03\x04"):
        assert "end of trees" in refused(text)


def test_text_that_is_not_text() -> None:
    text = model_text(BRANCH, SETS).encode()
    assert "not UTF-8" in refused(text.replace(b"f0 f1", b"f\xff f1"))
    assert "unknown line" in refused(text.replace(b"label_index", b"label\xffindex"))
    assert "not UTF-8" in refused(model_text(BRANCH, SETS).replace("f0 f1", "f\udcff f1"))


def test_carriage_returns_are_refused() -> None:
    assert refused(model_text(BRANCH, SETS).replace("\n", "\r\n"))


def test_quoted_text_is_short_and_printable() -> None:
    text = model_text(BRANCH, SETS).replace("label_index", "\x1b[31m" + "x" * 5000)
    assert "\x1b" not in refused(text)
    assert len(refused(text)) < 300


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [("MAX_BYTES", 100, "larger than"), ("MAX_TREES", 3, "more than 3 trees")],
)
def test_limits(limit: str, value: int, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.write_text(model_text(*[one_leaf("1")] * 4))
    loads: list[Callable[[], Forest]] = [lambda: Forest.load(path), lambda: Forest.from_text(path.read_bytes())]
    monkeypatch.setattr(forest_text, limit, value)
    for load in loads:
        with pytest.raises(ModelFormatError, match=message):
            load()
