"""A recorder whose source notes what was asked."""

from __future__ import annotations

from datetime import datetime

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.core.types import SourceEvents
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.simulation.person import ManualClock
from tests.support.worker_home import (
    simulated_source,
)


def catch_up(recorder: Recorder, clock: ManualClock) -> None:
    while not recorder.step(clock.now()).is_caught_up:
        pass


class Spy(ActivitySource):
    """Remembers what was asked for."""

    name = "spy"

    def __init__(self, clock: ManualClock) -> None:
        self._inner = simulated_source(clock)
        self.asked: list[tuple[datetime, datetime]] = []

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        self.asked.append((start, end))
        return self._inner.read(start, end)

    def status(self) -> SourceStatus:
        return self._inner.status()
