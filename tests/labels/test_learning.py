"""When a weekly training is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.time import to_us
from taskclf_tray.labels.learning import (
    LastTraining,
    Reinference,
    is_training_due,
    load_last_training,
    load_reinference,
    new_blocks,
    save_last_training,
    save_reinference,
)
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
from tests.support.labelled import row
from tests.support.worked_days import USER, record_of

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A record that began on a Monday at eight."""
    database = Database(tmp_path / "tray.db")
    with database.transaction():
        database.buckets.put([record_of(row(0, USER))])
    yield database
    database.close()


def label(database: Database, count: int, at: datetime, *, provenance: str = "answer") -> None:
    store = LabelStore(database, USER)
    for k in range(count):
        start = at - timedelta(minutes=20 * (k + 1))
        store.add(start, start + timedelta(minutes=10), "Build", at=at, provenance=provenance)  # type: ignore[arg-type]


def test_a_week_after_the_record_began_with_thirty_blocks(database: Database) -> None:
    assert not is_training_due(database, USER, MONDAY + WEEK)
    label(database, 29, MONDAY + timedelta(days=3))
    label(database, 10, MONDAY + timedelta(days=4), provenance="auto")
    assert not is_training_due(database, USER, MONDAY + WEEK)
    label(database, 1, MONDAY + timedelta(days=5))
    assert new_blocks(database, USER) == 30
    assert not is_training_due(database, USER, MONDAY + WEEK - timedelta(seconds=1))
    assert is_training_due(database, USER, MONDAY + WEEK)


def test_a_week_after_the_last_training_with_thirty_new_blocks(database: Database) -> None:
    label(database, 40, MONDAY + timedelta(days=3))
    trained = MONDAY + timedelta(days=8)
    last = LastTraining(to_us(trained), "refused", "run", ("Too little.",))
    save_last_training(database, USER, last)
    assert load_last_training(database, USER) == last
    assert last.at == trained
    assert new_blocks(database, USER) == 0
    assert not is_training_due(database, USER, trained + 4 * WEEK)
    label(database, 30, trained + timedelta(days=2))
    assert not is_training_due(database, USER, trained + timedelta(days=6))
    assert is_training_due(database, USER, trained + WEEK)
    LabelStore(database, USER).undo(at=trained + timedelta(days=2))
    assert not is_training_due(database, USER, trained + WEEK)


def test_nothing_is_due_without_a_record(tmp_path: Path) -> None:
    database = Database(tmp_path / "empty.db")
    assert not is_training_due(database, USER, MONDAY)
    assert load_last_training(database, USER) is None
    assert load_reinference(database, USER) is None
    save_reinference(database, USER, Reinference("run", 5))
    assert load_reinference(database, USER) == Reinference("run", 5)
    save_reinference(database, USER, None)
    assert load_reinference(database, USER) is None
    database.close()
