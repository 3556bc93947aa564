"""Events → spans with their true starts → disjoint pieces of time (contract, section 3).

A *span* is an event as (start, end, rank, event) in microseconds; a *piece* is the part of it that was really in
front. Sources clip an event to what was asked for but keep its id: the true start of an event that was open at the
end of the last read is carried from there, because the later start wins where events overlap.
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
    """What every event has."""

    @property
    def timestamp(self) -> datetime: ...
    @property
    def duration_seconds(self) -> float: ...
    @property
    def event_id(self) -> int: ...


E = TypeVar("E", bound=TimedEvent)
T = TypeVar("T")
Key = tuple[int | str, ...]
"""Names an event across reads: its id, and what it says, so that sources without ids seldom collide."""
OpenStarts = Mapping[Key, int]
"""True starts of the events that reached the end of the last read."""
Span = tuple[int, int, int, E]
Piece = tuple[int, int, E]


def window_key(event: AWEvent) -> Key:
    """Names a window event across reads."""
    return (event.event_id, event.app_id, event.window_title_hash)


def tab_key(event: AWTabEvent) -> Key:
    """Names a tab event across reads."""
    return (event.event_id, event.domain_category, int(event.is_audible))


def microseconds(event: TimedEvent) -> Interval:
    """Start and end of an event as the source gave them; a negative duration is none."""
    start = to_us(event.timestamp)
    return start, start + max(0, round(event.duration_seconds * 1e6))


def holes_of(skip: Iterable[tuple[datetime, datetime]]) -> list[Interval]:
    """Blackouts as disjoint intervals in order."""
    return union((to_us(start), to_us(end)) for start, end in skip)


def resolve(
    events: Iterable[E],
    key_of: Callable[[E], Key],
    opened: OpenStarts,
    read_from: int | None,
    holes: Sequence[Interval] = (),
    *,
    keep_past: bool = False,
) -> list[Span[E]]:
    """Spans with true starts, in order of start then key; copies and shorter readings of one event collapse.

    What ended at or before `read_from` is left out unless `keep_past`. An event that begins inside a hole (a
    blackout) begins at the hole's end, unless it is known from before the hole.
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
    """Whether [start, end) holds nothing from `read_from` on; an event without length belongs to its own moment."""
    return read_from is not None and (end < read_from or (end == read_from and start < end))


def _start_outside(start: int, known: int | None, holes: Sequence[Interval]) -> int:
    hole = _hole_at(start, holes)
    if hole is None:
        return start
    return known if known is not None and known < hole[0] else hole[1]


def _hole_at(moment: int, holes: Sequence[Interval]) -> Interval | None:
    """The hole that holds or ends at `moment`."""
    at = bisect_right(holes, moment, key=itemgetter(0)) - 1
    return holes[at] if at >= 0 and moment <= holes[at][1] else None


def open_starts(spans: Iterable[Span[E]], key_of: Callable[[E], Key], until: int) -> dict[Key, int]:
    """What the next read must know: the true starts of spans that reach `until`."""
    return {key_of(event): start for start, end, _, event in spans if start < until <= end}


def front_pieces(
    spans: Sequence[Span[E]], start: int, end: int, same: Callable[[E], Key], holes: Sequence[Interval] = ()
) -> list[Piece[E]]:
    """Disjoint pieces of [start, end) in order of time, outside the holes, with events without length in between.

    An event without length stands before a piece that starts at its moment and cuts in two the piece it falls
    into: the earlier event resumes. `same` names an event without its id; equal ones of one moment collapse.
    """
    solid: list[Piece[E]] = [
        (max(a, start), min(b, end), spans[i][3])
        for a, b, i in flatten([span[:3] for span in spans])
        if a < end and b > start
    ]
    if holes:
        solid = [cut for piece in solid for cut in _outside(piece, holes)]
    moments: dict[tuple[int, Key], E] = {}
    for at, until, _, event in spans:
        if at == until and start <= at < end and not _inside(at, holes):
            moments[at, same(event)] = event
    return _interleave(solid, moments) if moments else solid


def _outside(piece: Piece[E], holes: Sequence[Interval]) -> list[Piece[E]]:
    start, end, event = piece
    cuts: list[Piece[E]] = []
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


def _interleave(solid: Sequence[Piece[E]], moments: Mapping[tuple[int, Key], E]) -> list[Piece[E]]:
    points = sorted(((at, event.event_id, key, event) for (at, key), event in moments.items()), key=itemgetter(0, 1, 2))
    merged: list[Piece[E]] = []
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


def by_bucket(pieces: Iterable[tuple[int, int, T]], step: int) -> dict[int, list[tuple[int, int, T]]]:
    """Cut pieces at the borders of buckets of `step` microseconds: bucket start → its pieces, in the given order."""
    buckets: dict[int, list[tuple[int, int, T]]] = {}
    for start, end, what in pieces:
        bucket = start // step * step
        while True:
            border = bucket + step
            buckets.setdefault(bucket, []).append((max(start, bucket), min(end, border), what))
            if end <= border:
                break
            bucket = border
    return buckets
