"""A damaged record: moved aside with its date, and every row that can be read is back; and what a migration leaves."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.connection import _migrate, backups_of
from taskclf_tray.store.database import Database
from taskclf_tray.store.migrations import MIGRATIONS
from taskclf_tray.store.recovery import BACKUP_DAYS, recover_damaged, remove_old_backups
from taskclf_tray.store.repack import PAGE_BYTES
from tests.support.minutes import MINUTE
from tests.support.worker_home import USER
from tests.support.worker_rig import Rig

TODAY = date(2026, 3, 2)
KEPT = "tray.damaged-2026-03-02.db"
ALL = (-(1 << 62), 1 << 62)
IS_LONG = os.environ.get("TASKCLF_FAULTS") == "long"
DAMAGED_PAGES = 100 if IS_LONG else 20
MINUTES = 600 * DAMAGED_PAGES
"""So that the damaged pages are 0.8 % of all: a quarter of a year for 100 of them."""


def minute(n: int, random_bytes: bytes = b"row", *, size: int = 600) -> BucketRecord:
    return BucketRecord(
        USER, n * MINUTE, (n + 1) * MINUTE, "UTC", 60.0, "c", "model", "Coding", "Debug", "Build",
        False, True, 0.5, 1.5, True, random_bytes, f"prediction {n} " + "x" * size,
    )  # fmt: skip


def fill(path: Path, count: int, *, size: int = 600) -> None:
    """Minutes, a label with its step, a pause, and names."""
    chance = random.Random(1)
    with closing(Database(path)) as database, database.transaction():
        database.buckets.put([minute(n, chance.randbytes(size), size=size) for n in range(count)])
        database.blackouts.open("private", 100)
        for n in range(300):
            database.state.set(f"name {n}", "välue" * 20)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO label_changes VALUES (5, ?, 7, 'label', 1, 2, 'Build', NULL)", (USER,))
        connection.execute(
            "INSERT INTO label_spans VALUES (9, ?, 1, 2, 'Build', 'manual', 0.8, 7, NULL, 5, 5, 0, NULL)", (USER,)
        )


def overwrite(path: Path, pages: list[int], chance: random.Random) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE_BYTES)
            file.write(chance.randbytes(PAGE_BYTES))


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for (name,) in names}


def test_a_sound_record_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    assert recover_damaged(path, TODAY) is None
    fill(path, 50)
    before = path.read_bytes()
    assert recover_damaged(path, TODAY) is None
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} <= {"tray.db", "tray.db-wal", "tray.db-shm"}


def test_random_damaged_pages_cost_their_own_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    fill(path, MINUTES)
    for seed in range(2):
        chance = random.Random(seed)
        pages = list(range(1, path.stat().st_size // PAGE_BYTES))
        overwrite(path, chance.sample(pages, DAMAGED_PAGES), chance)
        before, spent = path.read_bytes(), time.process_time()
        found = recover_damaged(path, TODAY)
        spent = time.process_time() - spent
        assert found is not None
        assert found.minutes >= 0.99 * MINUTES * (1 - 0.01 * seed)
        assert spent < 5.0
        assert found.kept.read_bytes() == before
        with closing(Database(path)) as database:
            assert database.is_sound()
            back = {record.start_us: record for record in database.buckets.iterate(USER, *ALL)}
            assert len(back) == found.minutes
            assert database.buckets.unreadable(USER) == []
            with database.transaction():
                database.buckets.put([minute(0)])
        assert all(record.prediction.startswith(f"prediction {start // MINUTE} ") for start, record in back.items())
        assert recover_damaged(path, TODAY) is None
    assert sorted(file.name for file in tmp_path.glob("tray.damaged*.db")) == [
        "tray.damaged-2026-03-02-2.db", "tray.damaged-2026-03-02.db",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [40, 600, 3000])
def test_without_its_first_page_nothing_else_is_lost(tmp_path: Path, size: int) -> None:
    """Also rows that continue on pages of their own."""
    path = tmp_path / "tray.db"
    fill(path, 300, size=size)
    before = everything(path)
    overwrite(path, [0], random.Random(1))
    found = recover_damaged(path, TODAY)
    assert found is not None
    assert (found.minutes, found.labels, found.kept.name) == (300, 1, KEPT)
    after = everything(path)
    assert {name: rows for name, rows in after.items() if not name.startswith("sqlite")} == {
        name: rows for name, rows in before.items() if not name.startswith("sqlite")
    }


def test_what_only_the_log_holds_is_saved_and_what_was_deleted_is_not(tmp_path: Path) -> None:
    path, crashed = tmp_path / "tray.db", tmp_path / "crashed"
    fill(path, 400)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM buckets WHERE start_us >= ?", (100 * MINUTE,))
    crashed.mkdir()
    with closing(Database(path)) as database:
        with database.transaction():
            database.buckets.put([minute(n) for n in range(1000, 1020)])
        for name in ("tray.db", "tray.db-wal"):
            (crashed / name).write_bytes((tmp_path / name).read_bytes())
    path = crashed / "tray.db"
    with closing(sqlite3.connect(tmp_path / "tray.db")) as connection:
        leaf = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'configs'").fetchone()[0]
    overwrite(path, [leaf - 1], random.Random(1))
    found = recover_damaged(path, TODAY)
    assert found is not None
    assert (crashed / f"{KEPT}-wal").exists()
    with closing(Database(path)) as database:
        starts = [record.start_us // MINUTE for record in database.buckets.iterate(USER, *ALL)]
    assert starts == [*range(100), *range(1000, 1020)]


def test_a_lost_step_of_a_label_does_not_bring_back_what_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    fill(path, 10)
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'label_changes'").fetchone()[0]
    overwrite(path, [root - 1], random.Random(1))
    assert recover_damaged(path, TODAY) is not None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT taken_by FROM label_spans").fetchall() == [(5,)]


def test_no_database_at_all_and_a_kill_between_the_renames(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    path.write_bytes(b"this is no database at all" * 2000)
    assert recover_damaged(path, TODAY) is None
    assert [file.name for file in tmp_path.iterdir()] == ["tray.db"]
    path.unlink()
    fill(path, 5)
    path.rename(tmp_path / ".tray.db.recovered")
    assert recover_damaged(path, TODAY) is None
    with closing(Database(path)) as database:
        assert database.buckets.count(USER) == 5


def test_it_is_told_once_and_the_app_goes_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with rig.running():
        pass
    with closing(Database(rig.paths.database)) as database, database.transaction():
        database.buckets.put([minute(n) for n in range(200)])
    overwrite(rig.paths.database, [rig.paths.database.stat().st_size // PAGE_BYTES - 1], random.Random(1))
    with rig.running():
        pass
    with rig.running():
        pass
    (told,) = rig.notifier.told("Your record was damaged")
    assert "minutes and 0 labels were saved" in told.body
    assert len(list(rig.paths.tray.glob("tray.damaged-*.db"))) == 1


# -- migrations -----------------------------------------------------------------------------------------------


def of_version(path: Path, version: int) -> list[tuple[object, ...]]:
    """A record as a released version has left it; its rows."""
    with closing(sqlite3.connect(path)) as connection:
        for script in MIGRATIONS[:version]:
            for statement in script:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        values = (USER, 1, 2, "UTC", 60.0, "c", "model", "A", "B", "C", 0, 1, 0.5, 1.5, 1, b"r", "p", 1)
        for n in range(50):
            row = (USER, n * MINUTE, *values[2:], *([None] if version > 3 else []))
            connection.execute(f"INSERT INTO buckets VALUES ({', '.join('?' * len(row))})", row)
        connection.execute("INSERT INTO state VALUES ('name', 'value')")
        connection.commit()
        return connection.execute("SELECT user_id, start_us, prediction FROM buckets").fetchall()


def rows_of(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert connection.execute("SELECT value FROM state").fetchall() == [("value",)]
        return connection.execute("SELECT user_id, start_us, prediction FROM buckets").fetchall()


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_every_released_version_is_copied_and_migrated_and_the_copy_can_be_put_back(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "tray.db"
    rows = of_version(path, version)
    Database(path).close()
    assert rows_of(path) == rows
    (backup,) = backups_of(path)
    assert backup.name == f"tray.version-{version}.db"
    assert backup.stat().st_mode & 0o077 == 0
    assert rows_of(backup) == rows
    path.write_bytes(b"spoilt")
    for ending in ("-wal", "-shm"):
        (tmp_path / f"tray.db{ending}").unlink(missing_ok=True)
    backup.rename(path)
    Database(path).close()
    assert rows_of(path) == rows
    (backup,) = backups_of(path)
    remove_old_backups(path)
    assert backup.exists()
    os.utime(backup, (0, time.time() - (BACKUP_DAYS + 1) * 86_400))
    remove_old_backups(path)
    assert backups_of(path) == []


def test_a_migration_that_is_killed_at_any_statement_is_finished_at_the_next_start(tmp_path: Path) -> None:
    """The files as they are on the disk before each statement: what a kill leaves, in every version on the way."""
    path = tmp_path / "tray.db"
    rows = of_version(path, 1)
    left: list[Path] = []

    def keep(_statement: str) -> None:
        folder = tmp_path / str(len(left))
        folder.mkdir()
        for file in tmp_path.glob("tray.db*"):
            (folder / file.name).write_bytes(file.read_bytes())
        left.append(folder / "tray.db")

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.set_trace_callback(keep)
        _migrate(connection)
        connection.set_trace_callback(None)
    assert len(left) > 3 * len(MIGRATIONS)
    for killed in left:
        Database(killed).close()
        assert rows_of(killed) == rows
        with closing(sqlite3.connect(killed)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
