"""The person's own word: written down at once, above the model in every view, undone step by step."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import session_loop
from taskclf_tray.app.commands import LabelBlock, Pause, SetAsking, UndoLabel
from taskclf_tray.app.snapshot import IconState, Snapshot
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.time import from_us
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord
from tests.support.worker_home import USER
from tests.support.worker_rig import Rig, until


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    return Rig(tmp_path)


def spans(rig: Rig) -> list[SpanRecord]:
    database = Database(rig.paths.database, read_only=True)
    try:
        return list(LabelStore(database, USER).everything())
    finally:
        database.close()


def has_block(runtime: TrayRuntime) -> Snapshot:
    until(lambda: runtime.snapshot.block_start is not None and runtime.snapshot.moment, "a current block")
    return runtime.snapshot


def other_label(snapshot: Snapshot) -> str:
    return "Write" if snapshot.core_label != "Write" else "Debug"


def label_block(runtime: TrayRuntime, at: datetime) -> str:
    snapshot = has_block(runtime)
    label = other_label(snapshot)
    assert snapshot.block_start is not None
    runtime.send(LabelBlock(snapshot.block_start, label, at))
    until(lambda: runtime.snapshot.is_own_label, "the label")
    return label


def test_a_label_shows_above_the_models_and_undo_takes_it_back(rig: Rig) -> None:
    with rig.running() as runtime:
        before = has_block(runtime)
        label = label_block(runtime, rig.clock.now())
        own = runtime.snapshot
        assert (own.state, own.core_label) == (IconState.LIVE, label)
        assert "as you said" in own.line
        assert label in own.line
        assert own.labels.undo is not None
        (span,) = spans(rig)
        assert (from_us(span.start_us), from_us(span.end_us)) == (before.block_start, rig.clock.now())
        runtime.send(UndoLabel(rig.clock.now()))
        until(lambda: not runtime.snapshot.is_own_label, "the model's label")
        assert runtime.snapshot.line == before.line
        assert runtime.snapshot.labels.undo is None
        assert spans(rig) == []


def test_the_category_of_the_taxonomy_shows_with_the_persons_label(rig: Rig) -> None:
    with rig.running() as runtime:
        label = label_block(runtime, rig.clock.now())
        snapshot = runtime.snapshot
        assert snapshot.ui_label != label  # the home has categories of its own
        assert snapshot.line.startswith(f"{snapshot.ui_label} — {label}")
        assert snapshot.color is not None


def test_the_label_goes_on_with_its_block_and_is_still_one_step_to_undo(rig: Rig) -> None:
    with rig.running() as runtime:
        began = rig.clock.now()
        label_block(runtime, began)
        (first,) = spans(rig)
        for _ in range(4):
            rig.clock.advance(10)
            moment = rig.clock.now()
            until(lambda seen=moment: runtime.snapshot.moment and runtime.snapshot.moment > seen - timedelta(seconds=9),
                  "the live label follows")  # fmt: skip
            if not runtime.snapshot.is_own_label:
                break  # the person has begun something else
        (grown,) = spans(rig)
        assert grown.start_us == first.start_us
        assert grown.end_us >= first.end_us
        runtime.send(UndoLabel(rig.clock.now()))
        until(lambda: not spans(rig), "nothing is labelled")


def test_a_pause_ends_the_growth(rig: Rig) -> None:
    with rig.running() as runtime:
        label_block(runtime, rig.clock.now())
        (before,) = spans(rig)
        runtime.send(Pause(rig.clock.now(), 15))
        until(lambda: runtime.snapshot.is_paused, "the pause")
        rig.clock.advance(20 * 60)
        until(lambda: runtime.snapshot.state is not IconState.PAUSED and not runtime.snapshot.is_own_label, "a resume")
        until(lambda: not spans(rig)[0].is_growing, "the growth has ended")
        (after,) = spans(rig)
        assert after.end_us == before.end_us


def test_a_label_is_written_while_the_source_hangs(rig: Rig) -> None:
    let_go = threading.Event()
    with rig.running() as runtime:
        has_block(runtime)
        hangs = threading.Event()

        def hang() -> None:
            hangs.set()
            let_go.wait(20)

        rig.source.during_read = hang
        until(hangs.is_set, "the source hangs")
        try:
            label_block(runtime, rig.clock.now())
            assert len(spans(rig)) == 1
            assert not let_go.is_set()
        finally:
            let_go.set()


def test_what_another_process_labels_shows_within_a_tick(rig: Rig) -> None:
    with rig.running() as runtime:
        snapshot = has_block(runtime)
        database = Database(rig.paths.database)
        assert snapshot.block_start is not None
        LabelStore(database, USER).add(
            snapshot.block_start, rig.clock.now(), other_label(snapshot), at=rig.clock.now(), is_growing=True
        )
        database.close()
        until(lambda: runtime.snapshot.is_own_label, "the other process's label")


def test_labels_survive_a_restart_and_the_switches_too(rig: Rig) -> None:
    with rig.running() as runtime:
        label = label_block(runtime, rig.clock.now())
        runtime.send(SetAsking("snooze", rig.clock.now()))
        until(lambda: runtime.snapshot.labels.is_silent, "silence")
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.is_own_label, "the label of before")
        assert runtime.snapshot.core_label == label
        assert runtime.snapshot.labels.is_silent
        assert runtime.snapshot.labels.order[0] == label
        rig.clock.advance(3601)
        until(lambda: not runtime.snapshot.labels.is_silent, "the end of the snooze")


def test_what_cannot_be_written_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with rig.running() as runtime:
        snapshot = has_block(runtime)
        assert snapshot.block_start is not None
        runtime.send(LabelBlock(snapshot.block_start, "Gardening", rig.clock.now()))
        until(lambda: rig.notifier.told("Gardening"), "a sentence")
        assert spans(rig) == []
        label_block(runtime, rig.clock.now())  # and the next click works
        runtime.send(UndoLabel(rig.clock.now()))
        runtime.send(UndoLabel(rig.clock.now()))
        until(lambda: rig.notifier.told("Nothing to undo"), "a sentence")


def test_what_is_said_between_two_sessions_is_written_by_the_next(rig: Rig) -> None:
    runtime = rig.runtime()
    runtime.send(LabelBlock(rig.clock.now() - timedelta(minutes=9), "Meet", rig.clock.now()))
    runtime.start()
    until(lambda: runtime.now() is not None and spans(rig), "the label")
    runtime.stop()
    assert [span.label for span in spans(rig)] == ["Meet"]
