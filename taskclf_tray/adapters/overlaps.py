"""Limits for files and responses that hold more than any watcher writes.

A watcher reports one thing at a time, and of overlapping events the later start wins. Of thousands of overlapping
events that last for hours, nearly nothing counts, but following the machine in use, or cutting around a pause, would
cost time for every minute of each. An export costs memory, and a row for each of its minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import flatten, union

MOST_OVERLAP: Final = 10
"""How many events may lie over each other on average; of honest ones two do, where a watcher was started twice."""
_MINUTE_US: Final = 60_000_000
MOST_BUCKETS: Final = 2000
"""A computer has four or five for every name it ever had."""
_VALUES_ALWAYS: Final = 100_000
_BYTES_A_VALUE: Final = 20
"""An event is two objects and at least 80 bytes; each object costs memory out of proportion to its text."""
_MINUTES_ALWAYS: Final = 100 * 24 * 60
_MINUTES_AN_EVENT: Final = 60
"""A computer that is left on around the clock, and hardly used, has an event every 50 minutes."""
_MOST_MINUTES: Final = 4_000_000
"""More than seven years around the clock, and 5 GB of rows."""


def thinned(stream: Stream, events: Sequence[RawEvent]) -> list[RawEvent]:
    """Cut the events of one bucket to the time that each wins, when more than `MOST_OVERLAP` overlap on average.

    Each status of away time is cut separately, because its overlaps carry meaning. Events without length stay.
    """
    if not _is_crowded(events):
        return list(events)
    groups: dict[str, list[RawEvent]] = {}
    for event in events:
        groups.setdefault(event.data["status"] if stream is Stream.AWAY else "", []).append(event)
    kept = [event for event in events if event.duration_us == 0]
    for group in groups.values():
        won = flatten([(event.start_us, event.end_us, event.event_id or at) for at, event in enumerate(group)])
        kept += [_cut(group[at], start, end) for start, end, at in won]
    return sorted(kept, key=lambda event: (event.start_us, event.event_id))


def _cut(event: RawEvent, start_us: int, end_us: int) -> RawEvent:
    return RawEvent(start_us, end_us - start_us, event.data, event.event_id, event.browser)


def _is_crowded(events: Sequence[RawEvent]) -> bool:
    total = sum(event.duration_us for event in events)
    usual = len(events) * _MINUTE_US  # a short event costs no more than the minutes it touches
    if total <= usual:
        return False
    covered = sum(end - start for start, end in union((event.start_us, event.end_us) for event in events))
    return total > MOST_OVERLAP * covered + usual


def holds_too_many_values(content: bytes) -> bool:
    """Whether a JSON text has more objects and lists than real events of its size have."""
    return content.count(b"{") + content.count(b"[") > _VALUES_ALWAYS + len(content) // _BYTES_A_VALUE


def too_many_minutes(buckets: Iterable[Sequence[RawEvent]]) -> int:
    """Return the minutes that the events of all buckets last if they exceed the limit for their number, else 0."""
    minutes = count = 0
    for events in buckets:
        minutes += sum(event.duration_us for event in events) // _MINUTE_US
        count += len(events)
    return minutes if minutes > min(_MINUTES_ALWAYS + _MINUTES_AN_EVENT * count, _MOST_MINUTES) else 0
