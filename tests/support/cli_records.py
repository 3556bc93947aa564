"""Homes with a record for tests of the commands that label: real files, a clock that is told, a clock on the wall."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.cli import context
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest, RequestReason, RequestStatus
from tests.support.homes import CommandLine
from tests.support.report_records import MINUTE
from tests.support.report_records import bucket as plain_bucket
from tests.support.worker_home import SECRET, USER

NOW = datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
"""14:30 in Berlin."""


class RecordHome(CommandLine):
    """A home without models in which the app has run, and whose time stands at NOW."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._capsys = home, capsys
        processed = home / "data" / "processed"
        processed.mkdir(parents=True)
        (processed / ".user_id").write_text(USER)
        (processed / ".title_secret").write_text(SECRET)
        self.now = NOW
        monkeypatch.setattr(context, "now", lambda: self.now)
        with self.database():
            pass

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """The record, open for a moment."""
        database = Database(self.home / "tray" / "tray.db")
        try:
            yield database
        finally:
            database.close()

    def put_request(self, request_id: str, minutes_ago: int, **changes: object) -> LabelRequest:
        """A block of 20 min that waits and began so long ago."""
        request = request_of(request_id, minutes_ago, **changes)
        with self.database() as database, database.transaction():
            database.requests.put(request)
        return request

    def said(self) -> list[tuple[str, str, str]]:
        """(start, end, label) of what is labelled, in Berlin's time."""
        rows = self.json("labels", "list", "--from", "2000-01-01")["labels"]
        return [(berlin(row["start"]), berlin(row["end"]), row["label"]) for row in rows]


def request_of(
    request_id: str,
    minutes_ago: int,
    *,
    minutes: int = 20,
    user_id: str = USER,
    reason: RequestReason = "low_confidence",
    confidence: float | None = 0.48,
    guess: str | None = "Build",
    status: RequestStatus = "pending",
) -> LabelRequest:
    """An entry of the queue."""
    start = NOW - timedelta(minutes=minutes_ago)
    return LabelRequest(
        request_id, user_id, start, start + timedelta(minutes=minutes), reason, confidence, guess, NOW, status,
        second_label="Debug", local_day="2026-03-02",
    )  # fmt: skip


def berlin(iso: str) -> str:
    """`03-02 14:05`."""
    return f"{datetime.fromisoformat(iso).astimezone():%m-%d %H:%M}"


@contextlib.contextmanager
def clock_of(zone: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's clock on the wall shows the time of a zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Winter time is UTC+1."""
    with clock_of("Europe/Berlin", monkeypatch):
        yield


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RecordHome:
    """A home of its own."""
    return RecordHome(tmp_path / "home", capsys, monkeypatch)


BERLIN = "Europe/Berlin"


MONDAY = datetime(2026, 3, 1, 23, tzinfo=UTC)
"""Midnight in Berlin, as the day begins that NOW lies in."""


def put(line: RecordHome, start: datetime, minutes: int, label: str = "Build", **more: Any) -> list[BucketRecord]:
    more = {"zone": BERLIN, "user": USER} | more
    records = [plain_bucket(start + number * MINUTE, label, **more) for number in range(minutes)]
    with line.database() as database, database.transaction():
        database.buckets.put(records)
    return records
