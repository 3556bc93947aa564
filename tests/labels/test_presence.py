"""Which app is in front since when: short looks elsewhere, gaps, and reads that overlap as polls do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import AWEvent, SourceEvents
from taskclf_tray.labels.presence import Front, Presence, changed_us
from tests.support.events import at, away, win


def us(seconds: float) -> int:
    return to_us(at(seconds))


def changed(block: float, *apps: tuple[str, float], known_from: float = -1e6) -> float | None:
    """When the last of the apps, which follow one another from 08:00 on, came there; in seconds."""
    fronts, begin = [], 0.0
    for app, seconds in apps:
        fronts.append(Front(app, us(begin), us(begin + seconds)))
        begin += seconds
    found = changed_us(fronts, us(block), us(known_from))
    return None if found is None else (found - us(0)) / 1e6


@pytest.mark.parametrize(
    ("expected", "block", "apps"),
    [
        (None, 0, [("edit", 600)]),
        (600, 0, [("edit", 600), ("web", 1)]),
        (None, 0, [("edit", 600), ("web", 179), ("edit", 1)]),
        (780, 0, [("edit", 600), ("web", 180), ("edit", 1)]),
        (None, 0, [("edit", 90), ("web", 90), ("edit", 1)]),
        (181, 0, [("edit", 90), ("web", 91), ("edit", 1)]),  # longer there than here
        (91, 90, [("edit", 90), ("web", 1), ("edit", 5)]),  # the block began with the other app
        (None, 40, [("edit", 90), ("web", 30), ("talk", 10), ("edit", 5)]),
        (100, 0, [("talk", 100), ("edit", 50), ("talk", 40), ("edit", 10), ("talk", 40), ("edit", 1)]),
    ],
)
def test_when_the_app_in_front_came_there(expected: float | None, block: float, apps: list[tuple[str, float]]) -> None:
    assert changed(block, *apps) == expected


def test_what_lies_before_all_that_is_known_is_no_change() -> None:
    assert changed(-600, ("edit", 10), ("web", 60), ("edit", 10), known_from=0) is None
    assert changed(-600, ("web", 60), ("edit", 10), known_from=0) == 60
    assert changed_us([], us(0)) is None


def events(window: list[AWEvent], start: float, end: float) -> SourceEvents:
    """What a source says of [start, end): clipped, as sources do."""
    seen = []
    for number, event in enumerate(window):
        begin = (event.timestamp - at(0)).total_seconds()
        stop = min(begin + event.duration_seconds, end)
        begin = max(begin, start)
        if begin < stop:
            seen.append(win(begin, stop - begin, event.app_id, event_id=number))
    return SourceEvents(at(start), at(end), tuple(seen))


apps = st.lists(
    st.tuples(st.sampled_from(["edit", "web", "shell", ""]), st.integers(1, 200)), min_size=1, max_size=12
).filter(lambda parts: parts[-1][0] != "")


@given(apps, st.lists(st.integers(1, 120), max_size=30), st.integers(60, 400))
@settings(max_examples=150)
def test_any_polls_say_what_one_read_says(parts: list[tuple[str, int]], steps: list[int], back: int) -> None:
    """No app at all is a gap; each poll reads a while back."""
    window, begin = [], 0.0
    for app, seconds in parts:
        if app:
            window.append(win(begin, seconds, app))
        begin += seconds
    whole, polled = Presence(), Presence()
    whole.read(events(window, 0, begin), [], us(begin))
    now = 0.0
    for step in [*steps, 10_000]:
        now = min(begin, now + step)
        polled.read(events(window, max(0.0, now - step - back), now), [], us(now))
    assert [polled.changed_us(us(block)) for block in range(0, int(begin), 30)] == [
        whole.changed_us(us(block)) for block in range(0, int(begin), 30)
    ]
    assert polled.gap_end_us == whole.gap_end_us
    assert polled.is_typing == whole.is_typing
    assert [polled.front_at(us(moment)) for moment in range(0, int(begin), 7)] == [
        whole.front_at(us(moment)) for moment in range(0, int(begin), 7)
    ]


def test_a_return_wants_somebody_who_was_seen() -> None:
    presence = Presence()
    window = (win(0, 700),)
    gone = [(us(100), us(600))]
    presence.read(SourceEvents(at(0), at(610), window, away=(away(100, 500),)), gone, us(610))
    assert presence.away is None  # the watcher may only be late
    presence.read(SourceEvents(at(0), at(620), window, away=(away(100, 500), away(602, 5, False))), gone, us(620))
    assert presence.away == gone[0]
    presence.read(
        SourceEvents(at(300), at(900), window, away=(away(700, 100), away(800, 50, False))),
        [(us(700), us(800))],
        us(900),
    )
    assert presence.away == gone[0]  # a short one is no time away
