"""Inputs that keep the program busy: it ends within seconds of SIGTERM all the same."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.adapters.activitywatch import MOST_EVENTS
from taskclf_tray.adapters.base import Stream
from tests.support.app_process import app_command, app_environment
from tests.support.aw_server import RustServer
from tests.support.http_faults import Handler, faulty_server
from tests.support.processes import allowed, wait_until
from tests.support.worker_home import copy_home


def crowd(count: int, begin: datetime, step_seconds: float, seconds: float) -> list[dict[str, Any]]:
    """Windows of a new program each, with long titles, over each other."""
    return [
        {
            "id": n,
            "timestamp": (begin + timedelta(seconds=step_seconds * n)).isoformat(),
            "duration": seconds,
            "data": {"app": f"program {n}", "title": f"{n} a title that is as long as titles are - Program {n}"},
        }
        for n in range(count)
    ]


def stopped(command: Sequence[str], is_busy: Any) -> tuple[int, float]:
    """(exit code, seconds it took) of a program that gets SIGTERM once it is busy."""
    process = subprocess.Popen(
        command, env=app_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        wait_until(is_busy, "the input to be read", timeout_seconds=30)
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        return process.wait(120), time.monotonic() - began
    finally:
        process.kill()
        process.wait()


@pytest.mark.alone
def test_the_app_stops_over_a_crowd_of_events(tmp_path: Path) -> None:
    midnight = datetime.now(UTC) - timedelta(hours=14)
    body = json.dumps(crowd(MOST_EVENTS, midnight, 1.2, 80_000)).encode()
    server = RustServer(hostname="h")
    server.add("w", Stream.WINDOW, "h")
    server.buckets["w"]["last_updated"] = datetime.now(UTC).isoformat()
    answered: list[str] = []

    def answer(handler: Handler) -> None:
        if "/events" in handler.path:
            handler.answer(200, body)
            answered.append(handler.path)
        else:
            server.answer(handler)

    home = copy_home(tmp_path / "home")
    with faulty_server(answer) as (url, _):
        command = app_command("run", "--headless", "--json", "--aw-host", url, "--home", home)
        code, seconds = stopped(command, lambda: answered)
    assert code == 0
    assert seconds < allowed(5)


@pytest.mark.alone
def test_a_batch_stops_over_a_large_file(tmp_path: Path) -> None:
    begin = datetime(2026, 3, 2, 8, tzinfo=UTC)
    part = json.dumps(crowd(2000, begin, 1.0, 1.0))[1:-1]
    path = tmp_path / "a-large-export.json"
    with path.open("w") as file:
        file.write('{"buckets": {"w": {"type": "currentwindow", "hostname": "h", "events": [')
        file.write(", ".join([part] * 150))
        file.write("]}}}")
    home = copy_home(tmp_path / "home")

    def is_read() -> bool:
        return any(_bytes_read(process, path) > path.stat().st_size for process in Path("/proc").glob("[0-9]*"))

    command = app_command("infer", "batch", "--input", path, "--out-dir", tmp_path, "--home", home)
    code, seconds = stopped(command, is_read)
    assert code == 143
    assert seconds < allowed(5)


def _bytes_read(process: Path, named: Path) -> int:
    """How much a process has read so far, when its command names the file."""
    try:
        if str(named).encode() not in (process / "cmdline").read_bytes():
            return 0
        return int((process / "io").read_text().split()[1])  # rchar
    except (OSError, IndexError):
        return 0
