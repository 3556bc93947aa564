"""A record of two working weeks that are alike, and ways to make the person drift in them."""

from __future__ import annotations

import dataclasses
import functools
import json
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.buckets import BucketRecord, pack_row
from taskclf_tray.store.database import Database
from tests.support.worker_home import MORNING, USER, pipeline_config, recorder_of, simulated_source

Change = Callable[[FeatureRow], FeatureRow]
DAY = timedelta(days=1)
THURSDAY = date(2026, 3, 19)
"""The day it is; the check looks at the two weeks that end the day before."""
FRIDAY = THURSDAY - 6 * DAY
LAST = THURSDAY - DAY
FIRST = LAST - 13 * DAY
_INPUTS = [
    name for name in FeatureRow.__slots__ if name.startswith(("keys_", "clicks_", "scroll_", "mouse_", "active_"))
]


def as_it_was(row: FeatureRow) -> FeatureRow:
    """No drift."""
    return row


@functools.cache
def _two_days() -> tuple[tuple[BucketRecord, ...], ...]:
    """A Monday and a Tuesday as the app records them, until two in the afternoon."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "tray.db")
        clock = ManualClock(MORNING.replace(hour=15))
        days = []
        for number in range(2):
            clock.set(MORNING.replace(hour=15) + number * DAY)
            recorder = recorder_of(database, simulated_source(clock), pipeline_config())
            while not recorder.step(clock.now(), settle_all=True).is_caught_up:
                pass
            midnight_us = to_us(MORNING.replace(hour=0) + number * DAY)
            days.append(tuple(database.buckets.between(USER, midnight_us, midnight_us + 14 * 3_600_000_000)))
        database.close()
    return tuple(days)


def working_days(first: date = FIRST, last: date = LAST) -> list[date]:
    """Monday to Friday."""
    days = (first + n * DAY for n in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]


@functools.cache
def records_of(day: date, change: Change = as_it_was) -> tuple[BucketRecord, ...]:
    """A working day's record: the odd days of a week are like one another, and so are the even ones."""
    number = day.weekday() % 2
    shift = datetime(day.year, day.month, day.day, tzinfo=UTC) - MORNING.replace(hour=0) - number * DAY
    return tuple(_moved(record, _row(number, place), shift, change) for place, record in enumerate(_two_days()[number]))


@functools.cache
def _row(number: int, place: int) -> FeatureRow:
    """Each is moved to many days."""
    return _two_days()[number][place].row()


def _moved(record: BucketRecord, row: FeatureRow, shift: timedelta, change: Change) -> BucketRecord:
    start, end = row.bucket_start_ts + shift, row.bucket_end_ts + shift
    row = change(dataclasses.replace(row, bucket_start_ts=start, bucket_end_ts=end, day_of_week=start.weekday()))
    prediction = record.prediction
    for before, after in ((record.start_us, start), (record.end_us, end)):
        assert prediction.count(str(before)) == 1
        prediction = prediction.replace(str(before), str(to_us(after)))
    return dataclasses.replace(
        record, start_us=to_us(start), end_us=to_us(end), feature_row=pack_row(row), prediction=prediction
    )


def write_days(path: Path, days: Iterable[date], change: Change = as_it_was) -> None:
    """Put days into a record, or replace them."""
    database = Database(path)
    with database.transaction():
        for day in days:
            database.buckets.put(records_of(day, change))
    database.close()


def in_figma(row: FeatureRow) -> FeatureRow:
    """What was an editor is a program never seen before."""
    if not row.is_editor:
        return row
    return dataclasses.replace(row, app_id="com.figma.Desktop", app_category="design", is_editor=False)


def without_input(row: FeatureRow) -> FeatureRow:
    """The watcher of keyboard and mouse is broken."""
    return dataclasses.replace(row, **dict.fromkeys([*_INPUTS, "max_idle_run_seconds", "event_density"]))


def alert(trigger: str, feature: str, **details: Any) -> dict[str, Any]:
    """Of a report as JSON."""
    return {
        "trigger": trigger,
        "affected_features": [feature],
        "since": FRIDAY.isoformat(),
        "text": "plain",
        "details": details,
    }


def report(alerts: list[dict[str, Any]], *current_days: str, lacking: str | None = None) -> dict[str, Any]:
    """A report as JSON, as far as the app reads it."""
    users = [{"current_days": list(current_days), "too_little_data": lacking}]
    return json.loads(json.dumps({"alerts": alerts, "users": users}))  # type: ignore[no-any-return]
