"""The idle rule: which buckets are decided without the model (contract, section 3)."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final

from taskclf_tray.core.defaults import AWAY_RUN_SECONDS
from taskclf_tray.core.intervals import Interval, subtract, union
from taskclf_tray.core.time import US_PER_SECOND, to_us
from taskclf_tray.core.types import AWAwayEvent, DecidedBy, FeatureRow
from taskclf_tray.features.spans import microseconds

_AWAY_RUN_US: Final = AWAY_RUN_SECONDS * US_PER_SECOND


def away_intervals(away_events: Iterable[AWAwayEvent]) -> list[Interval]:
    """When nobody was at the keyboard: the union of `afk` less the union of `not-afk`; disjoint, in order."""
    events = list(away_events)
    away = union(microseconds(event) for event in events if event.is_away)
    return subtract(away, union(microseconds(event) for event in events if not event.is_away))


def decide(row: FeatureRow, away: Sequence[Interval], lock_on: Sequence[Interval] = ()) -> DecidedBy:
    """Who decides the row's bucket.

    `idle_rule`: nobody attends (no meeting app in front, no audible tab), and the bucket lies in an away run of at
    least 300 s, or a screen locker was in front, or the lock signal on, for all of it. `no_window`: more than half
    of it had no focused window. `away` and `lock_on` are disjoint and in order.
    """
    start, end = to_us(row.bucket_start_ts), to_us(row.bucket_end_ts)
    run = _containing(start, end, away)
    gone = run is not None and run[1] - run[0] >= _AWAY_RUN_US
    locked = row.locked_seconds * US_PER_SECOND >= end - start or _containing(start, end, lock_on) is not None
    if (gone or locked) and row.attended_seconds == 0:
        return "idle_rule"
    return "no_window" if row.unknown_seconds * US_PER_SECOND > (end - start) / 2 else "model"


def _containing(start: int, end: int, intervals: Sequence[Interval]) -> Interval | None:
    at = bisect_right(intervals, start, key=itemgetter(0)) - 1
    return intervals[at] if at >= 0 and intervals[at][1] >= end else None


def apply_idle_rule(
    rows: Iterable[FeatureRow], away_events: Iterable[AWAwayEvent], lock_on: Sequence[Interval] = ()
) -> list[FeatureRow]:
    """The rows with `decided_by` set by `decide`."""
    away = away_intervals(away_events)
    decided = ((row, decide(row, away, lock_on)) for row in rows)
    return [row if row.decided_by == by else dataclasses.replace(row, decided_by=by) for row, by in decided]
