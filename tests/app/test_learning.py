"""Retraining from the tray: the worker starts it, shows it, takes in what it made, and never waits for it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.app import retraining, served_text, session_loop
from taskclf_tray.app.commands import RetrainNow, RollBack, StopRetraining, TellModel
from taskclf_tray.app.serving import Overrides
from taskclf_tray.app.snapshot import IconState, LearningView
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.time import to_us
from taskclf_tray.labels.learning import LastTraining, Reinference, load_reinference, save_reinference
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.head_files import StoredHead
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.models.policy import policy_path
from taskclf_tray.record import rewrite
from taskclf_tray.store.database import Database
from tests.support.heads import some_head
from tests.support.promotion_home import FIRST
from tests.support.training_jobs import SENTENCES
from tests.support.worker_home import USER, recorded
from tests.support.worker_rig import BUNDLE, START, Rig, until

pytestmark = pytest.mark.usefixtures("forked_jobs")

JOBS = "tests.support.training_jobs"
PROMOTED = served_text.model_promoted(FIRST, SENTENCES)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(retraining, "JOB", JOBS)
    monkeypatch.setattr(retraining, "NICENESS", 1)  # one that stands back behind every other test takes minutes
    watch = retraining.LearningWatch
    monkeypatch.setattr(session_loop, "LearningWatch", lambda *around: watch(*around, job_module=JOBS))
    return Rig(tmp_path)


@contextmanager
def training(rig: Rig, way: str) -> Iterator[TrayRuntime]:
    """A running app whose trainings end in this way, with a record."""
    (rig.paths.home / "way").write_text(way)
    with rig.running() as runtime:
        until(lambda: rig.watcher.steps and runtime.snapshot.learning.can_retrain, "a record")
        yield runtime


def trainings(rig: Rig) -> list[dict[str, Any]]:
    noted = rig.paths.home / "trainings"
    return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []


def told(rig: Rig, message: tuple[str, str]) -> bool:
    return message in rig.watcher.messages


def model_version(rig: Rig) -> set[str]:
    database = Database(rig.paths.database, read_only=True)
    try:
        return {prediction.model_version.partition("@")[0] for prediction in recorded(database)}
    finally:
        database.close()


def reinference(rig: Rig) -> Reinference | None:
    database = Database(rig.paths.database, read_only=True)
    try:
        return load_reinference(database, USER)
    finally:
        database.close()


def test_retrain_now_serves_the_new_model_and_answers_the_record_anew(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rewrite, "CHUNK_BUCKETS", 20)
    with caplog.at_level(logging.INFO), training(rig, "promoted") as runtime:
        before = policy_path(rig.paths.models).read_bytes()
        assert model_version(rig) == {BUNDLE}
        runtime.send(RetrainNow())
        until(lambda: told(rig, PROMOTED), "the words")
        until(
            lambda: any(c.name == FIRST and c.is_active for c in runtime.snapshot.models), "the new model in the menu"
        )
        until(lambda: reinference(rig) is None, "the record answered anew")
        assert model_version(rig) == {FIRST}
        revised = {p.bucket_start_ts for step in rig.watcher.steps for p in step.revised if FIRST in p.model_version}
        finalised = {p.bucket_start_ts for step in rig.watcher.steps for p in step.finalised}
        assert finalised <= revised
        done = LearningView(can_retrain=True, can_roll_back=True)
        until(lambda: runtime.snapshot.learning == done, "the menu of who has a model of their own")
        assert [title for title, _ in rig.watcher.messages].count("Inference policy applied") == 0
        runtime.send(RollBack())
        until(lambda: told(rig, served_text.rolled_back(BUNDLE, has_policy=True)), "the words of the roll back")
        until(lambda: model_version(rig) == {BUNDLE}, "the record as it was")
        assert policy_path(rig.paths.models).read_bytes() == before
        until(lambda: not runtime.snapshot.learning.can_roll_back, "nothing to roll back to")
    (request,) = trainings(rig)
    assert (request["home"], request["now_us"]) == (str(rig.paths.home), to_us(START))
    assert (request["niceness"], request["target_accuracy"], request["is_synthetic"]) == (1, 0.9, False)
    assert "Training: Training on 42 labelled minutes in 7 blocks on 3 days." in caplog.text


def test_it_shows_how_far_it_is_and_can_be_stopped(rig: Rig) -> None:
    with training(rig, "slow") as runtime:
        runtime.send(RetrainNow())
        until(lambda: runtime.snapshot.learning == LearningView(training_percent=40), "its progress")
        runtime.send(RetrainNow())
        until(lambda: told(rig, served_text.training_already()), "that there is one already")
        runtime.send(RollBack())
        asked = len(rig.source.asked)
        until(lambda: len(rig.source.asked) > asked + 3, "polls while it trains")
        runtime.send(StopRetraining())
        until(lambda: told(rig, served_text.training_stopped()), "its end")
        until(lambda: runtime.snapshot.learning.can_retrain, "the menu as before")
    (request,) = trainings(rig)
    with pytest.raises(ProcessLookupError):
        os.kill(request["pid"], 0)


def test_quitting_ends_it(rig: Rig) -> None:
    with training(rig, "slow") as runtime:
        runtime.send(RetrainNow())
        until(lambda: runtime.snapshot.learning.training_percent == 40, "its progress")
    with pytest.raises(ProcessLookupError):
        os.kill(trainings(rig)[0]["pid"], 0)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("too few", served_text.training_failed("There are 3 labelled blocks; 10 are needed.", "Label 7 more.")),
        ("refused", served_text.model_refused(["Macro F1 is 0.41; 0.65 is needed."])),
        (
            "killed",
            served_text.training_failed(
                "The process that did the work ended unexpectedly (by signal 9).", "Try again with --debug."
            ),
        ),
    ],
)
def test_what_comes_of_it_is_told_and_the_model_stays(rig: Rig, way: str, message: tuple[str, str]) -> None:
    with training(rig, way) as runtime:
        before = policy_path(rig.paths.models).read_bytes()
        runtime.send(RetrainNow())
        until(lambda: told(rig, message), "the words")
        assert policy_path(rig.paths.models).read_bytes() == before
        assert model_version(rig) == {BUNDLE}
        until(lambda: runtime.snapshot.learning.can_retrain, "the menu as before")


def test_once_a_week_by_itself_with_thirty_new_blocks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retraining, "CHECK_SECONDS", 0.0)
    with training(rig, "refused"):
        database = Database(rig.paths.database)
        store = LabelStore(database, USER)
        for k in range(30):
            at = START - timedelta(minutes=10 * (k + 1))
            store.add(at, at + timedelta(minutes=5), "Build", at=START)
        database.close()
        asked = len(rig.source.asked)
        until(lambda: len(rig.source.asked) > asked + 5, "some polls")
        assert trainings(rig) == []
        rig.clock.set(START + timedelta(days=7))
        until(
            lambda: told(rig, served_text.model_refused(["Macro F1 is 0.41; 0.65 is needed."])), "the weekly training"
        )


def test_a_weekly_training_that_fails_is_silent_and_waits(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retraining, "is_training_due", lambda *_: True)
    with training(rig, "killed") as runtime:
        until(lambda: trainings(rig), "a weekly training")
        until(lambda: runtime.snapshot.learning.can_retrain, "its end")
        asked = len(rig.source.asked)
        until(lambda: len(rig.source.asked) > asked + 5, "some polls")
    assert len(trainings(rig)) == 1
    assert not [title for title, _ in rig.watcher.messages if title == "No model was trained"]


def test_a_model_named_at_the_start_is_neither_replaced_nor_rolled_back(rig: Rig) -> None:
    rig.overrides = Overrides(model_dir=rig.paths.models / BUNDLE)
    (rig.paths.home / "way").write_text("promoted")
    with rig.running() as runtime:
        until(lambda: rig.watcher.steps, "a record")
        assert runtime.snapshot.learning == LearningView()
        runtime.send(RetrainNow())
        runtime.send(RollBack())
        until(lambda: rig.watcher.messages.count(served_text.model_named_at_start()) == 2, "two refusals")
    assert trainings(rig) == []


def test_a_roll_back_with_nothing_earlier_and_a_full_disk_are_sentences(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with training(rig, "promoted") as runtime:
        runtime.send(RollBack())
        until(lambda: any("no earlier choice" in title for title, _ in rig.watcher.messages), "the refusal")

        def fail(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device", str(rig.paths.policy))

        monkeypatch.setattr(retraining, "roll_back", fail)
        runtime.send(RollBack())
        until(lambda: any("The disk that holds" in title for title, _ in rig.watcher.messages), "the full disk")


def test_what_another_process_promotes_is_served_and_answered_anew(rig: Rig) -> None:
    """`train retrain` in a terminal while the app runs."""
    from tests.support.training_jobs import main

    with training(rig, "promoted"):
        request = {"home": str(rig.paths.home), "models_dir": str(rig.paths.models)}
        main([json.dumps(request)])
        until(lambda: model_version(rig) == {FIRST}, "the record answered anew")
        assert any(title == "Inference policy applied" and FIRST in body for title, body in rig.watcher.messages)


def test_a_restart_goes_on_with_the_record(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with training(rig, "promoted"):
        pass
    database = Database(rig.paths.database)
    save_reinference(database, USER, Reinference(BUNDLE, to_us(START - timedelta(minutes=10))))
    with database.transaction():
        old = database.buckets.between(USER, 0, 1 << 62)
        database.buckets.put([record.__class__(**_changed(record)) for record in old])
    database.close()
    with rig.running():
        until(lambda: reinference(rig) is None, "the rest")
    database = Database(rig.paths.database, read_only=True)
    versions = [(p.bucket_start_ts, p.config_id) for p in recorded(database)]
    database.close()
    done = START - timedelta(minutes=10)
    assert {config for at, config in versions if at < done - timedelta(minutes=3)} == {"older"}
    assert "older" not in {config for at, config in versions if at >= done}


def _changed(record: Any) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__slots__}
    prediction = record.prediction.replace(record.config_id, "older")
    return values | {"config_id": "older", "prediction": prediction}


def test_a_record_that_cannot_be_answered_anew_costs_no_minute(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("Quarterly Secret - Editor")

    monkeypatch.setattr(rewrite.HistoryRewriter, "advance", fail)
    with caplog.at_level(logging.WARNING), training(rig, "promoted") as runtime:
        rig.clock.set(START + timedelta(minutes=10))
        until(lambda: any(p.bucket_start_ts >= START for s in rig.watcher.steps for p in s.finalised), "new minutes")
        assert runtime.snapshot.state is not IconState.ATTENTION
    assert caplog.text.count("could not be re-inferred") == 1
    assert "Quarterly Secret" not in caplog.text


def test_an_edit_while_it_trains_is_told_as_ever(rig: Rig) -> None:
    edit = {"source": "retrain", "reject_threshold": 0.77}
    with training(rig, "slow") as runtime:
        runtime.send(RetrainNow())
        until(lambda: runtime.snapshot.learning.training_percent == 40, "its progress")
        policy = json.loads(policy_path(rig.paths.models).read_text())
        policy_path(rig.paths.models).write_text(json.dumps(policy | edit))
        until(lambda: any("threshold" in body and "0.77" in body for _, body in rig.watcher.messages), "the edit")


def test_status_tells_the_model_the_last_training_and_the_next(rig: Rig) -> None:
    with training(rig, "refused") as runtime:
        runtime.send(TellModel())
        until(lambda: any(BUNDLE in title for title, _ in rig.watcher.messages), "the status")
    (body,) = [body for title, body in rig.watcher.messages if BUNDLE in title]
    assert body.startswith("It was trained on your labels of ")
    assert body.endswith(
        "0 blocks labelled since. Training starts automatically at 30 blocks, 7 days after the last training."
    )


def test_the_words_of_the_status() -> None:
    synthetic = ModelMetadata(schema_version="v3", schema_hash="x", label_set=("a",), data_provenance="synthetic")
    last = LastTraining(to_us(START), "refused", "run", ("Macro F1 is 0.41.",))
    title, body = served_text.model_status("starter", synthetic, 0.55, last, 1)
    assert title == "Model starter, threshold 0.55"
    assert body.startswith("It was trained on simulated people. The last training, on 02 Mar, was refused: Macro")
    assert "1 block labelled since" in body
    head = StoredHead(some_head(), Path("head.json"), "", 1)
    assert (
        "It knows your words: a personal head, fitted on 1 labelled minute. "
        in served_text.model_status("starter", synthetic, 0.55, None, 0, head=head)[1]
    )
    promoted = LastTraining(to_us(START), "promoted", "run")
    assert "put a model in use. " in served_text.model_status("run", synthetic, 0.5, promoted, 3)[1]
    assert "is not in use any more" in served_text.model_status("other", synthetic, 0.5, promoted, 3)[1]
    assert served_text.model_status(None, None, None, None, 0)[0] == "No model is in use"
    assert served_text.rolled_back("run", has_policy=False)[1] == "run, without a policy, as it was."
