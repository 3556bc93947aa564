"""Promotion and the way back: one step each, byte for byte, whatever it is cut off by."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from taskclf_tray.core.errors import ModelError, PolicyValidationError
from taskclf_tray.infer.resolve import InferencePolicyReloader, resolve_inference_config
from taskclf_tray.models import promotion
from taskclf_tray.models.history import NothingEarlierError, earlier_choice, roll_back
from taskclf_tray.models.policy import load_inference_policy, policy_path
from taskclf_tray.models.promotion import OtherModelServedError, promote, served_now
from taskclf_tray.models.registry import list_bundles, set_active
from taskclf_tray.models.retention import (
    TRAINING_FILE,
    calibrators_of,
    keep_rejected,
    rejected_bundles,
    remove_replaced,
    staging_dir,
)
from tests.support.heads import with_secret
from tests.support.promotion_home import FIRST, SECOND, STORE, THIRD, home_with, promoted, stage
from tests.support.sample_rows import BUNDLE

ROOT = Path(__file__).parents[2]
ODD = b'\xef\xbb\xbf{ "reject_threshold":0.42,"policy_version" : "v1",\r\n\t"_mine": "kept",  '


def odd_policy(models: Path) -> bytes:
    """The policy in force as a person might leave it: another order, other spaces, a key of their own."""
    data = json.loads(policy_path(models).read_bytes())
    rest = {key: value for key, value in data.items() if key not in ("reject_threshold", "policy_version")}
    text = ODD + json.dumps(rest)[1:].encode()
    policy_path(models).write_bytes(text)
    return text


def test_a_promotion_serves_model_calibrators_and_threshold_together(tmp_path: Path) -> None:
    models = home_with(tmp_path)
    reloader = InferencePolicyReloader(models, 0.0)
    reloader.load()
    bundle = promoted(models, FIRST)
    served = reloader.check_reload()
    assert served is not None
    assert (served.bundle_id, served.reject_threshold, served.origin) == (FIRST, 0.61, "policy")
    assert served.calibrator_store is not None
    assert served.calibrator_store.global_calibrator == STORE.global_calibrator
    assert served.calibrator_store.model_bundle_id == FIRST
    policy = load_inference_policy(models)
    assert policy is not None
    assert (policy.source, policy.calibration_method) == ("retrain", "temperature")
    assert bundle == models / FIRST
    assert not list(staging_dir(models).iterdir())
    assert FIRST in [info.name for info in list_bundles(models) if info.problem is None]


def test_roll_back_restores_the_bytes_and_goes_further_each_time(tmp_path: Path) -> None:
    models = home_with(tmp_path)
    before = odd_policy(models)
    promoted(models, FIRST)
    first = policy_path(models).read_bytes()
    promoted(models, SECOND)
    earlier = earlier_choice(models)
    assert earlier is not None
    assert earlier.bundle_id == FIRST
    assert roll_back(models).policy == first == policy_path(models).read_bytes()
    asked: list[str] = []
    assert roll_back(models, before_switch=asked.append).policy == before == policy_path(models).read_bytes()
    assert asked == [BUNDLE.name]
    assert resolve_inference_config(models).reject_threshold == 0.42
    assert earlier_choice(models) is None
    with pytest.raises(NothingEarlierError):
        roll_back(models)
    assert promoted(models, THIRD).name == THIRD
    assert roll_back(models).policy == before


@pytest.mark.parametrize("active", [True, False])
def test_no_policy_is_an_earlier_choice_too(tmp_path: Path, active: bool) -> None:
    """The promoted bundle would be the best one without a policy; still the old one is served again."""
    models = home_with(tmp_path, policy=False, active=active)
    old = resolve_inference_config(models)
    promoted(models, FIRST)
    promoted(models, SECOND)
    roll_back(models)
    assert resolve_inference_config(models).bundle_id == FIRST
    assert roll_back(models).policy is None
    assert not policy_path(models).exists()
    served = resolve_inference_config(models)
    assert (served.config_digest, served.bundle_id) == (old.config_digest, old.bundle_id)
    assert (models / "active_history.jsonl").exists() == (not active)
    assert earlier_choice(models) is None


def test_into_a_home_without_a_model(tmp_path: Path) -> None:
    models = home_with(tmp_path, policy=False, active=False)
    shutil.move(models / BUNDLE.name, tmp_path / "away")
    promoted(models, FIRST)
    assert resolve_inference_config(models).bundle_id == FIRST
    with pytest.raises(NothingEarlierError):
        roll_back(models)
    promoted(models, SECOND)
    assert roll_back(models).bundle_id == FIRST


def test_what_the_person_edits_is_never_lost(tmp_path: Path) -> None:
    models = home_with(tmp_path, policy=False)
    promoted(models, FIRST)
    edited = odd_policy(models)
    roll_back(models)
    kept = [path.read_bytes() for path in (models / "policy_history").iterdir()]
    assert edited in kept
    promoted(models, SECOND)
    edited = odd_policy(models)
    promoted(models, THIRD)
    assert roll_back(models).policy == edited == policy_path(models).read_bytes()


def test_a_broken_edit_is_kept_and_rolled_back_but_never_promoted_over(tmp_path: Path) -> None:
    models = home_with(tmp_path)
    before = policy_path(models).read_bytes()
    promoted(models, FIRST)
    policy_path(models).write_bytes(b"{ broken")
    staged = stage(models, SECOND)
    with pytest.raises(PolicyValidationError):
        promote(models, staged, STORE, reject_threshold=0.5, replaces=FIRST)
    assert staged.exists()
    assert roll_back(models).policy == before
    assert b"{ broken" in [path.read_bytes() for path in (models / "policy_history").iterdir()]


def test_nothing_is_promoted_over_a_model_it_was_not_compared_with(tmp_path: Path) -> None:
    models = home_with(tmp_path)
    before = policy_path(models).read_bytes()
    with pytest.raises(OtherModelServedError, match="Another model was chosen"):
        promote(models, stage(models, FIRST), STORE, reject_threshold=0.5, replaces=SECOND)
    assert policy_path(models).read_bytes() == before


def test_a_damaged_bundle_is_not_promoted(tmp_path: Path) -> None:
    models = home_with(tmp_path)
    staged = stage(models, FIRST)
    (staged / "model.txt").write_bytes((staged / "model.txt").read_bytes()[:-2000])
    before = resolve_inference_config(models)
    with pytest.raises(ModelError):
        promote(models, staged, STORE, reject_threshold=0.5, replaces=BUNDLE.name)
    assert resolve_inference_config(models).config_digest == before.config_digest
    assert not (models / FIRST).exists()


def test_an_earlier_model_that_is_gone_is_said(tmp_path: Path) -> None:
    models = home_with(tmp_path)
    promoted(models, FIRST)
    now = policy_path(models).read_bytes()
    shutil.rmtree(models / BUNDLE.name)
    with pytest.raises(PolicyValidationError, match="cannot be served any more"):
        roll_back(models)
    assert policy_path(models).read_bytes() == now


def test_refused_bundles_are_kept_aside_five_of_them_and_never_listed(tmp_path: Path) -> None:
    models = home_with(tmp_path)
    for number in range(7):
        keep_rejected(models, stage(models, f"2026-12-0{number + 1}_120000_run-00AA"), {"reasons": ["too bad"]})
    assert [path.name[:10] for path in rejected_bundles(models)] == [f"2026-12-0{n}" for n in range(3, 8)]
    assert json.loads((rejected_bundles(models)[0] / "reasons.json").read_text()) == {"reasons": ["too bad"]}
    assert [info.name for info in list_bundles(models)] == [BUNDLE.name]


def test_models_replaced_long_ago_are_removed_and_never_what_is_named(tmp_path: Path) -> None:
    """Five are kept, and with them what roll backs go to, what is active, and whatever no training made."""
    models = home_with(tmp_path)
    names = [f"2026-12-{n:02d}_120000_run-00AA" for n in range(1, 12)]
    for name in names:
        promoted(models, name)
        (models / name / TRAINING_FILE).write_text("{}")
    set_active(models, models / names[0])
    assert remove_replaced(models) == names[1:5]  # 5 to 9 are what roll backs go to, 6 to 10 the newest
    assert not calibrators_of(models, names[1]).exists()
    left = [info.name for info in list_bundles(models)]
    assert set(left) == {BUNDLE.name, names[0], *names[5:]}
    assert remove_replaced(models) == []
    for name in names[9:4:-1]:
        assert roll_back(models).bundle_id == name
    policy_path(models).write_text("{ broken")
    assert remove_replaced(models, kept=1) == []


def test_a_full_disk_leaves_what_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever write it is that fails."""
    models = home_with(tmp_path, policy=False)
    before = resolve_inference_config(models).config_digest
    for name in ("save_calibrator_store", "save_inference_policy", "build_config"):

        def fail(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(promotion, name, fail)
            with pytest.raises(OSError, match="No space left"):
                promote(models, stage(models, FIRST), STORE, reject_threshold=0.5, replaces=BUNDLE.name)
        assert resolve_inference_config(models).config_digest == before
        assert [info.name for info in list_bundles(models)] == [BUNDLE.name]
        shutil.rmtree(staging_dir(models))


MOST_CHANGES = 40


@pytest.mark.parametrize("policy", [True, False])
@pytest.mark.parametrize("way", ["promote", "back"])
def test_a_kill_at_any_change_to_the_disk_leaves_the_old_or_the_new(tmp_path: Path, way: str, policy: bool) -> None:
    """And what was cut off can be done again, and taken back again."""
    models = home_with(tmp_path / "1", policy=policy, active=policy)
    with_secret(models.parent)
    original = policy_path(models).read_bytes() if policy else None
    old = resolve_inference_config(models).config_digest
    if way == "promote":
        stage(models, FIRST)
    else:
        promoted(models, FIRST)
    for number in range(2, MOST_CHANGES):
        shutil.copytree(tmp_path / "1", tmp_path / str(number))
    command = [sys.executable, "-m", "tests.support.promotion_child", str(tmp_path), way]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
    killed = int(found.stdout)
    assert 8 < killed < MOST_CHANGES - 1
    seen: list[str] = []
    for number in range(1, killed + 2):
        models = tmp_path / str(number) / "home" / "models"
        served = resolve_inference_config(models)
        seen.append("old" if served.config_digest == old else served.bundle_id)
        if seen[-1] == "old":
            shutil.rmtree(models / FIRST, ignore_errors=True)
            shutil.rmtree(staging_dir(models), ignore_errors=True)
            promoted(models, FIRST)
        assert resolve_inference_config(models).bundle_id == FIRST
        assert (resolve_inference_config(models).head is not None) == (seen[-1] == FIRST and way == "promote")
        roll_back(models)
        assert (policy_path(models).read_bytes() if policy_path(models).exists() else None) == original
        assert resolve_inference_config(models).config_digest == old
    assert seen == sorted(seen, key=["old", FIRST].index if way == "promote" else [FIRST, "old"].index)
    assert len(set(seen)) == 2


@pytest.mark.parametrize("policy", [True, False])
def test_a_kill_while_an_answer_is_put_in_force_leaves_the_old_or_the_new(tmp_path: Path, policy: bool) -> None:
    models = home_with(tmp_path / "1", policy=policy, active=policy)
    with_secret(models.parent)
    old = resolve_inference_config(models)
    for number in range(2, MOST_CHANGES):
        shutil.copytree(tmp_path / "1", tmp_path / str(number))
    command = [sys.executable, "-m", "tests.support.promotion_child", str(tmp_path), "answer"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
    killed = int(found.stdout)
    assert 4 < killed < MOST_CHANGES - 1
    seen = []
    for number in range(1, killed + 2):
        served = resolve_inference_config(tmp_path / str(number) / "home" / "models")
        assert (served.bundle_id, served.head_problem) == (old.bundle_id, None)
        seen.append(served.head is not None)
    assert seen == sorted(seen)
    assert len(set(seen)) == 2


def test_served_now_without_anything(tmp_path: Path) -> None:
    assert served_now(tmp_path / "models") is None
