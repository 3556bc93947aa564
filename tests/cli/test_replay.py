"""`train replay`: what it prints, what it refuses, and that Ctrl-C leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from taskclf_tray.labels.csv_files import write_label_csv
from tests.support.homes import Home
from tests.support.processes import wait_until
from tests.support.worked_days import spans_of, write_export

pytestmark = pytest.mark.usefixtures("forked_jobs")

RESULTS = ["learning_curve.png", "predictions.csv", "replay.json", "replay.md"]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command, for twenty minutes of an export."""
    export = write_export(tmp_path / "export.json", [0], 2)
    write_label_csv(tmp_path / "labels.csv", spans_of([0], 2))
    return [
        "train", "replay", "--input", str(export), "--labels", str(tmp_path / "labels.csv"), "--out-dir",
        str(tmp_path / "out"),
    ]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    return Home(tmp_path / "home", capsys)


def test_the_answer_in_words(home: Home, words: Sequence[str], tmp_path: Path) -> None:
    code, out, err = home.call(*words)
    assert (code, err) == (0, "")
    assert "of 20 labelled minutes on 1 day." in out
    assert f"Written to {tmp_path / 'out'}: " in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == RESULTS
    assert not home.home.exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--from-day", "0"], "days are counted from 1"),
        (["--answers-per-day", "0"], "there are 1 to 24 questions a day"),
        (["--answers-per-day", "2", "--all-labels"], "not allowed with argument"),
    ],
)
def test_wrong_usage(home: Home, words: Sequence[str], more: Sequence[str], sentence: str) -> None:
    assert sentence in home.refused(*words, *more, code=2)


def test_a_mistake_is_one_sentence_and_a_next_step(home: Home, words: Sequence[str], tmp_path: Path) -> None:
    error = home.refused(*words, "--from-day", "2")
    assert error == (
        "taskclf-tray: There is no labelled minute from day 2 on; the export holds 1. "
        "Choose an earlier day with --from-day.\n"
    )
    assert list((tmp_path / "out").iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(words: Sequence[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taskclf_tray.cli.main", *words, "--home", str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        wait_until(lambda: list((tmp_path / "out").glob(".replay-*/home/tray/*.db-wal")), "the record", 120)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert list((tmp_path / "out").iterdir()) == []
    assert json.loads((tmp_path / "export.json").read_text())
