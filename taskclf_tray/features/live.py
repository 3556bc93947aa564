"""The live row: what the current app has been doing, before its minute is over."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile
from typing import Final

from taskclf_tray.core.time import US_PER_SECOND, from_us, to_us
from taskclf_tray.core.types import AWEvent, FeatureRow, SourceEvents
from taskclf_tray.features.advance import Resolved, Skip, advance, resolve_events, stretch_of
from taskclf_tray.features.buckets import ForegroundSummary, summarise
from taskclf_tray.features.inputs import clip_inputs
from taskclf_tray.features.rows import RowBuilder
from taskclf_tray.features.spans import Piece
from taskclf_tray.features.state import BuilderState
from taskclf_tray.features.tabs import audible_intervals
from taskclf_tray.features.windows import SHORT_US

LIVE_SPAN_SECONDS: Final = 60
STALE_SECONDS: Final = 75
_FIRST_LOOK_US: Final = US_PER_SECOND


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
