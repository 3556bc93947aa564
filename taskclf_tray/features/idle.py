"""The idle rule: which buckets are decided without the model (contract, section 3)."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final

from taskclf_tray.core.defaults import AWAY_RUN_SECONDS
from taskclf_tray.core.intervals import Interval
from taskclf_tray.core.time import US_PER_SECOND, to_us
from taskclf_tray.core.types import AWAwayEvent, DecidedBy, FeatureRow
from taskclf_tray.features.absences import AwayReports, IdleState, listening_times

_AWAY_RUN_US: Final = AWAY_RUN_SECONDS * US_PER_SECOND


def away_intervals(away_events: Iterable[AWAwayEvent]) -> list[Interval]:
    """When nobody was at the keyboard: the union of `afk` less the union of `not-afk`; disjoint, in order."""
    return AwayReports.of(away_events).away


def decide(
    row: FeatureRow,
    away: Sequence[Interval],
    lock_on: Sequence[Interval] = (),
    listening: Sequence[Interval] = (),
) -> DecidedBy:
    """Who decides the row's bucket.

    `idle_rule`: no tab is audible and nobody may be listening to a call (`features.absences`), and the bucket lies in
    an away run of at least 300 s, or a screen locker was in front, or the lock signal on, for all of it. `no_window`:
    more than half of it had no focused window. `away`, `lock_on` and `listening` are disjoint and in order.
    """
    start, end = to_us(row.bucket_start_ts), to_us(row.bucket_end_ts)
    run = _containing(start, end, away)
    gone = run is not None and run[1] - run[0] >= _AWAY_RUN_US
    locked = row.locked_seconds * US_PER_SECOND >= end - start or _containing(start, end, lock_on) is not None
    if (gone or locked) and not _is_attended(row, start, end, listening):
        return "idle_rule"
    return "no_window" if row.unknown_seconds * US_PER_SECOND > (end - start) / 2 else "model"


def _is_attended(row: FeatureRow, start: int, end: int, listening: Sequence[Interval]) -> bool:
    if row.attended_seconds == 0:
        return False
    return row.audible_seconds > 0 or _touches(start, end, listening)


def _containing(start: int, end: int, intervals: Sequence[Interval]) -> Interval | None:
    at = bisect_right(intervals, start, key=itemgetter(0)) - 1
    return intervals[at] if at >= 0 and intervals[at][1] >= end else None


def _touches(start: int, end: int, intervals: Sequence[Interval]) -> bool:
    at = bisect_right(intervals, start, key=itemgetter(1))
    return at < len(intervals) and intervals[at][0] < end


def apply_idle_rule(
    rows: Iterable[FeatureRow],
    away_events: Iterable[AWAwayEvent],
    lock_on: Sequence[Interval] = (),
    *,
    blackouts: Sequence[Interval] = (),
) -> list[FeatureRow]:
    """The rows of one user, in order of time, with `decided_by` set by `decide`; no absence crosses a blackout."""
    rows, reports = list(rows), AwayReports.of(away_events)
    listening = listening_times(IdleState(), rows, reports, lock_on=lock_on, blackouts=blackouts)
    return [with_decision(row, decide(row, reports.away, lock_on, listening)) for row in rows]


def with_decision(row: FeatureRow, decided_by: DecidedBy) -> FeatureRow:
    """The row, decided so."""
    return row if row.decided_by == decided_by else dataclasses.replace(row, decided_by=decided_by)
