"""`taskclf-tray policy`: create, show, validate, remove."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taskclf_tray.infer.resolve import resolve_inference_config
from tests.support.heads import served_head
from tests.support.homes import CommandLine, edit
from tests.support.sample_rows import BUNDLE

OTHER = "2026-11-22_000000_run-0002"


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", capsys)


@pytest.fixture
def policy(line: CommandLine) -> Path:
    return line.models / "inference_policy.json"


def test_create_writes_down_what_is_served(line: CommandLine, policy: Path) -> None:
    policy.unlink()
    before = resolve_inference_config(line.models).config_digest
    facts = line.json("policy", "create")
    assert json.loads(policy.read_text()) == facts["policy"]
    assert (facts["policy"]["source"], facts["served"]["by"]) == ("manual", "policy")
    assert resolve_inference_config(line.models).config_digest == before


def test_create_refuses_to_overwrite(line: CommandLine, policy: Path) -> None:
    before = policy.read_bytes()
    assert "There is already a policy" in line.refused("policy", "create")
    policy.write_text("{ half")
    assert "--force" in line.refused("policy", "create")
    assert policy.read_text() == "{ half"
    policy.write_bytes(before)
    assert line.call("policy", "create", "--force")[0] == 0


def test_create_takes_model_threshold_and_store(line: CommandLine) -> None:
    line.add_model(OTHER, reject_threshold=0.7)
    made = line.json("policy", "create", "--force", "--model-dir", OTHER)["policy"]
    assert (made["model_dir"], made["reject_threshold"]) == (f"models/{OTHER}", 0.7)
    assert made["calibrator_store_dir"] is None
    words = ("policy", "create", "--force", "--reject-threshold", "0.6", "--calibrator-store")
    made = line.json(*words, "artifacts/calibrator_store")["policy"]
    assert (made["model_dir"], made["reject_threshold"]) == (f"models/{BUNDLE.name}", 0.6)
    assert (made["calibrator_store_dir"], made["calibration_method"]) == ("artifacts/calibrator_store", "temperature")
    assert line.json(*words, str(line.home / "artifacts/calibrator_store"))["policy"] == made | {
        "created_at": json.loads((line.models / "inference_policy.json").read_text())["created_at"]
    }
    made = line.json(*words, "none")["policy"]
    assert (made["calibrator_store_dir"], made["calibration_method"]) == (None, None)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--model-dir", "gone"), "There is no model gone"),
        (("--calibrator-store", "artifacts/gone"), "is missing"),
        (("--calibrator-store", "models"), "is missing"),
        (("--model-dir", str(BUNDLE)), "outside the home"),
        (("--model-dir", OTHER, "--calibrator-store", "artifacts/calibrator_store_isotonic"), "belongs to the model"),
    ],
)
def test_create_writes_nothing_that_would_not_be_valid(
    line: CommandLine, policy: Path, words: tuple[str, ...], what: str
) -> None:
    line.add_model(OTHER)
    before = policy.read_bytes()
    assert what in line.refused("policy", "create", "--force", *words)
    assert policy.read_bytes() == before


@pytest.mark.parametrize("threshold", ["7", "-0.1", "nan", "high", "inf"])
def test_a_threshold_out_of_range_is_wrong_usage(line: CommandLine, threshold: str) -> None:
    assert "usage:" in line.refused("policy", "create", "--force", f"--reject-threshold={threshold}", code=2)


def test_show(line: CommandLine, policy: Path) -> None:
    code, out, err = line.call("policy", "show")
    assert (code, err) == (0, "")
    assert policy.read_text().strip() in out
    assert f"Served: {BUNDLE.name}, as models/inference_policy.json says" in out
    facts = line.json("policy", "show")
    assert (facts["policy"], facts["problems"]) == (json.loads(policy.read_text()), [])


def test_show_of_a_bad_policy_says_what_is_served_instead_and_why(line: CommandLine, policy: Path) -> None:
    edit(policy, reject_threshold=7)
    code, out, _ = line.call("policy", "show")
    assert code == 0
    assert "! reject_threshold is 7" in out
    assert "as models/active.json says" in out
    facts = line.json("policy", "show")
    assert facts["served"]["by"] == "active"
    assert facts["problems"][0]["key"] == "reject_threshold"
    assert "reject_threshold is 7" in facts["served"]["warnings"][0]
    for content in (b"\xff\xfe\x00", b" " * 1_000_001, b""):
        policy.write_bytes(content)
        code, out, _ = line.call("policy", "show")
        assert code == 0
        assert "! The file inference_policy.json" in out
    policy.unlink()
    assert "There is no policy" in line.call("policy", "show")[1]
    assert line.json("policy", "show")["exists"] is False


def test_validate_names_every_problem(line: CommandLine, policy: Path) -> None:
    assert line.call("policy", "validate")[0] == 0
    assert line.json("policy", "validate") == {"path": str(policy), "is_valid": True, "problems": []}
    edit(policy, reject_threshold=None, calibration_method="platt", model_dir="/abs")
    code, out, err = line.call("policy", "validate")
    assert (code, err) == (1, "")
    assert [row.split()[1] for row in out.splitlines()[:3]] == ["model_dir", "calibration_method", "reject_threshold"]
    assert out.splitlines()[3] == "Correct the policy file and save it again."
    facts = line.json("policy", "validate", code=1)
    assert [problem["key"] for problem in facts["problems"]] == ["model_dir", "calibration_method", "reject_threshold"]
    policy.unlink()
    assert "taskclf-tray policy create" in line.call("policy", "validate")[1]


def test_the_head_is_shown_and_one_that_cannot_be_used_named(line: CommandLine, policy: Path) -> None:
    entry = served_head(line.models)
    code, out, _ = line.call("policy", "show")
    assert code == 0
    assert "With your words: a personal head, fitted on 02 Mar 2026 at " in out
    shown = line.json("policy", "show")["served"]["personal_head"]
    assert (shown["file"], shown["sha256"], shown["labelled_minutes"]) == (entry.file, entry.sha256, 37)
    (line.home / entry.file).unlink()
    assert line.json("policy", "show")["served"]["personal_head"] is None
    code, out, _ = line.call("policy", "validate")
    assert code == 0
    assert out.splitlines()[1].startswith("! The model predicts without it. The personal head ")
    assert "is missing" in line.json("policy", "validate")["head_problem"]


def test_validate_reads_the_model_too(line: CommandLine) -> None:
    model = line.models / BUNDLE.name / "model.txt"
    model.write_text(model.read_text()[:100_000])
    assert [p["key"] for p in line.json("policy", "validate", code=1)["problems"]] == ["model_dir"]


def test_remove(line: CommandLine, policy: Path) -> None:
    facts = line.json("policy", "remove")
    assert (facts["removed"], facts["served"]["by"]) == (True, "active")
    assert not policy.exists()
    code, out, _ = line.call("policy", "remove")
    assert code == 0
    assert "There was no policy" in out


def test_validate_refuses_a_temperature_that_gives_no_numbers(line: CommandLine, policy: Path) -> None:
    edit(policy, calibrator_store_dir="artifacts/calibrator_store", calibration_method="temperature")
    assert line.call("policy", "validate")[0] == 0
    edit(line.home / "artifacts/calibrator_store/global.json", temperature=5e-324)
    (problem,) = line.json("policy", "validate", code=1)["problems"]
    assert problem["key"] == "calibrator_store_dir"
    assert problem["problem"].startswith("calibrator_store_dir cannot be used: ")
    assert "temperature is 5e-324" in problem["problem"]
    assert "calibrator_store_dir" in line.call("policy", "validate")[1]
