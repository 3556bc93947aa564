"""Runs a job in a process of its own that reports in JSON lines; training and batches need what the app never loads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

from taskclf_tray.core.errors import TaskclfError

_END_SECONDS: Final = 5.0
_WIDTH: Final = 30
OnEvent = Callable[[dict[str, Any]], None]


class JobError(TaskclfError):
    """A job that failed; its own words."""


def run_child(module: str, request: Mapping[str, Any], on_event: OnEvent, *, is_debug: bool = False) -> dict[str, Any]:
    """Run `python -m MODULE REQUEST` and return its `done` event; the others go to `on_event`.

    Whatever ends this call (Ctrl-C too) ends the process. Raises JobError: what the job said, or that it died.
    """
    command = [sys.executable, "-m", module, json.dumps(dict(request))]
    errors = None if is_debug else subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL) as process:
        try:
            answer = _follow(process, on_event)
            code = process.wait()
        except BaseException:
            _end(process)
            raise
    if answer is None:
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        raise JobError(f"The process that did the work ended unexpectedly ({how}).", "Try again with --debug.")
    if answer["event"] == "error":
        raise JobError(str(answer["title"]), str(answer["next_step"]))
    return answer


def _follow(process: subprocess.Popen[bytes], on_event: OnEvent) -> dict[str, Any] | None:
    """Read events to the end; the last word of the job, None when it had none."""
    assert process.stdout is not None
    answer: dict[str, Any] | None = None
    for line in process.stdout:
        event = _event(line)
        if event["event"] in ("done", "error"):
            answer = event
        else:
            on_event(event)
    return answer


def _event(line: bytes) -> dict[str, Any]:
    """A line that a dying process left unfinished is an event nobody acts on."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) and "event" in event else {"event": "unreadable"}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


class ProgressBar:
    """A bar on a terminal; nothing where output goes elsewhere."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._is_shown = self._out.isatty()

    def show(self, done: int, total: int) -> None:
        """Draw it anew over itself."""
        if self._is_shown and total > 0:
            filled = _WIDTH * done // total
            bar = "█" * filled + "░" * (_WIDTH - filled)
            self._write(f"\r{bar} {100 * done // total:3d} %  {done}/{total}")

    def clear(self) -> None:
        """Leave the line empty."""
        if self._is_shown:
            self._write("\r\x1b[K")

    def _write(self, words: str) -> None:
        self._out.write(words)
        self._out.flush()
