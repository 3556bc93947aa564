"""How far the built-in watcher agrees with ActivityWatch's window watcher, second by second, and what it costs.

`python -m tests.bench.watcher_agreement CHECKOUT [SECONDS] [MEAN_SECONDS]`: CHECKOUT is a source folder of
aw-watcher-window, which is in no package index; it runs in the environment of the test server, with this environment's
python-xlib. Both watch the same real windows under Xvfb and openbox, switched or renamed every MEAN_SECONDS on average.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.builtin import BuiltinSource
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.app.builtin import desk_opener
from taskclf_tray.core.intervals import flatten
from taskclf_tray.core.time import seconds_to_us, to_us
from taskclf_tray.core.types import SourceEvents
from taskclf_tray.store.activity_ring import ActivityRing
from tests.support.aw_server import run_aw_server, server_python
from tests.support.desktop import Desktop, desktop, program
from tests.support.processes import wait_until
from tests.support.real_windows import Windows

SECRET = "5f" * 32
TITLES = {"Code": "main.py", "Firefox": "a page", "Thunderbird": "Inbox", "XTerm": "~"}
SECOND_US = 1_000_000


def main() -> None:
    checkout, seconds, mean = Path(sys.argv[1]), float([*sys.argv, "300"][2]), float([*sys.argv, "", "20"][3])
    with tempfile.TemporaryDirectory() as place, ExitStack() as running:
        folder = Path(place)
        (folder / "home").mkdir()
        server = running.enter_context(run_aw_server(folder))
        desk = running.enter_context(desktop(folder / "home", panel=False))
        running.enter_context(program(["openbox"], desk.env))
        windows = Windows(desk.env["DISPLAY"])
        running.callback(windows.close)
        wait_until(windows.are_managed, "openbox")
        command = [
            server_python(),
            "-m",
            "aw_watcher_window",
            "--host",
            "127.0.0.1",
            "--port",
            str(server.port),
            "--testing",
        ]
        running.enter_context(program(command, desk.env | {"PYTHONPATH": f"{checkout}:{_xlib()}", "HOME": str(folder)}))
        source = BuiltinSource(
            Normaliser(SECRET), ActivityRing(folder / "tray" / "activity.db"), desk_opener(desk.env), desk_name="X11"
        )
        running.callback(source.close)
        source.rest(None)
        opened = {name: windows.open(name, title) for name, title in TITLES.items()}
        time.sleep(6)  # the other watcher waits for its server
        start, spent = datetime.now(UTC), time.process_time()
        switches = _work(desk, windows, opened, seconds, mean)
        end, spent = datetime.now(UTC), time.process_time() - spent
        time.sleep(6)  # as both report late
        theirs = ActivityWatchSource(server.url, normaliser=Normaliser(SECRET)).read(start, end)
        print(json.dumps(_compared(theirs, source.read(start, end)) | {"switches": switches, "cpu_seconds": spent}))


def _xlib() -> str:
    spec = find_spec("Xlib")
    assert spec is not None
    assert spec.origin is not None
    return os.fspath(Path(spec.origin).parents[1])


def _work(desk: Desktop, windows: Windows, opened: dict[str, Any], seconds: float, mean: float) -> int:
    """Switch and rename for so long; returns how often."""
    rng, count = random.Random(3), 0
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        chosen = opened[rng.choice(list(opened))]
        if rng.random() < 0.5:
            subprocess.run(["xdotool", "windowactivate", str(chosen.id)], env=desk.env, check=True, capture_output=True)
        else:
            windows.name(chosen, f"title {count}")
        count += 1
        time.sleep(min(left, rng.expovariate(1 / mean)))
    return count


def _compared(theirs: SourceEvents, ours: SourceEvents) -> dict[str, Any]:
    start_us, end_us = to_us(theirs.start), to_us(theirs.end)
    moments = range(start_us + SECOND_US // 2, end_us, SECOND_US)
    both = [_shown(events, moments) for events in (theirs, ours)]
    same = sum(a == b for a, b in zip(*both, strict=True))
    return {"seconds": len(moments), "agreement": round(same / len(moments), 4)}


def _shown(events: SourceEvents, moments: range) -> list[str | None]:
    """The program and title in front at each moment; None where nothing was seen."""
    spans = [
        (to_us(e.timestamp), to_us(e.timestamp) + seconds_to_us(e.duration_seconds), e.event_id) for e in events.window
    ]
    pieces = [(a, b, events.window[i].app_id + events.window[i].window_title_hash) for a, b, i in flatten(spans)]
    return [next((name for a, b, name in pieces if a <= at < b), None) for at in moments]


if __name__ == "__main__":
    main()
