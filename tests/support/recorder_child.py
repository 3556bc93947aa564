"""A worker to be killed: keeps a record of a simulated person, minute by minute, and says what is on disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from taskclf_tray.core.time import to_us
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from tests.support.worker_home import MORNING, pipeline_config, recorder_of, simulated_source

CONFIG = pipeline_config()
"""Loaded once for all that are forked."""


def main(say: Callable[[Any], None], path: Path, start: datetime) -> None:
    """Say `ready`, then a list of bucket starts (µs) after each commit."""
    database = Database(path)
    clock = ManualClock(MORNING)
    recorder = recorder_of(database, simulated_source(clock), CONFIG)
    mark = recorder.high_water_mark
    clock.set(max(start, mark or start))
    say("ready")
    while True:
        clock.advance(timedelta(seconds=45).total_seconds())
        step = recorder.step(clock.now())
        if step.finalised:
            say([to_us(prediction.bucket_start_ts) for prediction in step.finalised])
