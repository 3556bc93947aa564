"""A renamed category is renamed on every day, in every view; a half-saved file renames nothing."""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path

import pytest

from taskclf_tray.app import serving as serving_module
from taskclf_tray.app import session_loop
from taskclf_tray.app.worker import TrayRuntime, _LabelSuggester
from taskclf_tray.cli import context as record_module
from taskclf_tray.cli.main import main
from taskclf_tray.core.time import local_day_bounds
from tests.support.worker_rig import Rig, until


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(serving_module, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(record_module, "now", lambda: rig.clock.now())
    monkeypatch.setattr(record_module, "zone_name", lambda: "UTC")
    rig = Rig(tmp_path)
    return rig


def names(runtime: TrayRuntime) -> set[str]:
    return {entry.name for entry in runtime.snapshot.today.entries}


def save(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns + 1_000_000))


def report(rig: Rig, capsys: pytest.CaptureFixture[str]) -> tuple[set[str], str]:
    capsys.readouterr()
    day = f"{rig.clock.now():%Y-%m-%d}"
    assert main(["report", "daily", "--day", day, "--json", "--home", str(rig.paths.home)]) == 0
    out, err = capsys.readouterr()
    return set(json.loads(out)["ui_label_seconds"]), err


def test_a_renamed_category_is_renamed_on_every_day(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    good = rig.paths.taxonomy.read_text()
    midnight, _ = local_day_bounds(rig.clock.now(), "UTC")
    with rig.running() as runtime:
        until(lambda: "Deep Work" in names(runtime), "the morning")
        before = runtime.snapshot.today
        save(rig.paths.taxonomy, good.replace("Deep Work", "Focus"))
        until(lambda: "Focus" in names(runtime), "the new name")
        assert "Deep Work" not in names(runtime)
        assert runtime.snapshot.today.total_minutes == before.total_minutes
        assert report(rig, capsys)[0] == names(runtime)
        suggester = _LabelSuggester.from_policy(rig.paths.models)
        suggestion = suggester.suggest(midnight.replace(hour=9, minute=5), midnight.replace(hour=9, minute=25))
        assert suggestion is not None
        assert suggestion[0] in names(runtime) | {"Mixed/Unknown"}

        save(rig.paths.taxonomy, good.replace("Deep Work", "Focus") + "\n  - [")  # half saved
        until(lambda: rig.notifier.told("The previous categories stay in use."), "what is wrong")
        rig.clock.advance(180)
        until(lambda: runtime.snapshot.today.total_minutes > before.total_minutes, "minutes under the wrong file")
        assert names(runtime) <= set(before_names(good)) | {"Focus"}
        assert report(rig, capsys)[0] == names(runtime)
        assert "your last valid categories are shown" in report(rig, capsys)[1]
    with rig.running() as runtime:  # a start with the wrong file
        until(lambda: "Focus" in names(runtime), "the last valid names")
        save(rig.paths.taxonomy, good)
        until(lambda: "Deep Work" in names(runtime), "the first names")
        assert "Focus" not in names(runtime)
        rig.paths.taxonomy.unlink()
        until(lambda: rig.notifier.told("categories were removed"), "what has changed")
        until(lambda: names(runtime) & {"Build", "Debug"}, "the core labels")
        assert "Deep Work" not in names(runtime)
        assert report(rig, capsys) == (names(runtime), "")


def before_names(taxonomy: str) -> list[str]:
    return [line.partition("name:")[2].strip().strip("\"'") for line in taxonomy.splitlines() if "- name:" in line]


def test_files_of_days_that_are_over_follow_and_predictions_do_not(rig: Rig) -> None:
    good = rig.paths.taxonomy.read_text()
    day = rig.clock.now().date().isoformat()
    path = rig.paths.outputs / f"report_{day}.json"

    def shown() -> set[str]:
        return set(json.loads(path.read_text())["ui_label_seconds"]) if path.exists() else set()

    def written() -> set[str]:
        with (rig.paths.outputs / "predictions.csv").open(newline="") as file:
            return {line["mapped_label"] for line in csv.DictReader(file)}

    session = rig.session()
    try:
        recorder = session.recorder
        assert recorder is not None
        for _ in range(2):
            while not recorder.step(session.now()).is_caught_up:
                pass
            session.write_outputs()
            rig.clock.advance(20 * 3600)
        while not recorder.step(session.now()).is_caught_up:
            pass
        session.write_outputs()
        assert "Deep Work" in shown()
        names_of_then = written()
        save(rig.paths.taxonomy, good.replace("Deep Work", "Focus"))
        assert session.serving.check()
        session.write_outputs()
        assert "Focus" in shown()
        assert "Deep Work" not in shown()
        assert written() == names_of_then
        before = path.stat().st_mtime_ns
        session.write_outputs()
        assert path.stat().st_mtime_ns == before
    finally:
        session.close()
