"""What was kept of the promised accuracy: counted from predictions that came before the person's labels."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app.served_text import promise_line
from taskclf_tray.core.time import to_us
from taskclf_tray.infer.calibration import TemperatureCalibrator
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.learning import load_reinference
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.policy import InferencePolicy
from taskclf_tray.record.promise import KeptPromise, kept_promise
from taskclf_tray.record.rewrite import HistoryRewriter
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from tests.support.worker_home import MORNING, USER, pipeline_config, recorded, recorder_of, simulated_source

NOON = MORNING + timedelta(hours=3)
EVENING = MORNING + timedelta(hours=9)
PROMISING = dataclasses.replace(pipeline_config(threshold=0.3), target_accuracy=0.9)
AGAIN = dataclasses.replace(
    pipeline_config(threshold=0.3, config_id="config-b"), target_accuracy=0.9, calibrator=TemperatureCalibrator(2.0)
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "tray.db")
    yield database
    database.close()


def lived(database: Database, config: PipelineConfig, *, first: datetime = MORNING, until: datetime = NOON) -> None:
    """Poll every few minutes, as a running app does."""
    clock = ManualClock(first)
    recorder = recorder_of(database, simulated_source(clock), config)
    while clock.now() < until:
        clock.set(clock.now() + timedelta(minutes=5))
        while not recorder.step(clock.now()).is_caught_up:
            pass


def shown(database: Database, start: datetime, end: datetime) -> list[WindowPrediction]:
    """Predictions on screen that the model made, from a little after the configuration was first used."""
    return [
        one
        for one in recorded(database)
        if start <= one.bucket_start_ts
        and one.bucket_end_ts <= end
        and one.decided_by == "model"
        and not one.is_rejected
    ]


def label_all(database: Database, start: datetime, end: datetime, label: str, at: datetime = EVENING) -> None:
    LabelStore(database, USER).add(start, end, label, at=at)


def reinfer(database: Database, config: PipelineConfig, at: datetime = EVENING) -> None:
    rewriter = HistoryRewriter(database, USER)
    rewriter.begin("model")
    while load_reinference(database, USER) is not None:
        rewriter.advance(config, "model", at)


def test_what_was_shown_before_the_label_counts(database: Database) -> None:
    lived(database, PROMISING)
    start, end = MORNING + timedelta(minutes=30), MORNING + timedelta(minutes=90)
    told = shown(database, start, end)
    label = told[0].core_label_name
    assert kept_promise(database, USER, 0.9) == KeptPromise(0.9, 0, 0)
    label_all(database, start, end, label)
    right = sum(one.core_label_name == label for one in told)
    assert 0 < right < len(told)
    assert kept_promise(database, USER, 0.9) == KeptPromise(0.9, len(told), right)
    assert kept_promise(database, USER, 0.8).accuracy is None  # that was not promised
    LabelStore(database, USER).undo(at=EVENING)
    assert kept_promise(database, USER, 0.9).shown == 0


def test_a_label_that_was_there_before_the_minute_proves_nothing(database: Database) -> None:
    label_all(database, MORNING, NOON, "Build", at=NOON)
    with database.transaction():
        database._connection.execute("UPDATE label_spans SET created_us = ?", (to_us(MORNING),))
    lived(database, PROMISING)
    assert kept_promise(database, USER, 0.9).shown == 0


def test_without_a_promise_nothing_counts(database: Database) -> None:
    lived(database, dataclasses.replace(PROMISING, target_accuracy=None))
    label_all(database, MORNING, NOON, "Build")
    assert kept_promise(database, USER, 0.9).shown == 0


def test_predicting_again_loses_nothing_and_counts_nothing_twice(database: Database) -> None:
    lived(database, PROMISING)
    middle = MORNING + timedelta(minutes=90)
    label_all(database, MORNING + timedelta(minutes=30), middle, "Build")
    before = kept_promise(database, USER, 0.9)
    assert before.shown > 0
    reinfer(database, AGAIN)
    assert {one.config_id for one in recorded(database)} == {"config-b"}
    assert kept_promise(database, USER, 0.9) == before
    label_all(database, middle, NOON, "Build")  # of minutes that were predicted again after they had been on screen
    assert kept_promise(database, USER, 0.9) == before
    reinfer(database, PROMISING)  # back to the earlier one
    assert kept_promise(database, USER, 0.9) == before


def test_a_later_configuration_goes_on_counting(database: Database) -> None:
    lived(database, PROMISING, until=MORNING + timedelta(hours=1))
    label_all(database, MORNING + timedelta(minutes=10), MORNING + timedelta(minutes=50), "Build", at=NOON)
    first = kept_promise(database, USER, 0.9)
    reinfer(database, AGAIN, at=MORNING + timedelta(hours=1))
    lived(database, AGAIN, first=MORNING + timedelta(hours=1), until=NOON)
    start, end = MORNING + timedelta(minutes=80), MORNING + timedelta(minutes=120)
    label_all(database, start, end, "Build")
    later = shown(database, start, end)
    assert kept_promise(database, USER, 0.9).shown == first.shown + len(later) > first.shown


def test_the_words() -> None:
    tuning = {"target_accuracy": 0.9, "threshold": None, "served_threshold": 0.7, "easier": None}
    assert promise_line(KeptPromise(0.9, 412, 358), tuning) == (
        "Promised 90 % (estimated), kept 87 % of 412 minutes so far."
    )
    assert "12 minutes with a label have been checked so far" in promise_line(KeptPromise(0.9, 12, 12), tuning)
    little = tuning | {"threshold": 0.7, "easier": {"target_accuracy": 0.8, "coverage": 0.45}}
    assert promise_line(KeptPromise(0.9, 60, 60), little) == (
        "Promised 90 % (proven), kept 100 % of 60 minutes so far. Few minutes get a label; at 80 % right it would be "
        "45 %: write target_accuracy = 0.8 into config.toml and choose Retrain now."
    )


@pytest.mark.parametrize(
    ("tuned", "promised"),
    [
        ({"target_accuracy": 0.9, "served_threshold": 0.7}, 0.9),
        ({"target_accuracy": 0.9, "threshold": 0.7}, 0.9),  # as earlier versions wrote it
        ({"target_accuracy": 0.9, "served_threshold": 0.6}, None),  # changed by hand since
        ({"target_accuracy": "0.9", "served_threshold": 0.7}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_policy_promises_what_its_threshold_was_tuned_to(tuned: object, promised: float | None) -> None:
    known = {"model_dir": "models/x", "model_schema_hash": "h", "model_label_set": ["Build"], "reject_threshold": 0.7}
    policy = InferencePolicy.model_validate(known | ({} if tuned is None else {"tuned_reject": tuned}))
    assert policy.promised_accuracy == promised
    assert json.loads(policy.model_dump_json())["reject_threshold"] == 0.7
