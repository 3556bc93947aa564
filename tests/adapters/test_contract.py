"""The contract suite on every source that reads ActivityWatch's events."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.export import ExportSource
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import from_us, iso_z, to_us
from tests.support.aw_server import AWServer, run_aw_server, run_rust_server
from tests.support.source_contract import START, Raw, check_source

SECRET = "0123456789abcdef" * 4


def as_json(events: Sequence[RawEvent]) -> list[dict[str, Any]]:
    """ActivityWatch's own form, newest first."""
    return [
        {"timestamp": iso_z(from_us(e.start_us)), "duration": e.duration_us / 1e6, "data": dict(e.data)}
        for e in reversed(events)
    ]


def export_of(events: Mapping[Stream, Sequence[RawEvent]]) -> dict[str, Any]:
    buckets = {
        f"watcher-{stream.name.lower()}": {"type": stream.value, "hostname": "h", "events": as_json(listed)}
        for stream, listed in events.items()
    }
    return {"buckets": buckets}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AWServer]:
    with run_aw_server(tmp_path_factory.mktemp("aw")) as running:
        yield running


def test_export_file(tmp_path: Path) -> None:
    def make(events: Raw) -> ExportSource:
        path = tmp_path / "export.json"
        path.write_text(json.dumps(export_of(events)))
        return ExportSource(path, Normaliser(SECRET))

    check_source(make)


def test_export_of_a_renamed_machine(tmp_path: Path) -> None:
    """The same events under two names, the second from some moment without input on."""
    middle = to_us(START) + 3_000_000_000

    def make(events: Raw) -> ExportSource:
        buckets = {}
        for stream, listed in events.items():
            for name in ("old", "new"):
                mine = [event for event in listed if (event.start_us < middle) == (name == "old")]
                described = {"type": stream.value, "hostname": name, "events": as_json(mine)}
                buckets[f"{stream.name}-{name}"] = described
        path = tmp_path / "export.json"
        path.write_text(json.dumps({"buckets": buckets}))
        return ExportSource(path, Normaliser(SECRET))

    check_source(make)


def test_a_server_like_aw_server_rust() -> None:
    with contextlib.ExitStack() as stack:

        def make(events: Raw) -> ActivityWatchSource:
            rust = stack.enter_context(run_rust_server())
            for stream, listed in events.items():
                rust.add(f"watcher-{stream.name.lower()}", stream.value, "h", as_json(listed)[::-1])
            return ActivityWatchSource(rust.url, normaliser=Normaliser(SECRET))

        check_source(make)


@pytest.mark.server
def test_real_server(server: AWServer) -> None:
    numbers = count()

    def make(events: Raw) -> ActivityWatchSource:
        for stream, listed in events.items():
            name = f"watcher-{stream.name.lower()}-{next(numbers)}"
            assert server.create_bucket(name, stream.value) == 200
            server.insert(name, as_json(listed))
        return ActivityWatchSource(server.url, normaliser=Normaliser(SECRET))

    check_source(make)
