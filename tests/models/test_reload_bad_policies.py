"""A policy edited by hand, wrong in every way: a sentence with key and remedy, told once; the old config stays."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.app.serving import Serving
from tests.support.sample_rows import BUNDLE, HOME

GOOD: dict[str, Any] = json.loads((HOME / "models/inference_policy.json").read_text())
TEXT = json.dumps(GOOD, indent=2)
USER = "aaaaaaaa-0000-4000-8000-000000000001"
Content = Callable[[], bytes]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden home with models and stores that a policy should not name."""
    root = tmp_path_factory.mktemp("policies")
    home = Path(shutil.copytree(HOME, root / "home"))
    models, artifacts = home / "models", home / "artifacts"
    shutil.copytree(BUNDLE, root / "outside")
    (models / "link-out").symlink_to(root / "outside")
    (models / "loop").symlink_to("loop")
    for name in ("torn", "foreign", "old"):
        shutil.copytree(BUNDLE, models / name)
    text = (models / "torn/model.txt").read_text()
    (models / "torn/model.txt").write_text(text[: len(text) // 2])
    _edit(models / "foreign/metadata.json", label_set=["Work", "Play"])
    _edit(models / "old/metadata.json", schema_hash="000000000000")
    (models / "empty").mkdir()
    for name in ("torn-store", "foreign-store"):
        shutil.copytree(artifacts / "calibrator_store_isotonic", artifacts / name)
    (artifacts / "torn-store/global.json").write_text('{"type": "isotonic"')
    _edit(artifacts / "foreign-store/store.json", model_bundle_id="another")
    (artifacts / "store-out").symlink_to(root)
    return home


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture(scope="module")
def serving(home: Path) -> Serving:
    """What the tray serves from, with the good policy."""
    serving = Serving(home / "models", home / "configs/user_taxonomy.yaml")
    assert serving.load() == []
    return serving


def save(home: Path, content: bytes) -> None:
    """As a finished save: nobody has been writing for some seconds, and no two saves look the same."""
    path = home / "models/inference_policy.json"
    path.write_bytes(content)
    save.count = getattr(save, "count", 0) + 1  # type: ignore[attr-defined]
    moment = time.time_ns() - 60_000_000_000 + save.count * 1_000_000  # type: ignore[attr-defined]
    os.utime(path, ns=(moment, moment))


def changed(**values: Any) -> Content:
    return lambda: json.dumps(GOOD | values).encode()


def without(key: str) -> Content:
    return lambda: json.dumps({name: value for name, value in GOOD.items() if name != key}).encode()


def replaced(old: str, new: str) -> Content:
    assert TEXT.count(old) == 1
    return lambda: TEXT.replace(old, new).encode()


BAD: dict[str, tuple[Content, str, str]] = {
    # name: (the file, what the sentence names, the remedy it gives)
    "threshold-null": (changed(reject_threshold=None), "reject_threshold is null", "a number from 0 to 1"),
    "threshold-bool": (changed(reject_threshold=True), "reject_threshold is true", "a number from 0 to 1"),
    "threshold-text": (changed(reject_threshold="0.6"), "reject_threshold is the text", "a number from 0 to 1"),
    "threshold-list": (changed(reject_threshold=[0.6]), "reject_threshold is a list", "a number from 0 to 1"),
    "threshold-high": (changed(reject_threshold=55), "reject_threshold is 55", "a number from 0 to 1"),
    "threshold-low": (changed(reject_threshold=-0.1), "reject_threshold is -0.1", "a number from 0 to 1"),
    "threshold-nan": (replaced("0.9", "NaN"), "NaN as 'reject_threshold'", "Correct it"),
    "threshold-inf": (replaced("0.9", "1e999"), "as 'reject_threshold', a number too large", "Correct it"),
    "threshold-comma": (replaced("0.9", "0,9"), "not valid JSON (line 17", "Correct it"),
    "threshold-gone": (without("reject_threshold"), "key reject_threshold is missing", "add it"),
    "users-list": (changed(per_user_reject_thresholds=[0.6]), "per_user_reject_thresholds is a list", "an object"),
    "users-null": (changed(per_user_reject_thresholds={USER: None}), "per_user_reject_thresholds has null", USER[:20]),
    "users-high": (changed(per_user_reject_thresholds={USER: 2}), "per_user_reject_thresholds has 2", "from 0 to 1"),
    "users-bool": (changed(per_user_reject_thresholds={USER: False}), "thresholds has false", "from 0 to 1"),
    "version": (changed(policy_version="v2"), "policy_version is the text 'v2'", 'write "v1"'),
    "model-absolute": (lambda: changed(model_dir=str(BUNDLE))(), "model_dir is", "relative to the folder"),
    "model-windows": (changed(model_dir="C:\\models\\x"), "model_dir is", "relative to the folder"),
    "model-parent": (changed(model_dir="../outside"), "model_dir is", "without .."),
    "model-link": (changed(model_dir="models/link-out"), "model_dir is", "leads out of it through a link"),
    "model-loop": (changed(model_dir="models/loop"), "model_dir is", "cannot be followed"),
    "model-dangling": (changed(model_dir="models/gone"), "model_dir is", "there is none here"),
    "model-empty": (changed(model_dir="models/empty"), "model_dir is unusable", "name another model"),
    "model-torn": (
        changed(model_dir="models/torn", calibrator_store_dir=None, calibration_method=None),
        "model_dir names a model that cannot be served",
        "Name another model",
    ),
    "model-labels": (changed(model_dir="models/foreign"), "model_dir is unusable", "name another model"),
    "model-schema": (changed(model_dir="models/old"), "model_dir is unusable", "name another model"),
    "model-long": (changed(model_dir="models/" + "x" * 5000), "model_dir is", "none here"),
    "model-null": (changed(model_dir=None), "model_dir is null", "write the path"),
    "hash-wrong": (changed(model_schema_hash="0" * 12), "model_schema_hash is", GOOD["model_schema_hash"]),
    "hash-null": (changed(model_schema_hash=None), "model_schema_hash is null", "metadata.json"),
    "labels-short": (changed(model_label_set=GOOD["model_label_set"][1:]), "model_label_set is not", "copy it"),
    "labels-twice": (changed(model_label_set=["Build", "Build"]), "model_label_set has a label twice", "once"),
    "labels-text": (changed(model_label_set="Build"), "model_label_set is the text", "copy label_set"),
    "store-absolute": (changed(calibrator_store_dir="/artifacts"), "calibrator_store_dir is", "relative to"),
    "store-link": (changed(calibrator_store_dir="artifacts/store-out"), "calibrator_store_dir is", "through a link"),
    "store-dangling": (changed(calibrator_store_dir="artifacts/gone"), "calibrator_store_dir is", "or null"),
    "store-foreign": (
        changed(calibrator_store_dir="artifacts/foreign-store"),
        "calibrator_store_dir belongs",
        "or write null",
    ),
    "store-torn": (
        changed(calibrator_store_dir="artifacts/torn-store"),
        "calibrator_store_dir cannot be used",
        "or write null",
    ),
    "method-unknown": (changed(calibration_method="platt"), "calibration_method is the text 'platt'", "isotonic"),
    "method-other": (changed(calibration_method="temperature"), "calibration_method is", "isotonic"),
    "created": (changed(created_at="yesterday"), "created_at is the text 'yesterday'", "write a time"),
    "source": (changed(source=7), "source is 7", "write a text"),
    "truncated": (lambda: TEXT.encode()[:200], "not valid JSON (line", "Correct it"),
    "empty": (lambda: b"", "is empty", "Correct it"),
    "zeros": (lambda: b"\0" * 500, "not valid JSON", "Correct it"),
    "utf-16": (lambda: TEXT.encode("utf-16"), "is not UTF-8 text", "Correct it"),
    "latin-1": (
        lambda: json.dumps(GOOD | {"source": "café"}, ensure_ascii=False).encode("latin-1"),
        "not UTF-8",
        "Correct",
    ),
    "key-twice": (
        replaced('"source":', '"reject_threshold": 0.1, "source":'),
        "the key 'reject_threshold' twice",
        "Correct",
    ),
    "list": (lambda: b"[]", "a list instead of an object", "Correct it"),
    "deep": (lambda: b"[" * 200_000, "nested too deeply", "Correct it"),
    "ten-megabytes": (
        lambda: json.dumps(GOOD | {"_": "x" * 10_000_000}).encode(),
        "more than the 1000000",
        "Correct it",
    ),
    "comment": (replaced("{\n", "{ // mine\n"), "not valid JSON (line 1", "Correct it"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_policy_is_told_once_and_the_old_config_stays(name: str, home: Path, serving: Serving) -> None:
    content, what, remedy = BAD[name]
    save(home, TEXT.encode())
    serving.check()
    assert serving.config is not None
    before, resolved = serving.config.config_id, serving.resolved
    save(home, content())
    [(title, body)] = serving.check()
    assert title == "Inference policy not applied"
    assert what in body
    assert remedy in body
    assert "\n" not in body
    assert len(body) < 420
    assert "Traceback" not in body
    assert body.endswith("The previous policy stays in use.")
    assert serving.check() == []
    assert serving.config is not None
    assert serving.config.config_id == before
    assert serving.resolved is resolved


def test_the_next_good_save_is_applied_again(home: Path, serving: Serving) -> None:
    save(home, BAD["threshold-high"][0]())
    serving.check()
    save(home, b"\xef\xbb\xbf" + json.dumps(GOOD | {"reject_threshold": 0.8}).encode())  # Notepad's mark is no fault
    [(title, body)] = serving.check()
    assert title == "Inference policy applied"
    assert "0.90 → 0.80" in body
    assert serving.config is not None
    assert serving.config.reject_threshold == 0.8
