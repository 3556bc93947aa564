"""The policy file: round trips, the template, and every way in which it can be wrong."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.models.policy import (
    build_inference_policy,
    load_inference_policy,
    parse_policy_text,
    read_inference_policy,
    remove_inference_policy,
    render_default_inference_policy_template_json,
    save_inference_policy,
    validate_policy,
    write_inference_policy_starter_template,
)

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/data/taskclf_home"
BUNDLE = "2026-11-21_082102_run-9643"


def _good() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((GOLDEN / "models/inference_policy.json").read_text())
    return data


@pytest.fixture
def models(tmp_path: Path) -> Path:
    shutil.copytree(GOLDEN, tmp_path / "home")
    return tmp_path / "home/models"


def test_golden_policy_survives_byte_for_byte(models: Path) -> None:
    path = models / "inference_policy.json"
    before = path.read_bytes()
    policy = read_inference_policy(models)
    validate_policy(policy, models)
    assert save_inference_policy(policy, models) == path
    assert path.read_bytes() == before


def test_extra_keys_survive_in_order(models: Path) -> None:
    data = _good() | {"_help": {"b": 1, "a": 2}, "zeta": 1, "alpha": [1]}
    policy = parse_policy_text(json.dumps(data))
    save_inference_policy(policy, models)
    assert list(json.loads((models / "inference_policy.json").read_text())) == list(data)
    assert read_inference_policy(models) == policy


def test_template_file_is_the_rendered_one() -> None:
    text = render_default_inference_policy_template_json()
    assert (ROOT / "configs/inference_policy.template.json").read_bytes() == text.encode()
    data = json.loads(text)
    assert (data["model_dir"], data["model_schema_hash"], data["model_label_set"]) == (
        "models/<run_id>",
        "<schema_hash>",
        ["<label>"],
    )
    assert (data["created_at"], data["git_commit"], data["reject_threshold"]) == ("2000-01-01T00:00:00+00:00", "", 0.55)
    assert data["_help"].pop("paths_are_relative_to") == "<TASKCLF_HOME>"
    assert list(data["_help"]) == [key for key in data if key != "_help"]
    assert all(isinstance(text, str) and text.endswith(".") for text in data["_help"].values())


def test_starter_template_is_written_once_and_serves_nothing(tmp_path: Path) -> None:
    models = tmp_path / "models"
    path = write_inference_policy_starter_template(models)
    assert json.loads(path.read_text())["source"] == "starter-template"
    assert json.loads(path.read_text())["_help"]["paths_are_relative_to"] == str(tmp_path)
    with pytest.raises(PolicyValidationError, match="model_dir"):
        validate_policy(read_inference_policy(models), models)
    path.write_text("mine")
    assert write_inference_policy_starter_template(models).read_text() == "mine"


def test_build_sorts_labels_and_has_defaults() -> None:
    policy = build_inference_policy(model_dir="models/x", model_schema_hash="h", model_label_set=["b", "a"])
    assert policy.model_label_set == ["a", "b"]
    assert (policy.reject_threshold, policy.source, policy.calibrator_store_dir) == (0.55, "manual", None)


def test_missing_is_none_and_remove_says_what_it_did(models: Path) -> None:
    assert remove_inference_policy(models) is True
    assert remove_inference_policy(models) is False
    assert load_inference_policy(models) is None


def test_broken_policy_loads_as_none_and_the_log_says_why(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    (models / "inference_policy.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert load_inference_policy(models) is None
    assert "not valid JSON (line 1" in caplog.text


def test_byte_order_mark_is_tolerated() -> None:
    assert parse_policy_text(b"\xef\xbb\xbf" + json.dumps(_good()).encode()).reject_threshold == 0.9


@pytest.mark.parametrize("threshold", [0, 1, 0.0, 1.0, 0.5])
def test_border_thresholds_are_good(threshold: float) -> None:
    assert parse_policy_text(json.dumps(_good() | {"reject_threshold": threshold})).reject_threshold == threshold


BAD_TEXTS = [
    ("", "is empty"),
    ("{", "not valid JSON"),
    ("[]", "a list instead of an object"),
    ("null", "null instead of an object"),
    ('{"a": 1, "a": 2}', "the key 'a' twice"),
    ('{"reject_threshold": NaN}', "NaN"),
    ('{"reject_threshold": Infinity}', "Infinity"),
    ('{"reject_threshold": 1e999}', "too large"),
    ('{"reject_threshold": ' + "9" * 5000 + "}", "too large"),
    ("[" * 100_000, "nested too deeply"),
    (json.dumps(_good()) + "x", "not valid JSON"),
]


@pytest.mark.parametrize(("text", "match"), BAD_TEXTS, ids=range(len(BAD_TEXTS)))
def test_bad_text_is_one_sentence(text: str, match: str) -> None:
    with pytest.raises(PolicyValidationError, match=match) as caught:
        parse_policy_text(text)
    assert caught.value.title.endswith(".")
    assert len(caught.value.title) < 250


def test_bytes_that_are_no_text_and_files_that_are_too_large(models: Path) -> None:
    path = models / "inference_policy.json"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(PolicyValidationError, match="UTF-8"):
        read_inference_policy(models)
    path.write_bytes(b" " * 1_000_001)
    with pytest.raises(PolicyValidationError, match="1000001 bytes"):
        read_inference_policy(models)
    path.unlink()
    path.mkdir()
    with pytest.raises(PolicyValidationError, match="not a file"):
        read_inference_policy(models)


BAD_VALUES: list[tuple[str, Any]] = [
    ("policy_version", "v2"),
    ("policy_version", 1),
    ("model_dir", ""),
    ("model_dir", None),
    ("model_dir", "/etc"),
    ("model_dir", "C:\\models\\x"),
    ("model_dir", "\\\\server\\share"),
    ("model_dir", "../outside"),
    ("model_dir", "models/../../x"),
    ("model_dir", "models\\..\\..\\x"),
    ("model_dir", "models/a\0b"),
    ("model_dir", 7),
    ("model_schema_hash", None),
    ("model_schema_hash", 12),
    ("model_label_set", "Build"),
    ("model_label_set", []),
    ("model_label_set", ["Build", 1]),
    ("model_label_set", ["Build", "Build"]),
    ("calibrator_store_dir", "/abs"),
    ("calibrator_store_dir", 1),
    ("calibration_method", "platt"),
    ("calibration_method", {}),
    ("reject_threshold", None),
    ("reject_threshold", True),
    ("reject_threshold", "0.5"),
    ("reject_threshold", -0.01),
    ("reject_threshold", 1.01),
    ("reject_threshold", [0.5]),
    ("per_user_reject_thresholds", []),
    ("per_user_reject_thresholds", {"u": None}),
    ("per_user_reject_thresholds", {"u": False}),
    ("per_user_reject_thresholds", {"u": 2}),
    ("created_at", "yesterday"),
    ("created_at", 5),
    ("source", None),
    ("git_commit", 1),
]


@pytest.mark.parametrize(("key", "value"), BAD_VALUES, ids=range(len(BAD_VALUES)))
def test_bad_value_names_its_key_and_the_remedy(key: str, value: Any) -> None:
    with pytest.raises(PolicyValidationError) as caught:
        parse_policy_text(json.dumps(_good() | {key: value}))
    title = caught.value.title
    assert caught.value.key == key
    assert title.startswith(key)
    assert ": " in title
    assert title.endswith(".")
    assert "\n" not in title


@pytest.mark.parametrize(
    "key", ["policy_version", "model_dir", "model_schema_hash", "model_label_set", "reject_threshold"]
)
def test_missing_key_is_named(key: str) -> None:
    data = _good()
    del data[key]
    with pytest.raises(PolicyValidationError, match=f"The key {key} is missing"):
        parse_policy_text(json.dumps(data))


def _store(home: Path, **changes: Any) -> None:
    path = home / "artifacts/calibrator_store_isotonic/store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _metadata(home: Path, **changes: Any) -> None:
    path = home / "models" / BUNDLE / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _link_bundle_out(home: Path) -> None:
    shutil.move(home / "models" / BUNDLE, home.parent / "outside")
    (home / "models" / BUNDLE).symlink_to(home.parent / "outside")


def _loop(home: Path) -> None:
    shutil.rmtree(home / "models" / BUNDLE)
    (home / "models" / BUNDLE).symlink_to(BUNDLE)


DISK: list[tuple[str, Callable[[Path], object], dict[str, Any]]] = [
    ("model_dir", lambda home: None, {"model_dir": "models/none"}),
    ("model_dir", lambda home: None, {"model_dir": "models/" + "x" * 5000}),
    ("model_dir", lambda home: (home / "models" / BUNDLE / "metadata.json").unlink(), {}),
    ("model_dir", lambda home: _metadata(home, label_set=["A"]), {}),
    ("model_dir", lambda home: _metadata(home, schema_hash="x"), {}),
    ("model_dir", _link_bundle_out, {}),
    ("model_dir", _loop, {}),
    ("model_schema_hash", lambda home: None, {"model_schema_hash": "000000000000"}),
    ("model_label_set", lambda home: None, {"model_label_set": list(LABEL_SET_V1[1:])}),
    ("calibrator_store_dir", lambda home: None, {"calibrator_store_dir": "artifacts/none"}),
    ("calibrator_store_dir", lambda home: _store(home, model_bundle_id="another"), {}),
    ("calibrator_store_dir", lambda home: _store(home, model_schema_hash="another"), {}),
    ("calibrator_store_dir", lambda home: None, {"calibrator_store_dir": "models"}),
    ("calibration_method", lambda home: None, {"calibration_method": "temperature"}),
]


@pytest.mark.parametrize(("key", "harm", "changes"), DISK, ids=range(len(DISK)))
def test_policy_that_does_not_fit_the_disk_names_its_key(
    models: Path, key: str, harm: Callable[[Path], object], changes: dict[str, Any]
) -> None:
    harm(models.parent)
    policy = parse_policy_text(json.dumps(_good() | changes))
    with pytest.raises(PolicyValidationError, match=key) as caught:
        validate_policy(policy, models)
    assert caught.value.key == key


def test_unbound_store_is_good_when_it_is_named(models: Path) -> None:
    _store(models.parent, model_bundle_id=None, model_schema_hash=None)
    validate_policy(read_inference_policy(models), models)
