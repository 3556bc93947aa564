"""Browser tabs: what kind of site the dominant browser showed, and whether anything played sound."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from taskclf_tray.core.intervals import Interval, covered, intersect, union
from taskclf_tray.core.types import AWTabEvent
from taskclf_tray.features.buckets import ForegroundSummary
from taskclf_tray.features.spans import Piece, Span

NON_BROWSER: Final = "non_browser"
UNKNOWN_DOMAIN: Final = "unknown"


def domain_category(front: ForegroundSummary, tabs: Sequence[Piece[AWTabEvent]]) -> str:
    """Category of the domains shown longest while the dominant browser was in front (tie: first seen).

    `tabs`: the pieces in or around the stretch, in order of time. A tab seen once (no length) decides only when no
    tab has any time. `non_browser` when another kind of app dominates, `unknown` without a tab.
    """
    if not front.event.is_browser:
        return NON_BROWSER
    seen: dict[str, int] = {}
    for start, end, tab in tabs:
        for a, b in front.dominant:
            if (start < b and end > a) or a <= start == end < b:
                shown = min(b, end) - max(a, start)
                seen[tab.domain_category] = seen.get(tab.domain_category, 0) + shown
    return max(seen, key=seen.__getitem__) if seen else UNKNOWN_DOMAIN


def audible_intervals(spans: Sequence[Span[AWTabEvent]]) -> list[Interval]:
    """When any tab played sound; disjoint, in order."""
    return union((start, end) for start, end, _, tab in spans if tab.is_audible)


def audible_us(front: ForegroundSummary, audible: Sequence[Interval]) -> int:
    """Microseconds of the stretch with a browser in front whose tab plays sound."""
    return covered(_during(front, audible), front.start_us, front.end_us)


def attended_us(front: ForegroundSummary, audible: Sequence[Interval]) -> int:
    """Microseconds of the stretch with a call window in front, or a browser in front whose tab plays sound."""
    return covered(union([*front.calls, *_during(front, audible)]), front.start_us, front.end_us)


def _during(front: ForegroundSummary, audible: Sequence[Interval]) -> list[Interval]:
    """When a browser was in front and a tab played sound: music behind another program says nothing of the person."""
    first = bisect_right(audible, front.start_us, key=itemgetter(1))
    last = bisect_left(audible, front.end_us, key=itemgetter(0))
    return intersect(audible[first:last], front.browsing) if first < last else []
