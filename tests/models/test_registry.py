"""The active pointer and its history: damaged, dangling, foreign; and the way back through it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.errors import ModelError
from taskclf_tray.infer.resolve import resolve_inference_config
from taskclf_tray.models.history import active_history, roll_back_active
from taskclf_tray.models.policy import remove_inference_policy
from taskclf_tray.models.registry import (
    HISTORY_FILE,
    active_bundle_dir,
    bundle_at,
    list_bundles,
    read_active,
    set_active,
)
from taskclf_tray.models.selection import inspect_bundle
from tests.support.sample_rows import BUNDLE, HOME

NAMES = tuple(f"2026-11-2{day}_000000_run-000{day}" for day in (2, 3, 4))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The golden home without its policy, and three more models."""
    models = Path(shutil.copytree(HOME, tmp_path / "home")) / "models"
    remove_inference_policy(models)
    for name in NAMES:
        shutil.copytree(BUNDLE, models / name)
    return models


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _link_out(models: Path) -> None:
    shutil.copytree(BUNDLE, models.parent.parent / "elsewhere")
    (models / "link").symlink_to(models.parent.parent / "elsewhere")
    _edit(models / "active.json", model_dir="models/link")


BAD_POINTERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda m: (m / "active.json").write_text(""), "is empty"),
    "truncated": (lambda m: (m / "active.json").write_text('{"model_dir": "mod'), "not valid JSON"),
    "list": (lambda m: (m / "active.json").write_text("[]"), "a list instead of an object"),
    "binary": (lambda m: (m / "active.json").write_bytes(b"\xff\x00"), "not UTF-8"),
    "large": (lambda m: (m / "active.json").write_text(" " * 1_000_001), "bytes"),
    "folder": (lambda m: ((m / "active.json").unlink(), (m / "active.json").mkdir()), "not a file"),
    "loop": (lambda m: ((m / "active.json").unlink(), (m / "active.json").symlink_to("active.json")), "cannot be read"),
    "no-model": (lambda m: (m / "active.json").write_text("{}"), "null as model_dir"),
    "number": (lambda m: _edit(m / "active.json", model_dir=7), "7 as model_dir"),
    "dangling": (lambda m: _edit(m / "active.json", model_dir="models/gone"), "there is no model there"),
    "absolute": (lambda m: _edit(m / "active.json", model_dir="/etc"), "leads out of it"),
    "other-home": (lambda m: _edit(m / "active.json", model_dir=str(BUNDLE)), "leads out of it"),
    "parent": (lambda m: _edit(m / "active.json", model_dir="models/../../elsewhere"), "leads out of it"),
    "link": (_link_out, "leads out of it through a link"),
    "nul": (lambda m: _edit(m / "active.json", model_dir="models/\0"), "cannot be followed"),
    "long": (lambda m: _edit(m / "active.json", model_dir="x" * 5000), "no model there"),
}


@pytest.mark.parametrize("name", BAD_POINTERS)
def test_a_pointer_of_no_use_is_said_and_the_best_model_serves(name: str, models: Path) -> None:
    harm, what = BAD_POINTERS[name]
    harm(models)
    with pytest.raises(ModelError) as caught:
        active_bundle_dir(models)
    assert what in caught.value.title
    config = resolve_inference_config(models)
    assert (config.origin, config.bundle_id) == ("best", NAMES[-1])
    [warning] = [text for text in config.warnings if "active.json" in text and "no models/" not in text]
    assert what in warning
    assert "\n" not in warning
    if name != "folder":
        set_active(models, models / NAMES[0])
        assert resolve_inference_config(models).bundle_id == NAMES[0]


def test_roll_back_goes_one_further_each_time(models: Path) -> None:
    for name in NAMES:
        set_active(models, models / name)
    for expected in (NAMES[1], NAMES[0], BUNDLE.name):
        assert roll_back_active(models).model_dir == f"models/{expected}"
        assert resolve_inference_config(models).bundle_id == expected
    with pytest.raises(ModelError, match="no model that was active before"):
        roll_back_active(models)
    set_active(models, models / NAMES[2])
    assert roll_back_active(models).model_dir == f"models/{BUNDLE.name}"
    history = active_history(models)
    assert len(history) == 8
    assert all(set(entry) == {"at", "old", "new"} for entry in history)
    assert [entry["new"]["model_id"] for entry in history[-2:]] == [NAMES[2], BUNDLE.name]


def test_choosing_the_same_model_twice_is_one_step_back(models: Path) -> None:
    for name in (NAMES[0], NAMES[1], NAMES[1]):
        set_active(models, models / name)
    assert roll_back_active(models).model_dir == f"models/{NAMES[0]}"


