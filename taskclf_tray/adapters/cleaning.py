"""Cleaning of raw events: one pure function per step, in whole microseconds (contract, section 3)."""

from __future__ import annotations

import dataclasses
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter, itemgetter
from typing import Final

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import Interval, flatten, subtract, union

CLIP_NOISE_US: Final = 1000
"""ActivityWatch rounds the end of a request up by a millisecond, so remainders of ≤ 1 ms are dropped."""
_START: Final = itemgetter(0)
_END: Final = itemgetter(1)


def join_parts(events: Sequence[RawEvent]) -> list[RawEvent]:
    """Join the parts of events that were cut at the borders of requests, in order of (start, id).

    Parts have one id and equal data, and overlap or touch. Of events that differ only in the id, the lowest id stays.
    """
    whole: list[RawEvent] = []
    last_of_id: dict[int, int] = {}
    first_at: dict[tuple[int, int, str], int] = {}
    contents: dict[tuple[int, bytes], int] = {}
    for event in sorted(events, key=attrgetter("start_us", "event_id")):
        at = last_of_id.get(event.event_id)
        if at is not None and event.start_us <= whole[at].end_us and event.data == whole[at].data:
            longer = max(whole[at].end_us, event.end_us) - whole[at].start_us
            whole[at] = dataclasses.replace(whole[at], duration_us=longer)
            continue
        first = first_at.setdefault((event.start_us, event.duration_us, event.browser), len(whole))
        twin = len(whole)
        if first < twin:  # only events of one moment are compared further
            contents[first, _digest(whole[first])] = first
            twin = contents.setdefault((first, _digest(event)), twin)
        if twin == len(whole):
            whole.append(event)
        last_of_id[event.event_id] = twin
    return whole


def _digest(event: RawEvent) -> bytes:
    """Digest the data of an event, so that many events of one moment need no pairwise comparison."""
    contents = repr(sorted(event.data.items())).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(contents, digest_size=16).digest()


def clip(events: Sequence[RawEvent], start_us: int, end_us: int) -> list[RawEvent]:
    """Clip events to [start, end) in their order; remainders of ≤ 1 ms go, real events without length stay."""
    kept = []
    for event in events:
        begin, end = max(event.start_us, start_us), min(event.end_us, end_us)
        if event.duration_us == 0:
            if start_us <= event.start_us < end_us:
                kept.append(event)
        elif end - begin == event.duration_us:
            kept.append(event)
        elif end - begin > CLIP_NOISE_US:
            kept.append(dataclasses.replace(event, start_us=begin, duration_us=end - begin))
    return kept


def fill_gaps(events: Sequence[RawEvent], longest_us: int) -> list[RawEvent]:
    """Give gaps of at most `longest_us` to the event before: watchers leave one at every switch.

    `events`: in order of start. The event before is the one that ends last, of several the one that began last. Nothing
    is added before the first or after the last event.
    """
    filled = list(events)
    last = -1  # the latest end so far
    for at, event in enumerate(filled):
        if last >= 0 and 0 < event.start_us - filled[last].end_us <= longest_us:
            filled[last] = dataclasses.replace(filled[last], duration_us=event.start_us - filled[last].start_us)
        if last < 0 or event.end_us >= filled[last].end_us:
            last = at
    return filled


def remove_excluded(
    events: Sequence[RawEvent], is_excluded: Callable[[RawEvent], bool]
) -> tuple[list[RawEvent], list[Interval]]:
    """Remove the excluded events; returns the other events, and the removed time, which no other event gets.

    Where an excluded event wins (`core.intervals.flatten`), the events under it are cut to the intervals that they win
    themselves. All in order of start.
    """
    excluded = [is_excluded(event) for event in events]
    if not any(excluded):
        return list(events), []
    won = flatten([(event.start_us, event.end_us, event.event_id) for event in events])
    theirs = union((start, end) for start, end, i in won if excluded[i])
    touched = {i for i, event in enumerate(events) if not excluded[i] and _overlaps(event, theirs)}
    rest = [e for i, e in enumerate(events) if not excluded[i] and i not in touched]
    rest += [
        dataclasses.replace(events[i], start_us=start, duration_us=end - start) for start, end, i in won if i in touched
    ]
    rest.sort(key=lambda event: (event.start_us, event.event_id))
    return rest, theirs


def subtract_intervals(events: Sequence[RawEvent], holes: Sequence[Interval]) -> list[RawEvent]:
    """Cut the holes out of the events."""
    if not holes:
        return list(events)
    cut: list[RawEvent] = []
    for event in events:
        if not _overlaps(event, holes):
            cut.append(event)
            continue
        near = holes[bisect_right(holes, event.start_us, key=_END) : bisect_left(holes, event.end_us, key=_START)]
        left = subtract([(event.start_us, event.end_us)], near) if event.duration_us else []
        cut += [dataclasses.replace(event, start_us=start, duration_us=end - start) for start, end in left]
    return sorted(cut, key=lambda event: (event.start_us, event.event_id))


def _overlaps(event: RawEvent, holes: Sequence[Interval]) -> bool:
    """Whether the event overlaps a hole; an event without length does when it lies inside."""
    at = bisect_right(holes, event.start_us, key=_END)
    return at < len(holes) and holes[at][0] < event.end_us


# -- more than any watcher writes ------------------------------------------------------------------------------

# A watcher reports one thing at a time, and of overlapping events the later start wins. Of thousands of overlapping
# events that last for hours, nearly nothing counts, but following the machine in use, or cutting around a pause, would
# cost time for every minute of each. An export costs memory, and a row for each of its minutes.

MOST_OVERLAP: Final = 10
"""The average number of overlapping events from which they are cut; a watcher that was started twice has two."""
_MINUTE_US: Final = 60_000_000
MOST_BUCKETS: Final = 2000
"""More buckets than one person's computers have: four or five for every name of a computer."""
_VALUES_ALWAYS: Final = 100_000
_BYTES_A_VALUE: Final = 20
"""An event is two objects and at least 80 bytes; each object takes far more memory than its text."""
_MINUTES_ALWAYS: Final = 100 * 24 * 60
_MINUTES_AN_EVENT: Final = 60
"""A computer that runs around the clock, hardly used, has an event every 50 minutes."""
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
