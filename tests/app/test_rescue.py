"""A record that is deleted, replaced or moved under the running app: told once, and nothing is lost silently."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.app import session_loop
from taskclf_tray.app.commands import LabelBlock
from taskclf_tray.app.session import Session
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.errors import RecordMovedError
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
from tests.support.worker_home import USER, recorded
from tests.support.worker_rig import START, Rig, until

MINUTE = timedelta(minutes=1)
WRITTEN = threading.Event()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    write = Session.write_outputs

    def written(session: Session, **options: Any) -> None:
        write(session, **options)
        WRITTEN.set()

    monkeypatch.setattr(Session, "write_outputs", written)
    WRITTEN.clear()
    return Rig(tmp_path)


@contextlib.contextmanager
def seen(path: Path) -> Iterator[Database]:
    with closing(Database(path, read_only=True)) as database:
        yield database


def labels(path: Path) -> list[str]:
    with seen(path) as database:
        return [span.label for span in LabelStore(database, USER).everything()]


def minutes(path: Path) -> int:
    with seen(path) as database:
        return len(recorded(database))


def inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def say(rig: Rig, runtime: TrayRuntime, number: int, label: str) -> None:
    """A label of a minute of the past, each its own."""
    end = START - 10 * number * MINUTE
    runtime.send(LabelBlock(end - MINUTE, label, end))


def begun(rig: Rig, runtime: TrayRuntime) -> None:
    """A record of half an hour and a label; the files beside it are written, and will not be for a minute."""
    until(lambda: any(step.is_caught_up for step in rig.watcher.steps), "the minutes so far")
    until(lambda: runtime.snapshot.ui_label, "a label")
    assert WRITTEN.wait(60)
    say(rig, runtime, 1, "Write")
    until(lambda: labels(rig.paths.database) == ["Write"], "the label on record")


def is_sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok")


def goes_on(rig: Rig) -> None:
    """Minutes to come are in the file that stands at the path."""
    before = minutes(rig.paths.database)
    rig.clock.set(rig.clock.now() + 3 * MINUTE)
    until(lambda: minutes(rig.paths.database) >= before + 2, "the next minutes")


def test_a_transaction_writes_nothing_into_a_file_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    with closing(Database(path)) as database:
        path.rename(tmp_path / "moved.db")
        with pytest.raises(RecordMovedError, match="Nothing was written"), database.transaction():
            database.state.set("name", "value")
        (tmp_path / "moved.db").rename(path)
        with database.transaction():
            database.state.set("name", "value")


@pytest.mark.parametrize("with_log", [False, True])
def test_a_deleted_record_is_put_back_whole(rig: Rig, with_log: bool) -> None:
    path = rig.paths.database
    with rig.running() as runtime:
        begun(rig, runtime)
        before, old = minutes(path), inode(path)
        for name in ("tray.db", "tray.db-wal", "tray.db-shm") if with_log else ("tray.db",):
            (rig.paths.tray / name).unlink()
        until(lambda: rig.notifier.told("was deleted while the app was running"), "what has happened")
        until(lambda: inode(path) not in (0, old), "the record")
        assert minutes(path) >= before
        assert labels(path) == ["Write"]
        say(rig, runtime, 2, "Meet")
        until(lambda: labels(path) == ["Meet", "Write"], "the next label")
        goes_on(rig)
    assert is_sound(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(rig.notifier.told("was deleted")) == 1
    assert sorted(rig.paths.tray.glob(".*")) == []


def test_a_replaced_record_is_gone_on_with_and_labels_of_the_old_are_kept(rig: Rig, tmp_path: Path) -> None:
    path, backup = rig.paths.database, tmp_path / "backup.db"
    with rig.running() as runtime:
        begun(rig, runtime)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
            source.backup(target)
        say(rig, runtime, 2, "Meet")
        until(lambda: labels(path) == ["Meet", "Write"], "the label the backup lacks")
        os.replace(backup, path)  # noqa: PTH105 - as cp and mv do
        say(rig, runtime, 3, "Debug")
        until(lambda: rig.notifier.told("was replaced while the app was running"), "what has happened")
        until(lambda: labels(path) == ["Debug", "Write"], "the label that was given meanwhile")
        goes_on(rig)
        until(lambda: rig.notifier.told("in a copy and not in your record"), "the label that only the old record had")
    assert is_sound(path)
    (notice,) = rig.notifier.told("in a copy and not in your record")
    kept = Path(notice.body.rsplit(" ", 1)[1].rstrip("."))
    assert "Meet" in kept.read_text()
    assert len(rig.notifier.told("was replaced")) == 1


def test_what_is_no_record_cannot_stand_in_its_place(rig: Rig, tmp_path: Path) -> None:
    path = rig.paths.database
    with rig.running() as runtime:
        begun(rig, runtime)
        before = minutes(path)
        (tmp_path / "junk").write_bytes(b"junk" * 2000)
        os.replace(tmp_path / "junk", path)  # noqa: PTH105 - as above
        until(lambda: rig.notifier.told("was overwritten while the app was running"), "what has happened")
        saved = rig.paths.tray / "tray-saved.db"
        assert (minutes(saved), labels(saved)) == (before, ["Write"])
        until(lambda: rig.notifier.told("First save your labels"), "that nothing is recorded")
        os.replace(saved, path)  # noqa: PTH105 - as above
        until(lambda: runtime.snapshot.ui_label, "a label again")
        goes_on(rig)


def test_a_home_that_is_moved_is_not_made_a_second_time(rig: Rig, tmp_path: Path) -> None:
    home, elsewhere = rig.paths.home, tmp_path / "elsewhere"
    with rig.running() as runtime:
        begun(rig, runtime)
        before = minutes(rig.paths.database)
        home.rename(elsewhere)
        until(lambda: rig.notifier.told("was moved or deleted while the app was running"), "what has happened")
        until(lambda: rig.notifier.told("is not there any more"), "that nothing is recorded")
        say(rig, runtime, 2, "Meet")
        rig.clock.set(rig.clock.now() + 5 * MINUTE)
        assert not home.exists()
        assert minutes(elsewhere / "tray" / "tray.db") == before
        elsewhere.rename(home)
        until(lambda: labels(rig.paths.database) == ["Meet", "Write"], "the label that waited")
        goes_on(rig)
    assert is_sound(rig.paths.database)


def test_a_home_that_is_deleted_stays_so(rig: Rig) -> None:
    with rig.running() as runtime:
        begun(rig, runtime)
        shutil.rmtree(rig.paths.home)
        until(lambda: rig.notifier.told("was moved or deleted while the app was running"), "what has happened")
        until(lambda: rig.notifier.told("is not there any more"), "that nothing is recorded")
    assert not rig.paths.home.exists()
