"""kill −9 at random points of the recording: nothing acknowledged is lost, nothing stands twice, parity holds."""

from __future__ import annotations

import os
import random
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.time import from_us
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from tests.support import recorder_child
from tests.support.forked import forked
from tests.support.worker_home import (
    MORNING,
    USER,
    batch_predictions,
    batch_rows,
    pipeline_config,
    recorded,
    simulated_source,
)

PAUSE = timedelta(minutes=15)
KILLS = 1000 if os.environ.get("TASKCLF_FAULTS") == "long" else 50


def killed_run(path: Path, start: datetime, rng: random.Random, *, is_late: bool) -> list[int]:
    """One run, killed 0–250 ms after it began to work, or a late one after its first commit; what was on disk.

    On a busy machine the first commit takes longer than that; without late kills the record would hardly grow.
    """
    with forked(recorder_child.main, path, start) as child:
        assert child.next() == "ready"
        first = [child.next()] if is_late else []
        time.sleep(rng.uniform(0, 0.25))
        said = [*first, *child.kill()]
    return [number for starts in said for number in starts]


@pytest.mark.faults
@pytest.mark.timeout(4000)
def test_the_record_survives_kills(tmp_path: Path) -> None:
    rng = random.Random(20)
    path = tmp_path / "tray.db"
    acknowledged: list[int] = []
    for number in range(KILLS):  # each starts a while after the one before, so that nights pass too
        acknowledged += killed_run(path, MORNING + number * PAUSE, rng, is_late=number % 2 == 1)
    assert len(set(acknowledged)) == len(acknowledged), "a bucket was finalised twice"
    database = Database(path)
    record = recorded(database)
    starts = {r.start_us for r in database.buckets.between(USER, 0, 1 << 62)}
    assert set(acknowledged) <= starts, "an acknowledged bucket is lost"
    assert len(record) > 3 * KILLS
    settled = [from_us(r.start_us) for r in database.buckets.between(USER, 0, 1 << 62) if r.is_settled]
    clock = ManualClock(MORNING + timedelta(days=20))
    rows = batch_rows(simulated_source(clock), MORNING.replace(hour=0), settled[-1] + timedelta(hours=2))
    expected = {p.bucket_start_ts: p for p in batch_predictions(pipeline_config(), rows)}
    by_start = {prediction.bucket_start_ts: prediction for prediction in record}
    assert [by_start[start] for start in settled] == [expected[start] for start in settled]
    assert settled == [start for start in sorted(expected) if start <= settled[-1]]
    database.close()
