"""The command line: what runs by default, what is refused, what is printed and with which exit code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from taskclf_tray import __version__
from taskclf_tray.app import doctor
from taskclf_tray.app.home_checks import CheckResult
from taskclf_tray.cli import run
from taskclf_tray.cli.main import build_parser, main
from taskclf_tray.core.errors import SourceError
from taskclf_tray.simulation.personas import PERSONAS
from taskclf_tray.ui import app
from taskclf_tray.ui.app import Options


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """The options the app was started with."""
    seen: list[Options] = []
    monkeypatch.setattr(app, "run", lambda options: seen.append(options) or 0)
    return seen


@pytest.mark.parametrize("words", [[], ["run"], ["--headless"], ["run", "--headless"]])
def test_run_is_the_default(started: list[Options], words: list[str]) -> None:
    assert main(words) == 0
    (options,) = started
    assert options == Options(is_headless="--headless" in words)


def test_every_option_of_run_arrives(started: list[Options], tmp_path: Path) -> None:
    main(
        f"run --home {tmp_path} --json --once --source activitywatch --aw-host http://h:1 "
        f"--models-dir {tmp_path}/m --model-dir {tmp_path}/b --out-dir {tmp_path}/o".split()
    )
    assert started == [
        Options(
            home=tmp_path,
            models_dir=tmp_path / "m",
            model_dir=tmp_path / "b",
            aw_host="http://h:1",
            source="activitywatch",
            out_dir=tmp_path / "o",
            is_headless=True,
            is_json=True,
            is_once=True,
        )
    ]


def test_demo_is_a_simulated_person(started: list[Options]) -> None:
    assert main(["demo", "--persona", "writer", "--seed", "7", "--speed", "120"]) == 0
    assert started == [Options(source="simulated", persona="writer", seed=7, speed=120.0)]


def test_the_personas_are_those_there_are() -> None:
    assert tuple(PERSONAS) == run.PERSONAS


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["run", "--nonsense"],
        ["run", "--source", "mars"],
        ["demo", "--speed", "0"],
        ["demo", "--speed", "nan"],
        ["demo", "--speed", "fast"],
        ["demo", "--persona", "nobody"],
        ["demo", "--seed", "1.5"],
    ],
)
def test_wrong_usage_is_2_with_a_sentence(
    started: list[Options], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err
    assert started == []


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words, says in ((["--version"], __version__), (["--help"], "COMMAND"), (["doctor", "--help"], "--json")):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 0
        assert says in capsys.readouterr().out


def test_every_option_has_a_help_text() -> None:
    parser = build_parser()
    waiting, seen = [parser], 0
    while waiting:
        for action in waiting.pop()._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()
            else:
                seen += 1
                assert action.help, action
    assert seen > 20


def test_an_error_is_one_sentence_and_its_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_options: Options) -> int:
        raise SourceError("Nobody answers.", "Start it.")

    monkeypatch.setattr(app, "run", fail)
    assert main([]) == 1
    assert capsys.readouterr().err == "taskclf-tray: Nobody answers. Start it.\n"
    with pytest.raises(SourceError):
        main(["run", "--debug"])


@pytest.mark.parametrize(("error", "code"), [(ZeroDivisionError("Quarterly Secret"), 1), (KeyboardInterrupt(), 130)])
def test_what_nobody_foresaw_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def fail(_options: Options) -> int:
        raise error

    monkeypatch.setattr(app, "run", fail)
    assert main([]) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "Secret" not in said
    assert ("ZeroDivisionError" in said) is (code == 1)


FINDINGS = [
    CheckResult("Home", "ok", "/h"),
    CheckResult("Tray", "note", "none"),
    CheckResult("Model", "failed", "no", "Train."),
]


def test_doctor_prints_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "check_everything", lambda **_: FINDINGS)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out == "✓ Home: /h\n· Tray: none\n✗ Model: no\n    → Train.\n"
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[2] == {
        "subject": "Model",
        "verdict": "failed",
        "detail": "no",
        "next_step": "Train.",
    }
    monkeypatch.setattr(doctor, "check_everything", lambda **_: FINDINGS[:2])
    assert main(["doctor"]) == 0


def test_doctor_on_a_new_home_prints_only_its_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", "--home", str(tmp_path / "h"), "--aw-host", "http://127.0.0.1:9"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert {finding["subject"] for finding in json.loads(out)} >= {"Home", "Model", "Activity source"}
