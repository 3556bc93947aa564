"""ActivityWatch over HTTP: a real server, paused, killed and started again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.activitywatch.client import (
    AWNotFoundError,
    fetch_aw_events,
    fetch_aw_input_events,
    find_input_bucket_id,
    find_window_bucket_id,
)
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.errors import AWConnectionError, AWProtocolError, AWTimeoutError
from taskclf_tray.core.time import iso_z
from tests.support.aw_server import AWServer, run_aw_server
from tests.support.processes import allowed

pytestmark = pytest.mark.server
SECRET = "0123456789abcdef" * 4
DAY = datetime(2026, 3, 2, tzinfo=UTC)
MARKER = "poison-title-77ab"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AWServer]:
    with run_aw_server(tmp_path / "aw") as running:
        yield running


@pytest.fixture
def source(server: AWServer) -> Iterator[ActivityWatchSource]:
    made = ActivityWatchSource(server.url, normaliser=Normaliser(SECRET), timeout_seconds=1.0)
    yield made
    made.close()


def window(seconds: float, duration: float, app: str = "Code") -> dict[str, object]:
    moment = iso_z(DAY + timedelta(seconds=seconds))
    return {"timestamp": moment, "duration": duration, "data": {"app": app, "title": f"{MARKER} {app}"}}


def at(seconds: float) -> datetime:
    return DAY + timedelta(seconds=seconds)


def test_hung_killed_and_started_again(
    server: AWServer, source: ActivityWatchSource, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert server.create_bucket("w") == 200
    assert server.create_bucket("w") == 304
    server.insert("w", [window(0, 50), window(51, 9)])
    before = source.read(at(0), at(120))
    assert len(before.window) == 2

    server.pause()
    began = time.monotonic()
    with pytest.raises(AWTimeoutError) as hung:
        source.read(at(0), at(120))
    assert 0.8 < time.monotonic() - began < allowed(2.0)
    server.resume()
    assert source.read(at(0), at(120)) == before

    server.kill()
    began = time.monotonic()
    with pytest.raises(AWConnectionError) as refused:
        source.read(at(0), at(120))
    assert time.monotonic() - began < allowed(1.0)
    status = source.status()
    assert not status.reachable
    assert status.detail == str(refused.value)

    server.restart()
    assert source.read(at(0), at(120)) == before  # ids included
    assert source.status().reachable
    everything = f"{caplog.text}{hung.value!r}{hung.value}{refused.value!r}{refused.value}{before!r}{status!r}"
    assert MARKER not in everything


def test_the_newest_event_grows_under_its_id(server: AWServer, source: ActivityWatchSource) -> None:
    server.create_bucket("w")
    lengths, ids = [], set()
    for seconds in (0, 1, 2, 3):
        server.heartbeat("w", window(seconds, 0), pulse_seconds=2)
        (event,) = source.read(at(-60), at(60)).window
        lengths.append(event.duration_seconds)
        ids.add(event.event_id)
    assert lengths == [0, 1, 2, 3]
    assert len(ids) == 1


def test_clipped_at_both_ends_and_nothing_beyond(server: AWServer, source: ActivityWatchSource) -> None:
    server.create_bucket("w")
    server.insert("w", [window(0, 60, "a"), window(60, 60, "b"), window(120, 60, "c"), window(200, 0, "d")])
    seen = source.read(at(60), at(120)).window
    assert [(e.app_id, e.timestamp, e.duration_seconds) for e in seen] == [("unknown.b", at(60), 60.0)]
    seen = source.read(at(30), at(60.5)).window
    assert [(e.app_id, e.timestamp, e.duration_seconds) for e in seen] == [
        ("unknown.a", at(30), 30.0),
        ("unknown.b", at(60), 0.5),
    ]
    assert [e.duration_seconds for e in source.read(at(190), at(210)).window] == [0.0]


def test_an_event_across_the_borders_of_requests_is_one(server: AWServer, source: ActivityWatchSource) -> None:
    server.create_bucket("w")
    server.insert("w", [window(23.5 * 3600, 3600, "night"), window(47 * 3600, 0, "later")])
    seen = source.read(at(0), at(3 * 86_400)).window
    assert [(e.app_id, e.duration_seconds) for e in seen] == [("unknown.night", 3600.0), ("unknown.later", 0.0)]


def test_what_ended_as_the_request_begins_is_no_event(server: AWServer, source: ActivityWatchSource) -> None:
    server.create_bucket("w")
    server.insert("w", [window(0, 60, "a"), window(61, 9, "b")])
    assert [e.app_id for e in source.read(at(60), at(120)).window] == ["unknown.b"]


def test_times_finer_than_a_millisecond(server: AWServer, source: ActivityWatchSource) -> None:
    server.create_bucket("w")
    server.insert("w", [window(0, 60)])
    asked = at(10) + timedelta(microseconds=400), at(20) + timedelta(microseconds=400)
    (event,) = source.read(*asked).window
    assert asked[0] <= event.timestamp == at(10.001)
    assert event.duration_seconds == pytest.approx(9.9994, abs=0.0011)
    assert source.read(at(10) + timedelta(microseconds=1), at(10) + timedelta(microseconds=2)).window == ()


def test_every_machine_is_read_and_the_servers_own_wins_a_tie(server: AWServer) -> None:
    now = [0.0]
    source = ActivityWatchSource(server.url, normaliser=Normaliser(SECRET), clock=lambda: now[0])
    server.create_bucket("other", hostname="another-machine")
    server.insert("other", [window(0, 10, "elsewhere")])
    assert [e.app_id for e in source.read(at(0), at(60)).window] == ["unknown.elsewhere"]  # better than nothing
    server.create_bucket("mine-old")
    server.insert("mine-old", [window(-900, 10, "old")])
    server.create_bucket("mine")
    server.insert("mine", [window(0, 10, "mine")])
    server.create_bucket("mine-synced-from-laptop")
    server.insert("mine-synced-from-laptop", [window(30, 10, "copy")])
    server.create_bucket("stopwatch", "general.stopwatch")
    assert [e.app_id for e in source.read(at(0), at(60)).window] == ["unknown.elsewhere"]  # the listing still holds
    now[0] = 61
    assert [e.app_id for e in source.read(at(0), at(60)).window] == ["unknown.mine"]
    assert server.call("DELETE", "buckets/mine")[0] == 200  # gone: listed again at once
    assert [e.app_id for e in source.read(at(0), at(60)).window] == ["unknown.elsewhere"]
    assert [e.app_id for e in source.read(at(-1000), at(60)).window] == ["unknown.old", "unknown.elsewhere"]
    by_name = ActivityWatchSource(server.url, normaliser=Normaliser(SECRET), hostname="another-machine")
    assert [e.app_id for e in by_name.read(at(0), at(60)).window] == ["unknown.elsewhere"]


def test_status(server: AWServer, source: ActivityWatchSource) -> None:
    empty = source.status()
    assert (empty.reachable, empty.streams, empty.newest_event) == (True, frozenset(), None)
    assert "aw-watcher-window" in empty.detail
    server.create_bucket("w")
    server.create_bucket("i", "os.hid.input")
    server.insert("w", [window(0, 10), window(100, 20)])
    status = source.status()
    assert status.streams == {Stream.WINDOW, Stream.INPUT}
    assert status.newest_event == at(120)


def test_a_host_name_the_server_does_not_know(server: AWServer) -> None:
    source = ActivityWatchSource(f"http://127.0.0.2:{server.port}", normaliser=Normaliser(SECRET))
    with pytest.raises(AWConnectionError):  # it listens on 127.0.0.1 only
        source.read(at(0), at(60))
    source = ActivityWatchSource(f"http://127.0.0.1.localhost:{server.port}", normaliser=Normaliser(SECRET))
    with pytest.raises((AWProtocolError, AWConnectionError)):
        source.read(at(0), at(60))


def test_single_calls_as_the_documents_make_them(server: AWServer, source: ActivityWatchSource) -> None:
    with pytest.raises(AWNotFoundError, match="No window watcher"):
        find_window_bucket_id(server.url)
    assert server.create_bucket("w") == 200
    server.insert("w", [window(0, 50), window(51, 9)])
    assert find_window_bucket_id(server.url) == "w"
    assert find_input_bucket_id(server.url) is None
    events = fetch_aw_events(server.url, "w", at(0), at(120), title_salt=SECRET)
    assert events == list(source.read(at(0), at(120)).window)
    assert fetch_aw_input_events(server.url, "w", at(0), at(120)) == []
    with pytest.raises(AWNotFoundError):
        fetch_aw_events(server.url, "gone", at(0), at(120), title_salt=SECRET)
