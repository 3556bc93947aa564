"""Reads around blackouts: no request ever asks a source for a time inside one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from taskclf_tray.adapters.base import ActivitySource
from taskclf_tray.core.intervals import Interval, subtract, union
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.core.types import SourceEvents
from taskclf_tray.store.database import Database


class BlackoutOpenError(Exception):
    """A pause or private mode began: nothing may be read now."""


class GuardedReader:
    """A source behind the blackouts of the database.

    `before_request` runs between choosing the time to ask for and the request itself: the worker carries out a click on
    Pause there, so that a request sent after the click cannot reach past it.
    """

    def __init__(self, source: ActivitySource, database: Database, before_request: Callable[[], None]) -> None:
        self._source = source
        self._database = database
        self._before_request = before_request

    def blackouts(self, start: datetime, end: datetime) -> list[Interval]:
        """Closed and open blackouts that touch [start, end); an open one reaches to `end`."""
        end_us = to_us(end)
        with self._database.reading():
            found = self._database.blackouts.overlapping(to_us(start), end_us)
        return union((b.start_us, end_us if b.end_us is None else b.end_us) for b in found)

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        """The events of [start, end) outside blackouts. Raises SourceError, BlackoutOpenError, StoreError."""
        parts: list[SourceEvents] = []
        asked: Interval = (to_us(start), to_us(end))
        position = asked[0]
        while position < asked[1]:
            self._before_request()
            self._refuse_when_open()
            gaps = subtract([(position, asked[1])], self.blackouts(start, end))
            if not gaps:
                break
            piece = gaps[0]
            parts.append(self._source.read(from_us(piece[0]), from_us(piece[1])))
            position = piece[1]
        return _joined(start, end, parts)

    def _refuse_when_open(self) -> None:
        with self._database.reading():
            if self._database.blackouts.open_ones():
                raise BlackoutOpenError


def _joined(start: datetime, end: datetime, parts: list[SourceEvents]) -> SourceEvents:
    return SourceEvents(
        start,
        end,
        window=tuple(event for part in parts for event in part.window),
        input=tuple(event for part in parts for event in part.input),
        away=tuple(event for part in parts for event in part.away),
        tab=tuple(event for part in parts for event in part.tab),
    )
