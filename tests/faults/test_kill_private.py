"""Private mode outlives kill −9, and a catch-up of a week never asks for a moment of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.time import to_us
from taskclf_tray.record.guard import BlackoutOpenError
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from tests.support import private_child
from tests.support.forked import forked
from tests.support.recording import Spy, catch_up
from tests.support.worker_home import MORNING, pipeline_config, recorded, recorder_of


@pytest.mark.faults
def test_private_mode_outlives_a_kill_and_a_week(tmp_path: Path) -> None:
    path = tmp_path / "tray.db"
    now = MORNING + timedelta(hours=2)
    click = now + timedelta(seconds=7)
    with forked(private_child.main, path, now, click) as child:
        assert child.next() == "private"
        child.kill()

    database = Database(path)
    clock = ManualClock(click + timedelta(days=2))
    spy = Spy(clock)
    with pytest.raises(BlackoutOpenError):
        recorder_of(database, spy, pipeline_config()).step(clock.now())
    assert spy.asked == []

    opened_again = clock.now()
    with database.transaction():
        database.blackouts.close("private", to_us(opened_again))
    clock.set(click + timedelta(days=7) - timedelta(minutes=30))
    recorder = recorder_of(database, spy, pipeline_config())
    recorder.live(clock.now())
    catch_up(recorder, clock)
    assert len(spy.asked) > 3
    assert all(end <= click or start >= opened_again for start, end in spy.asked)
    assert not [p for p in recorded(database) if p.bucket_end_ts > click and p.bucket_start_ts < opened_again]
    assert [p for p in recorded(database) if p.bucket_start_ts >= opened_again]
    database.close()
