"""The real app in a test's time: `python -m tests.support.month_app CLOCK ARGUMENT …`, ARGUMENTs as the app's.

CLOCK is a file with a moment in ISO 8601, which is what ActivityWatch's clock shows; the moment up to which the app is
caught up is written beside it. All else is the app as it is installed, but nothing in it waits for minutes to pass, or
stands back behind other programs, and its jobs need not import anything: a month goes by in one.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taskclf_tray.adapters import activitywatch
from taskclf_tray.app import drift_watch, retraining, services, worker
from taskclf_tray.app.session_loop import SessionLoop
from taskclf_tray.cli.main import main
from taskclf_tray.jobs import child
from tests.support.forked_jobs import FORKING

SEEN = ".seen"
CLOCK_SECONDS = 0.2
"""The clock is looked at so often, by the wall clock."""
POLL_SECONDS = 1.0
"""And so often there is a poll while it stands still."""


class MovedServer(activitywatch.ActivityWatchSource):
    """ActivityWatch as it is, at another time."""

    clock: Path

    def now(self) -> datetime:
        return datetime.fromisoformat(self.clock.read_text()).astimezone(UTC)


class MovedLoop(SessionLoop):
    """The worker as it is; it polls as soon as the clock has moved."""

    _seen = ""
    _again = 0.0

    def _poll(self) -> float:
        clock = MovedServer.clock
        moment = clock.read_text()
        if moment == self._seen and time.monotonic() < self._again:
            return CLOCK_SECONDS
        wait = super()._poll()
        if wait == 0:
            return wait
        if moment != self._seen:
            clock.with_suffix(SEEN).write_text(moment)
        self._seen, self._again = moment, time.monotonic() + POLL_SECONDS
        return CLOCK_SECONDS


def run(clock: Path, arguments: list[str]) -> int:
    """Run the app; its exit code."""
    MovedServer.clock = clock
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activitywatch, "ActivityWatchSource", MovedServer)
        patch.setattr(worker, "SessionLoop", MovedLoop)
        patch.setattr(services, "OUTPUT_SECONDS", 0.0)
        for watch in (drift_watch, retraining):
            patch.setattr(watch, "NICENESS", 0)
        patch.setattr(child, "subprocess", FORKING)
        return main(arguments)


if __name__ == "__main__":
    __spec__ = __file__ = None  # else each fork imports this module again
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
