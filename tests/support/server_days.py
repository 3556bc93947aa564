"""What tests put on a real aw-server: a simulated day that ends now, and windows a test chooses by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import iso_z
from taskclf_tray.simulation.person import SimulatedPerson
from tests.support.aw_server import AWServer
from tests.support.worker_home import SECRET

WORKDAY = datetime(2026, 3, 3, tzinfo=UTC)
"""A Tuesday; the simulated people of these tests work from about nine to five."""


TYPING = {"presses": 14, "clicks": 1, "deltaX": 90, "deltaY": 60, "scrollX": 0, "scrollY": 2}
"""One sample of five seconds."""


class ShiftedPerson(SimulatedPerson):
    """A simulated person whose `WORKDAY` begins at another moment: today, or yesterday."""

    def __init__(self, persona: str, seed: int, begins: datetime) -> None:
        super().__init__(persona, seed, first_day=date(2026, 3, 1))
        self._shift = begins - WORKDAY
        self._shift_us = self._shift // timedelta(microseconds=1)

    def raw_events(self, start: datetime, end: datetime) -> dict[Stream, list[RawEvent]]:
        found = super().raw_events(start - self._shift, end - self._shift)
        return {
            stream: [dataclasses.replace(event, start_us=event.start_us + self._shift_us) for event in events]
            for stream, events in found.items()
        }

    def last_input_us(self, moment_us: int) -> int | None:
        found = super().last_input_us(moment_us - self._shift_us)
        return None if found is None else found + self._shift_us


def source_of(server: AWServer) -> ActivityWatchSource:
    """The source the app has, with the secret of `copy_home`."""
    return ActivityWatchSource(server.url, normaliser=Normaliser(SECRET))


class Desk:
    """A person at a desk, event by event: `work` fills the past, `beat` tells what is in front now."""

    def __init__(self, server: AWServer) -> None:
        self._server = server
        self._kinds = {kind: f"{kind}-desk" for kind in (Stream.WINDOW, Stream.AWAY, Stream.INPUT)}
        for kind, bucket in self._kinds.items():
            server.create_bucket(bucket, kind.value)

    def work(self, app: str, title: str, start: datetime, end: datetime) -> None:
        """One window from start to end, typed into; nobody away."""
        seconds = (end - start).total_seconds()
        self._insert(Stream.WINDOW, start, seconds, {"app": app, "title": title})
        self._insert(Stream.AWAY, start, seconds, {"status": "not-afk"})
        self._insert(Stream.INPUT, start, seconds // 5 * 5, TYPING)

    def beat(self, app: str, title: str) -> None:
        """As the watchers do each second: this window is in front, and somebody is there."""
        now = iso_z(datetime.now(UTC))
        window = {"timestamp": now, "duration": 0, "data": {"app": app, "title": title}}
        self._server.heartbeat(self._kinds[Stream.WINDOW], window, 5.0)
        away = {"timestamp": now, "duration": 0, "data": {"status": "not-afk"}}
        self._server.heartbeat(self._kinds[Stream.AWAY], away, 60.0)

    def _insert(self, kind: Stream, start: datetime, seconds: float, data: Mapping[str, Any]) -> None:
        self._server.insert(self._kinds[kind], [{"timestamp": iso_z(start), "duration": seconds, "data": dict(data)}])


def configure(home: Path, server_url: str, **settings: Any) -> None:
    """Write the home's config.toml."""
    lines = [f'aw_host = "{server_url}"', *(f"{name} = {value}" for name, value in settings.items())]
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text("\n".join(lines) + "\n")


class Typist:
    """Somebody at a `Desk` all the time, in a thread: a beat each second of what is in front."""

    def __init__(self, desk: Desk, app: str, title: str) -> None:
        self._desk = desk
        self._front = (app, title)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="typist")

    def switch_to(self, app: str, title: str) -> None:
        """From now on this is in front."""
        self._front = (app, title)

    def __enter__(self) -> Typist:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(120)

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError):  # a server that is down hears nothing
                self._desk.beat(*self._front)
            self._stop.wait(1.0)
