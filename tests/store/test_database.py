"""The database on disk: migrations, damage, read-only access, transactions, blackouts."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from taskclf_tray.core.errors import StoreError
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.store.migrations import MIGRATIONS
from tests.support.forked import forked
from tests.support.minutes import MINUTE
from tests.support.writers import write_numbers


def record(n: int, *, settled: bool = False, user: str = "u") -> BucketRecord:
    return BucketRecord(
        user, n * MINUTE, (n + 1) * MINUTE, "UTC", 60.0, "c", "model", "Coding", "Debug", "Build",
        False, True, 0.5, 1.5, settled, b"row", f"prediction {n}",
    )  # fmt: skip


def test_records_come_back_in_order_and_per_user(tmp_path: Path) -> None:
    database = Database(tmp_path / "tray.db")
    with database.transaction():
        database.buckets.put([record(3), record(1, settled=True), record(2), record(9, user="other")])
    assert database.buckets.between("u", 1 * MINUTE, 3 * MINUTE) == [record(1, settled=True), record(2)]
    assert database.buckets.before("u", 3 * MINUTE, 1) == [record(2)]
    assert database.buckets.first_unsettled_us("u") == 2 * MINUTE
    assert database.buckets.count("u") == 3
    with database.transaction():
        database.buckets.put([record(n, settled=True) for n in (2, 3)])
    assert database.buckets.first_unsettled_us("u") is None
    database.close()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "tray.db")

    def fail_half_way() -> None:
        with database.transaction():
            database.state.set("name", "new")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_half_way()
    assert database.state.get("name") is None
    database.close()


def test_opening_twice_migrates_once_and_another_thread_may_read(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    first = Database(path)
    with first.transaction():
        first.state.set("name", "value")
    reader = Database(path, read_only=True)
    assert reader.state.get("name") == "value"
    with pytest.raises(StoreError), reader.transaction():
        reader.state.set("name", "other")
    reader.close()
    first.close()
    again = Database(path)
    assert again.state.get("name") == "value"
    again.close()
    assert path.stat().st_mode & 0o077 == 0


def test_a_newer_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    Database(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        Database(path)


def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    path.write_bytes(b"this is no database at all, not even a little" * 200)
    with pytest.raises(StoreError, match="damaged"):
        Database(path)


def test_blackouts_open_close_and_survive(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    database = Database(path)
    with database.transaction():
        database.blackouts.open("private", 100)
        database.blackouts.open("private", 150)  # a second click changes nothing
        database.blackouts.open("pause", 120, resume_us=500)
    database.close()
    database = Database(path)
    assert [(b.reason, b.start_us) for b in database.blackouts.open_ones()] == [("private", 100), ("pause", 120)]
    with database.transaction():
        assert not database.blackouts.close_due(499)
        assert database.blackouts.close_due(9_000)
        database.blackouts.close("private", 50)  # the clock was set back: it ends where it began
    assert [(b.start_us, b.end_us) for b in database.blackouts.overlapping(0, 10_000)] == [(100, 100), (120, 500)]
    assert database.blackouts.open_ones() == []
    database.close()


def test_what_configurations_have_in_common_is_stored_once(tmp_path: Path) -> None:
    """Somebody who answers eight times a day for three years makes 8,760 of them."""
    common = {"transitions": [[0.98] + [0.00285] * 7] * 8, "taxonomy": {"categories": ["Work"] * 300}}
    database = Database(tmp_path / "tray.db")
    with database.transaction():
        for answer in range(8_760):
            database.configs.remember(f"model@{answer:012}", {"reject_threshold": answer / 8_760}, common, answer)
        database.configs.remember("model@000000000000", {"reject_threshold": 0.1}, {}, 9_000)
    assert database.configs.get("model@000000000000") == {"reject_threshold": 0.0, **common}
    assert database.configs.get("model@000000004380") == {"reject_threshold": 0.5, **common}
    assert database.configs.get("another") is None
    database.close()
    assert (tmp_path / "tray.db").stat().st_size < 2_500_000


def test_acknowledged_writes_survive_kill_9(tmp_path: Path) -> None:
    """A child commits and says so; whatever it said before it was killed is there."""
    path = tmp_path / "tray.db"
    for _ in range(5):
        with forked(write_numbers, path) as child:
            child.next()
            time.sleep(0.05)
            said = child.kill()
        database = Database(path)
        kept = int(database.state.get("n") or 0)
        database.close()
        assert not said or kept >= said[-1]
        assert kept > 0


def test_changes_are_numbered_and_only_new_ones_are_read(tmp_path: Path) -> None:
    database = Database(tmp_path / "tray.db")
    assert database.buckets.last_change() == 0
    with database.transaction():
        database.buckets.put([record(1), record(2)])
    seen = database.buckets.last_change()
    assert list(database.buckets.changed_since("u", 0)) == [record(1), record(2)]
    with database.transaction():
        database.buckets.put([record(1, settled=True), record(9, user="other")])
    assert list(database.buckets.changed_since("u", seen)) == [record(1, settled=True)]
    assert list(database.buckets.changed_since("u", database.buckets.last_change())) == []
    assert [r.start_us for r in database.buckets.changed_since("u", 0)] == [2 * MINUTE, 1 * MINUTE]
    database.close()
