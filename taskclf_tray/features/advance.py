"""(state, events) → (state, rows): the one builder that the batch call and every poll go through."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

from taskclf_tray.core.intervals import Interval, union
from taskclf_tray.core.time import US_PER_SECOND, from_us, to_us
from taskclf_tray.core.types import AWEvent, AWTabEvent, FeatureRow, SourceEvents
from taskclf_tray.features.buckets import (
    ForegroundSummary,
    attended_us,
    audible_intervals,
    audible_us,
    domain_category,
    summarise,
)
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
    Key,
    Piece,
    Span,
    by_bucket,
    front_pieces,
    holes_of,
    open_starts,
    resolve,
    tab_key,
    window_key,
)
from taskclf_tray.features.state import BuilderState

Skip = Sequence[tuple[datetime, datetime]]


@dataclasses.dataclass(frozen=True, slots=True)
class Resolved:
    """The events of one read with their true starts, as spans in order of time; `holes` are the blackouts."""

    window: list[Span[AWEvent]]
    tabs: list[Span[AWTabEvent]]
    inputs: list[InputSpan]
    holes: list[Interval]

    def front(self, start: int, end: int) -> list[Piece[AWEvent]]:
        """What was in front in [start, end)."""
        return front_pieces(self.window, start, end, _window_saying, self.holes)

    def tab_pieces(self, start: int, end: int) -> list[Piece[AWTabEvent]]:
        """Which tab was current in [start, end)."""
        return front_pieces(self.tabs, start, end, _tab_saying, self.holes)

    def any_before(self, moment: int) -> bool:
        """Whether an event of any kind begins before `moment`."""
        starts = [span[0] for span in (*self.window[:1], *self.tabs[:1])] + [span.start_us for span in self.inputs[:1]]
        return any(start < moment for start in starts)


def _window_saying(event: AWEvent) -> Key:
    return window_key(event)[1:]


def _tab_saying(event: AWTabEvent) -> Key:
    return tab_key(event)[1:]


def resolve_events(
    state: BuilderState, events: SourceEvents, skip: Skip, read_from: int | None, *, keep_past: bool = False
) -> Resolved:
    """Find the true starts; what ended by `read_from` is left out unless `keep_past`."""
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

    `events` may begin before `state.until` (only their part after it counts) and reach past `until` (the rest is
    ignored); order and copies do not matter. Before the first event of any kind the state stays as it is. `until` at
    or before `state.until` builds nothing. `skip`: blackouts; a bucket that touches one yields no row, no time inside
    one counts, and window history never crosses one.
    Raises ValueError when `until` is not a border between buckets.
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
    maker = RowBuilder(state)
    rows = _rows(maker, resolved, start, end, step)
    after = dataclasses.replace(
        maker.state(from_us(end)),
        open_window=open_starts(resolved.window, window_key, end),
        open_tab=open_starts(resolved.tabs, tab_key, end),
        open_input=open_inputs(resolved.inputs, end),
    )
    return after, rows


def _rows(maker: RowBuilder, resolved: Resolved, start: int, end: int, step: int) -> list[FeatureRow]:
    buckets = by_bucket(resolved.front(start, end), step)
    tabs = by_bucket(resolved.tab_pieces(start, end), step)
    inputs = by_bucket(clip_inputs(resolved.inputs, start, end), step)
    audible = audible_intervals(resolved.tabs)
    touched = union((a // step * step, -(-b // step) * step) for a, b in resolved.holes)
    rows: list[FeatureRow] = []
    for bucket in sorted(buckets):
        pieces = buckets[bucket]
        maker.observe(pieces)
        hidden_until = _touched_until(bucket, touched)
        if hidden_until is not None:
            maker.forget_before(hidden_until)
            if bucket < hidden_until:
                continue
        front = summarise(bucket, bucket + step, pieces)
        rows.append(maker.row(stretch_of(front, inputs.get(bucket, []), tabs.get(bucket, []), audible, step)))
    passed = _touched_until(end - 1, touched)
    if passed is not None:
        maker.forget_before(passed)
    return rows


def _touched_until(moment: int, touched: Sequence[Interval]) -> int | None:
    """End of the newest blackout that began by `moment`, in whole buckets."""
    at = bisect_right(touched, moment, key=itemgetter(0)) - 1
    return touched[at][1] if at >= 0 else None


def stretch_of(
    front: ForegroundSummary,
    clips: Sequence[Clip],
    tabs: Sequence[Piece[AWTabEvent]],
    audible: Sequence[Interval],
    bucket_us: int,
) -> RowInputs:
    """Everything about one stretch of time; distances and seconds are scaled to a bucket's length, `bucket_us`."""
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
