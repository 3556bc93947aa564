"""What is served and what is said when policy, taxonomy or models change under a running app."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.app import serving as serving_module
from taskclf_tray.app.serving import Overrides, Serving
from taskclf_tray.app.text import Message
from taskclf_tray.core.smoothing import (
    BUILT_IN_TRANSITIONS,
    DEFAULT_SMOOTHER,
    SmootherChoice,
    Transitions,
    smoothing_entry,
)
from taskclf_tray.infer.resolve import ModelResolutionError
from taskclf_tray.labels.categories import KeptCategories
from taskclf_tray.store.database import Database
from tests.support.heads import served_head
from tests.support.worker_home import copy_home
from tests.support.worker_rig import BUNDLE

Edit = Callable[[dict[str, Any]], object]


class Home:
    """A taskclf home and what serves from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = copy_home(folder / "home")
        self.models = self.folder / "models"
        self.policy = self.models / "inference_policy.json"
        self.taxonomy = self.folder / "configs" / "user_taxonomy.yaml"
        self.saves = 0

    def serving(
        self,
        overrides: Overrides | None = None,
        smoother: SmootherChoice = "majority",
        kept: KeptCategories | None = None,
    ) -> Serving:
        return Serving(self.models, self.taxonomy, overrides=overrides, smoother=smoother, kept=kept)

    def save(self, path: Path, words: str) -> None:
        """As an editor, some time ago: so old that nobody is still writing, and new each time."""
        self.saves += 1
        path.write_text(words)
        when = path.stat().st_mtime_ns - (100 - self.saves) * 1_000_000_000
        os.utime(path, ns=(when, when))

    def edit_policy(self, edit: Edit) -> None:
        data = json.loads(self.policy.read_text())
        edit(data)
        self.save(self.policy, json.dumps(data))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def told(messages: list[Message]) -> str:
    return "\n".join(f"{title}: {body}" for title, body in messages)


def test_the_policy_is_in_force_from_the_start(home: Home) -> None:
    serving = home.serving()
    assert serving.load() == []
    assert serving.config is not None
    assert serving.config.reject_threshold == 0.9
    assert serving.check() == []


def test_no_policy_is_no_news(home: Home) -> None:
    home.policy.unlink()
    serving = home.serving()
    assert serving.load() == []
    assert serving.resolved is not None
    assert serving.resolved.origin == "active"


def test_a_good_save_is_said_with_what_changed(home: Home) -> None:
    serving = home.serving()
    serving.load()
    home.edit_policy(lambda data: data.update(reject_threshold=0.6))
    assert told(serving.check()) == "Inference policy applied: threshold 0.90 → 0.60"
    assert serving.config is not None
    assert serving.config.reject_threshold == 0.6
    assert serving.check() == []


def test_learnt_transitions_take_effect_by_themselves_and_go_with_the_policy(home: Home) -> None:
    serving = home.serving(smoother=DEFAULT_SMOOTHER)
    serving.load()
    assert serving.config is not None
    assert serving.config.transitions is None
    home.edit_policy(lambda data: data.update(smoothing=smoothing_entry(Transitions.sticky(0.9))))
    serving.check()
    assert serving.config.transitions == Transitions.sticky(0.9)
    home.edit_policy(lambda data: data.pop("smoothing"))
    serving.check()
    assert serving.config.transitions is None


def test_learnt_transitions_take_effect_where_the_person_chose_hmm(home: Home) -> None:
    learnt = Transitions.sticky(0.9)
    servings = home.serving(smoother="hmm"), home.serving()
    for serving in servings:
        serving.load()
    by_hmm, by_majority = (serving.config for serving in servings)
    assert by_hmm is not None
    assert by_majority is not None
    assert (by_hmm.transitions, by_majority.transitions) == (BUILT_IN_TRANSITIONS, None)
    assert by_hmm.config_id != by_majority.config_id
    home.edit_policy(lambda data: data.update(smoothing=smoothing_entry(learnt)))
    for serving, expected in zip(servings, (learnt, None), strict=True):
        assert told(serving.check()) == "Inference policy applied: how labels follow each other"
        assert serving.config is not None
        assert serving.config.transitions == expected
        assert serving.config.config_id not in (by_hmm.config_id, by_majority.config_id)


