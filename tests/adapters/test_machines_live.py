"""Several machines, names and browsers on a server: what is read, what it costs, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.aw_http import AWClient
from taskclf_tray.adapters.base import Stream, Unread
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.errors import AWNotFoundError
from taskclf_tray.core.time import iso_z
from tests.support.aw_server import AWServer, RustServer, run_aw_server, run_rust_server

SECRET = "0123456789abcdef" * 4
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WINDOW, AWAY, INPUT, TAB = (stream.value for stream in (Stream.WINDOW, Stream.AWAY, Stream.INPUT, Stream.TAB))


def event(minutes_ago: float, minutes: float, /, **data: Any) -> dict[str, Any]:
    start = NOW - timedelta(minutes=minutes_ago)
    return {"timestamp": iso_z(start), "duration": 60 * minutes, "data": data}


def win(minutes_ago: float, minutes: float, app: str = "Code") -> dict[str, Any]:
    return event(minutes_ago, minutes, app=app, title="secret")


def source_of(server: RustServer | AWServer, clock: list[float] | None = None, **options: Any) -> ActivityWatchSource:
    ticks = clock if clock is not None else [0.0]
    return ActivityWatchSource(server.url, normaliser=Normaliser(SECRET), clock=lambda: ticks[0], **options)


def apps_of(source: ActivityWatchSource, minutes_ago: float) -> list[str]:
    read = source.read(NOW - timedelta(minutes=minutes_ago), NOW)
    return [e.app_id.removeprefix("unknown.") for e in read.window]


@pytest.fixture(params=[True, False], ids=["metadata", "no metadata"])
def rust(request: pytest.FixtureRequest) -> Iterator[RustServer]:
    with run_rust_server(has_metadata=request.param) as running:
        yield running


def test_the_fresh_bucket_is_read_and_not_the_last_of_the_alphabet(rust: RustServer) -> None:
    rust.add("zz-window", WINDOW, "zz", [win(120 * 1440, 60, "dead")])
    rust.add("aa-window", WINDOW, "aa", [win(60, 60, "alive")])
    rust.add("mm-window", WINDOW, "mm")
    source = source_of(rust)
    assert apps_of(source, 60) == ["alive"]
    assert not [path for path in rust.requests("zz-window") if "start=" in path]
    assert source.status().newest_event == NOW


def test_a_poll_asks_for_nothing_it_does_not_need(rust: RustServer) -> None:
    clock = [0.0]
    for kind, stem, data in (
        (WINDOW, "w", {"app": "a", "title": ""}),
        (AWAY, "a", {"status": "not-afk"}),
        (INPUT, "i", {"presses": 1}),
        (TAB, "t", {"url": "x"}),
    ):
        rust.add(f"{stem}-now", kind, "now", [event(60, 60, **data)])
        rust.add(f"{stem}-dead", kind, "dead", [event(9 * 1440, 60, **data)])
    source = source_of(rust, clock)
    source.read(NOW - timedelta(minutes=6), NOW)
    rust.asked.clear()
    for _ in range(11):
        clock[0] += 5
        source.read(NOW - timedelta(minutes=6), NOW)
    assert len(rust.asked) == 11 * 4  # one for each of this machine's watchers, and the list once a minute
    assert not any("dead" in path for path in rust.asked)
    clock[0] += 5
    source.read(NOW - timedelta(minutes=6), NOW)
    newest = 0 if rust.has_metadata else 8
    assert len(rust.asked) == 12 * 4 + 2 + newest


def test_a_machine_that_wakes_up_is_read_at_once() -> None:
    with run_rust_server() as rust:
        rust.add("w-now", WINDOW, "now", [win(2000, 60, "here"), win(60, 30, "here")])
        rust.add("w-other", WINDOW, "other", [win(2000, 60, "there")])
        rust.add("a-other", AWAY, "other", [event(2000, 60, status="not-afk")])
        source = source_of(rust)
        assert apps_of(source, 60) == ["here"]
        assert [len(rust.requests(name)) for name in ("w-other", "a-other")] == [1, 0]
        rust.events["w-other"].append({"id": 9, **win(5, 5, "there")})
        rust.events["a-other"].append({"id": 10, **event(5, 5, status="not-afk")})
        assert apps_of(source, 60) == ["here", "there"]
        assert [len(rust.requests(name)) for name in ("w-other", "a-other")] == [1, 1]


def test_a_renamed_machine_is_read_across_its_names(rust: RustServer) -> None:
    rust.add("w-old", WINDOW, "old", [win(600, 300, "before")])
    rust.add("a-old", AWAY, "old", [event(600, 300, status="not-afk")])
    rust.add("w-new", WINDOW, "new", [win(240, 240, "after")])
    rust.add("a-new", AWAY, "new", [event(240, 200, status="not-afk"), event(40, 40, status="afk")])
    source = source_of(rust)
    assert apps_of(source, 700) == ["before", "after"]
    states = {state.bucket_id: state for state in source.buckets()}
    if rust.has_metadata:  # without it nobody knows when the first event was
        assert {state.machine for state in states.values()} == {"new"}
        assert not states["w-old"].is_newest
    assert source.read(NOW - timedelta(minutes=700), NOW).away


def test_each_minute_is_that_of_the_machine_in_use() -> None:
    with run_rust_server() as rust:
        rust.add("w-laptop", WINDOW, "laptop", [win(120, 120, "typed")])
        rust.add("a-laptop", AWAY, "laptop", [event(120, 120, status="not-afk")])
        rust.add("w-desk", WINDOW, "desk", [win(180, 180, "stood")])
        rust.add("a-desk", AWAY, "desk", [event(180, 60, status="not-afk"), event(120, 120, status="afk")])
        source = source_of(rust)
        read = source.read(NOW - timedelta(minutes=180), NOW)
        assert [(e.app_id, e.duration_seconds) for e in read.window] == [
            ("unknown.stood", 3600.0),
            ("unknown.typed", 7200.0),
        ]
        assert not [e for e in read.away if e.is_away]
        assert "laptop, desk" in source.status().detail or "desk, laptop" in source.status().detail


def test_tabs_of_every_browser_and_of_any_host() -> None:
    with run_rust_server() as rust:
        rust.add("w", WINDOW, "h", [win(60, 30, "chrome.exe"), win(30, 30, "firefox.exe")])
        rust.add("aw-watcher-web-chrome", TAB, "unknown", [event(60, 60, url="https://github.com/a", audible=True)])
        rust.add("aw-watcher-web-firefox_h", TAB, "h", [event(30, 30, url="https://www.youtube.com/")])
        tabs = source_of(rust).read(NOW - timedelta(minutes=60), NOW).tab
        assert [(e.domain_category, e.duration_seconds, e.is_audible) for e in tabs] == [
            ("code_hosting", 1800.0, True),
            ("video", 1800.0, False),
        ]


def test_a_phone_is_no_desk(rust: RustServer) -> None:
    phone = {"package": "com.example", "classname": "x.Main"}
    rust.add("w", WINDOW, "h", [win(60, 60, "desk")])
    rust.add("aw-watcher-android-test", WINDOW, "unknown", [event(60, 60, app="TikTok", **phone)])
    rust.add("said-only-by-its-events", WINDOW, "pocket", [event(60, 60, app="Maps", **phone)])
    source = source_of(rust)
    assert apps_of(source, 60) == ["desk"]
    assert apps_of(source, 60) == ["desk"]
    unread = {state.bucket_id: state.unread for state in source.buckets() if state.unread is not None}
    assert unread == {"aw-watcher-android-test": Unread.PHONE, "said-only-by-its-events": Unread.PHONE}
    source = source_of(rust)
    rust.buckets.pop("w")
    assert apps_of(source, 60) == []


def test_what_the_server_lists_and_does_not_give_is_done_without() -> None:
    clock = [0.0]
    with run_rust_server() as rust:
        rust.add("w", WINDOW, "h", [win(60, 60, "good")])
        rust.add("slash/ed", WINDOW, "h", [win(60, 60, "bad")])
        rust.refused.add("slash/ed")
        source = source_of(rust, clock)
        assert apps_of(source, 60) == ["good"]
        assert [s.bucket_id for s in source.buckets() if s.unread is Unread.REFUSED] == ["slash/ed"]
        rust.asked.clear()
        assert apps_of(source, 60) == ["good"]
        assert not rust.requests("slash/ed")
        rust.refused.add("w")
        with pytest.raises(AWNotFoundError):
            apps_of(source, 60)
        rust.refused.clear()
        clock[0] = 700
        assert sorted(set(apps_of(source, 60))) in (["bad"], ["good"])
        assert not [s for s in source.buckets() if s.unread is not None]


def test_hostile_names_stop_nothing() -> None:
    with run_rust_server(hostname="\ud800") as rust:
        for name in ("\ud800", "x" * 10_000, "", "a\x00\n\x1b[31m", "..", "a/b?c#d%2F"):
            rust.add(name, WINDOW, name, [win(500, 1, "hostile")])
        rust.add("w", WINDOW, "h", [win(60, 60, "good")])
        source = source_of(rust)
        assert apps_of(source, 60) == ["good"]
        shown = f"{source.status()!r}"
        assert shown.encode()
        assert "\x1b" not in shown
        assert len([state for state in source.buckets() if state.unread is Unread.BAD_NAME]) == 3


@pytest.mark.parametrize("name", ["..", "."])
@pytest.mark.parametrize("has_metadata", [True, False])
def test_a_bucket_called_like_a_step_of_a_path_is_never_asked_for(name: str, has_metadata: bool) -> None:
    """A client of HTTP takes such steps out: `buckets/../events` asks for `events`."""
    with run_rust_server(has_metadata=has_metadata) as rust:
        rust.add(name, WINDOW, "h", [win(500, 1, "hostile")])
        rust.add("w", WINDOW, "h", [win(60, 60, "good")])
        source = source_of(rust)
        assert apps_of(source, 60) == ["good"]
        assert {path.partition("?")[0] for path in rust.asked} == {
            "/api/0/info",
            "/api/0/buckets/",
            "/api/0/buckets/w/events",
        }
        assert [s.unread for s in source.buckets() if s.bucket_id == name] == [Unread.REFUSED]


def test_damaged_events_of_every_stream_are_counted() -> None:
    with run_rust_server() as rust:
        rust.add("w", WINDOW, "h", [win(60, 60), event(50, 1, title="no app"), {**win(40, 1), "duration": 0}])
        rust.add("a", AWAY, "h", [event(60, 60, status="asleep")])
        rust.add("i", INPUT, "h", [event(60, 60, presses=-1), event(59, 1, presses="7")])
        rust.add("t", TAB, "h", [event(60, 60, url=None)])
        source = source_of(rust)
        source.read(NOW - timedelta(minutes=60), NOW)
        assert "5 damaged events were skipped" in source.status().detail


names = st.text(st.characters(codec="utf-8"), max_size=12)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fresh=st.tuples(names, names, st.floats(1, 29)),
    stale=st.lists(st.tuples(names, names, st.integers(40, 500_000)), max_size=6),
    own=names,
    has_metadata=st.booleans(),
)
def test_a_stale_bucket_never_wins(
    monkeypatch: pytest.MonkeyPatch,
    fresh: tuple[str, str, float],
    stale: list[tuple[str, str, int]],
    own: str,
    has_metadata: bool,
) -> None:
    server = RustServer(hostname=own, has_metadata=has_metadata)
    for name, host, ago in stale:
        server.add(f"w{name}", WINDOW, host, [win(ago, 9, "stale")])
    server.add(f"w{fresh[0]}", WINDOW, fresh[1], [win(fresh[2], fresh[2], "fresh")])
    monkeypatch.setattr(AWClient, "get", lambda _client, path, params=None: server.get(path, params))
    read = ActivityWatchSource("http://127.0.0.1:1", normaliser=Normaliser(SECRET)).read(
        NOW - timedelta(minutes=30), NOW
    )
    assert {e.app_id for e in read.window} == {"unknown.fresh"}
    assert sum(e.duration_seconds for e in read.window) == pytest.approx(60 * fresh[2], abs=0.002)


# -- a real server ---------------------------------------------------------------------------------------------


@pytest.mark.server
def test_a_dead_bucket_of_the_servers_name_beside_a_live_one(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    with run_aw_server(tmp_path / "aw") as server:
        here = server.call("GET", "info")[1]["hostname"]
        for name, ago, minutes in ((here, timedelta(days=3), 10), ("mac.local", timedelta(minutes=60), 60)):
            server.create_bucket(f"aw-watcher-window_{name}", hostname=name)
            data = {"app": "Code", "title": "a.py"}
            server.insert(
                f"aw-watcher-window_{name}",
                [{"timestamp": iso_z(now - ago), "duration": 60 * minutes, "data": data}],
            )
        source = ActivityWatchSource(server.url, normaliser=Normaliser(SECRET))
        read = source.read(now - timedelta(minutes=60), now)
        assert sum(e.duration_seconds for e in read.window) == 3600
        states = {state.hostname: state for state in source.status().buckets}
        assert states["mac.local"].newest == now
        assert states[here].newest == now - timedelta(days=3, minutes=-10)
        assert (states["mac.local"].is_newest, states[here].is_newest) == (True, False)
        source.close()


@pytest.mark.server
def test_a_machine_renamed_while_it_is_read(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    clock = [0.0]
    with run_aw_server(tmp_path / "aw") as server:

        def work(name: str, ago: int, minutes: int) -> None:
            start = iso_z(now - timedelta(minutes=ago))
            for kind, data in ((WINDOW, {"app": name, "title": ""}), (AWAY, {"status": "not-afk"})):
                server.create_bucket(f"{kind}_{name}", kind, name)
                server.insert(f"{kind}_{name}", [{"timestamp": start, "duration": 60 * minutes, "data": data}])

        work("office", 90, 60)
        source = ActivityWatchSource(server.url, normaliser=Normaliser(SECRET), clock=lambda: clock[0])
        assert [e.app_id for e in source.read(now - timedelta(minutes=90), now).window] == ["unknown.office"]
        work("home", 30, 30)
        clock[0] = 61
        read = source.read(now - timedelta(minutes=90), now)
        assert [(e.app_id, e.duration_seconds) for e in read.window] == [
            ("unknown.office", 3600.0),
            ("unknown.home", 1800.0),
        ]
        assert {state.unread for state in source.buckets()} == {None}
        source.close()
