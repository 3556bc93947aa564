"""The process behind `train`, told to end at a moment when an exception is dropped."""

from __future__ import annotations

import contextlib
import signal
from typing import Any

import pytest

from taskclf_tray.jobs.train import Stoppable


def test_an_exit_that_was_dropped_comes_with_the_next_word() -> None:
    said: list[dict[str, Any]] = []
    stoppable = Stoppable(said.append)
    stoppable.say({"event": "progress", "done": 1, "total": 2})
    with contextlib.suppress(SystemExit):  # as a callback of a library in C does
        stoppable.stop(signal.SIGINT, None)
    with pytest.raises(SystemExit) as ended:
        stoppable.say({"event": "writing"})
    assert ended.value.code == 130
    assert [event["event"] for event in said] == ["progress"]
