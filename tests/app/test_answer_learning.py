"""Learning from each answer: one job for a burst, its head in the policy, today re-inferred, and undo takes it back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.app import answer_learning, served_text, session_loop
from taskclf_tray.app.commands import LabelBlock, Pause, Resume, UndoLabel
from taskclf_tray.app.serving import Overrides
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.config import Config
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.policy import load_inference_policy, policy_path
from taskclf_tray.models.registry import POLICY_HISTORY
from taskclf_tray.models.resolve import resolve_inference_config
from taskclf_tray.store.database import Database
from tests.support.worker_home import MORNING, USER, recorded
from tests.support.worker_rig import BUNDLE, START, Rig, until

pytestmark = pytest.mark.usefixtures("forked_jobs")

STARTER = Path(__file__).parents[2] / "taskclf_tray/data/starter/2026-01-01_000000_run-0001"
JOBS = "tests.support.refit_jobs"


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A newcomer's home: the starter model, and no policy."""
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(answer_learning, "BURST_SECONDS", 0.3)
    monkeypatch.setattr(answer_learning, "NICENESS", 1)  # one that stands back behind every other test takes minutes
    rig = Rig(tmp_path)
    shutil.rmtree(rig.paths.models)
    shutil.copytree(STARTER, rig.paths.models / STARTER.name)
    return rig


@pytest.fixture
def jobs(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[dict[str, Any]]]:
    """Jobs that end in the way that is set; returns the requests so far."""
    learning = answer_learning.AnswerLearning
    monkeypatch.setattr(session_loop, "AnswerLearning", lambda *around: learning(*around, job_module=JOBS))

    def requests(way: str = "") -> list[dict[str, Any]]:
        if way:
            (rig.paths.home / "way").write_text(way)
        noted = rig.paths.home / "refits"
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    return requests


def record(rig: Rig) -> list[WindowPrediction]:
    database = Database(rig.paths.database, read_only=True)
    try:
        return recorded(database)
    finally:
        database.close()


def has_record(rig: Rig, runtime: TrayRuntime) -> None:
    until(lambda: runtime.snapshot.block_start is not None and len(record(rig)) > 30, "a record")


def label(rig: Rig, start: int, minutes: int, name: str) -> None:
    """A label of some minutes of the morning, as a command in a terminal writes it."""
    database = Database(rig.paths.database)
    begin = MORNING + timedelta(minutes=start)
    LabelStore(database, USER).add(begin, begin + timedelta(minutes=minutes), name, at=rig.clock.now())
    database.close()


def head_named(rig: Rig) -> str | None:
    policy = load_inference_policy(rig.paths.models)
    return None if policy is None or policy.personal_head is None else policy.personal_head.sha256


def told(rig: Rig, words: str) -> list[str]:
    return [f"{title}: {body}" for title, body in rig.watcher.messages if words in f"{title}: {body}"]


def test_an_answer_changes_today_and_its_undo_takes_that_back(rig: Rig) -> None:
    """All of it is real: record, job, policy file and re-inference."""
    with rig.running() as runtime:
        has_record(rig, runtime)
        before = record(rig)
        label(rig, 0, 12, "Write")
        label(rig, 12, 10, "Meet")
        until(lambda: head_named(rig), "a head in the policy")
        until(lambda: runtime.snapshot.learning.learnt, "words in the menu")
        learnt = record(rig)
        served = resolve_inference_config(rig.paths.models)
        assert served.stored_head is not None
        assert (served.bundle_id, served.origin, served.stored_head.labelled_minutes) == (STARTER.name, "policy", 22)
        assert {p.config_id for p in learnt}.isdisjoint({p.config_id for p in before})
        own_until = MORNING + timedelta(minutes=22)
        changed = [
            new.bucket_start_ts
            for old, new in zip(before, learnt, strict=True)
            if new.ui_label != old.ui_label and not MORNING <= new.bucket_start_ts < own_until
        ]
        line = served_text.learnt_line(len(changed), is_undone=False)
        assert runtime.snapshot.learning.learnt == line
        assert told(rig, line) == [": ".join(served_text.first_learnt(line))]
        probs = {p.bucket_start_ts: p.core_probs for p in before}
        assert all(p.core_probs != probs[p.bucket_start_ts] for p in learnt if p.decided_by == "model")
        assert load_inference_policy(rig.paths.models).source == "answer"  # type: ignore[union-attr]
        assert not (rig.paths.models / POLICY_HISTORY).exists()
        assert told(rig, "Inference policy") == []
        runtime.send(UndoLabel(rig.clock.now()))
        until(lambda: head_named(rig) is None, "the policy without a head")
        until(lambda: (runtime.snapshot.learning.learnt or "").startswith("Undone"), "words of the undo")
        back = record(rig)
    assert [(p.bucket_start_ts, p.ui_label, p.core_probs) for p in back] == [
        (p.bucket_start_ts, p.ui_label, p.core_probs) for p in before
    ]


def test_a_burst_is_one_job_and_a_restart_repeats_nothing(rig: Rig, jobs: Callable[..., list[dict[str, Any]]]) -> None:
    jobs("fitted")
    with rig.running() as runtime:
        has_record(rig, runtime)
        label(rig, 0, 5, "Write")
        assert head_named(rig) is None
        for place, name in enumerate(("Meet", "Build", "Debug"), 1):
            label(rig, 5 * place, 5, name)
        until(lambda: head_named(rig), "a head in the policy")
        until(lambda: runtime.snapshot.learning.learnt, "words in the menu")
    with rig.running() as runtime:
        has_record(rig, runtime)
        polls = len(rig.source.asked)
        until(lambda: len(rig.source.asked) > polls + 30, "some polls")
    (request,) = jobs()
    assert (request["home"], request["niceness"], request["time_zone"]) == (str(rig.paths.home), 1, "UTC")


