"""The feature builder: events to rows, all at once, poll by poll, or live.

`advance` is (state, events) → (state, rows); the batch call and every poll use this one builder. The live row describes
the current app before its minute is over.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import takewhile
from operator import itemgetter
from typing import Final

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_IDLE_GAP_SECONDS, DEFAULT_USER_ID
from taskclf_tray.core.intervals import Interval, union
from taskclf_tray.core.schema import NEWEST_SCHEMA, SCHEMAS
from taskclf_tray.core.time import US_PER_SECOND, from_us, to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent, FeatureRow, SourceEvents
from taskclf_tray.features.buckets import (
    ForegroundSummary,
    attended_us,
    audible_intervals,
    audible_us,
    domain_category,
    summarise,
)
from taskclf_tray.features.idle import apply_idle_rule
from taskclf_tray.features.inputs import (
    Clip,
    InputSpan,
    clip_inputs,
    input_values,
    open_inputs,
    resolve_inputs,
)
from taskclf_tray.features.rows import RowBuilder, RowInputs
from taskclf_tray.features.spans import (
    EventInterval,
    EventSpan,
    Key,
    by_bucket,
    foreground_intervals,
    holes_of,
    microseconds,
    open_starts,
    resolve,
    tab_key,
    window_key,
)
from taskclf_tray.features.state import BuilderState
from taskclf_tray.features.windows import SHORT_US

__all__ = ["BuilderState", "advance", "build_features_from_aw_events", "live_row"]

Skip = Sequence[tuple[datetime, datetime]]
LIVE_SPAN_SECONDS: Final = 60
STALE_SECONDS: Final = 75
_FIRST_LOOK_US: Final = US_PER_SECOND


@dataclasses.dataclass(frozen=True, slots=True)
class Resolved:
    """The events of one read with their true starts, as spans in order of time; `holes` are the blackouts."""

    window: list[EventSpan[AWEvent]]
    tabs: list[EventSpan[AWTabEvent]]
    inputs: list[InputSpan]
    holes: list[Interval]

    def front(self, start: int, end: int) -> list[EventInterval[AWEvent]]:
        """Return the foreground intervals in [start, end)."""
        return foreground_intervals(self.window, start, end, _window_content, self.holes)

    def tab_intervals(self, start: int, end: int) -> list[EventInterval[AWTabEvent]]:
        """Return the intervals of the current tab in [start, end)."""
        return foreground_intervals(self.tabs, start, end, _tab_content, self.holes)

    def any_before(self, moment: int) -> bool:
        """Whether an event of any kind begins before `moment`."""
        starts = [span[0] for span in (*self.window[:1], *self.tabs[:1])] + [span.start_us for span in self.inputs[:1]]
        return any(start < moment for start in starts)


def _window_content(event: AWEvent) -> Key:
    return window_key(event)[1:]


def _tab_content(event: AWTabEvent) -> Key:
    return tab_key(event)[1:]


def resolve_events(
    state: BuilderState, events: SourceEvents, skip: Skip, read_from: int | None, *, keep_past: bool = False
) -> Resolved:
    """Resolve the true starts.

    Args:
        state: the state after the previous read.
        events: the events of the read.
        skip: blackouts.
        read_from: events that ended by this moment are left out unless `keep_past`.
        keep_past: keep events that ended by `read_from`.
    """
    holes = holes_of(skip)
    inputs = resolve_inputs(events.input, state.open_input, read_from, to_us(events.end), keep_past=keep_past)
    return Resolved(
        window=resolve(events.window, window_key, state.open_window, read_from, holes, keep_past=keep_past),
        tabs=resolve(events.tab, tab_key, state.open_tab, read_from, holes, keep_past=keep_past),
        inputs=inputs,
        holes=holes,
    )


def advance(
    state: BuilderState, events: SourceEvents, until: datetime, *, skip: Skip = ()
) -> tuple[BuilderState, list[FeatureRow]]:
    """Build every bucket with a window event in [state.until, until), each exactly once; pure.

    The order of the events, and duplicates, do not matter. Before the first event of any kind the state stays as it is.

    Args:
        state: the state after the previous read.
        events: may begin before `state.until` and reach past `until`; both ends are ignored.
        until: a border between buckets; at or before `state.until` nothing is built.
        skip: blackouts. A bucket that touches one yields no row, time inside one never counts, and window history never
            crosses one.

    Returns:
        (the state at `until`, the rows in order of time).

    Raises:
        ValueError: `until` is not a border between buckets.
    """
    step = state.bucket_seconds * US_PER_SECOND
    end = to_us(until)
    if end % step:
        raise ValueError(f"until must be a border between buckets of {state.bucket_seconds} s")
    start = None if state.until is None else to_us(state.until)
    if start is not None and end <= start:
        return state, []
    resolved = resolve_events(state, events, skip, start)
    if start is None:
        if not resolved.any_before(end):
            return state, []
        first = min((span[0] for span in resolved.window), default=end)
        start = min(first // step * step, end)
    builder = RowBuilder(state)
    rows = _rows(builder, resolved, start, end, step)
    after = dataclasses.replace(
        builder.state(from_us(end)),
        open_window=open_starts(resolved.window, window_key, end),
        open_tab=open_starts(resolved.tabs, tab_key, end),
        open_input=open_inputs(resolved.inputs, end),
    )
    return after, rows


def _rows(builder: RowBuilder, resolved: Resolved, start: int, end: int, step: int) -> list[FeatureRow]:
    buckets = by_bucket(resolved.front(start, end), step)
    tabs = by_bucket(resolved.tab_intervals(start, end), step)
    inputs = by_bucket(clip_inputs(resolved.inputs, start, end), step)
    audible = audible_intervals(resolved.tabs)
    touched = union((a // step * step, -(-b // step) * step) for a, b in resolved.holes)
    rows: list[FeatureRow] = []
    for bucket in sorted(buckets):
        intervals = buckets[bucket]
        builder.observe(intervals)
        hidden_until = _touched_until(bucket, touched)
        if hidden_until is not None:
            builder.forget_before(hidden_until)
            if bucket < hidden_until:
                continue
        front = summarise(bucket, bucket + step, intervals)
        rows.append(builder.row(row_inputs_of(front, inputs.get(bucket, []), tabs.get(bucket, []), audible, step)))
    passed = _touched_until(end - 1, touched)
    if passed is not None:
        builder.forget_before(passed)
    return rows


def _touched_until(moment: int, touched: Sequence[Interval]) -> int | None:
    """Return the end of the newest blackout that began by `moment`, in whole buckets."""
    at = bisect_right(touched, moment, key=itemgetter(0)) - 1
    return touched[at][1] if at >= 0 else None


def row_inputs_of(
    front: ForegroundSummary,
    clips: Sequence[Clip],
    tabs: Sequence[EventInterval[AWTabEvent]],
    audible: Sequence[Interval],
    bucket_us: int,
) -> RowInputs:
    """Collect the inputs of a row.

    Args:
        front: the foreground of the row's time.
        clips: the parts of the input spans in it.
        tabs: the tab intervals in or around it.
        audible: disjoint intervals in which a tab plays sound.
        bucket_us: length of a bucket, to which distances and seconds are scaled.
    """
    heard = audible_us(front, audible) if audible else 0
    return RowInputs(
        front=front,
        inputs=input_values(clips, front.end_us - front.start_us, bucket_us),
        domain=domain_category(front, tabs),
        attended_us=attended_us(front, audible) if front.calls else heard,
        audible_us=heard,
        bucket_us=front.start_us,
        app_us=front.app_us,
    )


def build_features_from_aw_events(
    events: Iterable[AWEvent],
    *,
    input_events: Iterable[AWInputEvent] | None = None,
    bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
    session_start: datetime | None = None,
    schema_version: str = NEWEST_SCHEMA,
    user_id: str = DEFAULT_USER_ID,
    device_id: str | None = None,
    away_events: Iterable[AWAwayEvent] | None = None,
    tab_events: Iterable[AWTabEvent] | None = None,
    idle_gap_seconds: float = DEFAULT_IDLE_GAP_SECONDS,
    time_zone: str = "UTC",
) -> list[FeatureRow]:
    """Build the feature rows of a list of events, in order of time.

    Args:
        events: window events.
        input_events: keyboard and mouse counts.
        bucket_seconds: length of a bucket in seconds, a divisor of 300.
        session_start: aware start of a session that began before the first event.
        schema_version: the version noted in the rows, which always hold the columns of v3.
        user_id: the user noted in the rows.
        device_id: the machine noted in the rows.
        away_events: events of the away watcher.
        tab_events: events of the browser watcher.
        idle_gap_seconds: seconds without input that end a session.
        time_zone: IANA name, for the hour and the weekday.

    Raises:
        ValueError: the schema version or the zone is unknown, or the bucket length does not divide 5 minutes.
    """
    if schema_version not in SCHEMAS:
        raise ValueError(f"unknown schema version {schema_version!r}")
    state = BuilderState.initial(
        user_id,
        device_id or "",
        time_zone=time_zone,
        bucket_seconds=bucket_seconds,
        idle_gap_seconds=idle_gap_seconds,
        session_start=session_start,
    )
    window = tuple(events)
    if not window:
        return []
    moments = [microseconds(event) for event in window]
    step = bucket_seconds * US_PER_SECOND
    until = max(end for _, end in moments) // step * step + step
    inputs = tuple(input_events or ())
    beyond = max((microseconds(event)[1] for event in inputs), default=until) + step
    everything = SourceEvents(
        start=from_us(min(start for start, _ in moments)),
        end=from_us(max(until, beyond)),
        window=window,
        input=inputs,
        tab=tuple(tab_events or ()),
    )
    _, rows = advance(state, everything, from_us(until))
    return [_marked(row, schema_version) for row in apply_idle_rule(rows, away_events or ())]


def _marked(row: FeatureRow, schema_version: str) -> FeatureRow:
    return row if row.schema_version == schema_version else dataclasses.replace(row, schema_version=schema_version)


def live_row(state: BuilderState, events: SourceEvents, now: datetime, *, skip: Skip = ()) -> FeatureRow | None:
    """Build a row for the time since the current app came to the front: at most 60 s, up to the newest window event's
    end.

    The row starts and ends with that time. Its foreground ratio is over that time; input counts, distance, active
    seconds and the idle run are scaled to a whole minute or bucket. The other columns are those of the running bucket
    as if it ended now, after a provisional `advance` over the complete buckets before it. The state stays unchanged. An
    app seen only once (no length yet) counts as one look of the watcher, 1 s.

    Args:
        state: the state after the last read.
        events: should reach back 60 s before the newest event, even before `state.until`; the row covers no earlier
            time.
        now: the present.
        skip: blackouts.

    Returns:
        The row; None without a window event in the last 75 s.
    """
    until = None if state.until is None else to_us(state.until)
    resolved = resolve_events(state, events, skip, until, keep_past=True)
    intervals = _visible(resolved, to_us(events.start), to_us(now))
    if not intervals:
        return None
    newest = intervals[-1][1]
    step = state.bucket_seconds * US_PER_SECOND
    running_start = (newest - 1) // step * step
    if until is None or running_start > until:
        state, _ = advance(state, events, from_us(running_start), skip=skip)
    else:
        running_start = until
    builder = RowBuilder(state)
    running = [(max(start, running_start), end, event) for start, end, event in intervals if end > running_start]
    builder.observe(running)
    unseen_until = max((end for _, end in resolved.holes if end <= newest), default=0)
    builder.forget_before(unseen_until)
    front = _current(intervals, max(unseen_until, newest - LIVE_SPAN_SECONDS * US_PER_SECOND))
    row_inputs = row_inputs_of(
        front,
        clip_inputs(resolved.inputs, front.start_us, front.end_us),
        resolved.tab_intervals(front.start_us, front.end_us),
        audible_intervals(resolved.tabs),
        step,
    )
    return builder.row(dataclasses.replace(row_inputs, bucket_us=running_start, app_us=_app_time(running)))


def _visible(resolved: Resolved, start: int, now: int) -> list[EventInterval[AWEvent]]:
    """Return the recent foreground intervals up to now, outside blackouts; empty when the newest is stale."""
    stale = now - STALE_SECONDS * US_PER_SECOND
    # far enough back for a running bucket of 5 minutes, the longest there is
    intervals = resolved.front(max(start, stale - SHORT_US), now + 1)
    cut = [(begin, min(end, now), event) for begin, end, event in intervals]
    return cut if cut and cut[-1][1] >= stale else []


def _current(intervals: Sequence[EventInterval[AWEvent]], since: int) -> ForegroundSummary:
    """Summarise the app in front now, since it came to the front but not before `since`."""
    app = intervals[-1][2].app_id
    recent = takewhile(lambda each: each[2].app_id == app and each[1] >= since, reversed(intervals))
    last = list(recent)[::-1]
    start, end = max(last[0][0], since), last[-1][1]
    if start == end:
        end = start + _FIRST_LOOK_US
        last = [(start, end, last[-1][2])]
    return summarise(start, end, [(max(a, start), b, event) for a, b, event in last])


def _app_time(intervals: Sequence[EventInterval[AWEvent]]) -> dict[str, int]:
    times: dict[str, int] = {}
    for start, end, event in intervals:
        if start < end:
            times[event.app_id] = times.get(event.app_id, 0) + end - start
    return times
