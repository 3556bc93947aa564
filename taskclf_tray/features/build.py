"""The way in: events → feature rows, all at once, poll by poll, or live.

The live row is what the current app has been doing, before its minute is over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Final

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_IDLE_GAP_SECONDS, DEFAULT_USER_ID
from taskclf_tray.core.schema import NEWEST_SCHEMA, SCHEMAS
from taskclf_tray.core.time import US_PER_SECOND, from_us, to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent, FeatureRow, SourceEvents
from taskclf_tray.features.advance import Resolved, Skip, advance, resolve_events, stretch_of
from taskclf_tray.features.buckets import ForegroundSummary, audible_intervals, summarise
from taskclf_tray.features.idle import apply_idle_rule
from taskclf_tray.features.inputs import clip_inputs
from taskclf_tray.features.rows import RowBuilder
from taskclf_tray.features.spans import Piece, microseconds
from taskclf_tray.features.state import BuilderState
from taskclf_tray.features.windows import SHORT_US

__all__ = ["BuilderState", "advance", "build_features_from_aw_events", "live_row"]

LIVE_SPAN_SECONDS: Final = 60
STALE_SECONDS: Final = 75
_FIRST_LOOK_US: Final = US_PER_SECOND


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
    """Rows in order of time of everything at once: one `advance`, then the idle rule.

    Rows always hold v3's columns; `schema_version` is what they are marked with. `session_start` continues a
    session that began before the first event. Raises ValueError for an unknown schema version or zone, and for
    buckets that do not divide 5 minutes.
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
    """A row for the time since the current app came to the front: at most 60 s, up to the newest window event's end.

    Its start and end are those of that time; the ratio is over its length, input counts, distance, active seconds and
    the idle run are scaled to a whole minute or bucket. The other columns are those of the running bucket, as if it
    ended now, after a provisional `advance` over the complete buckets before it. The state is not changed. None
    without a window event in the last 75 s. `events` should reach back 60 s before the newest one, also where that
    lies before `state.until`; the row covers no time before `events.start`. An app seen once so far (no length yet)
    counts as one look of the watcher, 1 s.
    """
    until = None if state.until is None else to_us(state.until)
    resolved = resolve_events(state, events, skip, until, keep_past=True)
    pieces = _visible(resolved, to_us(events.start), to_us(now))
    if not pieces:
        return None
    newest = pieces[-1][1]
    step = state.bucket_seconds * US_PER_SECOND
    running_start = (newest - 1) // step * step
    if until is None or running_start > until:
        state, _ = advance(state, events, from_us(running_start), skip=skip)
    else:
        running_start = until
    maker = RowBuilder(state)
    running = [(max(start, running_start), end, event) for start, end, event in pieces if end > running_start]
    maker.observe(running)
    unseen_until = max((end for _, end in resolved.holes if end <= newest), default=0)
    maker.forget_before(unseen_until)
    front = _current(pieces, max(unseen_until, newest - LIVE_SPAN_SECONDS * US_PER_SECOND))
    stretch = stretch_of(
        front,
        clip_inputs(resolved.inputs, front.start_us, front.end_us),
        resolved.tab_pieces(front.start_us, front.end_us),
        audible_intervals(resolved.tabs),
        step,
    )
    return maker.row(dataclasses.replace(stretch, bucket_us=running_start, app_us=_app_time(running)))


def _visible(resolved: Resolved, start: int, now: int) -> list[Piece[AWEvent]]:
    """What was in front lately, up to now and outside blackouts; empty when the newest of it is stale."""
    stale = now - STALE_SECONDS * US_PER_SECOND
    # far enough back for a running bucket of 5 minutes, the longest there is
    pieces = resolved.front(max(start, stale - SHORT_US), now + 1)
    cut = [(begin, min(end, now), event) for begin, end, event in pieces]
    return cut if cut and cut[-1][1] >= stale else []


def _current(pieces: Sequence[Piece[AWEvent]], since: int) -> ForegroundSummary:
    """The app in front now, since it came there; at the earliest since `since`."""
    app = pieces[-1][2].app_id
    last = list(takewhile(lambda piece: piece[2].app_id == app and piece[1] >= since, reversed(pieces)))[::-1]
    start, end = max(last[0][0], since), last[-1][1]
    if start == end:
        end = start + _FIRST_LOOK_US
        last = [(start, end, last[-1][2])]
    return summarise(start, end, [(max(a, start), b, event) for a, b, event in last])


def _app_time(pieces: Sequence[Piece[AWEvent]]) -> dict[str, int]:
    times: dict[str, int] = {}
    for start, end, event in pieces:
        if start < end:
            times[event.app_id] = times.get(event.app_id, 0) + end - start
    return times