def test_a_pointer_edited_by_hand_goes_back_to_the_last_switch(models: Path) -> None:
    set_active(models, models / NAMES[0])
    _edit(models / "active.json", model_dir=f"models/{NAMES[2]}")
    assert roll_back_active(models).model_dir == f"models/{NAMES[0]}"


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (lambda folder: shutil.rmtree(folder), "no model there"),
        (lambda folder: (folder / "model.txt").write_text("tree\n"), "is damaged"),
        (lambda folder: _edit(folder / "metadata.json", schema_hash="0"), "feature schema"),
    ],
)
def test_a_roll_back_to_a_model_that_cannot_serve_changes_nothing(
    models: Path, harm: Callable[[Path], object], what: str
) -> None:
    set_active(models, models / NAMES[0])
    set_active(models, models / NAMES[1])
    harm(models / NAMES[0])
    before = (models / "active.json").read_bytes(), (models / HISTORY_FILE).read_bytes()
    with pytest.raises(ModelError) as caught:
        roll_back_active(models)
    assert what in str(caught.value)
    assert before == ((models / "active.json").read_bytes(), (models / HISTORY_FILE).read_bytes())


def test_damaged_lines_of_the_history_are_left_out(models: Path) -> None:
    set_active(models, models / NAMES[0])
    with (models / HISTORY_FILE).open("ab") as file:
        file.write(
            b'\n\xff\xfe\n[]\n{"at": 1}\n{"new": 7}\n{"new": {"model_dir": 5}}\n' + b"x" * 200_000 + b'\n{"at": "torn'
        )
    set_active(models, models / NAMES[1])
    assert [entry["new"].get("model_id") for entry in active_history(models)] == [NAMES[0], None, NAMES[1]]
    active = read_active(models)
    assert active is not None
    assert active.model_dir == f"models/{NAMES[1]}"
    with pytest.raises(ModelError, match="no model that was active before"):
        roll_back_active(models)  # what stands before is no pointer: never guessed
    (models / HISTORY_FILE).unlink()
    (models / HISTORY_FILE).mkdir()
    assert active_history(models) == []


def test_extra_keys_of_a_pointer_are_kept_in_the_history(models: Path) -> None:
    _edit(models / "active.json", mine={"a": 1})
    set_active(models, models / NAMES[0])
    assert active_history(models)[0]["old"]["mine"] == {"a": 1}


def test_every_exclusion_has_its_reason(models: Path) -> None:
    _edit(models / NAMES[0] / "metrics.json", macro_f1="good")
    (models / NAMES[1] / "categorical_encoders.json").unlink()
    _edit(models / NAMES[2] / "metadata.json", sha256="0" * 64)
    (models / "notes.txt").write_text("no bundle")
    (models / ".2026.tmp").mkdir()
    problems = {info.name: info.problem for info in list_bundles(models)}
    assert list(problems) == [BUNDLE.name, *NAMES]
    assert problems[BUNDLE.name] is None
    for name, word in zip(NAMES, ("macro_f1", "categorical_encoders.json", "SHA-256"), strict=True):
        assert word in str(problems[name])


def test_a_link_out_of_the_home_is_excluded_and_one_inside_is_not(models: Path) -> None:
    _link_out(models)
    (models / "inner").symlink_to(NAMES[0])
    problems = {info.name: info.problem for info in list_bundles(models)}
    assert "leads out of the home" in str(problems["link"])
    assert problems["inner"] is None


def test_a_bundle_is_found_by_name_and_by_path(models: Path) -> None:
    folder = models / NAMES[0]
    assert bundle_at(models, NAMES[0]) == bundle_at(models, f"models/{NAMES[0]}") == bundle_at(models, str(folder))
    for name in ("gone", "", ".", "..", "x" * 5000):
        with pytest.raises(ModelError):
            bundle_at(models, name)


def test_inspection(models: Path) -> None:
    facts = inspect_bundle(models.parent, models / BUNDLE.name)
    assert (facts["problem"], facts["is_sha256_verified"], facts["features"]) == (None, False, 299)
    assert facts["bound_calibrator_stores"][0] == "artifacts/calibrator_store_isotonic"
    _edit(models / NAMES[0] / "metadata.json", sha256=facts["sha256"])
    assert inspect_bundle(models.parent, models / NAMES[0])["is_sha256_verified"] is True
    (models / NAMES[0] / "model.txt").write_text("tree\n")
    damaged = inspect_bundle(models.parent, models / NAMES[0])
    assert "SHA-256" in damaged["problem"]
    assert damaged["metrics"]["macro_f1"] == 0.9201
    (models / NAMES[1] / "metadata.json").unlink()
    assert inspect_bundle(models.parent, models / NAMES[1])["metadata"] == {}
    assert json.dumps(damaged)
