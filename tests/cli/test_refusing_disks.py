"""A home on a disk that is full or read-only, and files that may not be read: read what can be read, say what is so."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.cli.main import main
from taskclf_tray.store.database import Database
from tests.support.cli_records import NOW, RecordHome, in_berlin, line
from tests.support.disks import fill, on_small_disk, permissions_bind, read_only
from tests.support.report_records import bucket
from tests.support.worker_home import USER

__all__ = ["in_berlin", "line"]

READING = (
    ("labels", "export"),
    ("labels", "list", "--from", "2026-01-01"),
    ("report", "daily", "--day", "2026-03-02"),
    ("report", "weekly", "--week", "2026-W10"),
    ("queue", "list"),
    ("queue", "export"),
    ("monitor", "telemetry", "--day", "2026-03-02"),
    ("monitor", "show"),
)


def fill_record(home: Path) -> None:
    """A label and a minute."""
    for path in (home / "data" / "processed").iterdir():
        path.chmod(0o600)
    database = Database(home / "tray" / "tray.db")
    with database.transaction():
        database.buckets.put([bucket(NOW - timedelta(minutes=30), user=USER)])
    database.close()
    code, _, _ = called(home, "labels", "add", "--start", "2026-03-02 14:00", "--end", "2026-03-02 14:20", "Build")
    assert code == 0


def called(home: Path, *words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*words, "--home", str(home)])
    return code, out.getvalue(), err.getvalue()


def leave_a_log(home: Path) -> None:
    """As after a power cut: the newest commits are in the write-ahead log, and nobody has the record open."""
    tray = home / "tray"
    database = Database(tray / "tray.db")
    with database.transaction():
        database.state.set("name", "value")
    for name in ("tray.db", "tray.db-wal"):
        shutil.copy(tray / name, tray / f"kept-{name}")
    database.close()
    for name in ("tray.db", "tray.db-wal"):
        (tray / f"kept-{name}").replace(tray / name)
    assert (tray / "tray.db-wal").stat().st_size > 0


@pytest.mark.parametrize("has_log", [False, True])
def test_a_read_only_home_is_read(line: RecordHome, has_log: bool) -> None:
    fill_record(line.home)
    expected = [line.call(*words) for words in READING]
    assert all(code == 0 for code, _, _ in expected), expected
    if has_log:
        leave_a_log(line.home)
    with read_only(line.home):
        assert [line.call(*words) for words in READING] == expected
        code, out, _ = line.call("doctor", "--json")
    found = {finding["subject"]: finding for finding in json.loads(out)}
    assert code == 1
    assert "cannot be made" not in out
    assert found["Home"]["verdict"] == "failed"
    assert "Nothing can be written" in found["Home"]["detail"]
    assert found["Record"]["detail"] == "1 minute"
    assert found["Identity"]["detail"].startswith("user id and title secret are there")


def test_a_record_of_an_earlier_version_is_read_too(line: RecordHome) -> None:
    """It cannot be brought up to date where it lies."""
    fill_record(line.home)
    expected = [line.call(*words) for words in READING]
    with contextlib.closing(sqlite3.connect(line.home / "tray" / "tray.db", isolation_level=None)) as connection:
        for table in ("buckets", "ahead_buckets"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        connection.execute("PRAGMA user_version = 3")
    with read_only(line.home):
        assert [line.call(*words) for words in READING] == expected


def read_when_full(folder: Path) -> list[Any]:
    home = folder / "home"
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    answers = []
    for _ in range(2):
        fill(folder)
        answers.append([called(home, *words) for words in READING])
        answers.append(called(home, "labels", "delete", "--start", "2026-03-02 14:00", "--end", "2026-03-02 14:20"))
        (folder / "filling").unlink()
        for name in ("tray.db-shm", "tray.db-wal"):
            (home / "tray" / name).unlink(missing_ok=True)
        leave_a_log(home)
    return answers


def first_start_when_full(folder: Path) -> list[Any]:
    """What a first start says with so many bytes left, what it leaves, and whether it works with more room."""
    answers: list[Any] = []
    for left in (0, 40_000, 300_000, 900_000):
        home = folder / f"home-{left}"
        fill(folder, left)
        answers.append(called(home, "run", "--once", "--source", "activitywatch"))
        answers.append([path.name for path in home.glob("tray/.probe*")] + [str(p) for p in home.glob("models/.*")])
        (folder / "filling").unlink()
        shutil.rmtree(home, ignore_errors=True)
    return answers


def test_what_only_reads_works_on_a_full_disk(line: RecordHome, tmp_path: Path) -> None:
    fill_record(line.home)
    expected = [line.call(*words) for words in READING]
    small = tmp_path / "small"
    small.mkdir()
    answers = on_small_disk("3m", small, Copied(line.home))
    assert isinstance(answers, list), answers
    for read, written in (answers[:2], answers[2:]):
        assert read == expected
        code, out, err = written
        assert (code, out) == (1, "")
        assert "is full. Free some space" in err


class Copied:
    """Copies a home to the small disk first, and reads it when that is full."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def __call__(self, folder: Path) -> list[Any]:
        shutil.copytree(self._home, folder / "home")
        return read_when_full(folder)


def test_a_first_start_on_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    answers = on_small_disk("4m", tmp_path, first_start_when_full)
    assert isinstance(answers, list), answers
    for (code, out, err), left in zip(answers[::2], answers[1::2], strict=True):
        assert (code, out, left) == (1, "", [])
        assert "is full. Free some space" in err, err
        assert len(err.splitlines()) == 1


def test_an_identity_that_may_not_be_read_is_not_called_damaged(line: RecordHome) -> None:
    fill_record(line.home)
    path = line.home / "tray" / "identity.json"
    path.chmod(0)
    with permissions_bind():
        said = line.refused("labels", "undo")
    assert "identity.json of this home's identity cannot be read (Permission denied). Make it readable" in said


def test_models_that_may_not_be_read_are_named(line: RecordHome) -> None:
    models = line.home / "models"
    models.mkdir()
    models.chmod(0)
    try:
        with permissions_bind():
            said = [line.refused("model", "list"), line.refused("run", "--once", "--source", "activitywatch")]
            out = line.call("doctor")[1]
    finally:
        models.chmod(0o700)
    for sentence in (*said, out):
        assert f"{models} cannot be read or written (Permission denied)." in sentence
        assert "unexpected" not in sentence
