"""Answering the record anew: as if the new model had been there from the start, and the person's labels as they are."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS
from taskclf_tray.infer.calibration import TemperatureCalibrator
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows, finish
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.learning import load_reinference
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.record import rewrite
from taskclf_tray.record.rewrite import HistoryRewriter
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from tests.support.worker_home import MORNING, USER, pipeline_config, recorded, recorder_of, simulated_source

NEW = "2026-12-01_120000_run-0001"
NOON = MORNING + timedelta(hours=3)


def new_config(**changes: object) -> PipelineConfig:
    """Other answers for the same rows."""
    other = pipeline_config(threshold=0.7, config_id="config-b", with_taxonomy=False)
    return dataclasses.replace(other, calibrator=TemperatureCalibrator(2.0), model_version=NEW, **changes)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A morning on record, its last minutes unsettled, with a label and gaps."""
    database = Database(tmp_path / "tray.db")
    clock = ManualClock(NOON)
    recorder = recorder_of(database, simulated_source(clock), pipeline_config())
    while not recorder.step(clock.now()).is_caught_up:
        pass
    store = LabelStore(database, USER)
    store.add(MORNING, MORNING + timedelta(minutes=25), "Meet", at=NOON)
    yield database
    database.close()


def rewritten(database: Database, config: PipelineConfig, *, restart_every: int = 0) -> list[WindowPrediction]:
    """All of it; what was told as changed."""
    rewriter, told = HistoryRewriter(database, USER), []
    rewriter.begin(NEW)
    for chunk in itertools.count(1):
        told += rewriter.advance(config, NEW, NOON)
        if load_reinference(database, USER) is None:
            return told
        if restart_every and chunk % restart_every == 0:
            rewriter = HistoryRewriter(database, USER)
    raise AssertionError


def as_batch(database: Database, config: PipelineConfig) -> list[WindowPrediction]:
    """What this configuration answers for the recorded rows, all at once."""
    records = database.buckets.between(USER, 0, 1 << 62)
    rows = [record.row() for record in records]
    return finish(
        decide_rows(config, rows),
        smooth_window=config.smooth_window,
        bucket_seconds=config.bucket_seconds,
        resolver_of=lambda _: config.resolver,
        transitions_of=lambda _: config.transitions,
    )


@pytest.mark.parametrize("transitions", [None, BUILT_IN_TRANSITIONS], ids=["majority", "hmm"])
@pytest.mark.parametrize("chunk", [7, 31, 1000])
def test_the_record_equals_batch_whatever_the_chunks(
    database: Database, monkeypatch: pytest.MonkeyPatch, chunk: int, transitions: object
) -> None:
    monkeypatch.setattr(rewrite, "CHUNK_BUCKETS", chunk)
    config = new_config(transitions=transitions)
    before, labels = recorded(database), list(LabelStore(database, USER).everything())
    settled = [record.is_settled for record in database.buckets.between(USER, 0, 1 << 62)]
    told = rewritten(database, config, restart_every=2)
    after = recorded(database)
    assert after == as_batch(database, config)
    assert len(after) == len(before) > 100
    assert {one.config_id for one in after} == {"config-b"}
    assert {one.bucket_start_ts for one in told} == {one.bucket_start_ts for one in after}
    assert list(LabelStore(database, USER).everything()) == labels
    assert [record.is_settled for record in database.buckets.between(USER, 0, 1 << 62)] == settled
    content = database.configs.get("config-b") or {}
    assert (content["model_version"], content["reject_threshold"]) == (NEW, 0.7)


def test_the_recorder_goes_on_where_the_new_answers_end(tmp_path: Path, database: Database) -> None:
    """In the middle of its work it is as if there had been one configuration all the time."""
    config = new_config()
    rewriter = HistoryRewriter(database, USER)
    rewriter.begin(NEW)
    clock = ManualClock(NOON)
    recorder = recorder_of(database, simulated_source(clock), config)
    for minute in range(40):
        clock.set(NOON + timedelta(minutes=minute))
        recorder.step(clock.now())
        rewriter.advance(config, NEW, clock.now())
    assert load_reinference(database, USER) is None
    assert recorded(database) == as_batch(database, config)


def test_it_waits_while_another_model_is_served_and_after_it_is_done(database: Database) -> None:
    rewriter = HistoryRewriter(database, USER)
    assert rewriter.advance(new_config(), NEW, NOON) == []
    rewriter.begin(NEW)
    before = recorded(database)
    assert rewriter.advance(pipeline_config(threshold=0.9, config_id="config-c"), "another", NOON) == []
    assert recorded(database) == before
    rewritten(database, new_config())
    change = database.buckets.last_change()
    assert rewriter.advance(new_config(), NEW, NOON) == []
    rewritten(database, new_config())  # asked for again: everything is answered by it already
    assert database.buckets.last_change() == change


@pytest.mark.parametrize("pending", [None, 0, 2])
def test_from_a_moment_on_the_rest_stays_and_it_says_what_has_another_label(
    database: Database, pending: int | None
) -> None:
    """What a promotion has left to do before that moment is still done."""
    start, config = MORNING + timedelta(hours=1), new_config()
    rewriter = HistoryRewriter(database, USER)
    before = {p.bucket_start_ts: p for p in recorded(database)}
    if pending is not None:
        rewriter.begin(NEW)
        for _ in range(pending):
            rewriter.advance(config, NEW, NOON)
    rewriter.begin_at(NEW, start)
    assert rewriter.is_pending(NEW)
    assert not rewriter.is_pending("another")
    while not rewriter.is_done:
        rewriter.advance(config, NEW, NOON)
    after = recorded(database)
    answered = {p.bucket_start_ts for p in after if p.config_id == "config-b"}
    assert answered == {at for at in before if pending is not None or at >= start}
    changed = [p.bucket_start_ts for p in after if p.ui_label != before[p.bucket_start_ts].ui_label]
    if pending != 2:
        assert rewriter.relabelled() == [at for at in changed if at >= start]
    assert not rewriter.is_pending(NEW)


def test_another_process_may_ask_for_it(database: Database) -> None:
    rewriter = HistoryRewriter(database, USER)
    HistoryRewriter(database, USER).begin(NEW)
    assert rewriter.advance(new_config(), NEW, NOON) == []
    rewriter.follow()
    assert rewriter.advance(new_config(), NEW, NOON)
