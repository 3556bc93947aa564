"""Events that lie over each other as no watcher writes them, cut down to what counts of them.

A watcher says one thing at a time, and where events overlap the later start wins. So of thousands of hours-long events
over each other nearly nothing counts, while following the machine in use minute by minute, or cutting around a pause,
would cost every minute of every one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import flatten, union

MOST_OVERLAP: Final = 10
"""How many events may lie over each other on average; of honest ones two do, where a watcher was started twice."""
_MINUTE_US: Final = 60_000_000


def thinned(stream: Stream, events: Sequence[RawEvent]) -> list[RawEvent]:
    """The events of one bucket; where more than `MOST_OVERLAP` lie over each other, only the time that each has won.

    Of away time each status is cut by itself: what overlaps means something there. Events without length stay.
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
