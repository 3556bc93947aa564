"""A simulated person's weeks on a real aw-server, and the app that lives through them as fast as a test moves on."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import to_us, zone
from taskclf_tray.drift.memory import DriftMemory, load_memory
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord
from taskclf_tray.store.requests import AskRecord, LabelRequest
from taskclf_tray.system.paths import HomePaths
from tests.support.aw_feed import AWWriter
from tests.support.aw_server import AWServer
from tests.support.month_app import SEEN
from tests.support.processes import python_child, wait_until
from tests.support.server_days import configure
from tests.support.worker_home import SECRET, USER

ZONE = "Europe/Berlin"
LONG_SECONDS = 60.0
"""A check takes two seconds of a processor that others use too."""
Events = Mapping[Stream, Sequence[RawEvent]]


def local(day: date, hour: int = 0, minute: int = 0) -> datetime:
    """A moment of the person's day."""
    return datetime.combine(day, time(hour, minute), zone(ZONE))


def days_from(first: date, count: int) -> list[date]:
    """So many dates."""
    return [first + timedelta(days=number) for number in range(count)]


def events_of(person: SimulatedPerson, day: date, until: datetime) -> dict[Stream, list[RawEvent]]:
    """What the watchers saw of a day, up to a moment at which the machine was switched off."""
    found = person.raw_events(local(day), until)
    begins_us, until_us = to_us(local(day)), to_us(until)
    return {
        stream: [event for event in events if begins_us <= event.start_us and event.end_us <= until_us]
        for stream, events in found.items()
    }


def feed(server: AWServer, days: Sequence[Events]) -> None:
    """Put days on the server, as the watchers would have written them."""
    writer = AWWriter(server.url)
    try:
        writer.create_buckets()
        for stream in Stream:
            writer.insert(stream, [event for events in days for event in events[stream]])
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class MovedHome:
    """A home whose app lives at the time that `move` says; the record is read as another process does."""

    paths: HomePaths

    @property
    def clock(self) -> Path:
        """The file the app reads the time from."""
        return self.paths.home / "clock"

    def prepare(self, server: AWServer, moment: datetime, **settings: Any) -> None:
        """Settings, the same person as ever, and the time it is at first."""
        configure(self.paths.home, server.url, source='"activitywatch"', **settings)
        self.paths.processed.mkdir(parents=True)
        (self.paths.processed / ".user_id").write_text(USER)
        (self.paths.processed / ".title_secret").write_text(SECRET)
        self.clock.with_suffix(SEEN).touch()
        self._set(moment)

    def move(self, moment: datetime) -> None:
        """It is later now; returns when the app is caught up."""
        seen = self.clock.with_suffix(SEEN)
        self._set(moment)
        wait_until(lambda: seen.read_text() == moment.isoformat(), f"the app at {moment}", LONG_SECONDS)

    def _set(self, moment: datetime) -> None:
        new = self.clock.with_suffix(".new")
        new.write_text(moment.isoformat())
        new.replace(self.clock)

    @contextlib.contextmanager
    def running(self, env: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The app with its tray."""
        words = [str(self.clock), "run", "--home", str(self.paths.home), *arguments]
        with python_child("tests.support.month_app", words, {**env, "TZ": ZONE}) as app:
            yield app

    def records(self) -> list[BucketRecord]:
        """Every bucket."""
        with self._open() as database:
            return database.buckets.between(USER, 0, 1 << 62)

    def requests(self) -> list[LabelRequest]:
        """The queue, with what is closed."""
        with self._open() as database:
            return database.requests.all(USER)

    def asks(self) -> list[AskRecord]:
        """Every question, oldest first."""
        with self._open() as database:
            return database.asks.since(USER, 0)

    def spans(self) -> list[SpanRecord]:
        """Every label in force, in order of time."""
        with self._open() as database:
            return list(LabelStore(database, USER).everything())

    def memory(self) -> DriftMemory:
        """What the app has told of drifts."""
        with self._open() as database:
            return load_memory(database, USER)

    def has_report(self, day: date) -> bool:
        """Whether the day is reported."""
        return (self.paths.outputs / f"report_{day}.json").exists()

    def reports(self) -> dict[date, dict[str, Any]]:
        """The days' reports."""
        found = {path: path.stem.removeprefix("report_") for path in self.paths.outputs.glob("report_*.json")}
        return {date.fromisoformat(day): json.loads(path.read_text()) for path, day in sorted(found.items())}

    def telemetry(self) -> list[dict[str, Any]]:
        """The days' telemetry, line by line."""
        (path,) = (self.paths.outputs / "telemetry").glob("*.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]

    def log(self) -> str:
        """What the app has written down of itself."""
        return self.paths.log.read_text(encoding="utf-8")

    def wait(self, question: Callable[[], object], what: str) -> None:
        """Until something has come true; when it does not, the log says more."""
        try:
            wait_until(question, what, LONG_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None

    @contextlib.contextmanager
    def _open(self) -> Iterator[Database]:
        database = Database(self.paths.database, read_only=True)
        try:
            yield database
        finally:
            database.close()
