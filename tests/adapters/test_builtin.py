"""The built-in watcher: what a desk shows becomes the events of ActivityWatch's watchers, and no title is kept."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.builtin import KEPT, BuiltinSource
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.watching import Desk, DeskLostError, Front, Track
from taskclf_tray.core.errors import SourceError
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.store.activity_ring import ActivityRing
from tests.support.processes import wait_until
from tests.support.source_contract import MARKER, START, Raw, check_source, sample_events

SECRET = "5f" * 32
T0 = to_us(START)
SECOND = 1_000_000


def seconds(events: Mapping[Stream, list], stream: Stream) -> list[tuple[float, float, dict[str, object]]]:
    """(begin, end, data) of a stream's events, in seconds since T0."""
    return [
        ((event.start_us - T0) / SECOND, (event.end_us - T0) / SECOND, dict(event.data))
        for event in events.get(stream, [])
    ]


def test_windows_follow_each_other_without_a_hole() -> None:
    track = Track(7)
    code, mail = Front("Code", "main.py"), Front("Thunderbird", "Inbox")
    for at, front, since in ((0, code, None), (5, code, None), (9, mail, 8), (10, mail, None), (12, None, 12)):
        track.saw(front, T0 + at * SECOND, since_us=None if since is None else T0 + since * SECOND)
    events = track.drain()
    assert seconds(events, Stream.WINDOW) == [
        (0, 8, {"app": "Code", "title": "main.py"}),
        (8, 12, {"app": "Thunderbird", "title": "Inbox"}),
        (12, 12, {"app": "unknown", "title": "unknown"}),
    ]
    assert [event.event_id for event in events[Stream.WINDOW]] == [7, 8, 9]
    assert track.drain() == {}
    track.saw(None, T0 + 15 * SECOND)
    assert seconds(track.drain(), Stream.WINDOW) == [(12, 15, {"app": "unknown", "title": "unknown"})]
    track.interrupt()  # the machine slept
    track.saw(code, T0 + 900 * SECOND)
    assert seconds(track.drain(), Stream.WINDOW) == [(900, 900, {"app": "Code", "title": "main.py"})]
    assert "main.py" not in repr(code)


def test_away_is_known_backwards_and_a_lock_at_once() -> None:
    track = Track(1)
    for at, idle in ((0, 0), (60, 10), (120, 70), (235, 185), (300, 250), (310, 4), (320, 2)):
        track.touched(idle * SECOND, T0 + at * SECOND)
    assert seconds(track.drain(), Stream.AWAY) == [
        (0, 50, {"status": "not-afk"}),
        (50, 306, {"status": "afk"}),
        (306, 318, {"status": "not-afk"}),
    ]
    track.touched(1 * SECOND, T0 + 330 * SECOND, is_locked=True)
    track.touched(9 * SECOND, T0 + 340 * SECOND, is_locked=True)
    track.touched(1 * SECOND, T0 + 350 * SECOND)
    assert seconds(track.drain(), Stream.AWAY) == [
        (306, 330, {"status": "not-afk"}),
        (330, 349, {"status": "afk"}),
        (349, 350, {"status": "not-afk"}),
    ]


class FakeDesk:
    """A desk that shows what the test puts on it."""

    name = "test"

    def __init__(self) -> None:
        self.is_locked = False
        self.shown: Front | None = None
        self.idle = 0.0
        self.looks = 0
        self.is_lost = self.is_closed = False
        self.pressed: dict[str, int] | None = None
        self._woken = threading.Event()

    def show(self, front: Front | None) -> None:
        self.shown = front
        self._woken.set()

    def front(self) -> Front | None:
        self.looks += 1
        if self.is_lost:
            raise DeskLostError
        return self.shown

    def idle_seconds(self) -> float:
        return self.idle

    def counts(self) -> dict[str, int] | None:
        return self.pressed

    def wait(self, seconds: float) -> None:
        self._woken.wait(min(seconds, 0.02))
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        self.is_closed = True