@pytest.mark.parametrize(
    ("edit", "key"),
    [
        (lambda data: data.update(reject_threshold=7), "reject_threshold"),
        (lambda data: data.update(reject_threshold=None), "reject_threshold"),
        (lambda data: data.update(model_dir="models/nowhere"), "model_dir"),
        (lambda data: data.update(model_dir="../../etc"), "model_dir"),
        (lambda data: data.update(model_schema_hash="000000000000"), "model_schema_hash"),
        (lambda data: data.update(calibrator_store_dir="artifacts/none"), "calibrator_store_dir"),
        (lambda data: data.pop("model_dir"), "model_dir"),
        (lambda data: data.update(policy_version="v9"), "policy_version"),
        (lambda data: data.update(smoothing={"smoother": "hmm", "transitions": [[1] * 8] * 8}), "smoothing"),
    ],
)
def test_a_bad_save_keeps_the_old_one_names_the_key_and_is_said_once(home: Home, edit: Edit, key: str) -> None:
    serving = home.serving()
    serving.load()
    assert serving.config is not None
    before = serving.config.config_id
    home.edit_policy(edit)
    said = told(serving.check())
    assert said.startswith("Inference policy not applied: ")
    assert key in said
    assert serving.config.config_id == before
    assert serving.check() == []


def test_a_save_that_is_no_json_and_its_repair(home: Home) -> None:
    serving = home.serving()
    serving.load()
    good = home.policy.read_text()
    for broken in (good[:-5], "", "[]", "\x00"):
        home.save(home.policy, broken)
        assert "not applied" in told(serving.check()), broken
        assert serving.check() == []
    home.save(home.policy, good)
    assert "nothing that is served has changed" in told(serving.check())


def test_reload_now_says_again_what_is_wrong(home: Home) -> None:
    serving = home.serving()
    serving.load()
    home.edit_policy(lambda data: data.update(reject_threshold=7))
    serving.check()
    assert "reject_threshold" in told(serving.reload())
    home.edit_policy(lambda data: data.update(reject_threshold=0.8))
    assert "threshold 0.90 → 0.80" in told(serving.reload())
    assert "up to date" in told(serving.reload())


def test_reload_now_sees_a_calibrator_that_was_replaced(home: Home) -> None:
    serving = home.serving()
    serving.load()
    (home.folder / "artifacts" / "calibrator_store_isotonic" / "global.json").write_text(
        (home.folder / "artifacts" / "calibrator_store" / "global.json").read_text()
    )
    assert serving.check() == []
    assert "the content of the calibrators" in told(serving.reload())


def test_a_policy_that_is_removed_and_comes_back(home: Home) -> None:
    serving = home.serving()
    serving.load()
    good = home.policy.read_text()
    home.policy.unlink()
    assert "Inference policy removed: Without it: threshold 0.90 → 0.55" in told(serving.check())
    home.save(home.policy, good)
    assert "threshold 0.55 → 0.90" in told(serving.check())


def test_a_broken_policy_at_the_start_is_said_once_with_its_place(home: Home) -> None:
    home.edit_policy(lambda data: data.update(reject_threshold="high"))
    serving = home.serving()
    said = told(serving.load())
    assert "cannot be used" in said
    assert "inference_policy.json" in said
    assert "reject_threshold" in said
    assert serving.check() == []


def test_a_head_that_cannot_be_used_is_said_once_and_used_when_it_is_whole_again(home: Home) -> None:
    entry = served_head(home.models)
    path = home.folder / entry.file
    whole = path.read_bytes()
    serving = home.serving()
    assert serving.load() == []
    assert serving.config is not None
    assert serving.config.head is not None
    home.save(path, "{}")
    words = told(serving.check())
    assert "Inference policy applied: without what it has learnt from your words" in words
    assert f"from your words cannot be used: The model predicts without it. The personal head {path}" in words
    assert "Label a block or retrain" in words
    assert serving.check() == []
    assert serving.config.head is None
    home.edit_policy(lambda data: data.update(reject_threshold=0.5))
    assert "cannot be used" not in told(serving.check())
    assert told(serving.reload()).startswith("What was learnt from your words cannot be used")
    assert told(home.serving().load()).startswith("What was learnt from your words cannot be used")
    home.save(path, whole.decode())
    assert told(serving.check()) == "Inference policy applied: what it has learnt from your words"


