"""Summary of the windows in front during a bucket (or the live row's time), and of the browser tabs in them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from taskclf_tray.core.intervals import Interval, covered, intersect, union
from taskclf_tray.core.time import US_PER_SECOND
from taskclf_tray.core.types import AWEvent, AWTabEvent, WordSeconds
from taskclf_tray.features.spans import EventInterval, EventSpan

MEETING_CATEGORY: Final = "meeting"
NON_BROWSER: Final = "non_browser"
UNKNOWN_DOMAIN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class ForegroundSummary:
    """Sums over the foreground intervals in [start_us, end_us); all times in microseconds.

    Attributes:
        event: the longest event of the dominant app.
        app_us: time of each app that has any.
        app_changes: changes of app between consecutive intervals.
        unknown_us: time without a focused window.
        locked_us: time with a screen locker in front.
        dominant: intervals of the dominant app.
        calls: disjoint intervals of call windows, in order.
        locks: disjoint intervals of screen lockers, in order.
        browsing: disjoint intervals of browsers, in order.
        word_seconds: time of each bucket of words and programs, in whole seconds.
    """

    start_us: int
    end_us: int
    event: AWEvent
    app_us: dict[str, int]
    app_changes: int
    unknown_us: int
    locked_us: int
    dominant: tuple[Interval, ...]
    calls: tuple[Interval, ...]
    locks: tuple[Interval, ...]
    browsing: tuple[Interval, ...] = ()
    word_seconds: WordSeconds = ()

    @property
    def dominant_us(self) -> int:
        """Time of the dominant app; 0 when all events are without length."""
        return self.app_us.get(self.event.app_id, 0)

    @property
    def covered_us(self) -> int:
        """Time with any window in front."""
        return sum(self.app_us.values())


def summarise(start_us: int, end_us: int, intervals: Sequence[EventInterval[AWEvent]]) -> ForegroundSummary:
    """Summarise the intervals (at least one, in order of time) of [start_us, end_us)."""
    seconds: dict[str, int] = {}
    per_event: dict[int, tuple[AWEvent, int]] = {}
    unknown = locked = changes = 0
    calls: list[Interval] = []
    locks: list[Interval] = []
    browsing: list[Interval] = []
    before = intervals[0][2].app_id
    for start, end, event in intervals:
        app, length = event.app_id, end - start
        changes += app != before
        before = app
        seconds[app] = seconds.get(app, 0) + length
        per_event[id(event)] = (event, per_event.get(id(event), (event, 0))[1] + length)
        unknown += length if event.is_unknown else 0
        if event.is_locker:
            locked += length
            locks.append((start, end))
        if event.is_call or event.app_category == MEETING_CATEGORY:
            calls.append((start, end))
        if event.is_browser:
            browsing.append((start, end))
    # max() keeps the first of equals, and dicts keep the order of first appearance: ties go to the first seen
    top = max(seconds, key=seconds.__getitem__)
    longest = max((entry for entry in per_event.values() if entry[0].app_id == top), key=lambda entry: entry[1])[0]
    return ForegroundSummary(
        start_us=start_us,
        end_us=end_us,
        event=longest,
        app_us={app: us for app, us in seconds.items() if us},
        app_changes=changes,
        unknown_us=unknown,
        locked_us=locked,
        dominant=tuple((start, end) for start, end, event in intervals if event.app_id == top),
        calls=tuple(union(calls)) if calls else (),
        locks=tuple(union(locks)) if locks else (),
        browsing=tuple(union(browsing)) if browsing else (),
        word_seconds=_word_seconds(per_event.values()),
    )


def _word_seconds(shown: Iterable[tuple[AWEvent, int]]) -> WordSeconds:
    """Return the time of each bucket, at least a second; an event without length has none."""
    times: dict[int, int] = {}
    for event, length in shown:
        for bucket in event.word_buckets if length else ():
            times[bucket] = times.get(bucket, 0) + length
    return tuple((bucket, max(1, round(times[bucket] / US_PER_SECOND))) for bucket in sorted(times))


def domain_category(front: ForegroundSummary, tabs: Sequence[EventInterval[AWTabEvent]]) -> str:
    """Return the category of the domains shown longest in the dominant browser (tie: first seen).

    `tabs`: intervals in or around the summary's time, in order. A tab without length decides only when no tab has any
    time. `non_browser` when another kind of app dominates, `unknown` without a tab.
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


def audible_intervals(spans: Sequence[EventSpan[AWTabEvent]]) -> list[Interval]:
    """Return the disjoint intervals in which any tab plays sound, in order."""
    return union((start, end) for start, end, _, tab in spans if tab.is_audible)


def audible_us(front: ForegroundSummary, audible: Sequence[Interval]) -> int:
    """Return the microseconds with a browser in front whose tab plays sound."""
    return covered(_during(front, audible), front.start_us, front.end_us)


def attended_us(front: ForegroundSummary, audible: Sequence[Interval]) -> int:
    """Return the microseconds with a call window in front, or a browser whose tab plays sound."""
    return covered(union([*front.calls, *_during(front, audible)]), front.start_us, front.end_us)


def _during(front: ForegroundSummary, audible: Sequence[Interval]) -> list[Interval]:
    """Return when a browser in front plays sound; sound behind another program is no sign of the person."""
    first = bisect_right(audible, front.start_us, key=itemgetter(1))
    last = bisect_left(audible, front.end_us, key=itemgetter(0))
    return intersect(audible[first:last], front.browsing) if first < last else []
