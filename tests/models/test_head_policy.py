"""The head of a policy: served, reloaded, rolled back and kept with it; a wrong one costs only itself."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.models.draft_policy import draft_policy_for_edit, policy_by_hand, policy_for_bundle
from taskclf_tray.models.history import earlier_entries, roll_back
from taskclf_tray.models.policy import (
    InferencePolicy,
    policy_path,
    policy_problems,
    read_inference_policy,
    render_default_inference_policy_template_json,
    save_inference_policy,
)
from taskclf_tray.models.promotion import promote
from taskclf_tray.models.reload import InferencePolicyReloader
from taskclf_tray.models.resolve import find_policy_problems, resolve_inference_config
from taskclf_tray.models.retention import remove_old_heads
from tests.support.heads import saved_head, served_head, some_head, with_secret
from tests.support.promotion_home import FIRST, SECOND, STORE, home_with, promoted, stage
from tests.support.sample_rows import BUNDLE


@pytest.fixture
def models(tmp_path: Path) -> Path:
    models = home_with(tmp_path)
    with_secret(models.parent)
    return models


def age(path: Path, seconds: float = 5) -> None:
    """Make the last change look older, and different each time."""
    changed = time.time_ns() - int(seconds * 1e9) - path.stat().st_size
    os.utime(path, ns=(changed, changed))


def head_files(models: Path) -> set[str]:
    return {path.name for path in (models.parent / "tray/heads").iterdir()}


def test_the_policy_s_head_is_served_and_named(models: Path) -> None:
    before = resolve_inference_config(models)
    entry = served_head(models)
    config = resolve_inference_config(models)
    assert config.head is not None
    assert config.stored_head is not None
    assert (config.head.digest, config.stored_head.labelled_minutes) == (entry.sha256, 37)
    assert (config.origin, config.warnings, config.head_problem) == ("policy", (), None)
    assert config.config_digest != before.config_digest
    assert resolve_inference_config(models, model_dir_override=config.bundle_dir).head is None
    assert json.loads(policy_path(models).read_text())["personal_head"] == entry.model_dump()
    assert find_policy_problems(models) == []


def test_without_the_key_everything_is_as_before(models: Path) -> None:
    before = resolve_inference_config(models).config_digest
    served_head(models)
    data = json.loads(policy_path(models).read_text())
    for without in (
        {key: value for key, value in data.items() if key != "personal_head"},
        data | {"personal_head": None},
    ):
        policy_path(models).write_text(json.dumps(without))
        config = resolve_inference_config(models)
        assert (config.head, config.config_digest) == (None, before)
    assert "personal_head" not in read_inference_policy(models).model_dump()
    assert "personal_head" not in render_default_inference_policy_template_json()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("tray/heads/1.json", "personal_head is the text"),
        ({}, "personal_head.file is missing"),
        ({"file": "tray/heads/1.json"}, "personal_head.sha256 is missing"),
        ({"file": "../1.json", "sha256": "0" * 64}, "personal_head.file is the text '../1.json'"),
        ({"file": "/etc/passwd", "sha256": "0" * 64}, "personal_head.file"),
        ({"file": "C:\\x.json", "sha256": "0" * 64}, "personal_head.file"),
        ({"file": "tray/heads/1.json", "sha256": "0" * 63}, "personal_head.sha256"),
        ({"file": 7, "sha256": "0" * 64}, "personal_head.file is 7"),
    ],
)
def test_a_wrong_key_names_itself_and_the_remedy(models: Path, value: object, said: str) -> None:
    data = json.loads(policy_path(models).read_text()) | {"personal_head": value}
    with pytest.raises(PolicyValidationError) as raised:
        InferencePolicy.model_validate(data)
    assert raised.value.key == "personal_head"
    assert said in raised.value.title
    assert "write" in raised.value.title or "add it" in raised.value.title
    policy_path(models).write_text(json.dumps(data))
    assert {problem.key for problem in policy_problems(models)} == {"personal_head"}


def test_a_head_that_cannot_be_used_costs_only_itself(models: Path) -> None:
    before = resolve_inference_config(models)
    entry = served_head(models)
    path = models.parent / entry.file
    path.write_bytes(path.read_bytes()[:-5])
    config = resolve_inference_config(models)
    assert (config.origin, config.head, config.config_digest) == ("policy", None, before.config_digest)
    assert config.head_problem is not None
    assert config.warnings == (config.head_problem,)
    assert str(path) in config.head_problem
    assert "SHA-256" in config.head_problem
    assert "Label a block" in config.head_problem
    path.unlink()
    assert "is missing" in str(resolve_inference_config(models).head_problem)


def test_a_head_comes_goes_and_returns_while_the_app_runs(models: Path) -> None:
    reloader = InferencePolicyReloader(models, 0)
    reloader.load()
    entry = served_head(models)
    path = models.parent / entry.file
    age(policy_path(models))
    age(path)
    config = reloader.check_reload()
    assert config is not None
    assert config.head is not None
    assert reloader.check_reload() is None
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    age(path)
    config = reloader.check_reload()
    assert config is not None
    assert (config.head, config.origin) == (None, "policy")
    assert reloader.head_problem == config.head_problem
    assert reloader.last_problem is None
    assert reloader.check_reload() is None
    path.write_bytes(whole)
    age(path)
    config = reloader.check_reload()
    assert config is not None
    assert config.head is not None
    assert reloader.head_problem is None


def test_a_policy_whose_head_is_missing_is_in_force_and_looked_at_again(models: Path) -> None:
    entry = saved_head(models)
    path = models.parent / entry.file
    path.rename(path.with_suffix(".away"))
    policy = read_inference_policy(models).model_copy(update={"personal_head": entry, "reject_threshold": 0.42})
    reloader = InferencePolicyReloader(models, 0)
    reloader.load()
    save_inference_policy(policy, models)
    age(policy_path(models))
    config = reloader.check_reload()
    assert config is not None
    assert (config.reject_threshold, config.head) == (0.42, None)
    assert "is missing" in str(reloader.head_problem)
    path.with_suffix(".away").rename(path)
    age(path)
    config = reloader.check_reload()
    assert config is not None
    assert config.head is not None
    fresh = InferencePolicyReloader(models, 0)
    fresh.load()
    path.unlink()
    config = fresh.check_reload()
    assert config is not None
    assert config.head is None


def test_an_edited_threshold_does_not_read_the_head_again(models: Path) -> None:
    served_head(models)
    time.sleep(0.15)  # a file written a moment ago is not cached
    reloader = InferencePolicyReloader(models, 0)
    before = reloader.load()
    save_inference_policy(read_inference_policy(models).model_copy(update={"reject_threshold": 0.4}), models)
    age(policy_path(models))
    config = reloader.check_reload()
    assert config is not None
    assert config.stored_head is before.stored_head


def test_a_promotion_writes_its_head_before_the_policy_and_a_roll_back_brings_the_former_one_back(models: Path) -> None:
    first = served_head(models)
    served = resolve_inference_config(models)
    promote(
        models,
        stage(models, FIRST),
        STORE,
        reject_threshold=0.6,
        replaces=served.bundle_id,
        head=some_head(seed=2),
        labelled_minutes=120,
    )
    config = resolve_inference_config(models)
    assert config.stored_head is not None
    assert (config.bundle_id, config.stored_head.labelled_minutes) == (FIRST, 120)
    assert config.stored_head.head.digest != first.sha256
    assert len(head_files(models)) == 2
    roll_back(models)
    assert resolve_inference_config(models).config_digest == served.config_digest
    promoted(models, SECOND)
    assert resolve_inference_config(models).head is None


def test_a_roll_back_to_a_policy_whose_head_is_gone_serves_the_model_alone(models: Path) -> None:
    entry = served_head(models)
    promoted(models, FIRST)
    (models.parent / entry.file).unlink()
    assert roll_back(models).bundle_id == BUNDLE.name
    assert resolve_inference_config(models).head_problem is not None


def test_heads_that_no_kept_policy_names_are_removed_after_a_day(models: Path) -> None:
    former, second = served_head(models), some_head(seed=2)
    promoted(models, FIRST)
    unnamed, fresh = saved_head(models, some_head(seed=3)), saved_head(models, some_head(seed=4))
    present = served_head(models, second)
    for entry in (former, present, unnamed):
        age(models.parent / entry.file, 90_000)
    text = policy_path(models).read_bytes()
    policy_path(models).write_bytes(text[:-9])
    assert remove_old_heads(models) == []
    policy_path(models).write_bytes(text)
    assert remove_old_heads(models) == [Path(unnamed.file).name]
    assert head_files(models) == {Path(entry.file).name for entry in (former, present, fresh)}
    policy_path(models).unlink()
    assert remove_old_heads(models, kept=0) == sorted(Path(entry.file).name for entry in (former, present))


def test_an_edit_keeps_the_head_and_a_pick_finds_the_one_of_its_model(models: Path) -> None:
    entry = served_head(models)
    edited = json.loads(policy_path(models).read_text()) | {"reject_threshold": 0.7}
    policy_path(models).write_text(json.dumps(edited))
    config = resolve_inference_config(models)
    assert config.head is not None
    assert config.reject_threshold == 0.7
    assert policy_by_hand(models, reject_threshold=0.5, calibrator_store=config.calibrator_store_dir).personal_head
    assert policy_by_hand(models, without_calibrators=True).personal_head is None
    promoted(models, FIRST)
    assert policy_for_bundle(models, models / FIRST, "tray").personal_head is None
    assert policy_for_bundle(models, models / BUNDLE.name, "tray").personal_head == entry
    assert len(earlier_entries(models)) == 1
    assert draft_policy_for_edit(models).personal_head is None
