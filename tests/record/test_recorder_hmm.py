"""The record smoothed by `hmm`: what batch says, after restarts, gaps, sleep, a change of the clocks and rewriting."""

from __future__ import annotations

import dataclasses
import json
import random
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS, Transitions
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, SourceEvents
from taskclf_tray.infer.batch import cut_batch, run_batch
from taskclf_tray.infer.hmm import LAG_BUCKETS
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.record.guard import GuardedReader
from taskclf_tray.record.memory import PastMemory
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.batch_inputs import recorded_rows
from tests.support.worker_home import (
    MORNING,
    USER,
    batch_predictions,
    batch_rows,
    copy_home,
    pipeline_config,
    recorded,
    recorder_of,
    simulated_source,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Erratic:
    """A model that says something else of every row, sometimes surely, so that every neighbour matters."""

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        seeds = (zlib.crc32(row.tobytes()) for row in matrix)
        return np.array([np.random.default_rng(seed).dirichlet([0.3] * 8) for seed in seeds])


def config_of(name: str, transitions: Transitions | None = None, **changes: Any) -> PipelineConfig:
    config = pipeline_config(threshold=0.5, config_id=name, transitions=transitions)
    return dataclasses.replace(config, model=Erratic(), **changes)


HMM = config_of("hmm", BUILT_IN_TRANSITIONS)
MAJORITY = config_of("majority")
WIDE = config_of("wide", smooth_window=7)
OTHER = config_of("other", Transitions.sticky(0.6))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "tray.db")
    yield database
    database.close()


def catch_up(recorder: Recorder, now: datetime, *, settle_all: bool = False) -> None:
    while not recorder.step(now, settle_all=settle_all).is_caught_up:
        pass


def of_batch(database: Database, config: PipelineConfig = HMM) -> list[str]:
    """What batch says of the rows in the record."""
    rows = [record.row() for record in database.buckets.between(USER, 0, 1 << 62)]
    return run_batch(config, rows).smoothed_labels


def of_record(database: Database) -> list[str]:
    return [prediction.smoothed_label_name for prediction in recorded(database)]


def test_any_polls_and_restarts_give_what_batch_gives(database: Database) -> None:
    rng = random.Random(3)
    clock = ManualClock(MORNING + 2 * HOUR)
    source = simulated_source(clock)
    recorder = recorder_of(database, source, HMM)
    settled: dict[int, str] = {}
    while clock.now() < MORNING + 4 * HOUR:
        step = recorder.step(clock.now())
        if rng.random() < 0.1:
            recorder = recorder_of(database, source, HMM)
        if step.is_caught_up:
            clock.advance(rng.choice([5.0, 61.7, 130.0, rng.uniform(0, 2000)]))
        records = database.buckets.between(USER, 0, 1 << 62)
        assert [record.smoothed_label for record in records] == of_batch(database)
        now_settled = {r.start_us: r.prediction for r in records if r.is_settled}
        assert {start: now_settled[start] for start in settled} == settled
        settled = now_settled
    assert len(settled) > 150
    clock.advance(86_400)
    rows = batch_rows(source, MORNING.replace(hour=0), MORNING + 6 * HOUR)
    expected = {to_us(p.bucket_start_ts): p for p in batch_predictions(HMM, rows)}
    assert {start: WindowPrediction.unpack(json.loads(text)) for start, text in settled.items()} == {
        start: expected[start] for start in settled
    }
    assert of_record(database) != of_batch(database, MAJORITY)


