"""Runs a job in a process of its own that reports in JSON lines; training and batches need what the app never loads."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.system.job_entry import ENDS_WITH_STDIN, GRACE_SECONDS, job_command
from taskclf_tray.system.stop_signals import STOPPED_CODES, Held

_CREATION_FLAGS: Final = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""On Windows: Ctrl-C in the console reaches the parent alone, which then asks the job to end."""
_WIDTH: Final = 30
_PATHS: Final = frozenset({"file", "input", "inputs", "label_files", "taxonomy", "out_dir"})
_NAMES_OR_PATHS: Final = frozenset({"model_dir", "prior"})
"""A bundle may be named by its name in the home; a folder of that name beside the person wins, as it always has."""
OnEvent = Callable[[dict[str, Any]], None]


class JobError(TaskclfError):
    """A job that failed; its own words."""


class JobStoppedError(JobError):
    """A job that was stopped before it was done; `signal_number` where another signal did it."""

    def __init__(self, title: str, *, signal_number: int | None = None) -> None:
        super().__init__(title)
        self.signal_number = signal_number


class ChildJob:
    """A job and its request in a process of its own: `run` in one thread, once; `cancel` from any.

    The process works in the home that `request` names. Paths in a request are absolute.
    """

    def __init__(
        self,
        module: str,
        request: Mapping[str, Any],
        *,
        is_debug: bool = False,
        timeout_seconds: float | None = None,
    ) -> None:
        """`timeout_seconds`: after so long it is stopped; None for as long as it takes."""
        self._command = [*job_command(module), json.dumps(dict(request)), ENDS_WITH_STDIN]
        self._folder = _safe_folder(request.get("home"))
        self._errors = None if is_debug else subprocess.DEVNULL
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped: JobStoppedError | None = None

    def run(self, on_event: OnEvent) -> dict[str, Any]:
        """Its `done` event; the others go to `on_event`.

        Whatever ends this call (Ctrl-C too) ends the process. Raises JobError: what the job said, or that it died;
        JobStoppedError.
        """
        with self._running() as process, self._deadline():
            answer = _follow(process, on_event)
            code = process.wait()
        return _said(answer, code, self._stopped)

    def cancel(self) -> None:
        """End the process, and keep it from being started."""
        self._stop(JobStoppedError("The work was stopped."))

    def _stop(self, reason: JobStoppedError) -> None:
        with self._lock:
            self._stopped = self._stopped or reason
            process = self._process
        if process is not None and process.poll() is None:
            _end(process)

    def _start(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped is not None:
                raise self._stopped
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,  # its end is the end of the job, see system/job_entry.py
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd=self._folder,
                creationflags=_CREATION_FLAGS,
            )
            return self._process

    @contextlib.contextmanager
    def _running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The process, started; it ends with the context, however that ends."""
        process: subprocess.Popen[bytes] | None = None
        try:
            with Held():
                process = self._start()
            yield process
        except BaseException:
            if process is not None:
                _end(process)
            raise
        finally:
            for stream in () if process is None else (process.stdin, process.stdout):
                assert stream is not None
                stream.close()

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        seconds = self._timeout_seconds
        if seconds is None:
            yield
            return
        timer = threading.Timer(seconds, self._stop, [JobStoppedError(f"The work took more than {seconds:g} seconds.")])
        timer.name = "job-deadline"
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _absolute(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with the paths the person typed made absolute: the job works in another folder."""
    return {name: _absolute_place(name, value) for name, value in request.items()}


def _absolute_place(name: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_absolute_place(name, each) for each in value]
    is_path = name in _PATHS or (name in _NAMES_OR_PATHS and isinstance(value, str) and Path(value).exists())
    return str(Path(value).absolute()) if is_path and isinstance(value, str) else value


def _safe_folder(home: object) -> str:
    """The folder a job works in: libraries too look for settings in it (matplotlib for `matplotlibrc`)."""
    return home if isinstance(home, str) and Path(home).is_dir() else sys.prefix


def run_child(module: str, request: Mapping[str, Any], on_event: OnEvent, *, is_debug: bool = False) -> dict[str, Any]:
    """Run a job to its end for a command; see `ChildJob.run`.

    Raises JobError; KeyboardInterrupt when the job was stopped by Ctrl-C, which the terminal sends to both.
    """
    try:
        return ChildJob(module, _absolute(request), is_debug=is_debug).run(on_event)
    except JobStoppedError as error:
        if error.signal_number == signal.SIGINT:
            raise KeyboardInterrupt from error
        raise


def _said(answer: dict[str, Any] | None, code: int, stopped: JobStoppedError | None) -> dict[str, Any]:
    if answer is not None and answer["event"] == "error":
        raise JobError(str(answer["title"]), str(answer["next_step"]))
    if answer is not None:
        return answer
    if stopped is not None:
        raise stopped
    if code in STOPPED_CODES:
        raise JobStoppedError("The work was stopped.", signal_number=STOPPED_CODES[code])
    how = f"by signal {-code}" if code < 0 else f"with code {code}"
    raise JobError(f"The process that did the work ended unexpectedly ({how}).", "Try again with --debug.")


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
    """Parse a line; the unfinished line of a dying process is an event without effect."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) and "event" in event else {"event": "unreadable"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, which removes what is half written; after a while, make it end."""
    assert process.stdin is not None
    if os.name == "nt":
        process.stdin.close()  # `terminate` would not let it clean up there
    else:
        process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class ProgressBar:
    """A bar on a terminal; nothing where output goes elsewhere."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._is_shown = self._out.isatty()

    def show(self, done: int, total: int) -> None:
        """Redraw it in place."""
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
