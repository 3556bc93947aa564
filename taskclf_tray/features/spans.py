"""Event spans with true starts, and the disjoint intervals in which each event counts (contract, section 3).

A *span* is an event as (start, end, rank, event) in microseconds. An *interval* is the part of a span in which the
event was in front. Sources clip an event to the requested time but keep its id. The true start of an event that was
open at the end of the last read is carried over, because the later start wins where events overlap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Protocol, TypeVar

from taskclf_tray.core.intervals import Interval, flatten, union
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import AWEvent, AWTabEvent


class TimedEvent(Protocol):
    """The attributes that every event has."""

    @property
    def timestamp(self) -> datetime: ...
    @property
    def duration_seconds(self) -> float: ...
    @property
    def event_id(self) -> int: ...


E = TypeVar("E", bound=TimedEvent)
T = TypeVar("T")
Key = tuple[int | str, ...]
"""Identifies an event across reads: its id and its content, so that sources without ids seldom collide."""
OpenStarts = Mapping[Key, int]
"""True starts of the events that reached the end of the last read."""
EventSpan = tuple[int, int, int, E]
EventInterval = tuple[int, int, E]


def window_key(event: AWEvent) -> Key:
    """Return the key that identifies a window event across reads."""
    return (event.event_id, event.app_id, event.window_title_hash)


def tab_key(event: AWTabEvent) -> Key:
    """Return the key that identifies a tab event across reads."""
    return (event.event_id, event.domain_category, int(event.is_audible))


def microseconds(event: TimedEvent) -> Interval:
    """Return start and end of an event as the source gave them; a negative duration counts as none."""
    start = to_us(event.timestamp)
    return start, start + max(0, round(event.duration_seconds * 1e6))


def holes_of(skip: Iterable[tuple[datetime, datetime]]) -> list[Interval]:
    """Return blackouts as disjoint intervals in order."""
    return union((to_us(start), to_us(end)) for start, end in skip)


def resolve(
    events: Iterable[E],
    key_of: Callable[[E], Key],
    opened: OpenStarts,
    read_from: int | None,
    holes: Sequence[Interval] = (),
    *,
    keep_past: bool = False,
) -> list[EventSpan[E]]:
    """Resolve spans with true starts, in order of start then key; duplicates and shorter readings of one event
    collapse.

    An event that begins inside a hole (a blackout) begins at the hole's end, unless it is known from before the hole.

    Args:
        events: events in any order.
        key_of: returns the key that identifies an event across reads.
        opened: true starts of the events that reached the end of the last read.
        read_from: events that ended by this moment are left out unless `keep_past`.
        holes: blackouts, disjoint and in order.
        keep_past: keep events that ended by `read_from`.
    """
    starts = dict(opened)
    found: dict[tuple[int, Key], tuple[int, E]] = {}
    moments = sorted(((*microseconds(event), event) for event in events), key=itemgetter(0))
    for begin, end, event in moments:
        key, start = key_of(event), begin
        if read_from is not None and begin <= read_from:
            start = opened.get(key, begin)
        if holes:
            start = _start_outside(start, starts.get(key), holes)
            starts[key] = min(start, starts.get(key, start))
            if end < start or (end == start and begin < start):
                continue
        if not keep_past and is_past(start, end, read_from):
            continue
        kept = found.get((start, key))
        if kept is None or kept[0] < end:
            found[start, key] = (end, event)
    order = sorted(found.items(), key=itemgetter(0))
    return [(start, end, event.event_id, event) for (start, _), (end, event) in order]


def is_past(start: int, end: int, read_from: int | None) -> bool:
    """Whether [start, end) ends by `read_from`; an event without length belongs to its own moment."""
    return read_from is not None and (end < read_from or (end == read_from and start < end))


def _start_outside(start: int, known: int | None, holes: Sequence[Interval]) -> int:
    hole = _hole_at(start, holes)
    if hole is None:
        return start
    return known if known is not None and known < hole[0] else hole[1]


def _hole_at(moment: int, holes: Sequence[Interval]) -> Interval | None:
    """Return the hole that contains or ends at `moment`."""
    at = bisect_right(holes, moment, key=itemgetter(0)) - 1
    return holes[at] if at >= 0 and moment <= holes[at][1] else None


def open_starts(spans: Iterable[EventSpan[E]], key_of: Callable[[E], Key], until: int) -> dict[Key, int]:
    """Return the true starts of spans that reach `until`, for the next read."""
    return {key_of(event): start for start, end, _, event in spans if start < until <= end}


def foreground_intervals(
    spans: Sequence[EventSpan[E]], start: int, end: int, same: Callable[[E], Key], holes: Sequence[Interval] = ()
) -> list[EventInterval[E]]:
    """Return disjoint intervals of [start, end) in order of time, outside the holes, with events without length in
    between.

    An event without length stands before an interval that starts at its moment, and cuts in two an interval that
    contains it: the earlier event resumes.

    Args:
        spans: resolved spans.
        start: start in microseconds.
        end: end, exclusive.
        same: identifies an event without its id; equal events of one moment collapse.
        holes: blackouts, disjoint and in order.
    """
    solid: list[EventInterval[E]] = [
        (max(a, start), min(b, end), spans[i][3])
        for a, b, i in flatten([span[:3] for span in spans])
        if a < end and b > start
    ]
    if holes:
        solid = [cut for interval in solid for cut in _outside(interval, holes)]
    moments: dict[tuple[int, Key], E] = {}
    for at, until, _, event in spans:
        if at == until and start <= at < end and not _inside(at, holes):
            moments[at, same(event)] = event
    return _interleave(solid, moments) if moments else solid


def _outside(interval: EventInterval[E], holes: Sequence[Interval]) -> list[EventInterval[E]]:
    start, end, event = interval
    cuts: list[EventInterval[E]] = []
    at = bisect_right(holes, start, key=itemgetter(1))
    while at < len(holes) and holes[at][0] < end:
        if start < holes[at][0]:
            cuts.append((start, holes[at][0], event))
        start = holes[at][1]
        at += 1
    if start < end:
        cuts.append((start, end, event))
    return cuts


def _inside(moment: int, holes: Sequence[Interval]) -> bool:
    hole = _hole_at(moment, holes)
    return hole is not None and moment < hole[1]


def _interleave(solid: Sequence[EventInterval[E]], moments: Mapping[tuple[int, Key], E]) -> list[EventInterval[E]]:
    points = sorted(((at, event.event_id, key, event) for (at, key), event in moments.items()), key=itemgetter(0, 1, 2))
    merged: list[EventInterval[E]] = []
    k = 0
    for begin, end, event in solid:
        start = begin
        while k < len(points) and points[k][0] < end:
            at = points[k][0]
            if at > start:
                merged.append((start, at, event))
                start = at
            merged.append((at, at, points[k][3]))
            k += 1
        merged.append((start, end, event))
    merged.extend((at, at, event) for at, _, _, event in points[k:])
    return merged


def by_bucket(intervals: Iterable[tuple[int, int, T]], step: int) -> dict[int, list[tuple[int, int, T]]]:
    """Cut intervals at the borders of buckets of `step` microseconds; returns by bucket start its intervals, in their
    order.
    """
    buckets: dict[int, list[tuple[int, int, T]]] = {}
    for start, end, event in intervals:
        bucket = start // step * step
        while True:
            border = bucket + step
            buckets.setdefault(bucket, []).append((max(start, bucket), min(end, border), event))
            if end <= border:
                break
            bucket = border
    return buckets
