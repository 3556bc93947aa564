"""`train`: what it prints, what it refuses, and that Ctrl-C leaves nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from taskclf_tray.infer.calibration import TemperatureCalibrator
from taskclf_tray.jobs.train import run
from taskclf_tray.models.bundle import MODEL_FILE
from taskclf_tray.system.own_process import ATTACHABLE_VARIABLE
from taskclf_tray.train.train_request import TrainRequest
from tests.support.homes import CommandLine
from tests.support.processes import is_over, wait_until
from tests.support.worked_days import make_home, record_days

pytestmark = pytest.mark.usefixtures("forked_jobs")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of nine days, and a model of the first of them."""
    home = tmp_path_factory.mktemp("trained") / "home"
    record_days(make_home(home), range(9))
    run(TrainRequest("lgbm", str(home), rounds=10, prior="none"), lambda _event: None)
    return home


class Line(CommandLine):
    """Calls commands in a copy of it."""

    def __init__(self, original: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.models, self._capsys = home, home / "models", capsys
        shutil.copytree(original, home)
        (self.bundle,) = self.models.iterdir()

    def said(self, *words: str, code: int = 0) -> str:
        """What it prints; nothing beside it."""
        found, out, err = self.call("train", *words)
        assert (found, err) == (code, "")
        return out

    def files(self) -> list[str]:
        """All files; the record's own, which reading may touch, left out."""
        found = (str(path.relative_to(self.home)) for path in self.home.rglob("*"))
        return sorted(name for name in found if not name.startswith("tray/"))


@pytest.fixture
def line(original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(original, tmp_path / "home", capsys)


def test_from_labels_to_a_threshold(line: Line) -> None:
    """The commands one after the other, as somebody would."""
    out = line.said("lgbm", "--rounds", "10", "--prior", "none")
    (new,) = (folder for folder in line.models.glob("2*") if folder != line.bundle)
    assert f"Trained {new.name} on 900 labelled minutes of 6 days (2026-03-02 – 2026-03-07)" in out
    assert "Judged on later days, 450 minutes (2026-03-08 – 2026-03-10): macro F1 0." in out
    assert f"{line.bundle.name} is still served." in out
    assert (new / MODEL_FILE).read_bytes() == (line.bundle / MODEL_FILE).read_bytes()  # made by another process
    answer = line.json("train", "calibrate", "--to", "2026-03-08")
    assert (answer["model"], answer["minutes"], answer["is_served"]) == (line.bundle.name, 150, False)
    store = Path(answer["store"]).relative_to(line.home)
    surer = TemperatureCalibrator(0.1).to_dict()
    (line.home / store / "global.json").write_text(json.dumps(surer))
    words = ("--model-dir", line.bundle.name, "--calibrator-store", str(store))
    assert line.call("policy", "create", "--force", *words)[0] == 0
    out = line.said("tune-reject", "--target-accuracy", "0.6", "--write")
    assert "Looked at 300 labelled minutes of 2 days (2026-03-09 – 2026-03-10)" in out
    assert "(before: 0.55): with 95% confidence at least 60% of what is accepted is right" in out
    assert f"Written: {line.models / 'inference_policy.json'}" in out
    assert line.call("policy", "create", "--force", *words[:2], "--calibrator-store", "none")[0] == 0
    documented = ("--model-dir", f"models/{line.bundle.name}", "--calibrator-store", str(store), "--from", "2026-03-09")
    out = line.said("tune-reject", *documented, "--to", "2026-03-10", "--target-accuracy", "0.6", "--write-policy")
    policy = json.loads((line.models / "inference_policy.json").read_text())
    assert (policy["calibrator_store_dir"], policy["source"]) == (store.as_posix(), "tune-reject")
    out = line.said("tune-reject", "--target-accuracy", "0.99", "--write", code=1)
    assert "and the app keeps asking" in out
    code, out, err = line.call("train", "evaluate")
    assert code == 0
    assert f"{line.bundle.name} on 450 labelled minutes of 3 days" in out
    assert "  label          precision  recall     F1  minutes" in out
    assert "evaluation.json" in out
    assert err == (
        "taskclf-tray: Calibrators were chosen on days up to 2026-03-08: the calibration error of these days looks too "
        "good.\n"
    )


def test_the_list(line: Line) -> None:
    (line.models / "broken").mkdir()
    rows = {row["model"]: row for row in line.json("train", "list")["models"]}
    row = rows[line.bundle.name]
    assert (row["data_provenance"], row["train_date_to"], row["seed"]) == ("real", "2026-03-07", 7)
    assert rows["broken"]["problem"]
    out = line.said("list")
    assert "real data 2026-03-02 – 2026-03-07, schema v3, seed 7" in out
    assert f"dataset {row['dataset_hash'][:12]}, calibrators: none" in out
    assert "cannot be served" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lgbm", "--input", "absent.json"], "absent.json cannot be opened"),
        (["evaluate", "--from", "2030-01-01"], "No recorded minute has a label in this range."),
        (["calibrate", "--model-dir", "nowhere"], "There is no model at nowhere."),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "says",
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_changes_nothing(line: Line, words: Sequence[str], sentence: str) -> None:
    before = line.files()
    error = line.refused("train", *words)
    assert sentence in error
    assert error.count("\n") <= 2
    assert line.files() == before


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["lgbm", "--schema", "v9"],
        ["lgbm", "--seed", "-1"],
        ["lgbm", "--rounds", "0"],
        ["tune-reject", "--target", "2"],
    ],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_wrong_usage(line: Line, words: Sequence[str]) -> None:
    assert "error:" in line.refused("train", *words, code=2)


def test_stopping_the_process_leaves_nothing_half_written(line: Line) -> None:
    before = line.files()
    request = {"action": "lgbm", "home": str(line.home), "rounds": 5000, "prior": "none"}
    command = [sys.executable, "-m", "taskclf_tray.jobs.train", json.dumps(request)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "progress"
        process.terminate()
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "")
    assert {json.loads(event)["event"] for event in out.splitlines()} <= {"progress"}
    assert line.files() == before


def test_ctrl_c_ends_the_command_and_its_process(line: Line) -> None:
    before = line.files()
    command = [sys.executable, "-m", "taskclf_tray.cli.main", "train", "lgbm", "--home", str(line.home)]
    command += ["--rounds", "5000", "--prior", "none"]
    env = {**os.environ, ATTACHABLE_VARIABLE: "1"}  # its maps are read below, perhaps not by root
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env=env
    ) as process:
        child = child_of(process.pid)
        wait_until(lambda: b"lib_lightgbm" in Path(f"/proc/{child}/maps").read_bytes(), "the training", 120)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert is_over(child)
    assert line.files() == before


def child_of(process_id: int) -> int:
    """The process that trains, as soon as there is one."""
    listed = Path(f"/proc/{process_id}/task/{process_id}/children")

    def found() -> int:
        children = map(int, listed.read_text().split())
        return next((child for child in children if b"jobs.train" in Path(f"/proc/{child}/cmdline").read_bytes()), 0)

    return wait_until(found, "a process that trains", 120)
