"""A home whose clock is set wrong and put right: a source that keeps what a watcher recorded by that clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from taskclf_tray.adapters.base import ActivitySource, SourceStatus, Stream
from taskclf_tray.app.session import Session
from taskclf_tray.core.config import Config
from taskclf_tray.core.time import from_us
from taskclf_tray.core.types import AWEvent, SourceEvents
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.system.paths import prepare_home
from tests.support.worker_home import MORNING, USER, copy_home

MINUTE = timedelta(minutes=1)
NOON = MORNING.replace(hour=12)


class Desk(ActivitySource):
    """Somebody works in one program after the other, and the watcher notes it by the clock as it is set."""

    name = "desk"

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.events: list[AWEvent] = []
        self.asked: list[tuple[datetime, datetime]] = []

    def now(self) -> datetime:
        return self._clock.now()

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        self.asked.append((start, end))
        clipped = [event for event in (_clipped(event, start, end) for event in self.events) if event is not None]
        return SourceEvents(start, end, window=tuple(sorted(clipped, key=lambda event: event.timestamp)))

    def status(self) -> SourceStatus:
        return SourceStatus(self.name, True, frozenset({Stream.WINDOW}), "a desk")

    def note(self, start: datetime, end: datetime, app: str) -> None:
        self.events.append(
            AWEvent(
                timestamp=start,
                duration_seconds=(end - start).total_seconds(),
                app_id=app,
                app_category="editor",
                is_browser=False,
                is_editor=True,
                is_terminal=False,
                window_title_hash=hashlib.sha256(app.encode()).hexdigest()[:12],
                event_id=len(self.events) + 1,
            )
        )


def _clipped(event: AWEvent, start: datetime, end: datetime) -> AWEvent | None:
    begin = max(event.timestamp, start)
    until = min(event.timestamp + timedelta(seconds=event.duration_seconds), end)
    return replace(event, timestamp=begin, duration_seconds=(until - begin).total_seconds()) if begin < until else None


class ClockHome:
    """One home; the app in it is opened, works along, is closed, and the clock is set as somebody likes."""

    def __init__(self, folder: Path, start: datetime = NOON) -> None:
        self.paths = prepare_home(copy_home(folder / "home"))
        self.clock = ManualClock(start)
        self.desk = Desk(self.clock)
        self.zone = "UTC"
        self.config = Config()
        self.session = self.opened()

    def opened(self, before_request: Callable[[], None] = lambda: None) -> Session:
        return Session(
            self.paths, self.config, lambda _: self.desk, time_zone=lambda: self.zone, before_request=before_request
        )

    def reopen(self) -> list[tuple[str, str]]:
        """Close the app and start it again; what it says."""
        self.session.close()
        self.session = self.opened()
        return self.session.messages

    def work(self, minutes: int, app: str) -> list[StepResult]:
        """The next minutes, by the clock as it stands; the record follows every five."""
        steps = []
        for _ in range(-(-minutes // 5)):
            for _ in range(min(5, minutes)):
                start = self.clock.now()
                self.clock.advance(60)
                self.desk.note(start, self.clock.now(), app)
            minutes -= 5
            self.session.clock.look()
            steps += self.step()
        return steps

    def step(self) -> list[StepResult]:
        steps = []
        assert self.session.recorder is not None
        while True:
            steps.append(self.session.recorder.step(self.clock.now()))
            if steps[-1].is_caught_up:
                return steps

    def settle(self) -> None:
        """A quarter of an hour later nothing can be revised any more."""
        self.clock.advance(900)
        self.step()

    def record(self) -> list[BucketRecord]:
        return self.session.database.buckets.between(USER, -(1 << 62), 1 << 62)

    def apps(self) -> dict[datetime, str]:
        """By start of its minute: what was in front by the record."""
        return {from_us(record.start_us): record.row().app_id for record in self.record()}

    def apart(self) -> int:
        """How many minutes are kept apart."""
        database = self.session.database
        with database.reading():
            return sum(database.ahead.minutes(change.id) for change in database.ahead.kept_apart(USER))


@contextmanager
def clock_home(folder: Path, start: datetime = NOON) -> Iterator[ClockHome]:
    """A home that is closed at the end."""
    home = ClockHome(folder, start)
    try:
        yield home
    finally:
        home.session.close()
