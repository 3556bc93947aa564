"""What every activity source keeps, whatever it reads from: run it on real and simulated alike.

A factory gets a list of raw events a stream and gives an open source that knows exactly these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

from taskclf_tray.adapters.base import ActivitySource, Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import flatten
from taskclf_tray.core.time import from_us, seconds_to_us, to_us
from taskclf_tray.core.types import SourceEvents

Raw = Mapping[Stream, Sequence[RawEvent]]
MakeSource = Callable[[Raw], ActivitySource]
MARKER = "poison-title-5f3a"
"""A word of a title that may turn up nowhere."""

GAP_US = 2_000_000
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def sample_events() -> dict[Stream, list[RawEvent]]:
    """Two hours with what real watchers send: holes, no length, overlaps, copies, unknown, hostile titles."""
    base = to_us(START)
    titles = [
        MARKER,
        "",
        "漢字 — “office”",
        "a\x00b\u202e",
        f"{MARKER} " * 2000,
        "\U0001f600" * 50,
        "main.py - project",
    ]
    window: list[RawEvent] = []
    at = base
    for k in range(400):
        app = ("Code", "firefox", "unknown", "some odd app", "XTerm")[k % 5]
        title = "unknown" if app == "unknown" else titles[k % len(titles)]
        length = (0, 7_006_000, 30_001_000, 1_002_000, 45_500_000)[(k * 7) % 5]
        window.append(RawEvent(at, length, {"app": app, "title": title}, k + 1))
        at += length + (1_001_000 if k % 9 else 12_000_000)
    window.append(RawEvent(base + 620_000_000, 90_000_000, {"app": "zoom", "title": f"{MARKER} call"}, 1000))
    away = [
        RawEvent(base, 1_800_000_000, {"status": "not-afk"}, 2001),
        RawEvent(base, 1_800_000_000, {"status": "not-afk"}, 2002),
        RawEvent(base + 1_700_000_000, 900_000_000, {"status": "afk"}, 2003),
        RawEvent(base + 2_600_000_000, 4_000_000_000, {"status": "not-afk"}, 2004),
    ]
    counts = {"clicks": 0, "deltaX": 3, "deltaY": 4, "scrollX": 0, "scrollY": 1}
    keys = [
        RawEvent(base + 5_000_000 * k, 5_000_000, {"presses": k % 3, **counts}, 3000 + k) for k in range(1, 1200, 2)
    ]
    url = f"https://github.com/{MARKER}"
    tab = [
        RawEvent(base + 60_000_000, 300_000_000, {"url": url, "title": MARKER, "audible": False}, 5001),
        RawEvent(base + 360_000_000, 90_000_000, {"url": "file:///x", "title": "", "audible": True}, 5002),
    ]
    return {Stream.WINDOW: window, Stream.AWAY: away, Stream.INPUT: keys, Stream.TAB: tab}


def check_source(make_source: MakeSource, raw: Raw | None = None) -> None:
    """Run every check; `raw` replaces the sample events."""
    events = sample_events() if raw is None else raw
    source = make_source(events)
    try:
        everything = [event for stream in events.values() for event in stream]
        start = from_us(min(event.start_us for event in everything) // 1_000_000 * 1_000_000)
        end = from_us(max(event.end_us for event in everything) + 1_000_000)
        whole = source.read(start, end)
        assert whole.window
        check_status(source, whole, events)
        check_buckets(source)
        check_order_and_bounds(whole)
        check_repeatable(source, whole)
        check_pieces(source, whole)
        check_small_and_empty(source, start, end)
        check_zones(source, whole)
        check_no_title(source, whole)
    finally:
        source.close()


def check_status(source: ActivitySource, whole: SourceEvents, events: Raw) -> None:
    """It answers, names its streams and says when its newest window event ended."""
    status = source.status()
    assert status.reachable
    assert status.streams >= {stream for stream, listed in events.items() if listed}
    assert status.name == source.name
    assert status.newest_event is not None
    assert source.now().tzinfo is not None
    assert MARKER not in repr(status)


def check_buckets(source: ActivitySource) -> None:
    """What it says of its buckets: safe to show, each either read or left out, and known without asking."""
    listed = source.status().buckets
    assert source.buckets() == listed
    if not listed:
        return  # a source without buckets
    assert {state.stream for state in listed if state.unread is None} >= source.status().streams
    assert len({state.bucket_id for state in listed}) == len(listed)
    for state in listed:
        assert f"{state.bucket_id}{state.kind}{state.hostname}{state.machine}".isprintable()
        assert state.newest is None or state.newest.utcoffset() == timedelta(0)
        assert MARKER not in repr(state)


def check_order_and_bounds(events: SourceEvents) -> None:
    """Each list in order of time, inside [start, end), aware UTC."""
    for listed in (events.window, events.input, events.away, events.tab):
        times = [event.timestamp for event in listed]
        assert times == sorted(times)
        for event in listed:
            assert event.timestamp.utcoffset() == timedelta(0)
            assert event.duration_seconds >= 0
            assert events.start <= event.timestamp < events.end
            assert to_us(event.timestamp) + seconds_to_us(event.duration_seconds) <= to_us(events.end)


def check_repeatable(source: ActivitySource, whole: SourceEvents) -> None:
    """Asking twice gives the same."""
    assert source.read(whole.start, whole.end) == whole


def check_pieces(source: ActivitySource, whole: SourceEvents) -> None:
    """Read in parts, the same app is in front at the same time. Not looked at: 2 s around a cut, for a hole there
    stays open (nothing outside a request is known to fill it from). Events that overlap each other should not
    cross a cut: clipped, they start together, and only who carries their true starts knows which comes first."""
    cuts = [whole.start + timedelta(seconds=s) for s in (61, 600, 777, 1800.5, 2401, 3000)]
    cuts = [cut for cut in cuts if cut < whole.end]
    borders = [whole.start, *cuts, whole.end]
    parts = [source.read(a, b) for a, b in pairwise(borders)]
    for part in parts:
        check_order_and_bounds(part)
    near = [(to_us(cut) - GAP_US, to_us(cut) + GAP_US) for cut in cuts]
    pieces = [piece for part in parts for piece in _front(part)]
    assert _outside(pieces, near) == _outside(_front(whole), near)
    for name in ("input", "away", "tab"):
        joined = {(e.event_id, type(e)) for part in parts for e in getattr(part, name)}
        assert joined == {(e.event_id, type(e)) for e in getattr(whole, name)}
        total = sum(seconds_to_us(e.duration_seconds) for part in parts for e in getattr(part, name))
        assert abs(total - sum(seconds_to_us(e.duration_seconds) for e in getattr(whole, name))) <= 2000 * len(cuts)


def check_small_and_empty(source: ActivitySource, start: datetime, end: datetime) -> None:
    """No time, the wrong way round, long ago, and a millisecond."""
    for a, b in ((start, start), (end, start), (start - timedelta(days=4000), start - timedelta(days=3999))):
        nothing = source.read(a, b)
        assert (nothing.window, nothing.input, nothing.away, nothing.tab) == ((), (), (), ())
    check_order_and_bounds(source.read(start, start + timedelta(milliseconds=1)))


def check_zones(source: ActivitySource, whole: SourceEvents) -> None:
    """The zone in which a moment is written does not matter."""
    there = timezone(timedelta(hours=5, minutes=45))
    assert source.read(whole.start.astimezone(there), whole.end.astimezone(there)) == whole


def check_no_title(source: ActivitySource, whole: SourceEvents) -> None:
    """No title and no address in anything that can be printed."""
    assert MARKER not in repr(whole)
    assert MARKER not in repr(source)
    assert "github.com" not in repr(whole)


def _front(events: SourceEvents) -> list[tuple[int, int, str]]:
    """What was in front when: touching pieces of one app are one."""
    spans = [
        (to_us(e.timestamp), to_us(e.timestamp) + seconds_to_us(e.duration_seconds), e.event_id) for e in events.window
    ]
    return [(a, b, events.window[i].app_id + events.window[i].window_title_hash) for a, b, i in flatten(spans)]


def _outside(pieces: list[tuple[int, int, str]], near: list[tuple[int, int]]) -> list[tuple[int, int, str]]:
    kept: list[tuple[int, int, str]] = []
    for piece in pieces:
        rest = [piece]
        for low, high in near:
            rest = [
                (a, b, name)
                for start, end, name in rest
                for a, b in ((start, min(end, low)), (max(start, high), end))
                if a < b
            ]
        kept += rest
    return kept
