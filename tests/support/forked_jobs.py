"""Jobs as forks of one process that has imported what they need: to import it takes longer than most jobs of a test.

`FORKING` stands in for the module `subprocess` in `jobs/child.py`; the fixture `forked_jobs` puts it there. All else is
as in a process of its own: the entry of the job, its signal handlers, its pipes and its end. (`tests/jobs` and
`tests/e2e` start jobs as the app does.)
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing import connection, reduction
from types import SimpleNamespace
from typing import Any

from taskclf_tray.system import job_entry
from tests.support.forked import forking


class Passed:
    """A file descriptor that the child gets a copy of, as a number."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (reduction.DupFd(self._number),)


def _received(copy: Any) -> int:
    return int(copy.detach())


class ForkedJob:
    """As much of `subprocess.Popen` as a job's parent uses."""

    def __init__(self, command: Sequence[str], *, stderr: int | None, cwd: str, **_always: Any) -> None:
        words = list(command[command.index("-m") + 1 :])
        job_input, stdin = os.pipe()
        stdout, job_output = os.pipe()
        job_errors = os.dup(2) if stderr is None else os.open(os.devnull, os.O_WRONLY)
        files = (job_input, job_output, job_errors)
        self._process = forking().Process(
            target=_begin, args=(words, cwd, dict(os.environ), [Passed(number) for number in files])
        )
        try:
            self._process.start()
        finally:
            for number in files:
                os.close(number)
        self._lock = threading.Lock()
        self.stdin, self.stdout = os.fdopen(stdin, "wb", buffering=0), os.fdopen(stdout, "rb")

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        with self._lock:  # multiprocessing reads the code once
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        if not connection.wait([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired("a job", timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()


FORKING = SimpleNamespace(
    Popen=ForkedJob, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired
)


def _begin(words: list[str], folder: str, environment: dict[str, str], files: Sequence[int]) -> None:
    for place, number in enumerate(files):
        os.dup2(number, place)
        os.close(number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = words
    job_entry.start(words[0])
