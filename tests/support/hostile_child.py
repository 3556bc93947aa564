"""The app, with a clock that runs through a past day: `python -m tests.support.hostile_child URL HOME SPEED`."""

from __future__ import annotations

import functools
import sys

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.app import worker
from taskclf_tray.cli.main import main
from taskclf_tray.simulation.person import ReplayClock
from tests.support.worker_rig import START

POLL_SECONDS = 0.2


def run_hurried(url: str, home: str, speed: str) -> int:
    """What runs as a program."""
    clock = ReplayClock(START, float(speed))
    setattr(ActivityWatchSource, "now", lambda _source: clock.now())  # noqa: B010 - a class's method, from outside
    setattr(worker, "Settings", functools.partial(worker.Settings, poll_seconds=POLL_SECONDS, retry_seconds=(0.3,)))  # noqa: B010
    words = ["run", "--headless", "--json", "--source", "activitywatch", "--aw-host", url, "--home", home]
    return main(words)


if __name__ == "__main__":
    sys.exit(run_hurried(*sys.argv[1:]))
