"""`taskclf-tray model`: list, inspect, set-active, rollback."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskclf_tray.infer.resolve import resolve_inference_config
from tests.support.homes import CommandLine, edit
from tests.support.sample_rows import BUNDLE

OTHER = "2026-11-22_000000_run-0002"


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", capsys)


def test_list_ranks_marks_and_excludes(line: CommandLine) -> None:
    edit(line.add_model(OTHER) / "metrics.json", macro_f1=0.99)
    line.add_model("2026-11-23_000000_run-0003", schema_hash="0" * 12)
    code, out, err = line.call("model", "list")
    assert (code, err) == (0, "")
    rows = out.splitlines()
    assert rows[0].startswith(f"    1  {OTHER}  real, v3, macro F1 0.990")
    assert rows[1].startswith(f"*>  2  {BUNDLE.name}")
    assert "run-0003  cannot be served" in rows[2]
    assert "feature schema" in rows[2]
    assert f"Served: {BUNDLE.name}, as models/inference_policy.json says; reject threshold 0.9" in out
    facts = line.json("model", "list")
    assert [row["rank"] for row in facts["models"]] == [1, 2, None]
    assert [row["is_served"] for row in facts["models"]] == [False, True, False]
    assert [row["is_active"] for row in facts["models"]] == [False, True, False]
    assert facts["served"]["by"] == "policy"


def test_list_says_by_what_a_model_is_served(line: CommandLine) -> None:
    (line.models / "inference_policy.json").unlink()
    assert line.json("model", "list")["served"]["by"] == "active"
    (line.models / "active.json").write_text("{")
    facts = line.json("model", "list")
    assert facts["served"]["by"] == "best"
    assert "not valid JSON" in facts["active_problem"]
    assert "not valid JSON" in line.call("model", "list")[1]


def test_a_home_without_a_model(line: CommandLine) -> None:
    for name in (BUNDLE.name, "active.json", "inference_policy.json"):
        (line.models / name).rename(line.home / name)
    code, out, _ = line.call("model", "list")
    assert code == 0
    assert "There is no model in" in out
    assert "Served: nothing." in out
    assert line.json("model", "list")["served"]["model"] is None
    assert "No model can be served" in line.refused("model", "inspect")


def test_inspect(line: CommandLine) -> None:
    facts = line.json("model", "inspect")
    assert (facts["model"], facts["is_served"], facts["problem"]) == (BUNDLE.name, True, None)
    assert facts["metrics"]["macro_f1"] == 0.9201
    _, out, _ = line.call("model", "inspect", BUNDLE.name)
    assert "SHA-256 nothing recorded to compare with" in out
    assert "calibrator stores made for it: artifacts/calibrator_store_isotonic" in out
    edit(line.models / BUNDLE.name / "metadata.json", sha256=facts["sha256"])
    assert "SHA-256 as recorded" in line.call("model", "inspect")[1]
    assert "There is no model gone" in line.refused("model", "inspect", "gone")


def test_inspect_of_a_damaged_model_fails_and_says_why(line: CommandLine) -> None:
    (line.add_model(OTHER) / "model.txt").write_text("tree\n")
    code, out, err = line.call("model", "inspect", OTHER)
    assert (code, err) == (1, "")
    assert "cannot be served: The model file is damaged" in out
    assert line.json("model", "inspect", OTHER, code=1)["problem"]


def test_set_active_and_rollback_without_a_policy(line: CommandLine) -> None:
    line.add_model(OTHER)
    (line.models / "inference_policy.json").unlink()
    facts = line.json("model", "set-active", OTHER, "--reason", "to try it")
    assert facts["active"]["reason"] == {"note": "to try it"}
    assert (facts["served"]["model"], facts["notes"]) == (OTHER, [])
    code, out, _ = line.call("model", "rollback")
    assert code == 0
    assert out.startswith(f"Active: models/{BUNDLE.name}\nServed: {BUNDLE.name}, as models/active.json says")
    assert resolve_inference_config(line.models).bundle_id == BUNDLE.name
    assert "no model that was active before" in line.refused("model", "rollback")
    assert line.json("model", "set-active", "--model-id", OTHER)["active"]["model_id"] == OTHER


def test_a_policy_goes_before_and_is_said(line: CommandLine) -> None:
    line.add_model(OTHER)
    code, out, _ = line.call("model", "set-active", OTHER)
    assert code == 0
    assert f"Served: {BUNDLE.name}, as models/inference_policy.json says" in out
    assert "taskclf-tray policy remove" in out
    assert f"policy create --model-dir models/{OTHER} --force" in out
    assert line.json("model", "rollback")["notes"] == []  # back to what the policy names
    assert line.call("policy", "create", "--model-dir", f"models/{OTHER}", "--force")[0] == 0
    assert resolve_inference_config(line.models).bundle_id == OTHER


@pytest.mark.parametrize("name", ["gone", "../models", "x" * 300])
def test_a_model_that_is_not_there_is_refused(line: CommandLine, name: str) -> None:
    before = (line.models / "active.json").read_bytes()
    assert "There is no model" in line.refused("model", "set-active", name)
    assert (line.models / "active.json").read_bytes() == before


def test_a_model_that_cannot_serve_or_lies_outside_is_refused(line: CommandLine, tmp_path: Path) -> None:
    (line.add_model(OTHER) / "model.txt").write_text("tree\n")
    assert "damaged" in line.refused("model", "set-active", OTHER)
    assert "outside the home" in line.refused("model", "set-active", str(BUNDLE))


def test_usage(line: CommandLine) -> None:
    for words in (
        ("model",),
        ("model", "sell"),
        ("model", "set-active"),
        ("model", "set-active", OTHER, "--model-id", OTHER),
        ("model", "list", "--all"),
    ):
        assert "usage:" in line.refused(*words, code=2)
