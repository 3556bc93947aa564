"""The way in: events → feature rows, all at once, poll by poll, or live."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_IDLE_GAP_SECONDS, DEFAULT_USER_ID
from taskclf_tray.core.schema import NEWEST_SCHEMA, SCHEMAS
from taskclf_tray.core.time import US_PER_SECOND, from_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent, FeatureRow, SourceEvents
from taskclf_tray.features.advance import advance
from taskclf_tray.features.idle import apply_idle_rule
from taskclf_tray.features.live import live_row
from taskclf_tray.features.spans import microseconds
from taskclf_tray.features.state import BuilderState

__all__ = ["BuilderState", "advance", "build_features_from_aw_events", "live_row"]


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
