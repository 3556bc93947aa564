"""The app writes the day's files: at midnight, at shutdown and by --once."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import services
from taskclf_tray.core.time import to_us
from taskclf_tray.report.telemetry import telemetry_name
from taskclf_tray.store.database import Database
from tests.support.worker_home import MORNING, USER, copy_home
from tests.support.worker_rig import Rig, until

MIDNIGHT = MORNING.replace(hour=0)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(services, "OUTPUT_SECONDS", 0.0)
    return Rig(tmp_path)


def covered(rig: Rig, days_from: int, days_to: int) -> float:
    database = Database(rig.paths.database)
    start, end = (to_us(MIDNIGHT + timedelta(days=days)) for days in (days_from, days_to))
    seconds = sum(record.covered_seconds for record in database.buckets.between(USER, start, end))
    database.close()
    return seconds


def test_a_day_that_ends_is_closed_and_the_next_is_reported_at_shutdown(rig: Rig) -> None:
    out = rig.paths.outputs
    rig.clock.set(MORNING + timedelta(hours=8))
    with rig.running():
        until(lambda: (out / "segments.json").exists(), "the first day's record")
        assert not (out / "report_2026-03-02.json").exists()
        rig.clock.set(MORNING + timedelta(days=1, hours=2))
        until(lambda: (out / "telemetry" / telemetry_name(USER)).exists(), "the closed day")
        assert not (out / "report_2026-03-03.json").exists()
    for number, day in enumerate(("2026-03-02", "2026-03-03")):
        report = json.loads((out / f"report_{day}.json").read_text())
        assert report["covered_seconds"] == pytest.approx(covered(rig, number, number + 1))
        assert report["covered_seconds"] > 3_000
    assert (out / "segments_2026-03-02.json").exists()
    assert len((out / "telemetry" / telemetry_name(USER)).read_text().splitlines()) == 1


def test_a_source_that_is_down_closes_no_day(rig: Rig) -> None:
    """Its watchers may have gone on while the server was away; the day is closed when it has been asked."""
    rig.clock.set(MORNING + timedelta(hours=8))
    with rig.running():
        until(lambda: (rig.paths.outputs / "segments.json").exists(), "a record")
    rig.clock.set(MORNING + timedelta(days=1, hours=2))
    rig.source.error = OSError("down")
    with rig.running():
        until(lambda: rig.notifier.notices, "the failure")
    assert not (rig.paths.outputs / "telemetry").exists()
    rig.source.error = None
    with rig.running():
        until(lambda: (rig.paths.outputs / "telemetry").exists(), "the closed day")


def once_simulated(home: Path, out: Path | None) -> str:
    """`run --once` in a process of its own, on a working afternoon; what it printed."""
    program = f"""
from datetime import UTC, datetime
from pathlib import Path
from taskclf_tray.ui.app import Options, run
out = {str(out)!r}
run(Options(
    home=Path({str(home)!r}),
    source="simulated",
    is_once=True,
    start=datetime(2026, 3, 2, 15, tzinfo=UTC),
    out_dir=None if out == "None" else Path(out),
))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_once_reports_every_day_it_recorded(tmp_path: Path) -> None:
    home, out = copy_home(tmp_path / "home"), tmp_path / "out"
    once_simulated(home, out)
    (database,) = home.rglob("*.db")
    connection = sqlite3.connect(database)
    total = connection.execute("SELECT sum(covered_seconds) FROM buckets").fetchone()[0]
    connection.close()
    reports = [json.loads(path.read_text()) for path in out.glob("report_*.json")]
    assert total > 3_600
    assert sum(report["covered_seconds"] for report in reports) == pytest.approx(total)


def test_a_simulated_run_writes_nothing_into_the_files_of_the_real_record(tmp_path: Path) -> None:
    home = copy_home(tmp_path / "home")
    printed = once_simulated(home, None)
    assert not (home / "tray" / "out").exists()
    (predictions,) = home.rglob("predictions.csv")
    assert str(predictions.parent) in printed