def test_labels_of_a_pause_are_learnt_after_it(rig: Rig, jobs: Callable[..., list[dict[str, Any]]]) -> None:
    jobs("fitted")
    with rig.running() as runtime:
        has_record(rig, runtime)
        runtime.send(Pause(rig.clock.now(), 60))
        until(lambda: runtime.snapshot.is_paused, "the pause")
        label(rig, 0, 5, "Write")
        label(rig, 5, 5, "Meet")
        runtime._context.stop.wait(1.0)
        assert jobs() == []
        runtime.send(Resume(rig.clock.now()))
        until(lambda: head_named(rig), "a head in the policy")


def test_a_failure_is_told_once_and_changes_nothing(rig: Rig, jobs: Callable[..., list[dict[str, Any]]]) -> None:
    jobs("refused")
    message = served_text.answer_not_learnt("The disk is full.", "Free some space.")
    with rig.running() as runtime:
        has_record(rig, runtime)
        for count in (1, 2):
            label(rig, 10 * count, 5, "Write")
            label(rig, 10 * count + 5, 5, "Meet")
            until(lambda count=count: len(jobs()) == count, "a job")
        until(lambda: rig.watcher.messages.count(message) == 1, "the words")
        polls = len(rig.source.asked)
        until(lambda: len(rig.source.asked) > polls + 30, "some polls")
        assert len(jobs()) == 2
        assert rig.watcher.messages.count(message) == 1
        assert not policy_path(rig.paths.models).exists()
        jobs("fitted")
        label(rig, 30, 5, "Debug")
        until(lambda: head_named(rig), "a head in the policy")


def test_an_edit_made_meanwhile_stays_and_the_answer_is_learnt_on_it(
    rig: Rig, jobs: Callable[..., list[dict[str, Any]]]
) -> None:
    jobs("edits")  # the threshold, and in the first run the head too
    with rig.running() as runtime:
        has_record(rig, runtime)
        label(rig, 0, 5, "Write")
        label(rig, 5, 5, "Meet")
        until(lambda: len(jobs()) == 2 and head_named(rig), "a second job")
        until(lambda: runtime.snapshot.learning.learnt, "words in the menu")
        policy = load_inference_policy(rig.paths.models)
        assert policy is not None
        assert (policy.reject_threshold, policy.model_extra) == (0.43, {"_mine": "kept"})


def test_who_removes_the_head_of_answers_gets_no_other(rig: Rig, jobs: Callable[..., list[dict[str, Any]]]) -> None:
    jobs("fitted")
    with rig.running() as runtime:
        has_record(rig, runtime)
        label(rig, 0, 5, "Write")
        label(rig, 5, 5, "Meet")
        until(lambda: runtime.snapshot.learning.learnt, "words in the menu")
        values = json.loads(policy_path(rig.paths.models).read_text())
        del values["personal_head"]
        policy_path(rig.paths.models).write_text(json.dumps(values))
        until(lambda: told(rig, "without what it has learnt from your words"), "words about the edit")
        label(rig, 10, 5, "Debug")
        runtime._context.stop.wait(1.0)
        assert len(jobs()) == 1
        assert json.loads(policy_path(rig.paths.models).read_text()) == values


@pytest.mark.parametrize("way", ["one label", "own model", "named model", "no words"])
def test_no_job_where_nothing_can_be_learnt(rig: Rig, jobs: Callable[..., list[dict[str, Any]]], way: str) -> None:
    jobs("fitted")
    if way == "own model":
        shutil.copytree(Path(__file__).parents[1] / "data/taskclf_home/models" / BUNDLE, rig.paths.models / BUNDLE)
    if way == "named model":
        rig.overrides = Overrides(model_dir=rig.paths.models / STARTER.name)
    if way == "no words":
        rig.config = Config(personal_words=False)
    with rig.running() as runtime:
        has_record(rig, runtime)
        label(rig, 0, 5, "Write")
        label(rig, 5, 5, "Write" if way == "one label" else "Meet")
        runtime._context.stop.wait(1.0)
    assert jobs() == []


def test_quitting_ends_the_job_and_the_next_start_learns(rig: Rig, jobs: Callable[..., list[dict[str, Any]]]) -> None:
    jobs("slow")
    with rig.running() as runtime:
        has_record(rig, runtime)
        label(rig, 0, 5, "Write")
        label(rig, 5, 5, "Meet")
        until(jobs, "a job")
    assert head_named(rig) is None
    jobs("fitted")
    with rig.running():
        until(lambda: head_named(rig), "a head in the policy")


def test_a_label_of_the_current_block_is_learnt_when_it_is_given_and_when_it_ends(
    rig: Rig, jobs: Callable[..., list[dict[str, Any]]]
) -> None:
    jobs("fitted")
    with rig.running() as runtime:
        has_record(rig, runtime)
        label(rig, 0, 5, "Meet")
        start = runtime.snapshot.block_start
        assert start is not None
        runtime.send(LabelBlock(start, "Write", rig.clock.now()))
        until(lambda: len(jobs()) == 1, "a job")
        rig.clock.set(START + timedelta(minutes=45))
        until(lambda: len(jobs()) == 2, "a job once it has ended")


def test_the_words() -> None:
    assert served_text.learnt_line(37, is_undone=False) == "Learnt from your answer: 37 minutes of today changed"
    assert served_text.learnt_line(1, is_undone=True) == "Undone: 1 minute of today changed"
    assert served_text.learnt_line(0, is_undone=False) == "Learnt from your answer"
    assert served_text.learnt_line(0, is_undone=True) == "Undone: no other minute of today changed"
