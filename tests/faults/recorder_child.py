"""A worker to be killed: keeps a record of a simulated person, minute by minute, and says what is on disk.

Usage: recorder_child.py DATABASE START_ISO. Prints `ready`, then a line of bucket starts (µs) after each commit.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

from taskclf_tray.adapters.simulated_clock import ManualClock
from taskclf_tray.core.time import to_us
from taskclf_tray.store.database import Database
from tests.ui.worker_home import MORNING, pipeline_config, recorder_of, simulated_source


def main(path: Path, start: datetime) -> None:
    database = Database(path)
    clock = ManualClock(MORNING)
    recorder = recorder_of(database, simulated_source(clock), pipeline_config())
    mark = recorder.high_water_mark
    clock.set(max(start, mark or start))
    print("ready", flush=True)
    while True:
        clock.advance(timedelta(seconds=45).total_seconds())
        step = recorder.step(clock.now())
        if step.finalised:
            print(" ".join(str(to_us(prediction.bucket_start_ts)) for prediction in step.finalised), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))