class Script(ActivitySource):
    """Another app every few minutes from `start` on, away or off between the given moments."""

    name = "script"

    def __init__(self, start: datetime, end: datetime, off: tuple[datetime, datetime], away: tuple[datetime, datetime]):
        self._start, self._end, self._off, self._away = start, end, off, away

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        apps = [("editor", "edit"), ("browser", "web"), ("chat", "talk"), ("terminal", "shell")]
        windows = []
        at = self._start
        while at < min(end, self._end):
            category, app = apps[hash((at.minute // 3, at.hour)) % 4]
            begin, stop = max(at, start), min(at + MINUTE, end)
            if stop > begin and not self._off[0] <= at < self._off[1]:
                kind = (category == "browser", category == "editor", category == "terminal")
                seconds = (stop - begin).total_seconds()
                windows.append(
                    AWEvent(begin, seconds, app, category, *kind, "0" * 12, event_id=to_us(at) // 60_000_000)
                )
            at += MINUTE
        begin, stop = max(start, self._away[0]), min(end, self._away[1])
        gone = (AWAwayEvent(begin, (stop - begin).total_seconds(), True),) if stop > begin else ()
        return SourceEvents(start, end, window=tuple(windows), away=gone)

    def status(self) -> SourceStatus:
        return SourceStatus(self.name, True, frozenset(), "A script.")


@pytest.mark.parametrize(
    ("night", "zone"),
    [
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "Europe/Berlin"),  # the hour from 2 to 3 comes twice
        (datetime(2026, 3, 28, 22, tzinfo=UTC), "Europe/Berlin"),  # and here not at all
    ],
)
def test_a_change_of_the_clocks_a_sleep_and_a_break(database: Database, night: datetime, zone: str) -> None:
    """Six hours over it: a sleep ends a run, a break does not, and no hour of the clock matters."""
    source = Script(
        night, night + 6 * HOUR, (night + 2 * HOUR, night + 2 * HOUR + 7 * MINUTE), (night + 4 * HOUR, night + 5 * HOUR)
    )
    reader = GuardedReader(source, database, lambda: None)

    def recorder() -> Recorder:
        return Recorder(database, reader, HMM, user_id=USER, device_id="desktop", time_zone=lambda: zone)

    now = night + 1.5 * HOUR
    keeper = recorder()
    while now < night + 7 * HOUR:
        catch_up(keeper, now)
        assert of_record(database) == of_batch(database)
        if now.minute % 20 < 3:
            keeper = recorder()
        now += timedelta(seconds=397)
    record = recorded(database)
    starts = [p.bucket_start_ts for p in record]
    gaps = [b - a for a, b in pairwise(starts) if b - a != MINUTE]
    assert gaps == [8 * MINUTE]
    assert sum(p.decided_by == "idle_rule" for p in record) == 60
    assert all(p.smoothed_label_name == "BreakIdle" for p in record if p.decided_by == "idle_rule")
    assert all(r.is_settled for r in database.buckets.between(USER, 0, to_us(night + 6 * HOUR)))


def test_a_minute_settles_when_the_five_after_it_are_there(database: Database) -> None:
    clock = ManualClock(MORNING + 2 * HOUR)
    recorder = recorder_of(database, simulated_source(clock), HMM)
    for _ in range(60):
        catch_up(recorder, clock.now())
        mark = recorder.high_water_mark
        assert mark is not None
        records = database.buckets.between(USER, 0, 1 << 62)
        latest = to_us(mark) - LAG_BUCKETS * 60_000_000
        assert all(record.end_us <= latest for record in records if record.is_settled)
        clock.advance(47)
    clock.advance(3_600)
    catch_up(recorder, clock.now())
    assert sum(not r.is_settled for r in database.buckets.between(USER, 0, 1 << 62)) <= 20


@pytest.mark.parametrize("config", [HMM, WIDE], ids=["hmm", "majority"])
def test_who_left_a_moment_ago_changes_no_settled_minute(database: Database, config: PipelineConfig) -> None:
    """An away run is known five minutes after it began: by then nothing its minutes bear on may be settled."""
    clock = ManualClock(MORNING)

    class Leaving(ActivitySource):
        """Six minutes away in every eleven, from another second of the minute each time."""

        name = "leaving"

        def read(self, start: datetime, end: datetime) -> SourceEvents:
            work = Script(MORNING - 2 * HOUR, MORNING + 2 * HOUR, (end, end), (end, end)).read(start, end)
            words = []
            for k in range(-6, 8):
                begin, stop = MORNING + 11.25 * k * MINUTE, MORNING + (11.25 * k + 6.5) * MINUTE
                if min(stop, end) > max(begin, start):
                    words.append(
                        AWAwayEvent(max(begin, start), (min(stop, end) - max(begin, start)).total_seconds(), True)
                    )
            return dataclasses.replace(work, away=tuple(words))

        def status(self) -> SourceStatus:
            return SourceStatus(self.name, True, frozenset(), "A script.")

    recorder = recorder_of(database, Leaving(), config)
    catch_up(recorder, clock.now())
    for _ in range(180):
        clock.advance(20)
        if recorder.step(clock.now()).revised:
            assert of_record(database) == of_batch(database, config)
    assert sum(p.decided_by == "idle_rule" for p in recorded(database)) > 20


@pytest.mark.parametrize("config", [HMM, WIDE], ids=["hmm", "majority"])
def test_single_runs_one_after_the_other_give_what_batch_gives(database: Database, config: PipelineConfig) -> None:
    """Each counts everything as settled; the next may still revise what its rows bear on."""
    clock = ManualClock(MORNING + 2 * HOUR)
    source = simulated_source(clock)
    for minutes in (0, 1, 1, 2, 3, 30, 1, 400):
        clock.advance(60 * minutes)
        catch_up(recorder_of(database, source, config), clock.now(), settle_all=True)
        assert of_record(database) == of_batch(database, config)


def test_a_change_of_the_smoother_in_the_middle_rewrites_nothing(database: Database) -> None:
    """Each stretch is what batch says of it alone; the unsettled minutes keep the smoother they began with."""
    clock = ManualClock(MORNING + 2 * HOUR)
    source = simulated_source(clock)
    for config in (HMM, MAJORITY, OTHER, HMM, dataclasses.replace(HMM, config_id="same", reject_threshold=0.4)):
        recorder = recorder_of(database, source, config)
        for _ in range(25):
            catch_up(recorder, clock.now())
            clock.advance(67)
    clock.advance(3_600)
    catch_up(recorder, clock.now())
    records = database.buckets.between(USER, 0, 1 << 62)
    assert [*dict.fromkeys(record.config_id for record in records)] == ["hmm", "majority", "other", "same"]
    parts: list[list[int]] = []
    for k, record in enumerate(records):
        before = records[k - 1].config_id if k else ""
        if record.config_id == before or (record.config_id, before) == ("same", "hmm"):
            parts[-1].append(k)
        else:
            parts.append([k])
    assert len(parts) == 4
    for part, config in zip(parts, (HMM, MAJORITY, OTHER), strict=False):
        rows = [records[k].row() for k in part]
        assert [records[k].smoothed_label for k in part] == run_batch(config, rows).smoothed_labels


def test_a_past_that_was_rewritten_is_read_again(database: Database) -> None:
    """Somebody predicts older minutes anew while the recorder runs, and leaves the newest alone."""
    clock = ManualClock(MORNING + 2 * HOUR)
    catch_up(recorder_of(database, simulated_source(clock), HMM), clock.now())
    memory, fresh = (PastMemory(database, USER, lambda _: HMM.transitions, 60) for _ in range(2))
    tail = recorded(database)[-3:]
    past = memory.before(tail)
    assert past is not None
    assert memory.before(tail) is past
    turned = []
    for record in database.buckets.between(USER, 0, to_us(tail[0].bucket_start_ts))[-6:-3]:
        old = WindowPrediction.of(record)
        assert old.decided_by == "model"
        new = old.model_copy(update={"core_probs": old.core_probs[::-1], "is_rejected": False})
        turned.append(dataclasses.replace(record, prediction=json.dumps(new.pack(), separators=(",", ":"))))
    with database.transaction():
        database.buckets.put(turned)
    assert memory.before(tail) == fresh.before(tail) != past


def test_any_stretch_of_the_record_in_a_batch_is_that_of_all(tmp_path: Path) -> None:
    """A batch from any moment on reads as far back, and as far on, as its labels depend on."""
    paths = HomePaths(copy_home(tmp_path / "home"))
    paths.database.parent.mkdir(parents=True, exist_ok=True)
    database = Database(paths.database)
    clock = ManualClock(MORNING + 2 * HOUR)
    catch_up(recorder_of(database, simulated_source(clock), HMM), clock.now())
    starts = [record.start_us for record in database.buckets.between(USER, 0, 1 << 62)]
    database.close()
    whole = dict(zip(starts, run_batch(HMM, recorded_rows(paths, 0, 1 << 62, HMM)).smoothed_labels, strict=True))
    read = []
    for start_us in range(starts[0] - 90_000_000, starts[-1], 410_000_000):
        end_us = start_us + 900_000_000
        rows = recorded_rows(paths, start_us, end_us, HMM)
        read.append(len(rows))
        part = cut_batch(run_batch(HMM, rows), start_us, end_us)
        assert part.smoothed_labels == [whole[at] for at in starts if start_us <= at < end_us]
    assert min(read) < len(starts) // 2
