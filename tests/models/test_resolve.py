"""Resolution order, its reasons, the bound store, drafts and the registry, on the golden home."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.errors import CalibratorError, ModelError
from taskclf_tray.infer.resolve import (
    MISSING_POLICY,
    ModelResolutionError,
    SelectionPolicy,
    draft_policy_for_edit,
    find_bound_calibrator_store,
    policy_for_bundle,
    resolve_inference_config,
    resolve_model_dir,
)
from taskclf_tray.models.bundle import load_model_bundle
from taskclf_tray.models.history import active_history
from taskclf_tray.models.policy import remove_inference_policy, save_inference_policy
from taskclf_tray.models.registry import best_bundle, list_bundles, read_active, set_active
from taskclf_tray.models.resolve import found_model

GOLDEN = Path(__file__).parents[1] / "data/taskclf_home"
BUNDLE = "2026-11-21_082102_run-9643"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    shutil.copytree(GOLDEN, tmp_path / "home")
    return tmp_path / "home/models"


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _copy(models: Path, name: str, metrics: dict[str, float] | None = None, **metadata: Any) -> Path:
    shutil.copytree(models / BUNDLE, models / name)
    _edit(models / name / "metadata.json", **metadata)
    _edit(models / name / "metrics.json", **(metrics or {}))
    return models / name


def test_golden_home_is_served_as_its_policy_says(models: Path) -> None:
    config = resolve_inference_config(models)
    assert (config.origin, config.reject_threshold, config.bundle_id) == ("policy", 0.9, BUNDLE)
    assert config.calibrator_store is not None
    assert config.calibrator_store.method == "isotonic"
    assert config.model_version == f"{BUNDLE}@c41ae9eef2dd"
    assert config.warnings == ()
    assert config.policy is not None


def test_writing_the_policy_down_changes_nothing_that_is_served(models: Path) -> None:
    remove_inference_policy(models)
    _edit(models / BUNDLE / "metadata.json", reject_threshold=0.61)
    before = resolve_inference_config(models)
    assert (before.origin, before.reject_threshold, before.warnings) == ("active", 0.61, (MISSING_POLICY,))
    draft = draft_policy_for_edit(models)
    assert (draft.source, draft.reject_threshold, draft.model_dir) == ("tray-edit", 0.61, f"models/{BUNDLE}")
    assert draft.calibrator_store_dir == "artifacts/calibrator_store_isotonic"
    assert draft.calibration_method == "isotonic"
    save_inference_policy(draft, models)
    after = resolve_inference_config(models)
    assert (after.origin, after.config_digest) == ("policy", before.config_digest)


def test_explicit_values_override_single_fields(models: Path) -> None:
    temperature = models.parent / "artifacts/calibrator_store"
    config = resolve_inference_config(models, reject_threshold_override=0.3, calibrator_store_override=temperature)
    assert (config.origin, config.reject_threshold, config.calibrator_store_dir) == ("policy", 0.3, temperature)
    config = resolve_inference_config(models, calibrator_path_override=temperature / "global.json")
    assert config.calibrator_store is None
    assert config.calibrator is not None
    assert config.reject_threshold == 0.9
    assert len({config.config_digest, resolve_inference_config(models).config_digest}) == 2


@pytest.mark.parametrize("given", [BUNDLE, f"models/{BUNDLE}", "absolute"])
def test_explicit_model_bypasses_the_policy(models: Path, given: str) -> None:
    config = resolve_inference_config(models, model_dir_override=models / BUNDLE if given == "absolute" else given)
    assert (config.origin, config.reject_threshold, config.policy, config.warnings) == ("explicit", 0.55, None, ())


def test_explicit_things_that_are_wrong_do_not_fall_through(models: Path) -> None:
    with pytest.raises(ModelResolutionError, match="nothing-here"):
        resolve_inference_config(models, model_dir_override="nothing-here")
    with pytest.raises(ModelResolutionError, match="threshold"):
        resolve_inference_config(models, reject_threshold_override=1.5)
    with pytest.raises(CalibratorError):
        resolve_inference_config(models, calibrator_store_override=models)


BROKEN: list[tuple[Callable[[Path], object], str]] = [
    (lambda m: (m / "inference_policy.json").write_text("{"), "not valid JSON"),
    (lambda m: _edit(m / "inference_policy.json", reject_threshold=2), "reject_threshold is 2"),
    (lambda m: _edit(m / "inference_policy.json", model_dir="models/gone"), "model_dir"),
    (lambda m: _edit(m / "inference_policy.json", calibrator_store_dir="artifacts/gone"), "calibrator_store_dir"),
    (lambda m: (m.parent / "artifacts/calibrator_store_isotonic/global.json").write_text("{"), "calibrator_store_dir"),
]


@pytest.mark.parametrize(("harm", "what"), BROKEN, ids=range(len(BROKEN)))
def test_broken_policy_falls_through_and_says_what_and_where(
    models: Path, harm: Callable[[Path], object], what: str
) -> None:
    harm(models)
    config = resolve_inference_config(models)
    assert (config.origin, config.reject_threshold) == ("active", 0.55)
    assert what in config.warnings[0]
    assert str(models / "inference_policy.json") in config.warnings[0]


def test_dangling_active_pointer_falls_through_to_the_best(models: Path) -> None:
    remove_inference_policy(models)
    _edit(models / "active.json", model_dir="models/gone")
    config = resolve_inference_config(models)
    assert config.origin == "best"
    assert "active.json" in config.warnings[1]


def test_a_model_with_damaged_trees_is_passed_over_and_the_next_serves(models: Path) -> None:
    remove_inference_policy(models)
    (models / "active.json").unlink()
    better = _copy(models, "2026-11-22_000000_run-0001", {"macro_f1": 0.99})
    assert best_bundle(models) is not None
    text = (better / "model.txt").read_text()
    (better / "model.txt").write_text(text.replace("split_feature=", "split_feature=999 ", 1))
    config = resolve_inference_config(models)
    assert config.bundle_id == BUNDLE
    assert any(better.name in warning for warning in config.warnings)


def test_nothing_eligible_lists_every_bundle_with_its_reason(models: Path) -> None:
    _copy(models, "2026-11-22_000000_run-0001", schema_hash="000000000000")
    _copy(models, "2026-11-22_000000_run-0002", label_set=["A"])
    (models / "2026-11-22_000000_run-0003").mkdir()
    (models / BUNDLE / "model.txt").unlink()
    with pytest.raises(ModelResolutionError) as caught:
        resolve_inference_config(models)
    assert caught.value.report is not None
    assert len(caught.value.report.excluded) == 4
    for item in caught.value.report.excluded:
        assert item.model_id in str(caught.value)
        assert item.reason in str(caught.value)
    with pytest.raises(ModelResolutionError):
        draft_policy_for_edit(models)


def test_ranking(models: Path) -> None:
    _copy(models, "a-synthetic", {"macro_f1": 1.0}, data_provenance="synthetic")
    _copy(models, "b-mixed", {"macro_f1": 0.95}, data_provenance="mixed")
    _copy(models, "c-weighted", {"macro_f1": 0.95, "weighted_f1": 0.97})
    _copy(models, "d-newer", {"macro_f1": 0.95, "weighted_f1": 0.97}, created_at="2026-12-01T00:00:00+00:00")
    _copy(models, "e-broken", {"macro_f1": 7})
    assert [info.name for info in list_bundles(models)] == [
        "d-newer",
        "c-weighted",
        "b-mixed",
        BUNDLE,
        "a-synthetic",
        "e-broken",
    ]


def test_bound_store_rule(models: Path) -> None:
    home = models.parent
    isotonic, temperature = (home / "artifacts" / name for name in ("calibrator_store_isotonic", "calibrator_store"))
    info = list_bundles(models)[0]
    assert find_bound_calibrator_store(home, info) == isotonic
    _edit(isotonic / "store.json", model_bundle_id="another")
    assert find_bound_calibrator_store(home, info) == temperature
    _edit(temperature / "store.json", model_bundle_id=None)
    assert find_bound_calibrator_store(home, info) == temperature
    _edit(temperature / "store.json", model_schema_hash="another")
    assert find_bound_calibrator_store(home, info) is None
    _edit(temperature / "store.json", model_schema_hash=None)
    assert find_bound_calibrator_store(home, info) is None
    _edit(isotonic / "store.json", model_bundle_id=None, created_at="2026-01-01")
    nested = home / "artifacts/deep/er"
    shutil.copytree(isotonic, nested)
    assert find_bound_calibrator_store(home, info) == isotonic
    _edit(nested / "store.json", created_at="2026-01-02")
    assert find_bound_calibrator_store(home, info) == nested


def test_pick_writes_a_policy_with_threshold_and_store(models: Path) -> None:
    other = _copy(models, "2026-11-22_000000_run-0001", reject_threshold=0.7)
    policy = policy_for_bundle(models, other, "tray-pick")
    assert (policy.reject_threshold, policy.source, policy.calibrator_store_dir) == (0.7, "tray-pick", None)
    picked = policy_for_bundle(models, models / BUNDLE, "tray-pick")
    assert picked.calibrator_store_dir == "artifacts/calibrator_store_isotonic"
    shutil.copytree(models / BUNDLE, models.parent.parent / "outside")
    with pytest.raises(ModelError, match="outside the home"):
        policy_for_bundle(models, models.parent.parent / "outside", "tray-pick")


def test_active_pointer_and_its_history(models: Path) -> None:
    other = _copy(models, "2026-11-22_000000_run-0001")
    set_active(models, other, {"note": "first"})
    with (models / "active_history.jsonl").open("a") as file:
        file.write('{"at": "torn')
    set_active(models, models / BUNDLE)
    history = active_history(models)
    assert [entry["new"]["model_id"] for entry in history] == [other.name, BUNDLE]
    assert history[0]["old"]["model_dir"] == f"models/{BUNDLE}"
    active = read_active(models)
    assert active is not None
    assert active.model_dir == f"models/{BUNDLE}"


def test_resolve_model_dir(models: Path) -> None:
    policy = policy_for_bundle(models, models / BUNDLE, "manual")
    assert resolve_model_dir(None, models, policy) == models / BUNDLE
    assert resolve_model_dir(BUNDLE, models) == models / BUNDLE
    assert resolve_model_dir(None, models, SelectionPolicy()) == models / BUNDLE
    with pytest.raises(ModelResolutionError):
        resolve_model_dir("x" * 5000, models)


def test_load_model_bundle_gives_the_model(models: Path) -> None:
    forest, metadata, encoders = load_model_bundle(models / BUNDLE)
    assert (forest.num_class, forest.verified, metadata.time_basis) == (8, False, None)
    assert encoders["domain_category"] == ["__unknown__", "non_browser", "unknown"]


@pytest.mark.parametrize("name", ["nosuch", "models/nosuch", "/nosuch/model"])
def test_a_model_that_is_not_there_is_said_so(name: str, models: Path) -> None:
    with pytest.raises(ModelResolutionError, match=f"There is no model at {name}"):
        resolve_inference_config(models, model_dir_override=name)


def test_a_relative_model_is_found_in_the_home_from_anywhere(models: Path, tmp_path: Path) -> None:
    """A simulated person lives in a home of their own: the model that was named is looked for in the person's."""
    for word in (BUNDLE, f"models/{BUNDLE}"):
        assert found_model(Path(word), models).resolve() == (models / BUNDLE).resolve()
    assert found_model(Path("nosuch"), models) == Path("nosuch")
