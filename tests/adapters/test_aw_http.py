"""Answers a real server cannot be made to give."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from taskclf_tray.adapters import aw_http
from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.aw_http import AWClient, checked_host, configured_key, is_loopback
from taskclf_tray.adapters.machines import Selection
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.errors import (
    AWAuthError,
    AWNotFoundError,
    AWProtocolError,
    AWTimeoutError,
    ConfigError,
    SourceError,
)
from tests.support.http_faults import Handler, faulty_server
from tests.support.processes import allowed

MARKER = "poison-title-19cd"


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (lambda h: h.answer(401, b'{"message": "no"}'), AWAuthError, 1),
        (lambda h: h.answer(403), AWAuthError, 1),
        (lambda h: h.answer(404, b"null"), AWNotFoundError, 1),
        (lambda h: h.answer(400), AWProtocolError, 1),
        (lambda h: h.answer(204), AWProtocolError, 1),
        (lambda h: h.answer(500, b"<html>" + b"x" * 40_000), AWProtocolError, 3),
        (lambda h: h.answer(302, Location="http://127.0.0.1:9/"), AWProtocolError, 1),
        (lambda h: h.answer(200, b"<html></html>"), AWProtocolError, 1),
        (lambda h: h.answer(200, f'[{{"title": "{MARKER}"'.encode()), AWProtocolError, 1),
        (lambda h: h.answer(200, b"\xff\xfe\x00"), AWProtocolError, 1),
        (lambda h: h.answer(200, b"[" * 100_000), AWProtocolError, 1),
        (lambda h: h.wfile.write(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), AWProtocolError, 1),
        (lambda h: h.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n[]"), SourceError, None),
        (lambda h: h.wfile.write(b"not http at all\r\n\r\n"), SourceError, None),
    ],
)
def test_faults(fault: Callable[[Handler], None], error: type[SourceError], requests: int | None) -> None:
    with faulty_server(fault) as (url, seen):
        client = AWClient(url, timeout_seconds=5)
        began = time.monotonic()
        with pytest.raises(error) as caught:
            client.get("info")
        assert time.monotonic() - began < allowed(3)
        client.close()
    assert caught.value.next_step
    chain: BaseException | None = caught.value
    while chain is not None:
        assert MARKER not in f"{chain!r}{chain}{vars(chain)!r}"
        chain = chain.__cause__ or chain.__context__
    if requests is not None:
        assert len(seen) == requests


def test_a_moment_of_trouble_is_got_over() -> None:
    answers = iter([500, 503, 200])
    with faulty_server(lambda h: h.answer(next(answers), b'{"ok": 1}')) as (url, seen):
        assert AWClient(url).get("info") == {"ok": 1}
    assert len(seen) == 3


def slow_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def slow_headers(handler: Handler) -> None:
    for byte in b"HTTP/1.0 200 OK\r\nX-Long: " + b"y" * 100:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.1)


@pytest.mark.parametrize("fault", [slow_body, slow_headers, lambda h: time.sleep(3)])
def test_a_server_that_trickles_is_left_at_the_deadline(fault: Callable[[Handler], None]) -> None:
    with faulty_server(fault) as (url, _):
        client = AWClient(url, timeout_seconds=0.5)
        began = time.monotonic()
        with pytest.raises(AWTimeoutError):
            client.get("info")
        assert time.monotonic() - began < allowed(1.2)


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aw_http, "MAX_RESPONSE_BYTES", 1_000_000)

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"[" * 65_536)

    with faulty_server(endless) as (url, _), pytest.raises(AWProtocolError):
        AWClient(url).get("info")


@pytest.mark.parametrize(
    "answers",
    [
        {"info": b"[]"},
        {"info": b'{"hostname": 7}'},
        {"info": b'{"hostname": "h"}', "buckets/": b"[]"},
        {"info": b'{"hostname": "h"}', "buckets/": b'{"w": {"type": "currentwindow"}}', "buckets/w/events": b"{}"},
    ],
)
def test_answers_of_another_shape(answers: dict[str, bytes]) -> None:
    def answer(handler: Handler) -> None:
        path = handler.path.removeprefix("/api/0/").partition("?")[0]
        handler.answer(200, answers[path])

    with faulty_server(answer) as (url, _):
        source = ActivityWatchSource(url, normaliser=Normaliser("0" * 64))
        with pytest.raises(AWProtocolError):
            source.read(*(source.now().replace(hour=h) for h in (1, 2)))


def test_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "activitywatch" / "aw-server-rust" / "config.toml"
    config.parent.mkdir(parents=True)
    monkeypatch.setattr(aw_http.platformdirs, "user_config_dir", lambda *_: str(tmp_path / "activitywatch"))
    with faulty_server(lambda h: h.answer(200, b"{}")) as (url, seen):
        config.write_text(f'port = {url.rpartition(":")[2]}\n[auth]\napi_key = "from-the-file"\n')
        AWClient(url).get("info")
        client = AWClient(url, api_key="given")
        client.get("info")
    assert [key for _, key in seen] == ["Bearer from-the-file", "Bearer given"]
    assert "given" not in repr(client)
    assert "Authorization" not in AWClient("http://aw.example.org")._session.headers


@pytest.mark.parametrize(
    "text", ["", "[auth]", "auth = 1", '[auth]\napi_key = ""', "[auth]\napi_key = 1", "\x00", "[a"]
)
def test_no_key_to_read(tmp_path: Path, text: str) -> None:
    url = "http://localhost:5600"
    assert configured_key(url, tmp_path) is None
    (tmp_path / "config.toml").write_text(text)
    assert configured_key(url, tmp_path) is None


@pytest.mark.parametrize(
    "host", ["", "localhost:5600", "ftp://x", "http://", "http://u:p@x", "http://x/a", "http://x:y"]
)
def test_an_address_that_is_none(host: str) -> None:
    with pytest.raises(ConfigError):
        AWClient(host)


def test_addresses() -> None:
    assert checked_host(" http://localhost:5600/ ") == "http://localhost:5600"
    assert all(is_loopback(url) for url in ("http://localhost:1", "http://127.9.9.9", "https://[::1]:5600"))
    assert not any(is_loopback(url) for url in ("http://10.0.0.2", "http://localhost.example.org"))


def test_status_says_that_titles_travel() -> None:
    source = ActivityWatchSource("http://aw.example.org", normaliser=Normaliser("0" * 64))
    assert "network" in source._detail(Selection())
