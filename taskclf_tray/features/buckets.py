"""What the windows in front say about one stretch of time (a bucket, or the live row's span)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from taskclf_tray.core.intervals import Interval, union
from taskclf_tray.core.types import AWEvent
from taskclf_tray.features.spans import Piece

MEETING_CATEGORY: Final = "meeting"


@dataclass(frozen=True, slots=True)
class ForegroundSummary:
    """Sums over the pieces of [start_us, end_us); all times in microseconds.

    `event` is the dominant app's longest event, `app_us` the time of each app that had any, `app_changes` the
    changes of app between consecutive pieces; `calls`, `locks` and `browsing`: when a call window, a screen locker or
    a browser was in front, disjoint and in order.
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

    @property
    def dominant_us(self) -> int:
        """Time of the dominant app; 0 when there are only events without length."""
        return self.app_us.get(self.event.app_id, 0)

    @property
    def covered_us(self) -> int:
        """Time with any window in front."""
        return sum(self.app_us.values())


def summarise(start_us: int, end_us: int, pieces: Sequence[Piece[AWEvent]]) -> ForegroundSummary:
    """Sum up the pieces (at least one, in order of time) of one stretch."""
    seconds: dict[str, int] = {}
    per_event: dict[int, tuple[AWEvent, int]] = {}
    unknown = locked = changes = 0
    calls: list[Interval] = []
    locks: list[Interval] = []
    browsing: list[Interval] = []
    before = pieces[0][2].app_id
    for start, end, event in pieces:
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
        dominant=tuple((start, end) for start, end, event in pieces if event.app_id == top),
        calls=tuple(union(calls)) if calls else (),
        locks=tuple(union(locks)) if locks else (),
        browsing=tuple(union(browsing)) if browsing else (),
    )
