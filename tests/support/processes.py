"""Child processes of the tests: started with a line to wait for, stopped by their own handle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 8.0
"""How many times as long as on an idle machine a test waits for something before it fails."""
END_SECONDS = 120.0
"""How long a process may take to end, on whatever machine."""
_T = TypeVar("_T")


def allowed(seconds: float) -> float:
    """How long something may take that takes less than `seconds` on an idle machine.

    More on a busy one, in proportion to how many programs want a processor there.
    """
    return seconds * (1.0 + os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_until(question: Callable[[], _T], what: str, timeout_seconds: float = 8.0) -> _T:
    """The first truthy answer; AssertionError naming `what` when none comes in time.

    `timeout_seconds` is generous for an idle machine; on a busy one `PATIENCE` times as long is waited.
    """
    end = time.monotonic() + PATIENCE * timeout_seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE * timeout_seconds} s for {what}")
        time.sleep(0.02)  # some states last no longer


def is_over(process_id: int) -> bool:
    """Whether nothing runs there any more; who is to take note of its end may not have done so yet."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def stop(process: subprocess.Popen[str]) -> None:
    """Ask the process to end, make it end, and collect it."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@contextmanager
def python_child(module: str, arguments: Sequence[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`python -m MODULE ARGUMENTS` from the root of the project, stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=dict(env),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        stop(process)


@contextmanager
def ready_child(module: str, arguments: Sequence[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The same, once the child has printed its first line."""
    with python_child(module, arguments, env) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            _, errors = process.communicate(timeout=END_SECONDS)
            raise AssertionError(f"{module} ended before it was ready:\n{errors}")
        yield process
