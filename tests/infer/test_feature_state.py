"""Rolling columns of rows that were built poll by poll: as if they had been built all at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.types import AWEvent, AWInputEvent, FeatureRow
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.infer.feature_state import OnlineFeatureState
from tests.support.events import at, win

ROLLING = (
    "app_switch_count_last_15m",
    "keys_per_min_rolling_5", "keys_per_min_rolling_15", "mouse_distance_rolling_5", "mouse_distance_rolling_15",
    "keys_per_min_delta", "clicks_per_min_delta", "mouse_distance_delta",
    "session_length_so_far",
)  # fmt: skip


def keys(start: float, presses: int) -> AWInputEvent:
    return AWInputEvent(at(start), 5.0, presses, presses % 3, presses, 0, 0, 0)


@st.composite
def minutes(draw: st.DrawFn) -> tuple[list[AWEvent], list[AWInputEvent]]:
    """Whole minutes of one program each, some missing, some with input."""
    events: list[AWEvent] = []
    inputs: list[AWInputEvent] = []
    for minute in range(draw(st.integers(1, 40))):
        if draw(st.integers(0, 5)):
            events.append(win(60 * minute, 60, draw(st.sampled_from(["edit", "web", "shell", "meet"]))))
            if draw(st.booleans()):
                inputs.append(keys(60 * minute + 10, draw(st.integers(0, 40))))
    return events, inputs


def expected(row: FeatureRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ROLLING}


@settings(max_examples=60)
@given(of=minutes())
def test_rows_that_know_everything_are_not_changed(of: tuple[list[AWEvent], list[AWInputEvent]]) -> None:
    state = OnlineFeatureState()
    for row in build_features_from_aw_events(of[0], input_events=of[1], user_id="u"):
        state.push(row)
        assert state.get_context() == expected(row)


@settings(max_examples=60)
@given(of=minutes())
def test_rows_built_minute_by_minute_get_what_they_lack(of: tuple[list[AWEvent], list[AWInputEvent]]) -> None:
    events, inputs = of
    whole = build_features_from_aw_events(events, input_events=inputs, user_id="u")
    state, session_start = OnlineFeatureState(), None
    for row in whole:
        if row.idle_return_indicator:
            session_start = row.bucket_start_ts
        minute = [e for e in events if e.timestamp == row.bucket_start_ts]
        typed = [e for e in inputs if row.bucket_start_ts <= e.timestamp < row.bucket_end_ts]
        (alone,) = build_features_from_aw_events(minute, input_events=typed, user_id="u", session_start=session_start)
        state.push(alone)
        assert expected(alone.model_copy(update=state.get_context())) == expected(row)


def test_another_user_begins_anew_and_time_goes_forward() -> None:
    (row,) = build_features_from_aw_events([win(0, 60)], user_id="u")
    state = OnlineFeatureState(bucket_seconds=60, idle_gap_seconds=300)
    assert state.get_context() == {}
    state.push(row)
    with pytest.raises(ValueError, match="after the newest"):
        state.push(row)
    later = row.model_copy(update={"user_id": "v", "bucket_start_ts": row.bucket_start_ts + timedelta(minutes=1)})
    state.push(later)
    assert state.get_context()["session_length_so_far"] == later.session_length_so_far
