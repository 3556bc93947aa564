"""The installed app as a child process: started, listened to line by line, ended by its own handle."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.processes import wait_until

Line = dict[str, Any]


def noon_zone(now: datetime | None = None) -> str:
    """A zone in which it is between 12:00 and 13:00, so that no test meets a midnight."""
    ahead = 12 - (now or datetime.now(UTC)).hour  # Etc/GMT-3 is three hours ahead of UTC
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def app_environment(time_zone: str | None = None, **more: str) -> dict[str, str]:
    """The tests' own environment (no desktop, an empty HOME) in a zone where it is noon."""
    return {**os.environ, "TZ": time_zone or noon_zone(), **more}


def app_command(*arguments: str | Path) -> list[str]:
    """The command line of the app."""
    return [sys.executable, "-m", "taskclf_tray", *map(str, arguments)]


def run_app(
    *arguments: str | Path, time_zone: str | None = None, timeout_seconds: float = 60.0
) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a run that ends by itself."""
    done = subprocess.run(
        app_command(*arguments),
        env=app_environment(time_zone),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class AppProcess:
    """A running app whose JSON lines are collected as they come."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lines: list[Line] = []
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_lines, name="stdout"),
            threading.Thread(target=self._read_errors, name="stderr"),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def lines(self) -> list[Line]:
        """Every JSON line so far."""
        return list(self._lines)

    @property
    def errors(self) -> str:
        """Standard error so far."""
        return "".join(self._errors)

    def of_kind(self, event: str) -> list[Line]:
        """The lines of one event: `bucket`, `revised` or `live`."""
        return [line for line in self.lines if line["event"] == event]

    def wait_for(
        self, question: Callable[[Line], object], what: str, timeout_seconds: float = 12.0, *, after: int = 0
    ) -> Line:
        """The first line from number `after` on that answers yes."""

        def found() -> Line | None:
            assert self.process.poll() is None, f"the app ended while a test waited for {what}: {self.errors}"
            return next((line for line in self.lines[after:] if question(line)), None)

        return wait_until(found, f"{what}; the last lines are {self.lines[-3:]} {self.errors}", timeout_seconds)

    def wait_for_state(self, state: str, timeout_seconds: float = 12.0, *, after: int = 0) -> Line:
        """The first `live` line in this state."""
        return self.wait_for(lambda line: line.get("state") == state, f"state {state}", timeout_seconds, after=after)

    def wait_for_label(self, timeout_seconds: float = 12.0, *, after: int = 0) -> Line:
        """The first `live` line that has a label."""
        return self.wait_for(
            lambda line: line["event"] == "live" and line["core_label"], "a live label", timeout_seconds, after=after
        )

    def resident_kib(self) -> int:
        """Resident memory (VmRSS)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))

    def end(self, number: signal.Signals = signal.SIGTERM, timeout_seconds: float = 120.0) -> tuple[int, float]:
        """Send a signal; (exit code, seconds until the end)."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout_seconds)
        taken = time.monotonic() - began
        self._join()
        return code, taken

    def close(self) -> None:
        """Make sure that it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._join()

    def _join(self) -> None:
        for reader in self._readers:
            reader.join(120)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)


@contextlib.contextmanager
def running_app(*arguments: str | Path, prefix: Sequence[str] = (), **environment: str) -> Iterator[AppProcess]:
    """The app with these arguments, ended with the block; `prefix`: a program that runs it, such as strace."""
    app = AppProcess([*prefix, *app_command(*arguments)], app_environment(**environment))
    try:
        yield app
    finally:
        app.close()
