"""Hypothesis strategies for events of every stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from taskclf_tray.core.types import AWEvent, AWInputEvent, AWTabEvent
from tests.support.events import at, keys, tab, win

HORIZON = 1500


# whole seconds make ties and borders likely, fractions make them rare
moments = st.one_of(st.integers(0, HORIZON), st.integers(0, 25).map(lambda m: 60 * m), st.floats(0, HORIZON))


lengths = st.one_of(st.just(0), st.integers(0, 90), st.just(400), st.floats(0, 200))


apps = st.sampled_from(["edit", "web", "meet", "lock", "?"])


@st.composite
def windows(draw: st.DrawFn) -> list[AWEvent]:
    """Any window events, each with its own id."""
    parts = draw(st.lists(st.tuples(moments, lengths, apps, st.sampled_from("xy")), max_size=14))
    ids = draw(st.permutations(range(len(parts))))
    return [win(*part, event_id=i) for part, i in zip(parts, ids, strict=True)]


@st.composite
def inputs(draw: st.DrawFn) -> list[AWInputEvent]:
    """Input events as the watcher makes them: whole samples, one after the other, at any offset."""
    events, now = [], draw(st.integers(0, 60)) + draw(st.sampled_from([0, 0.25]))
    for i in range(draw(st.integers(0, 8))):
        samples = draw(st.sampled_from([1, 1, 3, 20]))
        presses, distance = draw(st.sampled_from([(0, 0), (7, 0), (0, 31), (13, 2)]))
        events.append(keys(now, 5 * samples, presses, event_id=i, dx=distance))
        now += 5 * samples + draw(st.sampled_from([0, 0, 5, 130]))
    return events


@st.composite
def tab_events(draw: st.DrawFn) -> list[AWTabEvent]:
    """Any tabs, each with its own id."""
    parts = draw(st.lists(st.tuples(moments, lengths, st.sampled_from(["docs", "video"]), st.booleans()), max_size=6))
    return [tab(*part, event_id=i) for i, part in enumerate(parts)]


def clipped(events: Sequence[Any], start: float, end: float) -> tuple[Any, ...]:
    """As a server answers: cut to [start, end), same id; what ended at `start` comes as a piece without length."""
    pieces = []
    for event in events:
        begin = (event.timestamp - at(0)).total_seconds()
        a, b = max(begin, start), min(begin + event.duration_seconds, end)
        if a <= b and a < end:
            pieces.append(dataclasses.replace(event, timestamp=at(a), duration_seconds=b - a))
    return tuple(pieces)
