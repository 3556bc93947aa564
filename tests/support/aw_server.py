"""A real aw-server on a free loopback port with a throw-away data folder; and a stand-in for aw-server-rust."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.support.http_faults import Handler, faulty_server

ROOT = Path(__file__).resolve().parents[2]
HOW_TO_MAKE = (
    "python3 -m venv .venv-aw && .venv-aw/bin/pip install --require-hashes -r packaging/requirements/aw-server.txt"
)


def server_python() -> str:
    """The Python that has aw_server installed; the test fails, and says how to make it, when there is none."""
    found = os.environ.get("AW_SERVER_PYTHON") or str(ROOT / ".venv-aw" / "bin" / "python")
    if not Path(found).exists():
        pytest.fail(f"no aw-server to test with at {found}; make it with: {HOW_TO_MAKE}")
    return found


class AWServer:
    """A running aw-server and what tests do to it. Times are ISO 8601; events `{timestamp, duration, data}`."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, timeout_seconds: float = 30.0) -> None:
        """Start and wait until it answers."""
        # HOME and XDG_*: configuration, database, device id and logs all stay below `root`
        folders = {f"XDG_{kind}_HOME": str(self.root / kind.lower()) for kind in ("DATA", "CONFIG", "CACHE", "STATE")}
        environment = {**os.environ, "HOME": str(self.root), "NO_PROXY": "127.0.0.1,localhost", **folders}
        command = [server_python(), "-m", "aw_server", "--host", "127.0.0.1", "--port", str(self.port), "--testing"]
        with (self.root / "aw-server.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        until = time.monotonic() + timeout_seconds
        while True:
            try:
                self.call("GET", "info")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    self.kill()
                    raise RuntimeError((self.root / "aw-server.log").read_text()) from None
                time.sleep(0.05)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """(status, JSON or None) of a request to /api/0/."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/0/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                content, status = response.read(), response.status
        except urllib.error.HTTPError as error:
            with error:
                content, status = error.read(), error.code
        return status, json.loads(content) if content[:1] in (b"{", b"[", b"n") else None

    def create_bucket(self, bucket_id: str, kind: str = "currentwindow", hostname: str | None = None) -> int:
        """Create a bucket (of the server's own host unless said otherwise); the HTTP status: 200, or 304 again."""
        host = self.call("GET", "info")[1]["hostname"] if hostname is None else hostname
        return self.call("POST", f"buckets/{bucket_id}", {"client": "test", "type": kind, "hostname": host})[0]

    def insert(self, bucket_id: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Insert events."""
        status, answer = self.call("POST", f"buckets/{bucket_id}/events", list(events))
        assert status == 200, answer

    def heartbeat(self, bucket_id: str, event: Mapping[str, Any], pulse_seconds: float) -> Any:
        """Send a heartbeat; the merged event."""
        status, answer = self.call("POST", f"buckets/{bucket_id}/heartbeat?pulsetime={pulse_seconds}", event)
        assert status == 200, answer
        return answer

    def pause(self) -> None:
        """Hang: connections are accepted, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill −9 and wait."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(120)

    def restart(self) -> None:
        """Start again on the same data and port."""
        self.kill()
        self.start()

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


@contextlib.contextmanager
def run_aw_server(root: Path, port: int | None = None) -> Iterator[AWServer]:
    """A real aw-server that keeps everything below `root`; killed at the end."""
    root.mkdir(parents=True, exist_ok=True)
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    server = AWServer(root, port)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@dataclass
class RustServer:
    """The shape of aw-server-rust: `last_updated` is always null, `metadata` says from when to when there are events.

    `has_metadata`: False for older ones, which do not say it. `asked`: the paths of all requests so far. Both ends of a
    request are inclusive, and what crosses them is clipped.
    """

    hostname: str = "rust"
    device_id: str = "device-1"
    has_metadata: bool = True
    url: str = ""
    asked: list[str] = field(default_factory=list)
    buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def add(
        self, bucket_id: str, kind: str, hostname: str, events: Sequence[Mapping[str, Any]] = (), **more: Any
    ) -> None:
        """A bucket with events, oldest first."""
        self.buckets[bucket_id] = {"type": kind, "hostname": hostname, "client": "test", "data": {}, **more}
        self.events[bucket_id] = [{"id": n, **event} for n, event in enumerate(events, 1000 * len(self.buckets))]

    def requests(self, bucket_id: str) -> list[str]:
        """The requests for a bucket's events so far, and forget them."""
        found = [path for path in self.asked if f"/{bucket_id}/" in unquote(path)]
        self.asked = [path for path in self.asked if path not in found]
        return found

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The answer to a request, without a connection: what `AWClient.get` gives."""
        status, body = self._body(f"/api/0/{path}", {name: [value] for name, value in (params or {}).items()})
        assert status == 200, path
        return body

    def answer(self, handler: Handler) -> None:
        """One request."""
        self.asked.append(handler.path)
        status, body = self._body(urlsplit(handler.path).path, parse_qs(urlsplit(handler.path).query))
        handler.answer(status, json.dumps(body).encode())

    def _body(self, path: str, query: Mapping[str, list[str]]) -> tuple[int, Any]:
        if path == "/api/0/info":
            return 200, {"hostname": self.hostname, "version": "v0.14.0 (rust)", "device_id": self.device_id}
        if path == "/api/0/buckets/":
            return 200, {bucket_id: self._listed(bucket_id) for bucket_id in self.buckets}
        bucket_id = unquote(path.removeprefix("/api/0/buckets/").removesuffix("/events"))
        if bucket_id not in self.buckets or bucket_id in self.refused:
            return 404, {"message": f"The requested bucket '{bucket_id}' does not exist"}
        start = datetime.fromisoformat(query["start"][0]) if "start" in query else None
        end = datetime.fromisoformat(query["end"][0]) if "end" in query else None
        found = [clipped for event in self.events[bucket_id] if (clipped := _clipped(event, start, end)) is not None]
        found.sort(key=lambda event: str(event["timestamp"]), reverse=True)
        return 200, found[: int(query["limit"][0])] if "limit" in query else found

    def _listed(self, bucket_id: str) -> dict[str, Any]:
        spans = [_times(event) for event in self.events[bucket_id]]
        known: dict[str, Any] = {"start": None, "end": None}
        if spans:
            known = {"start": min(a for a, _ in spans).isoformat(), "end": max(b for _, b in spans).isoformat()}
        metadata = {"metadata": known} if self.has_metadata else {}
        return {"id": bucket_id, "created": None, "last_updated": None, **metadata, **self.buckets[bucket_id]}


@contextlib.contextmanager
def run_rust_server(**options: Any) -> Iterator[RustServer]:
    """A server in this process that answers as aw-server-rust does."""
    server = RustServer(**options)
    with faulty_server(server.answer) as (url, _):
        server.url = url
        yield server


def _times(event: Mapping[str, Any]) -> tuple[datetime, datetime]:
    start = datetime.fromisoformat(event["timestamp"])
    return start, start + timedelta(seconds=event["duration"])


def _clipped(event: dict[str, Any], start: datetime | None, end: datetime | None) -> dict[str, Any] | None:
    begin, until = _times(event)
    first, last = max(begin, start or begin), min(until, end or until)
    if first > last:
        return None
    return {**event, "timestamp": first.isoformat(), "duration": (last - first).total_seconds()}
