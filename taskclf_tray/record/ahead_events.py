"""Events that the watchers recorded while the clock was ahead, left out when their time comes.

ActivityWatch keeps those events at the times they bear. When real time reaches them, the same minutes hold what is done
then, and each minute would mix both. So the events are noted once, right after the clock was put back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from taskclf_tray.core.time import from_us, seconds_to_us, to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent, SourceEvents
from taskclf_tray.record.clock_marks import TOLERANCE
from taskclf_tray.store.ahead import AheadEvent, ClockChange
from taskclf_tray.store.database import Database

Read = Callable[[datetime, datetime], SourceEvents]
E = TypeVar("E", AWEvent, AWInputEvent, AWAwayEvent, AWTabEvent)

_LONGEST_US: Final = timedelta(days=2) // timedelta(microseconds=1)
"""Of a longer time it is not likely that the clock was wrong for all of it, and it would take long to read."""
_MARGIN: Final = timedelta(minutes=15)
_READ_AGAIN: Final = timedelta(days=1)
_FAR_US: Final = 1 << 62
_SLACK_US: Final = 3_000_000
"""A source fills holes of up to 2 s between events; more of them give other holes."""


class AheadEvents:
    """Notes and recognises the events of one user from a clock that was ahead; owned by the recorder.

    Raises StoreError.
    """

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._user_id = user_id
        self._pending: list[ClockChange] = []
        self._known: dict[tuple[str, int], AheadEvent] = {}

    def reload(self, since: datetime | None) -> None:
        """Read the noted events that end after `since`."""
        since_us = -_FAR_US if since is None else to_us(since - _READ_AGAIN)
        with self._database.reading():
            changes = self._database.ahead.kept_apart(self._user_id)
            noted = self._database.ahead.events(self._user_id, since_us)
        self._pending = [change for change in changes if not change.is_noted]
        self._known = {(event.stream, event.event_id): event for event in noted}

    def note(self, read: Read, now: datetime) -> None:
        """Note, once, what the source has of a time that is kept apart and has not come.

        Raises the errors of `read`.
        """
        while self._pending:
            change = self._pending[0]
            found: list[AheadEvent] = []
            if change.end_us - change.start_us <= _LONGEST_US:
                begin = now + TOLERANCE  # what begins earlier may be happening now
                events = read(begin, max(begin, from_us(change.end_us) + _MARGIN))
                found = [noted for stream in _STREAMS for noted in _noted(stream, getattr(events, stream))]
                found = [noted for noted in found if noted.start_us > to_us(begin)]
            with self._database.transaction():
                self._database.ahead.note_events(change.id, found)
            self._pending.pop(0)
            self._known |= {(event.stream, event.event_id): event for event in found}

    def left_out(self, events: SourceEvents) -> SourceEvents:
        """The events without the noted ones. An id that the server has given to another event does not count."""
        if not self._known:
            return events
        return dataclasses.replace(
            events,
            window=tuple(event for event in events.window if not self._is_known("window", event)),
            input=tuple(event for event in events.input if not self._is_known("input", event)),
            away=tuple(event for event in events.away if not self._is_known("away", event)),
            tab=tuple(event for event in events.tab if not self._is_known("tab", event)),
        )

    def _is_known(self, stream: str, event: AWEvent | AWInputEvent | AWAwayEvent | AWTabEvent) -> bool:
        known = self._known.get((stream, event.event_id))
        if known is None or known.content != _content(event):
            return False
        start_us = to_us(event.timestamp)
        end_us = start_us + seconds_to_us(event.duration_seconds)
        return known.start_us - _SLACK_US <= start_us and end_us <= known.end_us + _SLACK_US


_STREAMS: Final = ("window", "input", "away", "tab")


def _noted(stream: str, events: Iterable[E]) -> Iterable[AheadEvent]:
    for event in events:
        start_us = to_us(event.timestamp)
        yield AheadEvent(
            stream, event.event_id, start_us, start_us + seconds_to_us(event.duration_seconds), _content(event)
        )


def _content(event: AWEvent | AWInputEvent | AWAwayEvent | AWTabEvent) -> str:
    """A short key of what the event says; a hashed title, never a readable one."""
    match event:
        case AWEvent():
            return f"{event.app_id} {event.window_title_hash}"
        case AWInputEvent():
            return f"{event.presses} {event.clicks} {event.delta_x} {event.delta_y}"
        case AWAwayEvent():
            return str(event.is_away)
        case AWTabEvent():
            return f"{event.domain_category} {event.is_audible}"
