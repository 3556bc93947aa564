"""The tables `label_requests` and `asks`: keys, order, limits, and what closing and undoing do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.time import from_us
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest

MINUTE = 60_000_000
DAY = 86_400_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "tray.db")
    yield opened
    opened.close()


def request(n: int, **changes: Any) -> LabelRequest:
    made = LabelRequest(
        f"r{n}", "u", from_us(n * 10 * MINUTE), from_us((n + 1) * 10 * MINUTE), "low_confidence", 0.4, "Build",
        from_us(5), second_label="Debug", local_day="2026-03-02",
    )  # fmt: skip
    return replace(made, **changes)


def put(database: Database, *records: LabelRequest) -> None:
    with database.transaction():
        for record in records:
            database.requests.put(record)


def ids(records: list[LabelRequest]) -> list[str]:
    return [record.request_id for record in records]


def test_entries_come_back_by_id_key_user_and_time(database: Database) -> None:
    put(database, request(2), request(1, status="skipped"), request(3, user_id="v", confidence=None))
    assert database.requests.get("r2") == request(2)
    assert database.requests.get("r9") is None
    assert database.requests.at("v", 30 * MINUTE) == request(3, user_id="v", confidence=None)
    assert database.requests.at("u", 30 * MINUTE) is None
    assert ids(database.requests.pending()) == ["r2", "r3"]
    assert ids(database.requests.pending("u")) == ["r2"]
    assert ids(database.requests.all()) == ["r1", "r2", "r3"]
    assert ids(database.requests.all("v")) == ["r3"]


def test_the_most_urgent_first(database: Database) -> None:
    confidences = [None, 0.5, 0.2, 0.5, None]
    put(database, *(request(n, confidence=c) for n, c in enumerate(confidences)), request(9, status="labeled"))
    assert ids(database.requests.most_urgent()) == ["r2", "r1", "r3", "r0", "r4"]
    assert ids(database.requests.most_urgent("u", 2)) == ["r2", "r1"]
    assert database.requests.most_urgent("v") == []
    assert database.requests.most_urgent(limit=-5) == []


def test_the_key_is_unique(database: Database) -> None:
    put(database, request(1))
    with pytest.raises(StoreError):
        put(database, request(1, request_id="other"))
    with pytest.raises(StoreError):
        put(database, request(2, bucket_end_ts=from_us(2 * 10 * MINUTE)))
    assert database.requests.all() == [request(1)]


def test_putting_again_updates_all_but_identity_and_birth(database: Database) -> None:
    put(database, request(1))
    changed = request(
        1, bucket_end_ts=from_us(50 * MINUTE), reason="drift", confidence=0.1, predicted_label=None, second_label=None
    )
    put(database, replace(changed, created_at=from_us(99), local_day="2027-01-01"))
    assert database.requests.get("r1") == changed


def test_overlapping_and_beginning_are_half_open(database: Database) -> None:
    put(database, request(1), request(2), request(3, status="skipped"), request(4, user_id="v"))
    assert ids(database.requests.overlapping("u", 20 * MINUTE, 30 * MINUTE)) == ["r2"]
    assert ids(database.requests.overlapping("u", 20 * MINUTE - 1, 30 * MINUTE + 1)) == ["r1", "r2", "r3"]
    assert ids(database.requests.overlapping("u", 25 * MINUTE, 26 * MINUTE)) == ["r2"]
    assert database.requests.overlapping("u", 0, 10 * MINUTE) == []
    assert ids(database.requests.beginning("u", 10 * MINUTE, 30 * MINUTE)) == ["r1", "r2"]
    assert database.requests.beginning("u", 30 * MINUTE, 40 * MINUTE) == []


def test_only_low_confidence_and_audits_count(database: Database) -> None:
    reasons: list[Any] = ["low_confidence", "audit", "drift", "gap"]
    put(database, *(request(n, reason=reason) for n, reason in enumerate(reasons)))
    put(database, request(7, local_day="2026-03-03"), request(8, user_id="v"), request(9, status="skipped"))
    assert database.requests.count_on("u", "2026-03-02") == 3
    assert database.requests.count_on("u", "2026-03-03") == 1
    assert database.requests.count_on("u", "2026-03-04") == 0


def test_since_is_by_the_time_of_queueing(database: Database) -> None:
    put(
        database,
        request(3, created_at=from_us(1)),
        request(2, created_at=from_us(9)),
        request(1, created_at=from_us(9), status="labeled"),
    )
    assert ids(database.requests.since("u", 9)) == ["r1", "r2"]


def test_what_is_closed_cannot_be_closed_or_withdrawn_and_undo_reopens_its_own(database: Database) -> None:
    put(database, request(1), request(2), request(3))
    with database.transaction():
        change = database.labels.begin("u", 1, "answer", 0, MINUTE, "Build")
        other = database.labels.begin("u", 2, "skip", 0, MINUTE, None)
        database.requests.close("r1", "labeled", change)
        database.requests.close("r1", "skipped", other)
        database.requests.close("r2", "skipped", None)
        database.requests.withdraw("r1")
        database.requests.withdraw("r3")
    assert [(r.request_id, r.status) for r in database.requests.all()] == [("r1", "labeled"), ("r2", "skipped")]
    with database.transaction():
        database.requests.reopen(other)
        database.requests.reopen(change)
    assert [(r.request_id, r.status) for r in database.requests.all()] == [("r1", "pending"), ("r2", "skipped")]


def test_interruptions_are_counted_settled_and_taken_back(database: Database) -> None:
    with database.transaction():
        first = database.asks.add("u", "r1", 10, "2026-03-02", is_random=False)
        second = database.asks.add("u", "r2", 20, "2026-03-02", is_random=True)
        database.asks.add("v", "r3", 30, "2026-03-02", is_random=False)
        database.asks.settle("r1", "dismissed", 11)
        database.asks.settle("r1", "answered", 12)
        database.asks.settle("r1", "skipped", 13)
    assert [(a.outcome, a.outcome_us, a.is_random) for a in database.asks.since("u", 0)] == [
        ("answered", 12, False),
        (None, None, True),
    ]
    assert [a.id for a in database.asks.since("u", 11)] == [second]
    with database.transaction():
        database.asks.remove(first)
    assert (database.asks.count("u"), database.asks.count("v")) == (1, 1)


def test_what_waits_is_found_by_its_index(database: Database) -> None:
    """A queue of years is not walked to find what waits, nor for one day's count of one block."""
    connection: sqlite3.Connection = database._connection
    for where in ("status = 'pending' AND user_id = 'u' ORDER BY start_us", "user_id = 'u' AND start_us = 5"):
        plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM label_requests WHERE {where}").fetchall()
        assert "SEARCH" in plan[0][3], plan
