"""The idle rule: buckets that are decided without the model (contract, section 3).

An away run means that there was no input, not that the person left. When a call window was in front at the beginning of
the run, the minutes with a call window are no certain break: for the longest usual meeting, and until the screen is
locked, the machine sleeps, or reading stops. Batch knows the whole run. Online, the run may have begun hours before the
buckets of a poll, so an `IdleState` carries what is known of it.
"""

from __future__ import annotations

import dataclasses
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Final

from taskclf_tray.core.defaults import AWAY_RUN_SECONDS, JOINING_SECONDS, LONGEST_CALL_SECONDS
from taskclf_tray.core.intervals import Interval, intersect, subtract, union
from taskclf_tray.core.time import US_PER_SECOND, to_us
from taskclf_tray.core.types import AWAwayEvent, DecidedBy, FeatureRow
from taskclf_tray.features.spans import microseconds

_JOINING_US: Final = JOINING_SECONDS * US_PER_SECOND
_LONGEST_CALL_US: Final = LONGEST_CALL_SECONDS * US_PER_SECOND
_AWAY_RUN_US: Final = AWAY_RUN_SECONDS * US_PER_SECOND


@dataclass(frozen=True, slots=True)
class AwayReports:
    """The reports of the away watcher.

    `away`: the union of `afk` less the union of `not-afk`, disjoint and in order. `present`: times of input, in order,
    ends included, so that a single touch counts.
    """

    away: list[Interval]
    present: list[Interval]

    @classmethod
    def of(cls, events: Iterable[AWAwayEvent]) -> AwayReports:
        """Build from events in any order, with duplicates and overlaps."""
        afk: list[Interval] = []
        present: list[Interval] = []
        for event in events:
            (afk if event.is_away else present).append(microseconds(event))
        return cls(subtract(union(afk), union(present)), _merged(present))

    def is_present(self, start: int, end: int) -> bool:
        """Whether the person was present at a moment of [start, end], ends included."""
        at = bisect_right(self.present, end, key=itemgetter(0)) - 1
        return at >= 0 and self.present[at][1] >= start


@dataclass(frozen=True, slots=True)
class Absence:
    """Time away from `start_us` on, without a return.

    `joined_us`: the first moment with a call window in front, at most a minute after the last input, because the click
    that joins a call precedes its window; None when there is none so far. `ended_us`: the first lock or gap after it.
    """

    start_us: int
    joined_us: int | None = None
    ended_us: int | None = None

    @property
    def call_end_us(self) -> int:
        """Until this moment the model decides minutes with a call window."""
        longest = self.start_us + _LONGEST_CALL_US
        return longest if self.ended_us is None else min(longest, self.ended_us)


