"""Answers that never end: they end in a sentence, in bounded memory, and never keep the program from stopping."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.adapters import activitywatch, aw_http, aw_listing
from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.aw_http import AWClient
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.cleaning import join_parts
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent, parse_raw
from taskclf_tray.core.errors import AWProtocolError, AWTimeoutError
from tests.support.aw_server import RustServer
from tests.support.http_faults import Handler, faulty_server
from tests.support.processes import allowed


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this run for 127.0.0.1, its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def over_tls(certificate: Path) -> Callable[[Any], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def wrap(server: Any) -> None:
        server.socket = context.wrap_socket(server.socket, server_side=True)

    return wrap


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def drip_headers(handler: Handler) -> None:
    for byte in b"HTTP/1.0 200 OK\r\nX-Long: " + b"y" * 200:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("fault", [drip, drip_headers])
def test_https_keeps_the_deadline_too(
    fault: Callable[[Handler], None], over_tls: Callable[[Any], None], certificate: Path
) -> None:
    with faulty_server(fault, prepare=over_tls) as (url, _):
        client = AWClient(url.replace("http://", "https://"), timeout_seconds=0.5)
        client._session.verify = str(certificate)
        began = time.monotonic()
        with pytest.raises(AWTimeoutError):
            client.get("info")
        assert time.monotonic() - began < 5  # the whole answer takes ten


def test_https_is_read(over_tls: Callable[[Any], None], certificate: Path) -> None:
    with faulty_server(lambda h: h.answer(200, b'{"ok": 1}'), prepare=over_tls) as (url, _):
        client = AWClient(url.replace("http://", "https://"))
        client._session.verify = str(certificate)
        assert client.get("info") == {"ok": 1}


def test_a_program_that_stops_waits_for_no_server() -> None:
    asked, answer = threading.Event(), threading.Event()

    def silent(handler: Handler) -> None:
        asked.set()
        answer.wait(60)

    with faulty_server(silent) as (url, _):
        client = AWClient(url, timeout_seconds=300)
        errors: list[BaseException] = []

        def read() -> None:
            try:
                client.get("info")
            except AWTimeoutError as error:
                errors.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        assert asked.wait(30)
        client.interrupt()
        thread.join(30)
        answer.set()
        assert not thread.is_alive()
        assert len(errors) == 1
        with pytest.raises(AWTimeoutError):
            client.get("info")


@pytest.mark.parametrize("value", [b"[],", b'{"":0},'])
def test_an_answer_of_many_small_values_is_refused_before_it_is_parsed(
    value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aw_http, "MAX_RESPONSE_VALUES", 1000)
    monkeypatch.setattr(aw_http, "_parsed", lambda body: pytest.fail("it was parsed"))
    with (
        faulty_server(lambda h: h.answer(200, b"[" + value * 1000 + b"0]")) as (url, _),
        pytest.raises(AWProtocolError),
    ):
        AWClient(url).get("buckets/x/events")


class Compared(dict[str, Any]):
    """Event data that count how often they are compared."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


@pytest.fixture
def comparisons() -> type[Compared]:
    Compared.times = 0
    return Compared


def test_many_events_of_one_moment_are_not_compared_each_with_all(comparisons: type[Compared]) -> None:
    events = [RawEvent(10**15, 10**6, Compared(app="a", title=f"t{n}"), n) for n in range(3000)]
    twins = [RawEvent(10**15, 10**6, Compared(app="a", title=f"t{n}"), n + 10_000) for n in range(3000)]
    assert len(join_parts([*events, *twins])) == 3000
    assert comparisons.times < 4 * 3000


@pytest.mark.parametrize("data", [lambda n: {"presses": n}, lambda n: {"x": n * (2**61 - 1)}, lambda n: {"x": [n]}])
def test_many_events_that_differ_in_numbers_are_not_compared_each_with_all(
    data: Callable[[int], dict[str, Any]], comparisons: type[Compared]
) -> None:
    events = [RawEvent(10**15, 10**6, Compared(data(n % 3000)), n) for n in range(6000)]
    assert len(join_parts(events)) == 3000
    assert comparisons.times < 4 * 3000


