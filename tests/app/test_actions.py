"""What menu entries do: files are made, opened, or the person is told why not."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.app import actions
from taskclf_tray.app.commands import EditConfig, EditPolicy, OpenDataFolder, OpenLog, PickModel, ReloadNow
from taskclf_tray.app.serving import Overrides
from taskclf_tray.app.session import Session
from taskclf_tray.core.errors import ModelError, SystemToolError
from taskclf_tray.system.opener import OpenResult
from tests.support.worker_rig import BUNDLE, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Everything that was opened."""
    paths: list[Path] = []

    def opens(kind: str) -> object:
        return lambda path: paths.append(path) or OpenResult(kind, "fake")  # type: ignore[arg-type]

    monkeypatch.setattr(actions, "open_in_editor", opens("file"))
    monkeypatch.setattr(actions, "open_folder", opens("folder"))
    return paths


@pytest.fixture
def session(rig: Rig) -> Iterator[Session]:
    session = rig.session()
    yield session
    session.close()


def without_models(rig: Rig) -> None:
    shutil.rmtree(rig.paths.models)
    rig.paths.models.mkdir()


def test_edit_policy_opens_the_one_that_is_there_untouched(rig: Rig, session: Session, opened: list[Path]) -> None:
    before = rig.paths.policy.read_bytes()
    assert actions.perform(session, EditPolicy()) == []
    assert opened == [rig.paths.policy]
    assert rig.paths.policy.read_bytes() == before


def test_edit_policy_writes_one_that_changes_nothing_of_what_is_served(rig: Rig, opened: list[Path]) -> None:
    rig.paths.policy.unlink()
    session = rig.session()
    assert session.serving.resolved is not None
    before = session.serving.resolved.config_digest
    assert actions.perform(session, EditPolicy()) == []
    written = json.loads(rig.paths.policy.read_text())
    assert (written["source"], written["reject_threshold"]) == ("tray-edit", 0.55)
    assert written["calibrator_store_dir"] == "artifacts/calibrator_store_isotonic"
    assert session.serving.check() == []  # not news: nothing changed
    assert session.serving.resolved.config_digest == before
    session.close()
    again = rig.session()
    assert again.serving.resolved is not None
    assert again.serving.resolved.config_digest == before
    assert again.serving.resolved.origin == "policy"
    again.close()


def test_edit_policy_without_a_model_writes_nothing_and_says_where_to_go(rig: Rig, opened: list[Path]) -> None:
    without_models(rig)
    session = rig.session()
    shutil.rmtree(next(path for path in rig.paths.models.iterdir() if path.is_dir()))  # the starter model
    ((title, body),) = actions.perform(session, EditPolicy())
    session.close()
    assert "no model" in title
    assert all(words in body for words in ("Prediction Model", "Open Data Folder", "taskclf-tray doctor"))
    assert not rig.paths.policy.exists()
    assert opened == []


def test_edit_config_makes_one_with_comments(rig: Rig, session: Session, opened: list[Path]) -> None:
    assert actions.perform(session, EditConfig()) == []
    assert opened == [rig.paths.config]
    words = rig.paths.config.read_text()
    assert "aw_host = " in words
    assert "# The address of the ActivityWatch server." in words
    assert "apply when it is saved" in words
    rig.paths.config.write_text("asks_per_day = 2\n")
    actions.perform(session, EditConfig())
    assert rig.paths.config.read_text() == "asks_per_day = 2\n"


def test_data_folder_and_log(rig: Rig, session: Session, opened: list[Path]) -> None:
    assert actions.perform(session, OpenDataFolder()) == []
    assert actions.perform(session, OpenLog()) == []
    assert opened == [rig.paths.home, rig.paths.log]


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_an_editor_that_cannot_be_started_leaves_the_path(
    rig: Rig, session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_clipboard: bool
) -> None:
    monkeypatch.setattr(actions, "open_in_editor", lambda path: OpenResult("nothing", reason="no"))
    copied = tmp_path / "copied"
    programs = tmp_path / "bin"
    programs.mkdir()
    if has_clipboard:
        program = programs / "xclip"
        program.write_text(f'#!/bin/sh\n[ "$*" = "-selection clipboard" ] && exec /bin/cat > {copied}\n')
        program.chmod(0o755)
        broken = programs / "wl-copy"
        broken.write_text("#!/bin/sh\nexit 1\n")
        broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    ((title, body),) = actions.perform(session, EditPolicy())
    assert title == "No editor could be started"
    assert str(rig.paths.policy) in body
    assert ("clipboard" in body) is has_clipboard
    assert copied.exists() is has_clipboard
    if has_clipboard:
        assert copied.read_text() == str(rig.paths.policy)


