"""What a report reads of a long record: its own days and their nights, however much lies before and behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.report.daily import daily_report
from taskclf_tray.report.days import load_day
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from tests.support.report_records import bucket

FIRST = datetime(2025, 2, 1, tzinfo=UTC)
DAY = date(2025, 2, 20)
HOUR = timedelta(hours=1)


def record_of(path: Path, days: int) -> Database:
    """A bucket every half an hour, and a label every day."""
    database = Database(path)
    with database.transaction():
        database.buckets.put(bucket(FIRST + number * HOUR / 2) for number in range(48 * days))
        for number in range(days):
            start = FIRST + timedelta(days=number, hours=9)
            LabelStore(database, "u").add(start, start + HOUR, "Meet", at=FIRST + timedelta(days=500))
    return database


def steps(database: Database, look: Callable[[], object]) -> int:
    """Tens of instructions of SQLite's virtual machine."""
    count = 0

    def on_steps() -> int:
        nonlocal count
        count += 1
        return 0

    database._connection.set_progress_handler(on_steps, 10)
    look()
    database._connection.set_progress_handler(None, 0)
    return count


def test_a_day_of_a_long_record_costs_what_it_costs_in_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in SQLite's steps and in buckets made; never more than a day and 16 hours around it are touched."""
    made: list[int] = []
    whole = BucketRecord.__init__

    def counted(self: BucketRecord, *values: object, **named: object) -> None:
        made.append(1)
        whole(self, *values, **named)  # type: ignore[arg-type]

    costs, reports = [], []
    for days in (40, 400):
        database = record_of(tmp_path / f"{days}.db", days)
        with monkeypatch.context() as patch:
            patch.setattr(BucketRecord, "__init__", counted)
            made.clear()
            cost = steps(database, lambda: reports.append(daily_report(load_day(database, "u", DAY, "UTC"))))  # noqa: B023
        costs.append(cost)
        assert len(made) <= 2 * (24 + 2 * 16) + 1
        database.close()
    assert reports[0] == reports[1]
    assert reports[0].covered_seconds == 48 * 60
    assert costs[1] <= 1.05 * costs[0]
