"""The law of parity in the live loop: whatever the polls, the record equals batch; nothing is lost or repeated."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.core.errors import AWConnectionError
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.core.types import SourceEvents
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.record.guard import BlackoutOpenError
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from tests.support.recording import Spy, catch_up
from tests.support.worker_home import (
    MORNING,
    USER,
    batch_predictions,
    batch_rows,
    pipeline_config,
    recorded,
    recorder_of,
    simulated_source,
)

MIDNIGHT = MORNING.replace(hour=0)
HOUR = timedelta(hours=1)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "tray.db")


def truth_until(clock: ManualClock, until: datetime) -> list[WindowPrediction]:
    """What batch says of everything up to `until`, seen long after."""
    now = clock.now()
    clock.set(until + timedelta(days=1))
    rows = [row for row in batch_rows(simulated_source(clock), MIDNIGHT, until + HOUR) if row.bucket_end_ts <= until]
    clock.set(now)
    return rows and batch_predictions(pipeline_config(), rows)


@pytest.mark.parametrize("seed", range(4))
def test_any_polls_and_restarts_give_what_batch_gives(database: Database, seed: int) -> None:
    rng = random.Random(seed)
    clock = ManualClock(MORNING + 2 * HOUR)
    recorder = recorder_of(database, simulated_source(clock), pipeline_config())
    finalised: list[datetime] = []
    while clock.now() < MORNING + 8 * HOUR:
        step = recorder.step(clock.now())
        finalised += [prediction.bucket_start_ts for prediction in step.finalised]
        if rng.random() < 0.05:
            recorder = recorder_of(database, simulated_source(clock), pipeline_config())
        if step.is_caught_up:
            clock.advance(rng.choice([1.0, 5.0, 5.0, 61.7, 130.0, rng.uniform(0, 4000)]))
    clock.advance(3600)
    while not (step := recorder.step(clock.now())).is_caught_up:
        finalised += [prediction.bucket_start_ts for prediction in step.finalised]
    finalised += [prediction.bucket_start_ts for prediction in step.finalised]
    assert len(set(finalised)) == len(finalised)
    record = recorded(database)
    assert sorted(finalised) == [prediction.bucket_start_ts for prediction in record]
    settled = {from_us(r.start_us) for r in database.buckets.between(USER, 0, 1 << 62) if r.is_settled}
    expected = truth_until(clock, recorder.high_water_mark or MORNING)
    assert [p for p in record if p.bucket_start_ts in settled] == [p for p in expected if p.bucket_start_ts in settled]
    assert len(settled) > 200
    assert any(prediction.decided_by == "idle_rule" for prediction in record)


def test_rows_are_those_of_batch(database: Database) -> None:
    clock = ManualClock(MORNING + 2 * HOUR)
    recorder = recorder_of(database, simulated_source(clock), pipeline_config())
    for _ in range(200):
        recorder.step(clock.now())
        clock.advance(37.3)
    until = recorder.high_water_mark
    assert until is not None
    clock.advance(86_400)
    rows = [row for row in batch_rows(simulated_source(clock), MIDNIGHT, until + HOUR) if row.bucket_end_ts <= until]
    stored = database.buckets.between(USER, 0, 1 << 62)
    settled = [record for record in stored if record.is_settled]
    assert len(settled) > 150
    assert [record.row() for record in settled] == rows[: len(settled)]


def test_a_clock_that_jumps_finalises_nothing_twice(database: Database) -> None:
    clock = ManualClock(MORNING + 3 * HOUR)
    source = simulated_source(clock)
    recorder = recorder_of(database, source, pipeline_config())
    first = recorder.step(clock.now()).finalised
    mark = recorder.high_water_mark
    clock.set(MORNING)
    assert recorder.step(clock.now()).finalised == ()
    assert recorder.high_water_mark == mark
    clock.set(MORNING + 3 * HOUR)
    assert recorder.step(clock.now()).finalised == ()
    assert len(recorded(database)) == len(first)


def test_the_mark_stays_near_the_newest_event(database: Database) -> None:
    """A clock far ahead (or a watcher that died) must not close minutes that may still arrive."""
    clock = ManualClock(MORNING + 2 * HOUR)

    class Stopped(ActivitySource):
        name = "stopped"

        def __init__(self) -> None:
            self._inner = simulated_source(clock)

        def read(self, start: datetime, end: datetime) -> SourceEvents:
            last = MORNING + 2 * HOUR
            if start >= last:
                return SourceEvents(start, end)
            return self._inner.read(start, min(end, last))

        def status(self) -> SourceStatus:
            return self._inner.status()

    recorder = recorder_of(database, Stopped(), pipeline_config())
    for hours in (0, 1, 20, 60):
        clock.set(MORNING + 2 * HOUR + timedelta(hours=hours))
        while not recorder.step(clock.now()).is_caught_up:
            pass
    mark = recorder.high_water_mark
    assert mark is not None
    newest = MORNING + 2 * HOUR
    assert newest - timedelta(minutes=15) <= mark <= newest + timedelta(minutes=5)


def test_a_source_that_fails_moves_nothing(database: Database) -> None:
    clock = ManualClock(MORNING + 2 * HOUR)

    class Dead(ActivitySource):
        name = "dead"

        def read(self, start: datetime, end: datetime) -> SourceEvents:
            raise AWConnectionError("No ActivityWatch answers.", "Start it.")

        def status(self) -> SourceStatus:
            raise AssertionError("not asked")

    recorder = recorder_of(database, Dead(), pipeline_config())
    with pytest.raises(AWConnectionError):
        recorder.step(clock.now())
    assert recorder.high_water_mark is None
    assert recorded(database) == []
    alive = recorder_of(database, simulated_source(clock), pipeline_config())
    assert alive.step(clock.now()).finalised


@pytest.mark.parametrize("restart", [False, True])
def test_blackouts_are_never_asked_for_nor_recorded(database: Database, restart: bool) -> None:
    clock = ManualClock(MORNING + 2 * HOUR)
    spy = Spy(clock)
    recorder = recorder_of(database, spy, pipeline_config())
    recorder.step(clock.now())
    start = clock.now() + timedelta(seconds=17)
    clock.set(start)
    with database.transaction():
        database.blackouts.open("private", to_us(start))
    with pytest.raises(BlackoutOpenError):
        recorder.step(clock.now())
    clock.advance(3333)
    end = clock.now()
    with database.transaction():
        database.blackouts.close("private", to_us(end))
    if restart:
        recorder = recorder_of(database, spy, pipeline_config())
    for days in (0, 0, 3):
        clock.advance(3600 + days * 86_400)
        while not recorder.step(clock.now()).is_caught_up:
            pass
    recorder.live(end + timedelta(minutes=3))
    assert spy.asked
    assert all(asked_end <= start or asked_start >= end for asked_start, asked_end in spy.asked)
    touched = [p for p in recorded(database) if p.bucket_start_ts < end and p.bucket_end_ts > start]
    assert touched == []
    assert any(p.bucket_start_ts >= end for p in recorded(database))


def test_a_click_during_a_long_catch_up_stops_it_before_the_next_request(database: Database) -> None:
    clock = ManualClock(MORNING + timedelta(days=3))
    spy = Spy(clock)
    clicked = clock.now() - timedelta(seconds=1)

    def click() -> None:
        if len(spy.asked) == 1 and not database.blackouts.open_ones():
            with database.transaction():
                database.blackouts.open("pause", to_us(clicked))

    recorder = recorder_of(database, spy, pipeline_config(), before_request=click)
    with pytest.raises(BlackoutOpenError):
        catch_up(recorder, clock)
    assert len(spy.asked) == 1


def test_catch_up_goes_back_seven_days_at_most(database: Database) -> None:
    clock = ManualClock(MORNING + 2 * HOUR)
    recorder = recorder_of(database, simulated_source(clock), pipeline_config())
    recorder.step(clock.now())
    clock.advance(20 * 86_400)
    spy = Spy(clock)
    recorder = recorder_of(database, spy, pipeline_config())
    while not recorder.step(clock.now()).is_caught_up:
        pass
    assert min(start for start, _ in spy.asked) >= clock.now() - timedelta(days=7, minutes=10)
    days = {p.bucket_start_ts.date() for p in recorded(database)}
    assert len(days) >= 5


def test_a_hot_reload_keeps_the_state_and_the_old_answers(database: Database) -> None:
    clock = ManualClock(MORNING + 2 * HOUR)
    recorder = recorder_of(database, simulated_source(clock), pipeline_config())
    recorder.step(clock.now())
    other = pipeline_config(threshold=0.95, config_id="config-b", with_taxonomy=False)
    recorder.use(other)
    for _ in range(60):
        clock.advance(60)
        recorder.step(clock.now())
    clock.advance(3600)
    recorder.step(clock.now())
    record = recorded(database)
    by_config = {prediction.config_id for prediction in record}
    assert by_config == {"config-a", "config-b"}
    assert all("Deep Work" in p.mapped_probs for p in record if p.config_id == "config-a")
    assert all(p.mapped_label_name == p.smoothed_label_name for p in record if p.config_id == "config-b")
    assert all(p.is_rejected == (p.confidence < 0.95) for p in record if p.config_id == "config-b")
    expected = {p.bucket_start_ts: p for p in truth_until(clock, recorder.high_water_mark or MORNING)}
    for prediction in record:
        assert prediction.core_probs == expected[prediction.bucket_start_ts].core_probs
