"""Processes held inside an import, so that a signal surely arrives there."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path

HOLDER = Path(__file__).with_name("held_import")


class HeldImport:
    """Holds the import of one module in processes started by `start`, and in theirs."""

    def __init__(self, folder: Path, module: str) -> None:
        self._says, self._goes_on = folder / "says", folder / "goes_on"
        for fifo in (self._says, self._goes_on):
            os.mkfifo(fifo)
        self._reader = os.open(self._says, os.O_RDONLY | os.O_NONBLOCK)
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(HOLDER), os.environ.get("PYTHONPATH")))),
            "HELD_IMPORT": module,
            "HELD_SAYS": str(self._says),
            "HELD_GOES_ON": str(self._goes_on),
        }

    def start(self, command: Sequence[str], **more: str) -> subprocess.Popen[bytes]:
        """Run a command in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            command,
            env={**self._environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def wait(self, timeout_seconds: float = 120.0) -> int:
        """The id of the process whose import is held, as soon as there is one."""
        assert select.select([self._reader], [], [], timeout_seconds)[0], "no import of the module began"
        return int(os.read(self._reader, 100))

    def go_on(self) -> None:
        """Let the import go on."""
        os.close(os.open(self._goes_on, os.O_WRONLY))

    def close(self) -> None:
        """Nothing is held any more."""
        os.close(self._reader)
