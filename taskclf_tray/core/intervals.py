"""Half-open intervals of whole microseconds, and the rule that resolves overlapping spans.

An interval is a pair (start, end) with start < end. Unless stated otherwise, every function takes and returns sorted
lists of disjoint intervals.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

Interval = tuple[int, int]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Merge intervals in any order that may overlap or touch; empty ones vanish."""
    merged: list[Interval] = []
    for start, end in sorted(pair for pair in intervals if pair[0] < pair[1]):
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def subtract(intervals: Sequence[Interval], holes: Sequence[Interval]) -> list[Interval]:
    """Return the parts of `intervals` that no hole covers."""
    left: list[Interval] = []
    at = 0
    for start, end in intervals:
        while at < len(holes) and holes[at][1] <= start:
            at += 1
        begin, k = start, at
        while k < len(holes) and holes[k][0] < end:
            if holes[k][0] > begin:
                left.append((begin, holes[k][0]))
            begin = max(begin, holes[k][1])
            k += 1
        if begin < end:
            left.append((begin, end))
    return left


def intersect(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Return the parts that both lists cover."""
    both: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            both.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return both


def covered(intervals: Sequence[Interval], start: int, end: int) -> int:
    """Return the microseconds of [start, end) that the intervals cover."""
    return sum(min(b, end) - max(a, start) for a, b in intervals if a < end and b > start)


def flatten(spans: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Cut overlapping spans so that each moment belongs to one span.

    At each moment the span with the latest start wins, then the one with the highest rank; when it ends, the span below
    resumes (contract, section 3). Empty spans are left out. O(n log n).

    Args:
        spans: (start, end, rank) in any order.

    Returns:
        Disjoint (start, end, index into `spans`) in order of time; touching parts of one span are joined.
    """
    order = sorted((i for i, span in enumerate(spans) if span[0] < span[1]), key=lambda i: spans[i][0])
    parts: list[tuple[int, int, int]] = []
    active: list[tuple[int, int, int]] = []  # (-start, -rank, index): the top wins
    at, now = 0, 0
    while at < len(order) or active:
        if not active:
            now = spans[order[at]][0]
        while at < len(order) and spans[order[at]][0] <= now:
            i = order[at]
            heapq.heappush(active, (-spans[i][0], -spans[i][2], i))
            at += 1
        while active and spans[active[0][2]][1] <= now:
            heapq.heappop(active)
        if not active:
            continue
        top = active[0][2]
        until = spans[top][1]
        if at < len(order):
            until = min(until, spans[order[at]][0])
        if parts and parts[-1][2] == top and parts[-1][1] == now:
            parts[-1] = (parts[-1][0], until, top)
        else:
            parts.append((now, until, top))
        now = until
    return parts
