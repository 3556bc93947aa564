"""Several machines in one source: each minute is that of the one in use, whatever the polls are cut at."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.adapters.apps import AppRegistry
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.cleaning import clip
from taskclf_tray.adapters.follow import Desk, Raw, Screen, follow
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import intersect, subtract, union

S = 1_000_000
MINUTE = 60
LOOK_BACK = 310
lookup = AppRegistry({}).lookup
quick = settings(max_examples=40)
NOBODY = Desk()
TYPED = {"presses": 3, "clicks": 0, "deltaX": 0, "deltaY": 0, "scrollX": 0, "scrollY": 0}
STILL = dict.fromkeys(TYPED, 0)


def event(start: float, seconds: float, event_id: int = 0, **data: Any) -> RawEvent:
    return RawEvent(round(start * S), round(seconds * S), data, event_id)


def win(start: float, seconds: float, app: str = "a", title: str = "t") -> RawEvent:
    return event(start, seconds, app=app, title=title)


def here(start: float, seconds: float) -> RawEvent:
    return event(start, seconds, status="not-afk")


def gone(start: float, seconds: float) -> RawEvent:
    return event(start, seconds, status="afk")


def keys(start: float, seconds: float, counts: dict[str, int] = TYPED) -> RawEvent:
    return event(start, seconds, **counts)


def desk(windows: Sequence[RawEvent], away: Sequence[RawEvent] = (), inputs: Sequence[RawEvent] = ()) -> Desk:
    return Desk([Screen(windows)], away, [inputs])


def shown(raw: Raw) -> list[tuple[float, float, str]]:
    """What is in front, in order of time; touching pieces of one app are one."""
    pieces: list[tuple[float, float, str]] = []
    for e in sorted(raw[Stream.WINDOW], key=lambda e: e.start_us):
        start, end, app = e.start_us / S, e.end_us / S, str(e.data["app"])
        if pieces and pieces[-1][1:] == (start, app):
            pieces[-1] = (pieces[-1][0], end, app)
        else:
            pieces.append((start, end, app))
    return pieces


def away_of(raw: Raw) -> list[tuple[int, int]]:
    def times(status: str) -> list[tuple[int, int]]:
        return union((e.start_us, e.end_us) for e in raw[Stream.AWAY] if e.data["status"] == status)

    return subtract(times("afk"), times("not-afk"))


# -- by hand ---------------------------------------------------------------------------------------------------


def test_windows_go_with_their_own_away_time() -> None:
    laptop = desk([win(3600, 7200, "laptop")], [here(3600, 7200)])
    other = desk([win(0, 600, "desk")], [here(0, 600), gone(600, 10300)])
    raw = follow([laptop, other], NOBODY, lookup)
    assert shown(raw) == [(0, 600, "desk"), (3600, 10800, "laptop")]
    assert away_of(raw) == [(600 * S, 3600 * S), (10800 * S, 10900 * S)]


def test_the_machine_with_input_wins_the_minutes_both_show() -> None:
    left = desk([win(0, 600, "left")], [here(0, 600)], [keys(120, 120)])
    right = desk([win(0, 600, "right")], [here(0, 600)], [keys(0, 120), keys(120, 120, STILL), keys(240, 360)])
    assert shown(follow([left, right], NOBODY, lookup)) == [
        (0, 120, "right"),
        (120, 240, "left"),
        (240, 600, "right"),
    ]


def test_not_away_wins_where_nothing_was_typed_and_away_loses_to_unknown() -> None:
    present = desk([win(0, 120, "present")], [here(0, 120)])
    absent = desk([win(0, 240, "absent")], [gone(0, 240)])
    silent = desk([win(0, 240, "silent")])
    assert shown(follow([absent, silent, present], NOBODY, lookup)) == [(0, 120, "present"), (120, 240, "silent")]


def test_whoever_was_used_last_is_followed_for_five_minutes() -> None:
    left = desk([win(0, 1200, "left")], [here(0, 300), gone(300, 900)])
    stood = Desk([Screen([win(0, 1200, "stood")], (1,))], [gone(0, 1200)])
    assert shown(follow([left, stood], NOBODY, lookup)) == [(0, 600, "left"), (600, 1200, "stood")]


@pytest.mark.parametrize(
    ("app", "title", "audible", "is_followed"),
    [
        ("zoom", "", False, True),
        ("ms-teams.exe", "", False, True),
        ("firefox", "Meet - abc-defg-hij", False, True),
        ("firefox", "Planning", True, True),
        ("firefox", "Planning", False, False),
        ("gedit", "Meet - abc-defg-hij", False, False),
    ],
)
def test_a_call_is_followed_though_nobody_types(app: str, title: str, audible: bool, is_followed: bool) -> None:
    called = Desk(
        [Screen([win(0, 3600, app, title)])],
        [here(0, 120), gone(120, 3480)],
        tabs=[event(0, 3600, url="https://meet.google.com/a", audible=audible)],
    )
    stood = Desk([Screen([win(0, 3600, "Code")], (1,))], [gone(0, 3600)])
    last = shown(follow([called, stood], NOBODY, AppRegistry.default().lookup))[-1]
    assert last == ((0, 3600, app) if is_followed else (420, 3600, "Code"))


def test_what_an_idle_machine_shows_while_another_works_without_windows_is_nobodys() -> None:
    works = Desk([], [here(0, 600)])
    stood = desk([win(0, 600, "stood")], [gone(0, 600)])
    raw = follow([works, stood], NOBODY, lookup)
    assert shown(raw) == []
    assert away_of(raw) == []
    unknown = desk([win(0, 600, "unknown")])  # nobody knows that it is idle
    assert shown(follow([works, unknown], NOBODY, lookup)) == [(0, 600, "unknown")]


def test_two_watchers_on_one_screen() -> None:
    blind = Screen([win(0, 600, "unknown", "unknown")], (0, 9))
    seeing = Screen([win(0, 300, "editor"), win(301, 299, "editor")], (0, 1))
    both = Desk([blind, seeing], [here(0, 600)])
    assert shown(follow([both], NOBODY, lookup)) == [(0, 300, "editor"), (301, 600, "editor")]


def test_a_handover_within_a_minute_keeps_both_sides() -> None:
    renamed = Desk([Screen([win(0, 620, "old")]), Screen([win(625, 600, "new")])], [here(0, 1225)])
    assert shown(follow([renamed], NOBODY, lookup)) == [(0, 620, "old"), (625, 1225, "new")]
    walked = [desk([win(0, 620, "old")], [here(0, 620)]), desk([win(625, 600, "new")], [here(625, 600)])]
    assert shown(follow(walked, NOBODY, lookup)) == [(0, 620, "old"), (625, 1225, "new")]


def test_keys_of_two_input_watchers_count_once() -> None:
    twice = Desk([Screen([win(0, 600)])], [], [[keys(300, 5)], [keys(0, 5), keys(300, 5)]])
    raw = follow([twice], NOBODY, lookup)
    assert sorted(e.start_us // S for e in raw[Stream.INPUT]) == [0, 300]


def test_loose_buckets_fill_what_the_machine_in_use_does_not_say() -> None:
    loose = Desk((), [gone(0, 2000)], [[keys(0, 5), keys(900, 5)]], [event(0, 9, url="x")])
    own = desk([win(0, 2000)], [here(0, 300)], [keys(0, 60)])
    raw = follow([own], loose, lookup)
    assert away_of(raw) == [(600 * S, 2000 * S)]  # what was said until 300 s speaks for the minutes that begin by 600 s
    assert sorted(e.start_us // S for e in raw[Stream.INPUT]) == [0, 900]
    assert len(raw[Stream.TAB]) == 1
    nothing_own = follow([desk([win(0, 2000)])], loose, lookup)
    assert away_of(nothing_own) == [(0, 2000 * S)]
    assert len(nothing_own[Stream.INPUT]) == 2


def test_one_machine_is_left_as_it_is() -> None:
    windows = [win(0, 30), win(10, 5, "b"), win(0, 30), win(400, 0, "c")]
    raw = follow([desk(windows, [here(0, 9)], [keys(0, 5)])], NOBODY, lookup)
    assert raw[Stream.WINDOW] == windows
    assert follow([], NOBODY, lookup) == {stream: [] for stream in Stream}


# -- laws ------------------------------------------------------------------------------------------------------

HORIZON = 1800
moments = st.one_of(st.integers(0, HORIZON), st.integers(0, HORIZON // MINUTE).map(lambda m: MINUTE * m))
lengths = st.sampled_from([0, 3, 45, 60, 200, 700])


@st.composite
def one_after_another(draw: st.DrawFn, make: Any, *values: Any) -> list[RawEvent]:
    """Events as one watcher reports them: never two at a time."""
    events, at = [], draw(st.integers(0, 400))
    for _ in range(draw(st.integers(0, 6))):
        length = draw(lengths)
        events.append(make(at, length, *(draw(value) for value in values)))
        at += length + draw(st.sampled_from([0, 1, 30, 120, 500]))
    return events


@st.composite
def any_desk(draw: st.DrawFn, name: str) -> Desk:
    apps = st.sampled_from([f"{name}-1", f"{name}-2", "unknown", "zoom"])
    screens = [
        Screen(draw(one_after_another(win, apps)), (draw(st.integers(0, 1)),)) for _ in range(draw(st.integers(0, 2)))
    ]
    statuses = st.sampled_from(["afk", "not-afk"])
    away = draw(one_after_another(lambda a, n, status: event(a, n, status=status), statuses))
    counts = st.sampled_from([TYPED, STILL])
    inputs = [draw(one_after_another(keys, counts)) for _ in range(draw(st.integers(0, 2)))]
    return Desk(screens, away, inputs)


@st.composite
def any_desks(draw: st.DrawFn) -> tuple[list[Desk], Desk]:
    desks = [draw(any_desk(name)) for name in "xyz"[: draw(st.integers(1, 3))]]
    return desks, dataclasses.replace(draw(any_desk("loose")), screens=())


def cut(part: Desk, start: int, end: int) -> Desk:
    return Desk(
        [Screen(clip(screen.windows, start, end), screen.rank) for screen in part.screens],
        clip(part.away, start, end),
        [clip(events, start, end) for events in part.inputs],
        clip(part.tabs, start, end),
    )


def within(events: Sequence[RawEvent], start: int, end: int) -> list[Any]:
    """Who says what when in [start, end): pieces of one event, joined."""
    said: dict[str, list[tuple[int, int]]] = {}
    for piece in clip(events, start, end):
        said.setdefault(repr(sorted(piece.data.items())), []).append((piece.start_us, piece.end_us))
    return sorted((words, union(times), (start in [a for a, b in times if a == b])) for words, times in said.items())


@quick
@given(any_desks(), st.integers(0, HORIZON // MINUTE), st.integers(1, 12))
def test_a_minute_is_the_same_in_every_read_that_looks_back_far_enough(
    desks: tuple[list[Desk], Desk], first: int, length: int
) -> None:
    machines, loose = desks
    whole = follow(machines, loose, lookup)
    start, end = first * MINUTE * S, (first + length) * MINUTE * S
    begin = start - LOOK_BACK * S
    part = follow([cut(machine, begin, end) for machine in machines], cut(loose, begin, end), lookup)
    for stream in (Stream.WINDOW, Stream.INPUT):
        assert within(part[stream], start, end) == within(whole[stream], start, end), stream
    inside = [(start, end)]
    assert intersect(away_of(part), inside) == intersect(away_of(whole), inside)


@quick
@given(any_desks(), st.randoms(use_true_random=False))
def test_the_order_of_machines_and_events_does_not_matter(desks: tuple[list[Desk], Desk], rng: Any) -> None:
    machines, loose = desks
    before = follow(machines, loose, lookup)
    shuffled = [
        dataclasses.replace(
            machine,
            screens=rng.sample(list(machine.screens), len(machine.screens)),
            away=rng.sample(list(machine.away), len(machine.away)),
        )
        for machine in rng.sample(machines, len(machines))
    ]
    after = follow(shuffled, loose, lookup)
    for stream in Stream:
        assert within(after[stream], 0, 1 << 40) == within(before[stream], 0, 1 << 40)


@quick
@given(any_desks())
def test_no_two_machines_share_a_moment_and_nothing_else_is_lost(desks: tuple[list[Desk], Desk]) -> None:
    machines, loose = desks
    kept = follow(machines, loose, lookup)[Stream.WINDOW]
    screens = [screen.windows for machine in machines for screen in machine.screens]
    ids = {id(e.data): k for k, windows in enumerate(screens) for e in windows}
    parts = [union((e.start_us, e.end_us) for e in kept if ids[id(e.data)] == k) for k in range(len(screens))]
    for k, part in enumerate(parts):
        assert all(not intersect(part, other) for other in parts[k + 1 :])
    used = [interval for machine in machines for interval in _used(machine)]
    for k, windows in enumerate(screens):
        others = union(_minutes(e) for j, other in enumerate(screens) if j != k for e in other)
        taken = union([*others, *used])
        for e in windows:
            if not intersect([_minutes(e)], taken):
                assert not subtract(union([(e.start_us, e.end_us)]), parts[k])


def _used(machine: Desk) -> list[tuple[int, int]]:
    present = [e for e in machine.away if e.data["status"] == "not-afk"]
    return [_minutes(e) for e in [*present, *(e for events in machine.inputs for e in events)]]


def _minutes(e: RawEvent) -> tuple[int, int]:
    minute = MINUTE * S
    return e.start_us // minute * minute, -(-max(e.end_us, e.start_us + 1) // minute) * minute