class Clock:
    """Goes on by half a second a look."""

    def __init__(self) -> None:
        self.at_us = T0

    def __call__(self) -> int:
        self.at_us += SECOND // 2
        return self.at_us

    def sleep(self, seconds: float) -> None:
        """As a suspended machine does."""
        self.at_us += round(seconds * SECOND)


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def source(tmp_path: Path, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> Iterator[BuiltinSource]:
    monkeypatch.setattr("taskclf_tray.adapters.builtin._SHORTEST_SECONDS", 0.0)
    opened = builtin(tmp_path / "activity.db", lambda: desk)
    yield opened
    opened.close()


def builtin(path: Path, open_desk: Callable[[], Desk], **excluded: list[str]) -> BuiltinSource:
    normaliser = Normaliser(SECRET, fill_gap_seconds=0.0, **excluded)
    return BuiltinSource(normaliser, ActivityRing(path), open_desk, desk_name="a test", now_us=Clock())


def seen(source: BuiltinSource) -> dict[str, float]:
    """Seconds in front by program, of everything kept."""
    found: dict[str, float] = {}
    for event in source.read(from_us(T0), from_us(T0) + timedelta(days=1)).window:
        found[event.app_id] = found.get(event.app_id, 0.0) + event.duration_seconds
    return found


def test_it_keeps_what_every_source_keeps(tmp_path: Path) -> None:
    def make(raw: Raw) -> BuiltinSource:
        made = builtin(tmp_path / "activity.db", FakeDesk)
        made._watcher.has_counts = True  # as one that has counted these
        made.keep(raw)
        return made

    check_source(make, {stream: events for stream, events in sample_events().items() if stream is not Stream.TAB})
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert MARKER.encode() not in stored
    assert b"project" not in stored
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_what_is_on_the_desk_is_read_and_kept_for_the_next_start(
    tmp_path: Path, desk: FakeDesk, source: BuiltinSource
) -> None:
    desk.show(Front("Code", "main.py"))
    desk.pressed = {"presses": 3, "clicks": 1, "deltaX": 4, "deltaY": 5, "scrollX": 0, "scrollY": 6}
    assert seen(source) == {}, "nothing is looked at before it may be"
    source.rest(None)
    source.rest(None)
    wait_until(lambda: seen(source).get("com.microsoft.VSCode"), "the window")
    desk.show(Front("firefox", "a page"))
    wait_until(lambda: seen(source).get("org.mozilla.firefox"), "the other window")
    desk.is_locked = True
    desk.wake()
    wait_until(lambda: len(seen(source)) == 3, "the locker")
    whole = source.read(from_us(T0), from_us(T0) + timedelta(days=1))
    assert [event.is_locker for event in whole.window] == [False, False, True]
    wait_until(lambda: Stream.INPUT in source.status().streams, "counts")
    wait_until(lambda: any(event.presses == 3 for event in source.read(whole.start, whole.end).input), "the keys")
    assert source.status().newest_event is not None
    before = seen(source)
    source.close()
    assert desk.is_closed
    again = builtin(tmp_path / "activity.db", lambda: desk)
    assert sum(seen(again).values()) >= sum(before.values())
    again.close()


def test_nothing_is_looked_at_during_a_pause_nor_kept_from_it(desk: FakeDesk, source: BuiltinSource) -> None:
    desk.show(Front("Code", "main.py"))
    source.rest(None)
    wait_until(lambda: seen(source), "the window")
    started = source.read(from_us(T0), from_us(T0) + timedelta(days=1)).window[0].timestamp
    desk.show(Front("firefox", "private"))
    wait_until(lambda: desk.looks > 20, "a few looks")
    source.rest(started + timedelta(microseconds=1))  # as if clicked before the switch
    looks = desk.looks
    assert desk.is_closed
    source.rest(started)
    assert "org.mozilla.firefox" not in seen(source)
    assert desk.looks == looks
    source.rest(None)
    wait_until(lambda: "org.mozilla.firefox" in seen(source), "the window after the pause")


def test_nothing_was_in_front_while_the_machine_slept(desk: FakeDesk, source: BuiltinSource) -> None:
    desk.show(Front("Code", "main.py"))
    source.rest(None)
    wait_until(lambda: seen(source), "the window")
    assert isinstance(source._now_us, Clock)
    source._now_us.sleep(3600)
    day = (from_us(T0), from_us(T0) + timedelta(days=1))
    wait_until(lambda: len(source.read(*day).window) > 1, "the window after the sleep")
    events = source.read(*day)
    for before, after in ((events.window[0], events.window[1]), (events.away[0], events.away[1])):
        ended = before.timestamp + timedelta(seconds=before.duration_seconds)
        assert timedelta(minutes=59) < after.timestamp - ended < timedelta(minutes=61)


def test_an_exclusion_is_left_out_before_anything_is_kept_and_of_what_was_kept(tmp_path: Path) -> None:
    raw = sample_events()[Stream.WINDOW]
    path = tmp_path / "activity.db"
    first = builtin(path, FakeDesk, exclude_apps=["firefox"])
    first.keep({Stream.WINDOW: raw})
    assert "org.mozilla.firefox" not in seen(first)
    first.close()
    with sqlite3.connect(path) as connection:
        assert not connection.execute("SELECT 1 FROM events WHERE content LIKE '%firefox%'").fetchall()
    later = builtin(path, FakeDesk, exclude_apps=["VSCode", "some odd app"])
    assert "com.microsoft.VSCode" not in seen(later)
    assert not [app for app in seen(later) if "odd" in app]
    assert seen(later)
    later.close()


def test_a_lost_desk_is_told_and_a_damaged_ring_is_replaced(
    tmp_path: Path, desk: FakeDesk, source: BuiltinSource
) -> None:
    source.rest(None)
    desk.is_lost = True
    wait_until(lambda: not source.status().reachable, "the loss")
    with pytest.raises(SourceError, match="cannot be seen"):
        source.read(from_us(T0), from_us(T0) + timedelta(hours=1))
    (tmp_path / "other.db").write_bytes(b"no database at all, but long enough to look like one" * 100)
    other = builtin(tmp_path / "other.db", FakeDesk)
    assert seen(other) == {}
    other.close()


def test_the_ring_forgets_after_thirty_days(tmp_path: Path) -> None:
    source = builtin(tmp_path / "activity.db", FakeDesk)
    source.keep({Stream.WINDOW: sample_events()[Stream.WINDOW][:50]})
    assert seen(source)
    assert isinstance(source._now_us, Clock)
    source._now_us.at_us += round((KEPT + timedelta(days=1)).total_seconds()) * SECOND
    source.keep({Stream.AWAY: sample_events()[Stream.AWAY][:1]})
    assert seen(source) == {}
    source.close()
