"""Files of the taskclf tool and ours: each of its files is read and written again as it was, key for key."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.calibration import (
    load_calibrator,
    load_calibrator_store,
    save_calibrator,
    save_calibrator_store,
)
from taskclf_tray.infer.taxonomy import load_taxonomy, save_taxonomy
from taskclf_tray.models.bundle import load_model_bundle, read_metadata, save_model_bundle
from taskclf_tray.models.draft_policy import policy_for_bundle
from taskclf_tray.models.policy import read_inference_policy, save_inference_policy
from taskclf_tray.models.registry import read_active, set_active
from tests.support.sample_rows import BUNDLE, HOME

STORES = ("calibrator_store", "calibrator_store_isotonic")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HOME, tmp_path / "home"))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def shape(value: Any) -> Any:
    """The keys in their order and the kinds of values: what another program's reader relies on."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_the_policy(home: Path) -> None:
    path = home / "models" / "inference_policy.json"
    before = read(path)
    save_inference_policy(read_inference_policy(home / "models"), home / "models")
    assert (read(path), list(read(path))) == (before, list(before))
    save_inference_policy(policy_for_bundle(home / "models", home / "models" / BUNDLE.name, "manual"), home / "models")
    assert shape(read(path)) == shape(before)


def test_the_active_pointer(home: Path) -> None:
    path = home / "models" / "active.json"
    before = read(path)
    pointer = read_active(home / "models")
    assert pointer is not None
    assert pointer.model_dump() == before
    set_active(home / "models", home / "models" / BUNDLE.name, before["reason"])
    assert shape(read(path)) == shape(before)
    assert list(read(path)) == list(before)


@pytest.mark.parametrize("name", STORES)
def test_calibrator_stores(name: str, home: Path, tmp_path: Path) -> None:
    source = home / "artifacts" / name
    copy = save_calibrator_store(load_calibrator_store(source), tmp_path / "copy")
    for path in sorted(source.rglob("*.json")):
        assert read(copy / path.relative_to(source)) == read(path)
    assert sorted(p.relative_to(copy) for p in copy.rglob("*.json")) == sorted(
        p.relative_to(source) for p in source.rglob("*.json")
    )
    assert list(read(copy / "store.json")) == list(read(source / "store.json"))
    single = save_calibrator(load_calibrator(source / "global.json"), tmp_path / "one.json")
    assert read(single) == read(source / "global.json")


def test_a_model(home: Path, tmp_path: Path) -> None:
    source = home / "models" / BUNDLE.name
    _, metadata, encoders = load_model_bundle(source)
    with (source / "confusion_matrix.csv").open(newline="") as file:
        rows = [[int(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]]
    text, metrics = (source / "model.txt").read_text(), read(source / "metrics.json")
    made = save_model_bundle(text, metadata, metrics, rows, tmp_path / "models", encoders)
    for path in sorted(source.iterdir()):
        assert (made / path.name).exists()
        if path.name != "metadata.json":
            assert (made / path.name).read_bytes().rstrip() == path.read_bytes().rstrip(), path.name
    ours, theirs = read(made / "metadata.json"), read(source / "metadata.json")
    assert {key: ours[key] for key in theirs} == theirs
    assert set(ours) - set(theirs) == {"sha256"}
    assert read_metadata(made).label_set == LABEL_SET_V1


def test_the_taxonomy(home: Path, tmp_path: Path) -> None:
    taxonomy = load_taxonomy(home / "configs" / "user_taxonomy.yaml")
    assert load_taxonomy(save_taxonomy(taxonomy, tmp_path / "t.yaml")) == taxonomy
    assert type(taxonomy).model_validate(taxonomy.model_dump()) == taxonomy
