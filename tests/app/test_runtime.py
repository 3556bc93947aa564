"""The worker: it starts, goes on whatever fails, says so once, and ends when it is told to."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import threading
from pathlib import Path

import pytest

from taskclf_tray.app import actions, services, session_loop
from taskclf_tray.app.commands import EditPolicy, OpenLog, ReloadNow, StartAtLogin, TellStatus, TellWhy
from taskclf_tray.app.session import Session
from taskclf_tray.app.snapshot import IconState, Snapshot
from taskclf_tray.core.errors import IdentityError, StoreError
from taskclf_tray.notify.base import Notice
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.store.database import Database
from taskclf_tray.system.autostart import login_start
from tests.support.worker_home import USER, recorded
from tests.support.worker_rig import Rig, unreachable, until


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    return Rig(tmp_path)


def is_live(rig: Rig) -> bool:
    return bool(rig.watcher.snapshots) and rig.watcher.snapshots[-1].state in (IconState.LIVE, IconState.UNSURE)


def test_it_records_publishes_and_leaves_no_thread(rig: Rig) -> None:
    before = set(threading.enumerate())
    with rig.running() as runtime:
        until(lambda: is_live(rig) and rig.watcher.steps, "a label and a record")
        assert runtime.snapshot == rig.watcher.snapshots[-1]
        assert runtime.now() == rig.clock.now()
    assert set(threading.enumerate()) == before
    assert not rig.source.is_open
    database = Database(rig.paths.database)
    assert [p for step in rig.watcher.steps for p in step.finalised] != []
    assert {p.bucket_start_ts for step in rig.watcher.steps for p in step.finalised} == {
        p.bucket_start_ts for p in recorded(database)
    }
    database.close()
    assert (rig.paths.outputs / "segments.json").exists()


def test_stop_before_the_start_and_twice(rig: Rig) -> None:
    runtime = rig.runtime()
    runtime.stop()
    runtime.start()
    runtime.stop()
    runtime.stop()
    assert runtime.wait(120)


def test_snapshots_are_frozen_and_published_only_when_something_changed(rig: Rig) -> None:
    with rig.running() as runtime:
        until(lambda: is_live(rig), "a label")
        asked = len(rig.source.asked)
        until(lambda: len(rig.source.asked) > asked + 8, "some polls")
        with pytest.raises(dataclasses.FrozenInstanceError):
            runtime.snapshot.line = "x"  # type: ignore[misc]
    snapshots = rig.watcher.snapshots
    assert all(left != right for left, right in itertools.pairwise(snapshots))
    assert len(snapshots) < 6


def test_start_at_login_writes_the_entry_and_follows_what_others_do(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(services, "LOGIN_SECONDS", 0.05)
    with rig.running() as runtime:
        until(lambda: is_live(rig), "a label")
        assert not runtime.snapshot.starts_at_login
        runtime.send(StartAtLogin(True))
        until(lambda: runtime.snapshot.starts_at_login, "the check mark")
        entry = login_start(rig.paths.home)
        assert entry.state().command[-3:] == ("run", "--home", str(rig.paths.home))
        entry.switch(False)
        until(lambda: not runtime.snapshot.starts_at_login, "the check mark to go")
        place = tmp_path / "config" / "autostart"
        (place / "taskclf-tray.desktop").unlink()
        (place / "taskclf-tray.desktop").mkdir()
        runtime.send(StartAtLogin(True))
        until(lambda: rig.notifier.notices and "login" in rig.notifier.notices[-1].title, "what is wrong")


def test_a_step_is_told_after_its_commit(rig: Rig) -> None:
    found: list[bool] = []

    class Reader:
        shows_messages = False

        def on_step(self, step: StepResult) -> None:
            database = Database(rig.paths.database, read_only=True)
            starts = {p.bucket_start_ts for p in recorded(database)}
            database.close()
            found.append(all(p.bucket_start_ts in starts for p in step.finalised))

        def on_snapshot(self, snapshot: Snapshot) -> None:
            pass

        def on_message(self, message: tuple[str, str]) -> None:
            pass

    runtime = rig.runtime()
    runtime.add_listener(Reader())
    runtime.start()
    until(lambda: found, "a step")
    runtime.stop()
    assert all(found)


def test_listeners_and_notifiers_that_fail_cost_nothing(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        shows_messages = True

        def on_step(self, step: StepResult) -> None:
            raise ValueError("Quarterly Secret - Editor")

        def on_snapshot(self, snapshot: Snapshot) -> None:
            raise ValueError("Quarterly Secret - Editor")

        def on_message(self, message: tuple[str, str]) -> None:
            raise ValueError("Quarterly Secret - Editor")

    def fail(notice: Notice) -> bool:
        raise RuntimeError("Quarterly Secret - Editor")

    rig.notifier.notify = fail  # type: ignore[method-assign]
    runtime = rig.runtime()
    runtime._publisher._listeners.insert(0, Broken())
    with caplog.at_level(logging.INFO):
        runtime.start()
        until(lambda: is_live(rig) and rig.watcher.steps and rig.watcher.messages, "the other listener is told")
        runtime.stop()
    assert "A listener failed: publisher.py" in caplog.text
    assert "Secret" not in caplog.text


def test_a_source_that_fails_is_told_once_and_waited_for(rig: Rig) -> None:
    rig.source.error = unreachable()
    with rig.running() as runtime:
        until(lambda: len(rig.source.asked) > 8, "some tries")
        assert runtime.snapshot.state is IconState.NO_SOURCE
        assert "No ActivityWatch" in runtime.snapshot.line
        assert len(rig.notifier.told("No ActivityWatch")) == 1
        rig.source.error = None
        until(lambda: is_live(rig), "recovery")
        rig.source.error = unreachable()
        until(lambda: len(rig.notifier.told("No ActivityWatch")) == 2, "told again after a recovery")


def test_a_source_that_is_soon_back_is_not_worth_a_notice(rig: Rig) -> None:
    with rig.running():
        until(lambda: is_live(rig), "a label")
        left = [unreachable(), unreachable()]
        rig.source.during_read = lambda: setattr(rig.source, "error", left.pop() if left else None)
        until(lambda: not left and is_live(rig) and rig.source.error is None, "recovery")
    assert rig.notifier.told("No ActivityWatch") == []
    assert any(snapshot.state is IconState.NO_SOURCE for snapshot in rig.watcher.snapshots)


def test_waits_grow_and_reload_now_ends_them(rig: Rig) -> None:
    rig.settings = dataclasses.replace(rig.settings, retry_seconds=(0.01, 0.02, 60.0))
    rig.source.error = unreachable()
    with rig.running() as runtime:
        until(lambda: len(rig.source.asked) >= 3, "three tries")
        threading.Event().wait(0.3)
        assert len(rig.source.asked) == 3
        rig.source.error = None
        runtime.send(ReloadNow())
        until(lambda: is_live(rig), "the try that was asked for")


def test_a_full_disk_is_told_once_and_recording_goes_on_by_itself(rig: Rig) -> None:
    with rig.running() as runtime:
        until(lambda: is_live(rig), "a label")
        rig.source.error = StoreError("The disk that holds tray.db is full.", "Free some space.")
        until(lambda: runtime.snapshot.state is IconState.ATTENTION, "attention")
        asked = len(rig.source.asked)
        until(lambda: len(rig.source.asked) > asked + 3, "more tries")
        assert runtime.snapshot.line == "The disk that holds tray.db is full."
        assert len(rig.notifier.told("is full")) == 1
        rig.source.error = None
        until(lambda: is_live(rig), "recovery")


def test_a_mistake_of_ours_is_shown_retried_and_logged_without_its_message(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.source.error = KeyError("Quarterly Secret - Editor")
    with caplog.at_level(logging.INFO), rig.running() as runtime:
        until(lambda: runtime.snapshot.state is IconState.ATTENTION, "attention")
        until(lambda: len(rig.source.asked) > 3, "more tries")
        assert len(rig.notifier.told("unexpected")) == 1
        rig.source.error = None
        until(lambda: is_live(rig), "recovery")
    assert "KeyError" in caplog.text
    assert "worker_rig.py" in caplog.text
    assert "Secret" not in caplog.text
    assert not any("Secret" in f"{n.title}{n.body}" for n in rig.notifier.notices)


def test_a_mistake_outside_the_poll_ends_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with rig.running() as runtime:
        until(lambda: is_live(rig), "a label")
        monkeypatch.setattr(Session, "bundles", lambda self: 1 / 0)
        rig.clock.advance(60)
        until(lambda: runtime.snapshot.state is IconState.ATTENTION, "attention")
        monkeypatch.undo()
        until(lambda: is_live(rig), "recovery")


def test_a_worker_that_cannot_start_ends_with_the_reason(rig: Rig) -> None:
    rig.open_error = IdentityError("The title secret is missing.", "Copy it back.")
    runtime = rig.runtime()
    runtime.start()
    assert runtime.wait(120)
    assert runtime.failure is rig.open_error
    assert runtime.snapshot.state is IconState.ATTENTION
    assert runtime.snapshot.line == "The title secret is missing."


def test_a_patient_worker_answers_clicks_and_starts_when_the_fault_is_gone(rig: Rig) -> None:
    rig.settings = dataclasses.replace(rig.settings, retry_seconds=(60.0,))
    rig.open_error = IdentityError("The title secret is missing.", "Copy it back.")
    with rig.running() as runtime:
        until(lambda: rig.notifier.told("secret is missing"), "the reason")
        runtime.send(OpenLog())
        until(lambda: len(rig.notifier.told("secret is missing")) == 2, "an answer to the click")
        rig.open_error = None
        runtime.send(ReloadNow())
        until(lambda: is_live(rig), "a label")
    assert runtime.failure is None


def test_a_patient_worker_stops_at_once(rig: Rig) -> None:
    rig.settings = dataclasses.replace(rig.settings, retry_seconds=(60.0,))
    rig.open_error = RuntimeError("a bug")
    with rig.running():
        until(lambda: rig.notifier.told("unexpected"), "the reason")


def test_a_switch_closes_one_session_and_opens_another(rig: Rig) -> None:
    with rig.running():
        until(lambda: is_live(rig), "a label")
        rig.switch.set()
        until(lambda: rig.opened == 2, "the other session")
        assert not rig.source.is_open
        seen = len(rig.watcher.snapshots)
        rig.clock.advance(120)
        until(lambda: len(rig.watcher.snapshots) > seen and is_live(rig), "a label again")
    database = Database(rig.paths.database)
    assert len({p.bucket_start_ts for p in recorded(database)}) == database.buckets.count(USER)
    database.close()


def test_commands_are_carried_out_in_their_order(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(actions, "perform", lambda _, command: done.append(type(command).__name__) or [])
    with rig.running() as runtime:
        until(lambda: is_live(rig), "a label")
        for command in (ReloadNow(), EditPolicy(), OpenLog(), EditPolicy()):
            runtime.send(command)
        until(lambda: len(done) == 4, "four commands")
    assert done == ["ReloadNow", "EditPolicy", "OpenLog", "EditPolicy"]


def test_a_command_that_fails_is_told_and_the_worker_goes_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_session: object, _command: object) -> None:
        raise ZeroDivisionError("Quarterly Secret")

    monkeypatch.setattr(actions, "perform", fail)
    with rig.running() as runtime:
        until(lambda: is_live(rig), "a label")
        runtime.send(OpenLog())
        until(lambda: rig.notifier.told("ZeroDivisionError"), "the answer")
        asked = len(rig.source.asked)
        until(lambda: len(rig.source.asked) > asked, "the next poll")


def test_the_status_entry_tells_line_model_threshold_and_source_and_the_next_one_why(rig: Rig) -> None:
    with rig.running() as runtime:
        until(lambda: is_live(rig), "a label")
        runtime.send(TellStatus())
        until(lambda: rig.notifier.told("threshold 0.90"), "the answer")
        runtime.send(TellWhy())
        until(lambda: rig.notifier.told("What counts most is "), "the reasons")
    (notice,) = rig.notifier.told("threshold 0.90")
    assert "run-9643" in notice.body
    assert "Source: held" in notice.body


def test_a_desktop_whose_windows_have_no_names_is_told_once(rig: Rig) -> None:
    runtime = rig.runtime()
    runtime.start()
    until(lambda: is_live(rig) and rig.watcher.steps, "a record")
    runtime.stop()
    (step, *_) = rig.watcher.steps
    nameless = step.finalised[0].model_copy(update={"decided_by": "no_window"})
    for count, told in ((15, 0), (1, 1), (30, 1)):
        runtime._context.nameless.look((step.finalised[0],) * 15 if told == 0 else ())
        runtime._context.nameless.look((nameless,) * count)
        assert len(rig.notifier.told("have no name")) == told


def test_the_first_start_is_welcomed_once(rig: Rig) -> None:
    for _ in range(2):
        with rig.running():
            until(lambda: is_live(rig), "a label")
    assert len(rig.notifier.told("what kind of work you do")) == 1


def test_results_that_cannot_be_written_are_told_once_and_cost_no_record(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "OUTPUT_SECONDS", 0.0)
    rig.paths.outputs.write_text("a file where the folder should be")
    with rig.running():
        until(lambda: rig.notifier.told("results cannot be written"), "the reason")
        steps = len(rig.watcher.steps)
        for _ in range(3):
            rig.clock.advance(60)
            until(lambda seen=steps: len(rig.watcher.steps) > seen, "a step")  # type: ignore[misc]
            steps = len(rig.watcher.steps)
        assert len(rig.notifier.told("results cannot be written")) == 1
        rig.paths.outputs.unlink()
        until(lambda: (rig.paths.outputs / "predictions.csv").exists(), "the files, later")
