"""Jobs in processes of their own: their words, their death, and their end with ours."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.jobs.child import JobError, ProgressBar, run_child

JOBS = "tests.support.jobs"


def test_the_last_word_is_the_answer_and_noise_is_passed_over() -> None:
    seen: list[str] = []
    assert run_child(JOBS, {"way": "well"}, lambda event: seen.append(event["event"]))["answer"] == 42
    assert seen == ["started", "unreadable", "unreadable", "unreadable"]


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("refused", r"It is no use\. Do something else\."),
        ("killed", r"ended unexpectedly \(by signal 9\)"),
        ("silent", r"ended unexpectedly \(with code 3\)"),
        ("torn", r"ended unexpectedly \(with code 0\)"),
    ],
)
def test_what_went_wrong_is_one_sentence(way: str, sentence: str) -> None:
    with pytest.raises(JobError, match=sentence):
        run_child(JOBS, {"way": way}, lambda _event: None)


def test_ctrl_c_ends_the_process() -> None:
    pids: list[int] = []

    def interrupted(event: dict[str, Any]) -> None:
        pids.append(event["pid"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child(JOBS, {"way": "slow"}, interrupted)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


@pytest.mark.parametrize("planted", ["signal.py", "json.py", "taskclf_tray/__init__.py", "sitecustomize.py"])
def test_nothing_is_imported_from_the_current_folder(
    planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started in a download folder or a cloned repository, a job must not run what lies there."""
    trap, witness = tmp_path / planted, tmp_path / "witness"
    trap.parent.mkdir(exist_ok=True)
    trap.write_text(f"open({str(witness)!r}, 'w').close()\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    assert run_child(JOBS, {"way": "well"}, lambda _event: None)["answer"] == 42
    assert not witness.exists()


def test_a_job_works_in_its_home_and_finds_what_the_person_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    (here / "bundle").mkdir()
    monkeypatch.chdir(here)
    request = {"way": "echo", "home": str(home), "input": "a.json", "inputs": ["b.json"], "model_dir": "bundle"}
    answer = run_child(JOBS, request, lambda _event: None)
    assert answer["folder"] == str(home)
    assert answer["request"] == {
        **request,
        "input": str(here / "a.json"),
        "inputs": [str(here / "b.json")],
        "model_dir": str(here / "bundle"),
    }
    named = run_child(JOBS, {**request, "model_dir": "2026-03-02_run"}, lambda _event: None)
    assert named["request"]["model_dir"] == "2026-03-02_run"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_for_terminals_only() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for out in (terminal, pipe):
        bar = ProgressBar(out)
        bar.show(0, 0)
        bar.show(50, 200)
        bar.clear()
    assert terminal.getvalue() == "\r" + "█" * 7 + "░" * 23 + "  25 %  50/200\r\x1b[K"
    assert pipe.getvalue() == ""