def test_a_folder_that_cannot_be_shown_is_not_called_an_editor(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "open_folder", lambda path: OpenResult("nothing", reason="no"))
    monkeypatch.setattr(actions, "copy_to_clipboard", lambda words: False)
    ((title, _),) = actions.perform(session, OpenDataFolder())
    assert title == "No file manager could be started"


def other_bundle(rig: Rig, name: str = "2026-11-21_090000_run-0002", *, threshold: float | None = 0.7) -> str:
    target = rig.paths.models / name
    shutil.copytree(rig.paths.models / BUNDLE, target)
    metadata = json.loads((target / "metadata.json").read_text())
    metadata["reject_threshold"] = threshold
    (target / "metadata.json").write_text(json.dumps(metadata))
    store = rig.paths.artifacts / "calibrator_store_other"
    shutil.copytree(rig.paths.artifacts / "calibrator_store", store)
    data = json.loads((store / "store.json").read_text())
    (store / "store.json").write_text(json.dumps({**data, "model_bundle_id": name}))
    return name


def test_a_pick_writes_a_policy_with_the_models_own_calibration_and_holds(rig: Rig) -> None:
    name = other_bundle(rig)
    session = rig.session()
    ((title, body),) = actions.perform(session, PickModel(name))
    assert (title, name in body) == ("Prediction model changed", True)
    assert session.serving.check() == []
    for served in (session, rig.session()):
        resolved = served.serving.resolved
        assert resolved is not None
        assert (resolved.bundle_id, resolved.reject_threshold, resolved.origin) == (name, 0.7, "policy")
        assert resolved.calibrator_store_dir == rig.paths.artifacts / "calibrator_store_other"
        assert [choice.name for choice in served.bundles() if choice.problem is None][:1]
        served.close()


def test_a_pick_of_the_model_in_use_leaves_its_policy_alone(rig: Rig, session: Session) -> None:
    before = rig.paths.policy.read_bytes()
    ((title, _),) = actions.perform(session, PickModel(BUNDLE))
    assert "already in use" in title
    assert rig.paths.policy.read_bytes() == before


def test_a_pick_of_the_best_model_pins_it(rig: Rig) -> None:
    rig.paths.policy.unlink()
    session = rig.session()
    actions.perform(session, PickModel(BUNDLE))
    session.close()
    assert json.loads(rig.paths.policy.read_text())["model_dir"] == f"models/{BUNDLE}"


def test_a_damaged_model_cannot_be_picked(rig: Rig, session: Session) -> None:
    name = other_bundle(rig)
    (rig.paths.models / name / "model.txt").write_text("damaged")
    before = rig.paths.policy.read_bytes()
    with pytest.raises(ModelError):
        actions.perform(session, PickModel(name))
    assert rig.paths.policy.read_bytes() == before


def test_a_pick_beside_a_model_named_at_the_start_promises_nothing(rig: Rig) -> None:
    name = other_bundle(rig)
    before = rig.paths.policy.read_bytes()
    rig.overrides = Overrides(model_dir=rig.paths.models / BUNDLE)
    session = rig.session()
    ((title, body),) = actions.perform(session, PickModel(name))
    session.close()
    assert "command line" in title
    assert "--model-dir" in body
    assert rig.paths.policy.read_bytes() == before


def test_the_list_names_reasons_and_follows_the_folder(rig: Rig, session: Session) -> None:
    name = other_bundle(rig)
    (rig.paths.models / name / "metadata.json").write_text("{}")
    found = {bundle.name: bundle.problem for bundle in session.bundles()}
    assert found[BUNDLE] is None
    assert found[name]


def test_reload_now_with_nothing_new_says_so(session: Session) -> None:
    assert actions.perform(session, ReloadNow())[0][0] == "Everything is up to date"


def test_a_disk_that_refuses_is_a_sentence(
    rig: Rig, session: Session, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(actions, "ensure_config", full)
    with pytest.raises(SystemToolError, match=r"The disk that holds .*config\.toml is full") as caught:
        actions.perform(session, EditConfig())
    assert caught.value.next_step
    assert opened == []
