"""The live row: what the current app has been doing, before its minute is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from taskclf_tray.core.time import US_PER_SECOND, from_us, to_us
from taskclf_tray.core.types import AWEvent, FeatureRow, SourceEvents
from taskclf_tray.features.advance import Resolved, Skip, advance, resolve_events, stretch_of
from taskclf_tray.features.buckets import summarise
from taskclf_tray.features.inputs import clip_inputs
from taskclf_tray.features.rows import RowMaker
from taskclf_tray.features.spans import Piece
from taskclf_tray.features.state import BuilderState
from taskclf_tray.features.tabs import audible_intervals

LIVE_SPAN_SECONDS: Final = 60
STALE_SECONDS: Final = 75
_FIRST_LOOK_US: Final = US_PER_SECOND


def live_row(state: BuilderState, events: SourceEvents, now: datetime, *, skip: Skip = ()) -> FeatureRow | None:
    """A row for the time since the current app came to the front: at most 60 s, up to the newest window event's end.

    Its start and end are those of that time; the ratio is over its length, input counts, distance and active
    seconds are scaled to a whole minute or bucket. The other columns are those of the running bucket, as if it ended
    now, after a provisional `advance` over the complete buckets before it. The state is not changed. None without a
    window event in the last 75 s. Pass events from 60 s before the newest on, also those before `state.until`.
    An app seen once so far (no length yet) counts as one look of the watcher, 1 s.
    """
    resolved = resolve_events(state, events, skip, None)
    newest = _newest(resolved, to_us(now))
    if newest is None:
        return None
    step = state.bucket_seconds * US_PER_SECOND
    running_start = max((newest - 1) // step * step, 0 if state.until is None else to_us(state.until))
    if state.until is None or running_start > to_us(state.until):
        state, _ = advance(state, events, from_us(running_start), skip=skip)
    look_back = newest - LIVE_SPAN_SECONDS * US_PER_SECOND
    pieces = resolved.front(look_back, newest + 1)
    pieces = [(max(a, look_back), min(b, newest), event) for a, b, event in pieces]
    visible_from = max((end for _, end in resolved.holes if end <= newest), default=look_back)
    current = _current(pieces, visible_from)
    if not current:
        return None
    start, end = current[0][0], current[-1][1]
    if start == end:
        end = start + _FIRST_LOOK_US
        current = [(start, end, event) for _, _, event in current]
    front = summarise(start, end, current)
    running_pieces = resolved.front(running_start, newest) or current[-1:]
    maker = RowMaker(state)
    maker.observe(running_pieces)
    maker.forget_before(visible_from if resolved.holes else 0)
    return maker.row(
        stretch_of(
            front,
            clip_inputs(resolved.inputs, start, end),
            resolved.tab_pieces(start, end),
            audible_intervals(resolved.tabs),
            step,
            summarise(running_start, running_start + step, running_pieces),
        )
    )


def _newest(resolved: Resolved, now: int) -> int | None:
    """End of the newest window event by `now`, None when it is stale."""
    newest = max((min(end, now) for start, end, _, _ in resolved.window if start <= now), default=None)
    return None if newest is None or newest < now - STALE_SECONDS * US_PER_SECOND else newest


def _current(pieces: Sequence[Piece[AWEvent]], visible_from: int) -> list[Piece[AWEvent]]:
    """The last pieces of one app, in order of time."""
    last: list[Piece[AWEvent]] = []
    for start, end, event in reversed(pieces):
        if (last and event.app_id != last[0][2].app_id) or start < visible_from:
            break
        last.insert(0, (start, end, event))
    return last
