"""A source that reports as ActivityWatch's watchers do: windows at once, time away minutes late and backwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.core.types import AWAwayEvent, AWEvent, SourceEvents

NOTICED_AFTER = timedelta(seconds=180)
E = TypeVar("E", AWEvent, AWAwayEvent)
Input = tuple[datetime, datetime]


class LateReports(ActivitySource):
    """Windows and spells of input of one life, as known at `now()`.

    Between two spells of input more than 180 s apart the watcher reports `afk` from the last input on, once the
    180 s are over; else `not-afk` goes on. `inputs` are disjoint and in order.
    """

    name = "late"

    def __init__(self, now: Callable[[], datetime], windows: Sequence[AWEvent], inputs: Sequence[Input]) -> None:
        self._now = now
        self._windows = windows
        self._inputs = inputs

    def now(self) -> datetime:
        return self._now()

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        now = self._now()
        window = [piece for event in self._windows if (piece := _cut(event, start, min(end, now))) is not None]
        reported = away_events(self._inputs, now)
        away = [piece for event in reported if (piece := _cut(event, start, min(end, now))) is not None]
        return SourceEvents(start, end, tuple(window), (), tuple(away))

    def status(self) -> SourceStatus:
        raise AssertionError("not asked")


def away_events(inputs: Sequence[Input], now: datetime) -> list[AWAwayEvent]:
    """What the away watcher has reported at `now`."""
    events: list[AWAwayEvent] = []
    begin: datetime | None = None
    seen = [(start, min(end, now)) for start, end in inputs if start <= now]
    for i, (start, end) in enumerate(seen):
        begin = start if begin is None else begin
        back = seen[i + 1][0] if i + 1 < len(seen) else now
        is_away = back - end > NOTICED_AFTER
        if is_away or i + 1 == len(seen):
            events.append(AWAwayEvent(begin, (end - begin).total_seconds(), False))
            begin = None
        if is_away:
            events.append(AWAwayEvent(end + timedelta(milliseconds=1), (back - end).total_seconds() - 0.001, True))
    return events


def _cut(event: E, start: datetime, end: datetime) -> E | None:
    """The part of it in [start, end), ends included where it has no length."""
    a = max(event.timestamp, start)
    b = min(event.timestamp + timedelta(seconds=event.duration_seconds), end)
    return replace(event, timestamp=a, duration_seconds=(b - a).total_seconds()) if a <= b else None