def test_events_whose_data_are_nested_deeply_are_joined() -> None:
    nested: dict[str, Any] = {}
    for _ in range(900):
        nested = {"a": nested}
    events = [parse_raw({"id": n, "timestamp": "2026-03-02T08:00:00Z", "duration": 9, "data": nested}) for n in (1, 2)]
    assert len(join_parts([event for event in events if event is not None])) == 1


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def served() -> Iterator[tuple[RustServer, ActivityWatchSource]]:
    """A source whose server needs no connection."""
    server = RustServer(has_metadata=True)
    source = ActivityWatchSource(normaliser=Normaliser("ab" * 32))
    source._client.get = server.get  # type: ignore[method-assign]
    yield server, source
    source.close()


def days_long(count: int, **data: Any) -> list[dict[str, Any]]:
    at = (NOON - timedelta(hours=1)).isoformat()
    return [{"timestamp": at, "duration": 86_000, "data": {**data, "n": n}} for n in range(count)]


def test_more_events_than_watchers_report_are_refused(
    served: tuple[RustServer, ActivityWatchSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, source = served
    monkeypatch.setattr(activitywatch, "MOST_EVENTS", 400)
    monkeypatch.setattr(activitywatch, "MOST_EVENTS_A_DAY", 2400)
    server.add("w", Stream.WINDOW, "h", days_long(450, app="a", title="t"))
    assert source.read(NOON, NOON + timedelta(hours=1)).window
    server.add("i", Stream.INPUT, "h", days_long(51, presses=1))
    source.status()  # lists the buckets anew
    with pytest.raises(AWProtocolError, match="more events than watchers report"):
        source.read(NOON, NOON + timedelta(hours=1))
    assert source.read(NOON, NOON + timedelta(hours=2)).window


def test_more_buckets_than_computers_have_are_refused(
    served: tuple[RustServer, ActivityWatchSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, source = served
    monkeypatch.setattr(aw_listing, "MOST_BUCKETS", 3)
    for n in range(4):
        server.add(f"w{n}", Stream.WINDOW, "h")
    assert not source.status().reachable


def test_what_a_server_did_not_clip_costs_nothing(served: tuple[RustServer, ActivityWatchSource]) -> None:
    server, source = served
    for host in "hg":
        server.add(f"w{host}", Stream.WINDOW, host, days_long(3000, app="a", title="t"))
    server.add("i", Stream.INPUT, "h", days_long(3000, presses=1))
    original = server.get

    def unclipped(path: str, params: Any = None) -> Any:
        answer = original(path, params)
        return server.events[path.split("/")[1]] if isinstance(answer, list) else answer

    source._client.get = unclipped  # type: ignore[method-assign]
    began = time.monotonic()
    seen = source.read(NOON, NOON + timedelta(minutes=10))
    assert seen.window
    assert len(seen.input) == 1
    assert time.monotonic() - began < allowed(3)


def test_a_read_that_takes_long_ends_when_the_program_stops(
    served: tuple[RustServer, ActivityWatchSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, source = served
    for host in "hg":
        server.add(f"w{host}", Stream.WINDOW, host, [{"timestamp": NOON.isoformat(), "duration": 9, "data": {}}])
        server.events[f"w{host}"][0]["data"] = {"app": "a", "title": host}
    places: list[str] = []
    monkeypatch.setattr(source._client, "keep_going", lambda: places.append(sys._getframe(1).f_code.co_name))
    source.read(NOON, NOON + timedelta(minutes=1))
    assert set(places) >= {"_while_wanted", "_decide", "_each"}
    monkeypatch.undo()
    source._client.get = server.get  # type: ignore[method-assign]
    source.interrupt()
    with pytest.raises(AWTimeoutError):
        source.read(NOON, NOON + timedelta(minutes=1))
