"""Hand-computed cleaning, and what must hold for any events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.cleaning import clip, fill_gaps, join_parts, remove_excluded
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent, parse_raw
from taskclf_tray.core.errors import ConfigError
from taskclf_tray.core.intervals import covered, flatten, union

S = 1_000_000
SECRET = "00" * 32
DAY = datetime(2026, 3, 2, tzinfo=UTC)


def event(start: float, seconds: float, app: str = "Code", number: int = 0) -> RawEvent:
    return RawEvent(round(start * S), round(seconds * S), {"app": app, "title": ""}, number)


def spans(events: list[RawEvent]) -> list[tuple[float, float, str]]:
    return [(e.start_us / S, e.end_us / S, e.data["app"]) for e in events]


def test_pieces_of_one_event_are_joined_and_copies_collapse() -> None:
    pieces = [event(10, 5, number=1), event(0, 10.001, number=1), event(0, 10.001, number=2), event(10, 5, number=2)]
    assert spans(join_parts(pieces)) == [(0, 15, "Code")]


def test_one_id_with_other_data_or_another_time_is_another_event() -> None:
    assert len(join_parts([event(0, 5, "a"), event(5, 5, "b"), event(20, 5, "b")])) == 3


def test_clip() -> None:
    events = [event(0, 10.001), event(5, 10), event(9.9995, 3), event(12, 0), event(20, 0), event(19.9995, 9)]
    assert spans(clip(events, 10 * S, 20 * S)) == [(10, 15, "Code"), (10, 12.9995, "Code"), (12, 12, "Code")]


def test_gaps_go_to_the_event_before() -> None:
    events = [event(0, 5, "a"), event(6, 0, "b"), event(8, 1, "c"), event(11.001, 1, "d")]
    assert spans(fill_gaps(events, 2 * S)) == [(0, 6, "a"), (6, 8, "b"), (8, 9, "c"), (11.001, 12.001, "d")]


def test_a_gap_after_overlapping_events_goes_to_what_ended_last() -> None:
    events = [event(0, 10, "long"), event(2, 3, "short"), event(11, 1, "next")]
    assert spans(fill_gaps(events, 2 * S))[:2] == [(0, 11, "long"), (2, 5, "short")]


def test_excluded_time_is_nobodys() -> None:
    events = [event(0, 30, "under", 1), event(5, 20, "over", 2), event(10, 10, "secret", 3)]
    rest, theirs = remove_excluded(events, lambda e: e.data["app"] == "secret")
    assert theirs == [(10 * S, 20 * S)]
    assert spans(rest) == [(0, 5, "under"), (5, 10, "over"), (20, 25, "over"), (25, 30, "under")]


@st.composite
def many(draw: st.DrawFn) -> list[RawEvent]:
    drawn = draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.sampled_from("abx")), max_size=12))
    return sorted((event(s, d, app, k) for k, (s, d, app) in enumerate(drawn)), key=lambda e: (e.start_us, e.event_id))


@given(many())
def test_taking_out_changes_nobody_elses_time(events: list[RawEvent]) -> None:
    rest, theirs = remove_excluded(events, lambda e: e.data["app"] == "x")

    def won(listed: list[RawEvent]) -> dict[str, list[tuple[int, int]]]:
        pieces = flatten([(e.start_us, e.end_us, e.event_id) for e in listed])
        names = {listed[i].data["app"] for _, _, i in pieces}
        return {name: union((a, b) for a, b, i in pieces if listed[i].data["app"] == name) for name in names}

    before = won(events)
    assert theirs == before.pop("x", [])
    assert won(rest) == before


@given(many(), st.integers(0, 5))
def test_filling_adds_only_holes(events: list[RawEvent], seconds: int) -> None:
    before = union((e.start_us, e.end_us) for e in events)
    filled = fill_gaps(events, seconds * S)
    after = union((e.start_us, e.end_us) for e in filled)
    assert all(covered(after, a, b) == b - a for a, b in before)
    assert [e.start_us for e in filled] == [e.start_us for e in events]
    if events:
        assert max(e.end_us for e in filled) == max(e.end_us for e in events)


BAD: list[Any] = [
    None, 3, "x", [], {}, {"timestamp": "2026-03-02T08:00:00Z", "duration": 1},
    {"timestamp": "2026-03-02T08:00:00Z", "duration": -1, "data": {}},
    {"timestamp": "2026-03-02T08:00:00Z", "duration": float("nan"), "data": {}},
    {"timestamp": "2026-03-02T08:00:00Z", "duration": float("inf"), "data": {}},
    {"timestamp": "2026-03-02T08:00:00Z", "duration": 1e300, "data": {}},
    {"timestamp": "2026-03-02T08:00:00Z", "duration": True, "data": {}},
    {"timestamp": "2026-03-02T08:00:00Z", "duration": "1", "data": {}},
    {"timestamp": "9999-12-31T23:59:59-12:00", "duration": 1, "data": {}},
    {"timestamp": "0001-01-01T00:00:00+12:00", "duration": 1, "data": {}},
    {"timestamp": "yesterday", "duration": 1, "data": {}},
    {"timestamp": 17, "duration": 1, "data": {}},
    {"timestamp": "2026-03-02T08:00:00Z", "duration": 1, "data": []},
]  # fmt: skip


@pytest.mark.parametrize("item", BAD, ids=range(len(BAD)))
def test_damaged_events_are_none(item: Any) -> None:
    assert parse_raw(item) is None


@pytest.mark.parametrize("number", [None, "7", True, 2**63, 1.5])
def test_an_unusable_id_is_replaced(number: Any) -> None:
    read = parse_raw({"id": number, "timestamp": "2026-03-02T08:00:00+01:00", "duration": 1, "data": {}}, 9)
    assert read is not None
    assert (read.event_id, read.start_us) == (9, 1_772_434_800_000_000)


def test_wrong_data_are_passed_over_and_counted() -> None:
    at = round(DAY.timestamp()) * S
    good = {"presses": 1, "clicks": 0, "deltaX": 0, "deltaY": 0, "scrollX": 0, "scrollY": 0}
    raw: dict[Stream, list[RawEvent]] = {
        Stream.WINDOW: [RawEvent(at, S, data, 1) for data in ({}, {"app": 7}, {"app": "Code", "title": None})],
        Stream.AWAY: [RawEvent(at, S, data, 1) for data in ({"status": []}, {"status": "maybe"}, {"status": "afk"})],
        Stream.INPUT: [RawEvent(at, S, d, 1) for d in ({}, {**good, "clicks": float("nan")}, {"clicks": -1}, good)],
        Stream.TAB: [RawEvent(at, S, data, 1) for data in ({"url": None}, {"url": "https://github.com"})],
    }
    normaliser = Normaliser(SECRET)
    seen = normaliser.events(DAY, DAY + timedelta(hours=1), raw)
    assert normaliser.skipped_count == 2 + 2 + 3 + 1
    assert [len(listed) for listed in (seen.window, seen.away, seen.input, seen.tab)] == [1, 1, 1, 1]


def test_events_longer_than_any_watcher_writes_are_damaged() -> None:
    at, day = round(DAY.timestamp()) * S, 86_400 * S
    keys = {"presses": 1, "clicks": 0, "deltaX": 0, "deltaY": 0, "scrollX": 0, "scrollY": 0}
    said = {
        Stream.WINDOW: (4 * day, {"app": "Code", "title": ""}),
        Stream.TAB: (4 * day, {"url": "https://github.com"}),
        Stream.AWAY: (31 * day, {"status": "afk"}),
        Stream.INPUT: (31 * day, keys),
    }
    for stream, (longest, data) in said.items():
        # a server rounds the end of what it clips up by a millisecond
        lengths = (longest, longest + 1000, longest + S, 366 * day)
        raw = {stream: [RawEvent(at, length, data, n) for n, length in enumerate(lengths)]}
        normaliser = Normaliser(SECRET)
        seen = normaliser.events(DAY, DAY + timedelta(days=400), raw)
        assert normaliser.skipped_count == 2, stream
        found = (seen.window, seen.tab, seen.away, seen.input)
        assert sum(map(len, found)) == 2, stream


def test_exclusions_unknown_windows_and_addresses_beside_titles() -> None:
    at = round(DAY.timestamp()) * S
    window = [
        RawEvent(at, 10 * S, {"app": "KeePassXC", "title": "x"}, 1),
        RawEvent(at + 11 * S, 10 * S, {"app": "firefox", "title": "My BANK account"}, 2),
        RawEvent(at + 22 * S, 10 * S, {"app": "unknown", "title": "unknown"}, 3),
        RawEvent(at + 33 * S, 10 * S, {"app": "Safari", "title": "unknown", "url": "https://github.com/x"}, 4),
        RawEvent(at + 44 * S, 10 * S, {"app": "chrome", "title": "x"}, 5),
    ]
    tab = [RawEvent(at, 30 * S, {"url": "https://youtube.com", "title": "t", "audible": True}, 1)]
    normaliser = Normaliser(
        SECRET, exclude_apps=["keepassxc.exe", "com.google.Chrome"], exclude_title_patterns=[r"\bbank\b"]
    )
    seen = normaliser.events(DAY, DAY + timedelta(hours=1), {Stream.WINDOW: window, Stream.TAB: tab})
    assert [(e.app_id, e.is_unknown) for e in seen.window] == [("unknown.unknown", True), ("com.apple.Safari", False)]
    # the second left by a switch away from an excluded window is excluded too
    assert [(e.timestamp, e.duration_seconds, e.domain_category) for e in seen.tab] == [
        (DAY + timedelta(seconds=22), 8.0, "video"),
        (DAY + timedelta(seconds=33), 11.0, "code_hosting"),
    ]
    assert "bank" not in repr(normaliser).lower()


def test_a_bad_pattern_is_named() -> None:
    with pytest.raises(ConfigError, match=r"\(unclosed"):
        Normaliser(SECRET, exclude_title_patterns=["fine", "(unclosed"])
