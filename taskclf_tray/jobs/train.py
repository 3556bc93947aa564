"""The process behind `train`: `python -m taskclf_tray.jobs.train REQUEST`, REQUEST as JSON.

It is a process of its own because it loads LightGBM, SciPy and matplotlib. For what it prints see `process.py`. When it
is told to end it removes what is half written; bundles, calibrator stores and policies appear whole or not at all.
"""

from __future__ import annotations

if __name__ == "__main__":  # handlers of stop signals before any import
    from taskclf_tray.system.job_entry import start

    start("taskclf_tray.jobs.train")

import os
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final

from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.jobs.process import serve
from taskclf_tray.system.job_entry import OPTIONAL_LIBRARIES, install_step
from taskclf_tray.system.stop_signals import install, is_importing
from taskclf_tray.train.train_actions import ACTIONS
from taskclf_tray.train.train_request import TrainRequest

_STOPPED_CODE: Final = 130


def run(request: TrainRequest, say: ProgressCallback) -> dict[str, Any]:
    """Run the action of the request. Returns what was done. Raises TaskclfError."""
    try:
        return ACTIONS[request.action](request, say)
    except ImportError as error:
        if error.name not in OPTIONAL_LIBRARIES:
            raise
        raise TaskclfError(
            f"Training needs {error.name}, which is not installed.", install_step(str(error.name))
        ) from error
    except OSError as error:
        what = error.filename2 or error.filename or "A file"
        raise TaskclfError(
            f"{what} cannot be read or written ({error.strerror or type(error).__name__}).",
            "Check its name, its permissions and the free space on its disk.",
        ) from error


class Stoppable:
    """Ends the process, with clean-up, when it is told to end.

    A handler that runs inside a callback of a C library, or inside an import, raises where the exception is dropped. So
    each event checks again, and there is an event before writing: before that, an import can be cut off.
    """

    def __init__(self, say: ProgressCallback) -> None:
        self._say = say
        self._is_told = self._is_writing = False

    def stop(self, _signal: int, frame: FrameType | None) -> None:
        """The handler of a signal."""
        self._is_told = True
        if not is_importing(frame):
            raise SystemExit(_STOPPED_CODE)
        if not self._is_writing:
            os._exit(_STOPPED_CODE)

    def say(self, event: dict[str, Any]) -> None:
        """Pass it on, unless it is time to end."""
        if self._is_told:
            raise SystemExit(_STOPPED_CODE)
        self._is_writing |= event["event"] == "writing"
        self._say(event)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 when done, 1 after a reported error."""

    def begin(values: dict[str, Any], say: ProgressCallback) -> dict[str, Any]:
        request = TrainRequest.from_json(values)
        stoppable = Stoppable(say)
        install(stoppable.stop)
        return run(request, stoppable.say)

    return serve(begin, arguments, what="training")