@dataclass(frozen=True, slots=True)
class IdleState:
    """The state of the idle rule between two reads; it describes the time before `until_us`.

    `row_end_us`: end of the last row; `is_away`: whether the person was away right before `until_us`; `absence`: the
    absence that no input has ended yet. A new state knows nothing of the time before.
    """

    until_us: int | None = None
    row_end_us: int | None = None
    is_away: bool = False
    absence: Absence | None = None

    def to_json(self) -> str:
        """Return the state as one line of JSON; `from_json` restores an equal state."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> IdleState:
        """Reverse `to_json`. Raises ValueError when the text is damaged."""
        try:
            values = json.loads(text)
            saved, is_away = values["absence"], values["is_away"]
            if not isinstance(is_away, bool) or (is_away and saved is None):
                raise TypeError
            absence = None
            if saved is not None:
                absence = Absence(_moment(saved["start_us"]), _maybe(saved["joined_us"]), _maybe(saved["ended_us"]))
                _moment(values["until_us"])
            return cls(_maybe(values["until_us"]), _maybe(values["row_end_us"]), is_away, absence)
        except (KeyError, TypeError) as error:
            raise ValueError("the saved state of the idle rule is damaged") from error


def listening_times(
    state: IdleState,
    rows: Sequence[FeatureRow],
    reports: AwayReports,
    *,
    lock_on: Sequence[Interval] = (),
    blackouts: Sequence[Interval] = (),
    shortest_gap_us: int = 1,
) -> list[Interval]:
    """Return when the person may listen to a call without input; disjoint, in order.

    Args:
        state: the state before the rows.
        rows: in order of time, from `state.until_us` on.
        reports: of the away watcher; reports before `state.until_us` are skipped.
        lock_on: disjoint intervals of the lock signal, in order.
        blackouts: disjoint, in order.
        shortest_gap_us: a hole between rows of this length counts as a gap, such as sleep.
    """
    calls = _calls(rows)
    if not calls:
        return []
    breaks = _breaks(state, rows, lock_on, shortest_gap_us)
    times: list[Interval] = []
    for start, end, absence in _absences(state, reports, blackouts):
        seen = _observed(absence, calls, breaks)
        if seen.joined_us is not None:
            times.append((max(start, seen.joined_us), min(end, seen.call_end_us)))
    return intersect(calls, [(start, end) for start, end in times if start < end])


def next_idle_state(
    state: IdleState,
    until_us: int,
    rows: Sequence[FeatureRow],
    reports: AwayReports,
    *,
    blackouts: Sequence[Interval] = (),
) -> IdleState:
    """Return the state at `until_us`, where no bucket is cut and before which no report is missing.

    Args:
        state: the state before the rows.
        until_us: the new moment.
        rows: in order of time, from `state.until_us` on.
        reports: of the away watcher.
        blackouts: disjoint, in order.
    """
    if until_us == state.until_us:
        return state
    passed = [row for row in rows if to_us(row.bucket_end_ts) <= until_us]
    away = [(start, min(end, until_us)) for start, end in reports.away if start < until_us]
    runs = list(_absences(state, AwayReports(away, reports.present), blackouts))
    _, last_end, absence = runs[-1] if runs else (0, state.until_us, state.absence)
    is_away = last_end == until_us
    if absence is not None and last_end is not None:
        if not is_away and _is_over(last_end, until_us - 1, reports, blackouts):
            absence = None
        else:
            absence = _observed(absence, _calls(passed), _breaks(state, passed, (), 1))
    row_end_us = to_us(passed[-1].bucket_end_ts) if passed else state.row_end_us
    return IdleState(until_us, row_end_us, is_away, absence)


def _absences(
    state: IdleState, reports: AwayReports, blackouts: Sequence[Interval]
) -> Iterator[tuple[int, int, Absence]]:
    """Yield each away run from `state.until_us` on, with the absence that it begins or continues."""
    absence, last_end, is_ongoing = state.absence, state.until_us, state.is_away
    for begin, end in reports.away:
        if last_end is not None and end <= last_end:
            continue
        start = begin if state.until_us is None else max(begin, state.until_us)
        is_same_run = is_ongoing and start == last_end
        if (
            absence is None
            or last_end is None
            or not (is_same_run or not _is_over(last_end, start, reports, blackouts))
        ):
            absence = Absence(start)
        yield start, end, absence
        last_end, is_ongoing = end, False


def _is_over(start: int, end: int, reports: AwayReports, blackouts: Sequence[Interval]) -> bool:
    """Whether an absence ends between two away runs: the person was present, or reading had stopped."""
    return reports.is_present(start, end) or any(a < end and b > start for a, b in blackouts)


def _observed(absence: Absence, calls: Sequence[Interval], breaks: Sequence[Interval]) -> Absence:
    """Complete the absence from the windows."""
    joined, ended = absence.joined_us, absence.ended_us
    if joined is None:
        joined = _first_moment(calls, absence.start_us)
        if joined is None or joined >= absence.start_us + _JOINING_US:
            return absence
    if ended is None:
        ended = _first_moment(breaks, joined)
    return Absence(absence.start_us, joined, ended)


def _first_moment(intervals: Sequence[Interval], since: int) -> int | None:
    """Return the first moment from `since` on that an interval covers."""
    at = bisect_right(intervals, since, key=itemgetter(1))
    return max(since, intervals[at][0]) if at < len(intervals) else None


def _calls(rows: Iterable[FeatureRow]) -> list[Interval]:
    return union(chain.from_iterable(row.call_spans for row in rows if row.call_spans))


def _breaks(
    state: IdleState, rows: Sequence[FeatureRow], lock_on: Sequence[Interval], shortest_gap_us: int
) -> list[Interval]:
    """Return what ends a call: a locked screen, and gaps without any window, such as sleep."""
    gaps: list[Interval] = []
    last_end_us = state.row_end_us
    for i, row in enumerate(rows):
        if i and row.bucket_start_ts == rows[i - 1].bucket_end_ts:
            continue
        before = last_end_us if i == 0 else to_us(rows[i - 1].bucket_end_ts)
        start = to_us(row.bucket_start_ts)
        if before is not None and start - before >= shortest_gap_us:
            gaps.append((before, start))
    return union([*gaps, *lock_on, *chain.from_iterable(row.lock_spans for row in rows if row.lock_spans)])


def _merged(moments: Iterable[Interval]) -> list[Interval]:
    """Sort the moments and join overlapping ones; moments without length stay."""
    merged: list[Interval] = []
    for start, end in sorted(moments):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _moment(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _maybe(value: object) -> int | None:
    return None if value is None else _moment(value)


def away_intervals(away_events: Iterable[AWAwayEvent]) -> list[Interval]:
    """Return when the person was away: the union of `afk` less the union of `not-afk`; disjoint, in order."""
    return AwayReports.of(away_events).away


def decide(
    row: FeatureRow,
    away: Sequence[Interval],
    lock_on: Sequence[Interval] = (),
    listening: Sequence[Interval] = (),
) -> DecidedBy:
    """Return who decides the row's bucket; all intervals are disjoint and in order.

    `idle_rule`: no tab is audible, the person is not listening to a call (`listening_times`), and the bucket lies in an
    away run of at least 300 s, or behind a screen locker or the lock signal for its whole length. `no_window`: more
    than half of it had no focused window. Otherwise the model.
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
    """Set `decided_by` of one user's rows in order of time by `decide`; no absence crosses a blackout."""
    rows, reports = list(rows), AwayReports.of(away_events)
    listening = listening_times(IdleState(), rows, reports, lock_on=lock_on, blackouts=blackouts)
    return [with_decision(row, decide(row, reports.away, lock_on, listening)) for row in rows]


def with_decision(row: FeatureRow, decided_by: DecidedBy) -> FeatureRow:
    """Return the row with this `decided_by`."""
    return row if row.decided_by == decided_by else dataclasses.replace(row, decided_by=decided_by)


def with_idle_rule(row: FeatureRow, away: Sequence[Interval], listening: Sequence[Interval]) -> FeatureRow:
    """The row as the idle rule decides it: nobody at the keyboard, nobody listening, or the model's turn."""
    return with_decision(row, decide(row, away, (), listening))
