"""Models another program made: what cannot be served is refused by name, and is not ranked among what can."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from taskclf_tray.core.errors import ModelFormatError
from taskclf_tray.core.model_text import MAX_MODEL_BYTES
from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.infer.forest import Forest
from taskclf_tray.models.bundle import bundle_problem, load_model_bundle
from taskclf_tray.models.registry import list_bundles
from tests.support.forest_models import Tree, model_text, one_leaf
from tests.support.sample_rows import BUNDLE

FEATURES = list(SCHEMAS["v3"].model_columns)


@cache
def linear_model() -> str:
    """What LightGBM writes with `linear_tree=true`."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, len(FEATURES)))
    labels = np.arange(400) % 8
    rows[:, 0] += labels
    params = {"objective": "multiclass", "num_class": 8, "linear_tree": True, "num_leaves": 4, "verbose": -1}
    data = lgb.Dataset(rows, labels, feature_name=FEATURES, params={"linear_tree": True, "verbose": -1})
    return str(lgb.train({**params, "num_threads": 1}, data, 2).model_to_string())


def to_windows(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


def record(folder: Path) -> None:
    """As `save_model_bundle` records it: the hash of the file as it was before it was converted."""
    path = folder / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "0" * 64}))


def enlarge(folder: Path) -> None:
    with (folder / "model.txt").open("r+b") as file:
        file.truncate(MAX_MODEL_BYTES + 1)


def convert(folder: Path) -> None:
    path = folder / "model.txt"
    path.write_bytes(to_windows(path.read_bytes()))


def replace_header(old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "model.txt"
        path.write_bytes(path.read_bytes().replace(old, new, 1))

    return change


def cut(folder: Path) -> None:
    path = folder / "model.txt"
    path.write_bytes(path.read_bytes()[:200_000])


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "linear": (lambda folder: (folder / "model.txt").write_text(linear_model()), "tree 0 is a linear tree"),
    "windows": (convert, "Windows line ends"),
    "windows-recorded": (lambda folder: (convert(folder), record(folder)), "Windows line ends"),
    "large": (enlarge, "larger than 32 MiB"),
    "large-recorded": (lambda folder: (enlarge(folder), record(folder)), "larger than 32 MiB"),
    "forest": (replace_header(b"label_index=0\n", b"label_index=0\naverage_output\n"), "average_output"),
    "one-against-all": (
        replace_header(b"objective=multiclass num_class:8", b"objective=multiclassova num_class:8 sigmoid:1"),
        "'multiclassova num_class:8 sigmoid:1', not multiclass softmax",
    ),
    "old": (replace_header(b"version=v4", b"version=v2"), "format version is 'v2'"),
    "cut": (cut, "end of trees"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_named_alike_when_listed_and_when_loaded_and_ranks_behind(name: str, tmp_path: Path) -> None:
    change, what = CASES[name]
    models = tmp_path / "models"
    shutil.copytree(BUNDLE, models / BUNDLE.name)
    other = Path(shutil.copytree(BUNDLE, models / "2026-12-01_000000_run-9999"))
    change(other)
    metrics = other / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"macro_f1": 0.999}))
    assert what in str(bundle_problem(other))
    with pytest.raises(ModelFormatError) as caught:
        load_model_bundle(other)
    assert what in str(caught.value)
    assert "unknown line" not in str(caught.value)
    found = list_bundles(models)
    assert [info.name for info in found] == [BUNDLE.name, other.name]
    assert what in str(found[1].problem)


def test_damage_inside_the_trees_shows_when_each_is_tried(tmp_path: Path) -> None:
    other = Path(shutil.copytree(BUNDLE, tmp_path / "models" / "2026-12-01_000000_run-9999"))
    text = (other / "model.txt").read_bytes()
    (other / "model.txt").write_bytes(text.replace(b"split_feature=", b"split_feature=999 ", 1))
    assert list_bundles(other.parent)[0].problem is None
    assert "is damaged" in str(list_bundles(other.parent, is_thorough=True)[0].problem)


def balanced(leaves: int) -> Tree:
    """Feature 0 is asked for its half, then its quarter, …: leaf k answers for [k, k + 1). `leaves`: a power of 2."""
    children: list[tuple[int, int]] = []
    thresholds: list[float] = []

    def grow(low: int, high: int) -> int:
        if high - low == 1:
            return ~low
        node, middle = len(children), (low + high) // 2
        children.append((0, 0))
        thresholds.append(middle - 0.5)
        children[node] = grow(low, middle), grow(middle, high)
        return node

    grow(0, leaves)
    nodes = leaves - 1
    return Tree(
        leaf_value=" ".join(str(k / leaves) for k in range(leaves)),
        split_feature=" ".join(["0"] * nodes),
        threshold=" ".join(map(str, thresholds)),
        decision_type=" ".join(["2"] * nodes),
        left_child=" ".join(str(left) for left, _ in children),
        right_child=" ".join(str(right) for _, right in children),
        num_leaves=str(leaves),
    )


def test_a_tree_of_more_leaves_than_16384_answers_as_lightgbm() -> None:
    text = model_text(balanced(32_768), one_leaf("0.25"))
    forest, booster = Forest.from_text(text), lgb.Booster(model_str=text)
    rows = np.column_stack([np.linspace(-5.0, 33_000.0, 2_000), np.zeros(2_000)])
    assert np.array_equal(forest.predict_raw(rows), booster.predict(rows, raw_score=True, num_threads=1))
    assert np.array_equal(forest.predict_raw(rows[7:8])[0], forest.predict_raw(rows)[7])
