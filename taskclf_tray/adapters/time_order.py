"""The events of a stream in order of time, of which a part is found without a look at all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from taskclf_tray.adapters.raw import RawEvent

_start = attrgetter("start_us")


class TimeOrder:
    """Events that are read a part at a time: with hundreds of pauses a file is read between each two of them."""

    def __init__(self, events: Sequence[RawEvent]) -> None:
        self._events = sorted(events, key=_start)
        self._longest_us = max((event.duration_us for event in events), default=0)

    def touching(self, start_us: int, end_us: int) -> list[RawEvent]:
        """The events that share a moment with [start, end], ends included."""
        first = bisect_left(self._events, start_us - self._longest_us, key=_start)
        last = bisect_right(self._events, end_us, key=_start)
        return [event for event in self._events[first:last] if event.end_us >= start_us]
