"""Services beside the record: one that fails holds up neither the others nor the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskclf_tray.app import session_loop
from taskclf_tray.app.services import DamagedMinutes, SourceStreams, Tick
from taskclf_tray.app.text import Message
from taskclf_tray.core.errors import StoreError
from tests.support.worker_rig import Rig, until

WORDS = ("A bucket is not read", "It is of another computer.")


class Talkative(SourceStreams):
    """Stands before the one that fails, and has something to say at each look."""

    def on_tick(self, tick: Tick) -> list[Message]:
        return [WORDS]


class Failing(DamagedMinutes):
    """Fails at each look at its timers."""

    looks = 0

    def on_tick(self, tick: Tick) -> list[Message]:
        Failing.looks += 1
        raise StoreError("The label file cannot be read.", "Close the program that holds it.")


def test_a_service_that_fails_at_its_timer_takes_no_message_from_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(session_loop, "SourceStreams", Talkative)
    monkeypatch.setattr(session_loop, "DamagedMinutes", Failing)
    rig = Rig(tmp_path)
    with rig.running() as runtime:
        until(lambda: Failing.looks > 3, "several looks")
        until(lambda: WORDS in rig.watcher.messages, "the words of the other service")
        until(lambda: rig.watcher.steps, "the record")
        until(lambda: "cannot be read" in runtime.snapshot.line + str(rig.watcher.messages), "the failure")
