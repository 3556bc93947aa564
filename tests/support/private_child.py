"""A worker to be killed in private mode: records, switches private mode on, says so, and waits for its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from taskclf_tray.core.time import to_us
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from tests.support.worker_home import pipeline_config, recorder_of, simulated_source


def main(say: Callable[[Any], None], path: Path, now: datetime, click: datetime) -> None:
    database = Database(path)
    clock = ManualClock(now)
    recorder_of(database, simulated_source(clock), pipeline_config()).step(now)
    with database.transaction():
        database.blackouts.open("private", to_us(click))
    say("private")
    threading.Event().wait()
