"""Cleaning of raw events: one pure function per step, in whole microseconds (contract, section 3)."""

from __future__ import annotations

import dataclasses
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Final

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
