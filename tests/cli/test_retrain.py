"""`train retrain` and `model rollback`: what they print, and that they do what the tray does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from taskclf_tray.infer.resolve import resolve_inference_config
from taskclf_tray.labels.learning import Reinference, load_reinference
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.store.database import Database
from tests.support.homes import CommandLine, Home
from tests.support.promotion_home import FIRST, make_small, promoted
from tests.support.sample_rows import BUNDLE
from tests.support.worked_days import USER, make_home, record_days, write_export, write_labels

pytestmark = pytest.mark.usefixtures("forked_jobs")


def test_retrain_says_how_it_goes_and_rollback_goes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = make_home(tmp_path / "home")
    record_days(paths, range(3))
    line = Home(paths.home, capsys)
    code, out, err = line.call("train", "retrain")
    (bundle,) = paths.models.glob("2*")
    assert code == 0
    assert re.match(rf"{bundle.name} is in use now\.\n\w+ is now recognised: recall 0\.\d\d → ", out)
    assert "`taskclf-tray model rollback`" in out
    assert "Training on 450 labelled minutes in 33 blocks on 3 days." in err
    assert "no model that was active before" in line.refused("model", "rollback")


def test_rollback_asks_the_app_to_answer_the_record_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = CommandLine(tmp_path / "home", capsys)
    make_small(line.models / BUNDLE.name)
    processed = line.home / "data" / "processed"
    processed.mkdir(parents=True, exist_ok=True)
    (processed / ".user_id").write_text(USER)
    (processed / ".title_secret").write_text("0" * 63 + "1")
    Database(line.home / "tray" / "tray.db").close()
    before = (line.models / "inference_policy.json").read_bytes()
    promoted(line.models, FIRST)
    code, out, err = line.call("model", "rollback")
    assert (code, err) == (0, "")
    assert out.startswith(f"Rolled back to {BUNDLE.name}; its policy is as it was.\nServed: {BUNDLE.name}, as")
    assert (line.models / "inference_policy.json").read_bytes() == before
    assert resolve_inference_config(line.models).bundle_id == BUNDLE.name
    database = Database(line.home / "tray" / "tray.db")
    assert load_reinference(database, USER) == Reinference(BUNDLE.name)
    database.close()
    # with no promotion left to take back it is the pointer's turn, as ever
    assert "no model that was active before" in line.refused("model", "rollback")


def test_too_few_labels_are_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = make_home(tmp_path / "home")
    record_days(paths, range(1), labelled=())
    line = Home(paths.home, capsys)
    code, out, err = line.call("train", "retrain", "--json")
    assert (code, json.loads(out)["error"]) == (1, err.partition(": ")[2].partition(" Label 10")[0])
    assert "There are 0 labelled blocks; a model of your own needs at least 10. Label 10 more" in err


def test_exports_and_label_files_teach_a_home_without_a_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of days long ago: who names an export means all of it. Times without an offset are said."""
    export = write_export(tmp_path / "export.json", range(3))
    labels = write_labels(tmp_path / "labels.csv", range(3))
    labels.write_text(labels.read_text().replace("+00:00", ""))
    line = Home(tmp_path / "home", capsys)
    code, out, err = line.call("train", "retrain", "--input", str(export), "--labels", str(labels))
    (bundle,) = line.models.glob("2*")
    assert code == 0
    assert out.startswith(f"{bundle.name} is in use now.\n")
    assert "90 times have no offset: 2026-03-02T08:00:00 was read as 08:00 UTC, that is " in err
    assert "Training on 450 labelled minutes in 33 blocks on 3 days." in err
    resolved = resolve_inference_config(line.models)
    assert (resolved.bundle_id, resolved.origin) == (bundle.name, "policy")
    database = Database(line.home / "tray" / "tray.db", read_only=True)
    with database.reading():
        assert database.buckets.count(load_or_create_identity(line.home).user_id) == 0
    database.close()
