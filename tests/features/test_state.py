"""The builder's state: JSON there and back, damage, bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskclf_tray.features.build import BuilderState, advance
from tests.support.events import at, keys, source, tab, win


def worked_state() -> BuilderState:
    state = BuilderState.initial("u", "d", time_zone="Asia/Tokyo")
    window = [win(30 * i, 29, f"app{i % 5}", event_id=i) for i in range(60)]
    events = source(
        [*window, win(1700, 400, event_id=99)],
        [keys(5 * i, 5, i % 9, event_id=i, dx=3) for i in range(400)],
        [tab(0, 4000, "docs", event_id=1)],
    )
    return advance(state, events, at(1800))[0]


def test_json_gives_back_an_equal_state() -> None:
    state = worked_state()
    assert state.history
    assert state.open_window
    assert state.open_tab
    assert len(state.recent) == 15
    assert BuilderState.from_json(state.to_json()) == state
    fresh = BuilderState.initial("u", "d", time_zone="UTC", session_start=at(3))
    assert BuilderState.from_json(fresh.to_json()) == fresh


def test_the_state_keeps_15_minutes_however_long_the_day() -> None:
    state = BuilderState.initial("u", "d", time_zone="UTC")
    window = [win(20 * i, 20, f"app{i % 7}", event_id=i) for i in range(3 * 600)]
    sizes = []
    for until in (3600, 18000, 36000):
        state, _ = advance(state, source(window), at(until))
        assert len(state.history) <= 16
        sizes.append(len(state.to_json()))
    assert max(sizes) < 1.2 * min(sizes)


def test_cut_off_or_changed_text_is_a_value_error() -> None:
    text = worked_state().to_json()
    for length in range(0, len(text), 37):
        with pytest.raises(ValueError):
            BuilderState.from_json(text[:length])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", 2),
        ("until", "yesterday"),
        ("bucket_seconds", 0),
        ("bucket_seconds", 7),
        ("time_zone", "Mars/Olympus"),
        ("history", [[1]]),
        ("history", [[1, {"a": "b"}]]),
        ("recent", [[1.0, 2.0]]),
        ("recent", [["1", 2.0, 3.0]]),
        ("titles", [1]),
        ("open_window", [[[None], 3]]),
        ("dwell_us", True),
        ("user_id", None),
        ("last_end_us", 10**40 + 0.5),
    ],
)
def test_a_wrong_value_is_a_value_error(name: str, value: Any) -> None:
    data = json.loads(worked_state().to_json())
    data[name] = value
    with pytest.raises(ValueError):
        BuilderState.from_json(json.dumps(data))


def test_a_missing_field_is_a_value_error() -> None:
    data = json.loads(worked_state().to_json())
    for name in data:
        with pytest.raises(ValueError):
            BuilderState.from_json(json.dumps({key: value for key, value in data.items() if key != name}))
    for text in ("", "[]", "null", "7"):
        with pytest.raises(ValueError):
            BuilderState.from_json(text)


def test_an_unknown_zone_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="time zone"):
        BuilderState.initial("u", "d", time_zone="Mars/Olympus")


def test_advance_leaves_its_state_alone() -> None:
    state = worked_state()
    before = state.to_json()
    advance(state, source([win(1700, 400, event_id=99), win(2100, 40, "web", event_id=100)]), at(2400))
    assert state.to_json() == before
