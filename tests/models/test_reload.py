"""Hot reload: swaps once, keeps the old config on any failure, tells once, tries again only on a change."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.infer.resolve import ActiveModelReloader, InferencePolicyReloader
from taskclf_tray.models import reload
from taskclf_tray.models.policy import remove_inference_policy
from taskclf_tray.models.registry import set_active

GOLDEN = Path(__file__).parents[1] / "data/taskclf_home"
BUNDLE = "2026-11-21_082102_run-9643"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    shutil.copytree(GOLDEN, tmp_path / "home")
    return tmp_path / "home/models"


def _age(path: Path) -> None:
    """Make the last change look a few seconds old, as it is when nobody is still writing."""
    changed = time.time_ns() - 5_000_000_000 - path.stat().st_size
    os.utime(path, ns=(changed, changed))


def _edit(models: Path, **changes: Any) -> None:
    path = models / "inference_policy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    _age(path)


def _reloader(models: Path) -> InferencePolicyReloader:
    reloader = InferencePolicyReloader(models, 0)
    reloader.load()
    return reloader


def test_a_changed_threshold_is_swapped_in_once(models: Path) -> None:
    reloader = _reloader(models)
    assert reloader.check_reload() is None
    _edit(models, reject_threshold=0.6)
    config = reloader.check_reload()
    assert config is not None
    assert (config.reject_threshold, config.origin) == (0.6, "policy")
    assert reloader.check_reload() is None


def test_the_same_content_saved_again_swaps_nothing(models: Path) -> None:
    reloader = _reloader(models)
    _edit(models, source="somebody else")
    assert reloader.check_reload() is None
    assert reloader.last_problem is None


def test_a_bad_save_keeps_the_old_is_told_once_and_tried_again_on_change(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloader = _reloader(models)
    tries: list[Path] = []
    real = reload.resolve_policy
    monkeypatch.setattr(reload, "resolve_policy", lambda m, *rest: (tries.append(m), real(m, *rest))[1])
    _edit(models, reject_threshold=1.5)
    for _ in range(3):
        assert reloader.check_reload() is None
    assert reloader.last_problem is not None
    assert "reject_threshold is 1.5" in reloader.last_problem
    assert (reloader.problem_serial, len(tries)) == (1, 1)
    _edit(models, reject_threshold=2.5)
    assert reloader.check_reload() is None
    assert reloader.problem_serial == 2
    _edit(models, reject_threshold=0.7)
    config = reloader.check_reload()
    assert config is not None
    assert config.reject_threshold == 0.7
    assert reloader.last_problem is None


def test_a_half_written_file_is_neither_used_nor_complained_about(models: Path) -> None:
    reloader = _reloader(models)
    path = models / "inference_policy.json"
    whole = json.dumps(json.loads(path.read_text()) | {"reject_threshold": 0.65})
    path.write_text(whole[:50])
    assert reloader.check_reload() is None
    assert reloader.last_problem is None
    path.write_text(whole)
    config = reloader.check_reload()
    assert config is not None
    assert config.reject_threshold == 0.65


def test_a_file_that_stays_half_written_is_told(models: Path) -> None:
    reloader = _reloader(models)
    path = models / "inference_policy.json"
    path.write_text("{")
    assert reloader.check_reload() is None
    _age(path)
    assert reloader.check_reload() is None
    assert "not valid JSON" in str(reloader.last_problem)


def test_a_policy_naming_a_damaged_model_keeps_the_old(models: Path) -> None:
    reloader = _reloader(models)
    shutil.copytree(models / BUNDLE, models / "2026-11-22_000000_run-0001")
    (models / "2026-11-22_000000_run-0001/model.txt").write_text("tree\n")
    _edit(models, model_dir="models/2026-11-22_000000_run-0001", calibrator_store_dir=None)
    assert reloader.check_reload() is None
    assert "model_dir" in str(reloader.last_problem)


def test_removal_falls_to_the_active_model_which_is_watched_then(models: Path) -> None:
    reloader = _reloader(models)
    remove_inference_policy(models)
    config = reloader.check_reload()
    assert config is not None
    assert (config.origin, config.reject_threshold) == ("active", 0.55)
    shutil.copytree(models / BUNDLE, models / "2026-11-22_000000_run-0001")
    set_active(models, models / "2026-11-22_000000_run-0001")
    config = reloader.check_reload()
    assert config is not None
    assert config.bundle_id == "2026-11-22_000000_run-0001"


def test_the_active_reloader_follows_the_pointer_whatever_the_policy_says(models: Path) -> None:
    reloader = ActiveModelReloader(models, 0)
    assert reloader.check_reload() is None
    name = "2026-11-22_000000_run-0001"
    shutil.copytree(models / BUNDLE, models / name)
    metadata = json.loads((models / name / "metadata.json").read_text())
    (models / name / "metadata.json").write_text(json.dumps(metadata | {"dataset_hash": "other"}))
    set_active(models, models / name)
    bundle = reloader.check_reload()
    assert bundle is not None
    model, loaded, cat_encoders = bundle
    assert (model.num_class, loaded.dataset_hash) == (8, "other")
    assert set(cat_encoders) >= {"app_id", "app_category"}
    assert reloader.check_reload() is None
    set_active(models, models / name, {"note": "again"})
    assert reloader.check_reload() is None  # the same model
    remove_inference_policy(models)
    set_active(models, models / BUNDLE)
    assert reloader.check_reload() is not None


def test_the_active_reloader_keeps_the_model_while_the_pointer_is_wrong(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "_SETTLE_SECONDS", 0.0)
    reloader = ActiveModelReloader(models, 0)
    (models / "active.json").write_text('{"model_dir": "models/gone"}')
    assert reloader.check_reload() is None
    assert "there is no model there" in str(reloader.last_problem)
    set_active(models, models / BUNDLE)
    assert reloader.check_reload() is None
    assert reloader.last_problem is None


def test_a_change_between_making_the_reloader_and_resolving_is_not_lost(models: Path) -> None:
    reloader = InferencePolicyReloader(models, 0)
    _edit(models, reject_threshold=0.42)
    config = reloader.check_reload()
    assert config is not None
    assert config.reject_threshold == 0.42


def test_two_saves_that_look_the_same_are_both_seen(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one tick of the file system's clock a save of the same length changes nothing one could stat."""
    monkeypatch.setattr(reload, "_TICK_SECONDS", 60.0)
    reloader = _reloader(models)
    path = models / "inference_policy.json"
    stamp = time.time_ns() - 1_000_000_000
    for threshold in (0.61, 0.62, 0.63):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"reject_threshold": threshold}))
        os.utime(path, ns=(stamp, stamp))
        config = reloader.check_reload()
        assert config is not None
        assert config.reject_threshold == threshold
    assert reloader.check_reload() is None


def test_reload_now_reads_the_model_again(models: Path) -> None:
    reloader = _reloader(models)
    (models / BUNDLE / "model.txt").write_text("tree\n")
    _edit(models, reject_threshold=0.61)
    assert reloader.reload_now() is None
    assert "model_dir" in str(reloader.last_problem)


def test_the_interval_is_kept(models: Path) -> None:
    now = [0.0]
    reloader = InferencePolicyReloader(models, 5.0, clock=lambda: now[0])
    assert reloader.check_reload() is None
    _edit(models, reject_threshold=0.6)
    now[0] = 4.9
    assert reloader.check_reload() is None
    now[0] = 5.0
    assert reloader.check_reload() is not None


def test_overrides_hold_across_a_reload(models: Path) -> None:
    reloader = InferencePolicyReloader(models, 0, reject_threshold_override=0.3)
    assert reloader.load().reject_threshold == 0.3
    _edit(models, calibrator_store_dir=None, calibration_method=None)
    config = reloader.check_reload()
    assert config is not None
    assert (config.reject_threshold, config.calibrator_store) == (0.3, None)
