"""The real app in a time that a test sets: `python -m tests.e2e.month_app CLOCK ARGUMENT …`, ARGUMENTs as the app's.

CLOCK is a file with a moment in ISO 8601, which is what ActivityWatch's clock shows; the moment that was read last is
written beside it. All else is the app as it is installed, but nothing in it waits for minutes to pass, or stands back
behind other programs: a month goes by in one.
"""

from __future__ import annotations

import functools
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taskclf_tray.adapters import activitywatch
from taskclf_tray.cli.main import main
from taskclf_tray.ui import app, drift_watch, runtime

SEEN = ".seen"
POLL_SECONDS = 1.0
"""Of the wall clock; between two of them the simulated person may have lived a day."""


class MovedServer(activitywatch.ActivityWatchSource):
    """ActivityWatch as it is, at another time."""

    clock: Path
    shown = ""

    def now(self) -> datetime:
        moment = self.clock.read_text()
        if moment != self.shown:
            self.clock.with_suffix(SEEN).write_text(moment)
            self.shown = moment
        return datetime.fromisoformat(moment).astimezone(UTC)


def run(clock: Path, arguments: list[str]) -> int:
    """Run the app; its exit code."""
    MovedServer.clock = clock
    settings = runtime.Settings(poll_seconds=POLL_SECONDS, away_poll_seconds=POLL_SECONDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activitywatch, "ActivityWatchSource", MovedServer)
        patch.setattr(app, "TrayRuntime", functools.partial(runtime.TrayRuntime, settings=settings))
        patch.setattr(runtime, "OUTPUT_SECONDS", POLL_SECONDS)
        patch.setattr(drift_watch, "NICENESS", 0)
        return main(arguments)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
