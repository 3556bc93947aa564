"""The tables of labels: taken and given back, changes in order of age, forgotten for good, found by index."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.core.errors import StoreError
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import LabelRepository, SpanRecord


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "tray.db")
    yield database
    database.close()


@pytest.fixture
def labels(database: Database) -> LabelRepository:
    return database.labels


def span(start: int, end: int, *, user: str = "u", is_growing: bool = False) -> SpanRecord:
    return SpanRecord(0, user, start, end, "Build", "manual", 0.5, 7, is_growing=is_growing)


def make(database: Database, at: int, *spans: SpanRecord, take: tuple[int, ...] = (), user: str = "u") -> int:
    with database.transaction():
        change = database.labels.begin(user, at, "label", 0, 10, None)
        database.labels.take(change, take)
        database.labels.make(change, spans)
    return change


def test_what_is_taken_comes_back_with_undo(database: Database, labels: LabelRepository) -> None:
    make(database, 1, span(0, 10), span(10, 20), span(0, 30, user="other"))
    first, second = labels.between("u", 0, 100)
    assert dataclasses.replace(first, id=0) == span(0, 10)
    change = make(database, 2, span(0, 5), take=(first.id, second.id))
    assert [(s.start_us, s.end_us) for s in labels.between("u", 0, 100)] == [(0, 5)]
    assert (newest := labels.newest_change("u")) is not None
    assert newest.id == change
    with database.transaction():
        labels.undo(change, 3)
    assert labels.between("u", 0, 100) == [first, second]
    assert labels.between("u", 9, 11) == [first, second]
    assert labels.between("u", 10, 11) == [second]
    assert labels.between("u", 20, 100) == []
    assert (newest := labels.newest_change("u")) is not None
    assert newest.at_us == 1


def test_a_change_is_never_older_than_the_ones_before_it(database: Database, labels: LabelRepository) -> None:
    ages = []
    for at, user in [(100, "u"), (50, "u"), (20, "other"), (200, "u")]:
        make(database, at, user=user)
        newest = labels.newest_change(user)
        assert newest is not None
        ages.append(newest.at_us)
    assert ages == [100, 100, 20, 200]


def test_forgetting_reaches_what_undo_cannot_and_nothing_else(database: Database, labels: LabelRepository) -> None:
    make(database, 1, span(0, 10))
    (old,) = labels.between("u", 0, 10)
    make(database, 2, take=(old.id,))
    make(database, 50, span(0, 10))
    (young,) = labels.between("u", 0, 10)
    last = make(database, 60, take=(young.id,))
    with database.transaction():
        labels.forget("u", 2)
        labels.forget("other", 100)
    assert count(database, "label_spans") == 2
    with database.transaction():
        labels.forget("u", 50)
    assert count(database, "label_spans") == 1
    assert count(database, "label_changes") == 2, "an old change without a span says only what is gone"
    with database.transaction():
        labels.undo(last, 70)
    assert labels.between("u", 0, 10) == [young]


def test_how_far_a_span_can_grow(database: Database, labels: LabelRepository) -> None:
    make(database, 1, span(40, 50), span(5, 15, user="other"))
    make(database, 2, span(0, 10, is_growing=True))
    growing = labels.growing("u")
    assert growing is not None
    assert labels.barrier(growing) == 40
    make(database, 3, span(20, 30))
    nearer = labels.between("u", 20, 30)[0]
    assert labels.barrier(growing) == 20
    make(database, 4, take=(nearer.id,))
    assert labels.barrier(growing) == 20, "undo may give it back"
    with database.transaction():
        labels.grow(growing.id, 20, is_growing=False)
        labels.grow(growing.id, 15, is_growing=False)
    assert labels.growing("u") is None
    assert labels.between("u", 0, 1)[0].end_us == 20


def test_a_span_without_length_is_refused_whole(database: Database, labels: LabelRepository) -> None:
    with pytest.raises(StoreError):
        make(database, 1, span(0, 10), span(10, 10))
    assert labels.between("u", 0, 100) == []
    assert labels.newest_change("u") is None


def test_counts_leave_out_what_no_person_said(database: Database, labels: LabelRepository) -> None:
    auto = dataclasses.replace(span(30, 40), provenance="auto")
    make(database, 1, span(0, 10), span(10, 20), dataclasses.replace(span(20, 30), label="Meet"), auto)
    assert labels.counts("u") == {"Build": 2, "Meet": 1}
    assert labels.counts("u", ["auto"]) == {"Build": 1}
    assert labels.counts("other") == {}


def count(database: Database, table: str) -> int:
    return int(database._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