def test_a_head_that_is_missing_from_the_first_is_said_too(home: Home) -> None:
    serving = home.serving()
    serving.load()
    lost = {"file": "tray/heads/0123456789abcdef.json", "sha256": "0" * 64}
    home.edit_policy(lambda data: data.update(personal_head=lost))
    words = told(serving.check())
    assert "What was learnt from your words cannot be used" in words
    assert "is missing" in words
    assert serving.check() == []


def test_a_taxonomy_edited_live(home: Home) -> None:
    serving = home.serving()
    serving.load()
    good = home.taxonomy.read_text()
    home.save(home.taxonomy, good.replace("Deep Work", "Focus"))
    assert "categories were applied" in told(serving.check())
    assert serving.config is not None
    assert serving.config.taxonomy is not None
    assert serving.config.taxonomy.buckets[0].name == "Focus"
    home.save(home.taxonomy, good.replace("#2E86DE", "blue"))
    said = told(serving.check())
    assert "color" in said
    assert "line" in said
    assert said.count("The previous categories stay in use.") == 1
    assert serving.config.taxonomy.buckets[0].name == "Focus"
    assert serving.check() == []
    home.taxonomy.unlink()
    assert "removed" in told(serving.check())
    assert serving.config.taxonomy is None
    home.save(home.taxonomy, "buckets: [")
    assert told(serving.check()).count("Until then the eight labels are shown.") == 1
    assert serving.config.taxonomy is None
    home.taxonomy.unlink()
    assert serving.check() == []
    home.save(home.taxonomy, good)
    assert "applied" in told(serving.check())
    home.taxonomy.unlink()
    assert "removed" in told(serving.check())


def test_a_start_with_a_wrong_taxonomy_shows_the_last_valid_one(home: Home, tmp_path: Path) -> None:
    database = Database(tmp_path / "tray.db")
    kept = KeptCategories(database)
    serving = home.serving(kept=kept)
    serving.load()
    valid = serving.taxonomy
    assert valid is not None
    home.save(home.taxonomy, "buckets: [")
    serving = home.serving(kept=kept)
    assert "previous categories stay in use" in told(serving.load())
    assert serving.taxonomy == valid
    assert serving.config is not None
    assert serving.config.taxonomy == valid
    home.taxonomy.unlink()
    assert "removed" in told(serving.check())
    home.save(home.taxonomy, "buckets: [")
    serving = home.serving(kept=kept)
    assert "the eight labels are shown" in told(serving.load())
    assert serving.taxonomy is None
    database.close()


def test_a_taxonomy_an_editor_is_still_writing_is_not_judged(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    serving = home.serving()
    serving.load()
    home.taxonomy.write_text("buckets: [")
    assert serving.check() == []
    assert serving.config is not None
    assert serving.config.taxonomy is not None
    monkeypatch.setattr(serving_module, "SETTLE_SECONDS", 0.0)
    assert "previous categories stay in use" in told(serving.check())


def test_no_model_and_one_that_appears(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_module, "_RETRY_SECONDS", 0.0)
    shutil.move(home.models / BUNDLE, tmp_path / BUNDLE)
    home.save(home.taxonomy, "buckets: [")
    serving = home.serving()
    assert "categories cannot be used" in told(serving.load())
    for _ in range(3):
        assert serving.check() == []  # said once, although it is tried again
    assert serving.config is None
    assert serving.problem is not None
    assert "No model can be used" in told(serving.reload())
    shutil.move(tmp_path / BUNDLE, home.models / BUNDLE)
    assert serving.check() == []
    assert serving.config is not None
    assert serving.problem is None


def test_a_model_named_on_the_command_line_goes_before_the_policy(home: Home) -> None:
    serving = home.serving(Overrides(model_dir=home.models / BUNDLE))
    assert serving.load() == []
    assert not serving.follows_policy
    assert serving.config is not None
    assert serving.config.reject_threshold == 0.55
    home.edit_policy(lambda data: data.update(reject_threshold=0.6))
    assert serving.check() == []
    assert serving.config.reject_threshold == 0.55
    with pytest.raises(ModelResolutionError, match="There is no model at"):
        home.serving(Overrides(model_dir=home.models / "nowhere")).load()
