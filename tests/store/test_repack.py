"""Pages of 8192 bytes: of new records, and of old ones that are rewritten, killed at any moment, without a loss."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest

from taskclf_tray.store import repack as repack_module
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.store.repack import PAGE_BYTES, repack
from tests.support.forked import forked
from tests.support.minutes import MINUTE
from tests.support.writers import repack_over_and_over

MINUTES = 400
OLD_BYTES = 4096
KILLS = 60 if os.environ.get("TASKCLF_FAULTS") == "long" else 8


def minute(n: int) -> BucketRecord:
    """As large as a real one."""
    return BucketRecord(
        "aaaaaaaa-0000-4000-8000-000000000001", n * MINUTE, (n + 1) * MINUTE, "Europe/Berlin", 60.0, "c" * 16, "model",
        "Deep Work", "Debug", "Build", False, True, 0.5, 1.5, True, random.Random(n).randbytes(500),
        str(random.Random(n).random()) * 37,
    )  # fmt: skip


def filled(path: Path) -> Path:
    """A record of MINUTES minutes."""
    with closing(Database(path)) as database:
        for n in range(0, MINUTES, 20):
            with database.transaction():
                database.buckets.put(map(minute, range(n, n + 20)))
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A record as an earlier version made it."""
    path = tmp_path / "old" / "tray.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {OLD_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE x (y)")
        connection.execute("DROP TABLE x")
    return filled(path)


def minute_bytes(path: Path) -> float:
    """What a minute takes, without the pages that an empty record has."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE rootpage > 0").fetchone()[0]
    return (path.stat().st_size - tables * page_bytes(path)) / MINUTES


def page_bytes(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:18], "big")


def check_whole(path: Path) -> None:
    with closing(Database(path)) as database:
        assert database.is_sound()
        found = list(database.buckets.iterate("aaaaaaaa-0000-4000-8000-000000000001", 0, 1 << 62))
        assert found == list(map(minute, range(MINUTES)))
        assert database._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_minute_of_a_new_record_takes_a_third_of_what_it_took(tmp_path: Path, old: Path) -> None:
    new = filled(tmp_path / "tray.db")
    assert (page_bytes(new), page_bytes(old)) == (PAGE_BYTES, OLD_BYTES)
    assert minute_bytes(new) < 1_700
    assert minute_bytes(old) > 4_500


def test_an_old_record_is_rewritten_once(old: Path) -> None:
    assert repack(old)
    assert page_bytes(old) == PAGE_BYTES
    assert minute_bytes(old) < 1_700
    check_whole(old)
    assert not repack(old)
    assert [path.name for path in old.parent.iterdir()] == ["tray.db"]
    assert "SQLITE_TMPDIR" not in os.environ


def test_one_that_somebody_has_open_waits_for_another_start(old: Path) -> None:
    with closing(Database(old)) as database:
        assert not repack(old)
        with database.transaction():
            database.state.set("name", "value")
    assert page_bytes(old) == OLD_BYTES
    check_whole(old)


def test_without_room_it_stays_as_it_is(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 100_000_000))
    assert not repack(old)
    monkeypatch.undo()
    monkeypatch.setattr(repack_module, "MOST_BYTES", 1_000_000)
    assert not repack(old)
    assert page_bytes(old) == OLD_BYTES
    check_whole(old)


def test_a_record_that_is_damaged_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    path.write_bytes(b"SQLite format 3\0" + b"junk" * 2000)
    before = path.read_bytes()
    assert not repack(path)
    assert path.read_bytes() == before
    assert not repack(tmp_path / "none.db")


def test_killed_at_any_moment_all_of_it_is_there(old: Path) -> None:
    content = old.read_bytes()
    seen = set()
    for number in range(KILLS):
        with forked(repack_over_and_over, old, content) as child:
            assert child.next() == "begins"
            time.sleep(random.Random(number).random() * 0.04)  # a kill, not an effect, is waited for
            said = child.kill()
        if said and said[-1] == "ends":
            continue  # killed while the test put the old one in place
        check_whole(old)
        left = {path.name for path in old.parent.iterdir()} - {"tray.db-journal"}  # begun, and not in force yet
        assert left == {"tray.db"}
        seen.add(page_bytes(old))
    assert seen
