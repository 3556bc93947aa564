"""The process behind “Retrain now”: `python -m taskclf_tray.jobs.retrain REQUEST`, REQUEST as JSON.

It trains a challenger on the labelled record, judges it against the model in use, and promotes or refuses it. Until the
switch, killing it changes nothing; labels are only read. One runs at a time for each home. For what it prints see
`process.py`; `{"event": "step", "text"}` is for the log.
"""

from __future__ import annotations

if __name__ == "__main__":  # handlers of stop signals before any import
    from taskclf_tray.system.job_entry import start

    start("taskclf_tray.jobs.retrain")

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from taskclf_tray.core.errors import StoreError, TaskclfError
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.jobs.process import serve
from taskclf_tray.system.paths import HomePaths, prepare_home
from taskclf_tray.train.retrain_run import Retraining
from taskclf_tray.train.train_request import RetrainRequest

LOCK_FILE: Final = "retrain.lock"


class RetrainingError(TaskclfError):
    """Another training is running."""


def run(request: RetrainRequest, say: ProgressCallback) -> dict[str, Any]:
    """Train, judge, and promote or refuse. Raises TaskclfError."""
    paths = HomePaths(Path(request.home))
    if not paths.database.exists():
        if not request.inputs:
            raise StoreError(
                f"There is no record in {paths.home} yet.",
                "Start the app first, and label some blocks; or name an export of its events with --input.",
            )
        prepare_home(paths.home)
    with _alone(paths):
        try:
            return Retraining(request, paths, say).run()
        except OSError as error:
            what = error.filename2 or error.filename or "A file"
            raise StoreError(
                f"{what} cannot be read or written ({error.strerror or type(error).__name__}).",
                "The model in use stays. Check the permissions of the home and the free space on its disk.",
            ) from error


@contextlib.contextmanager
def _alone(paths: HomePaths) -> Iterator[None]:
    """Hold the training lock of the home; the operating system frees it with the process. Raises RetrainingError."""
    lock = FileLock(paths.tray / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RetrainingError(
            "A model is being trained already for this home.", "Wait until it is done, or stop it, then try again."
        ) from error
    try:
        yield
    finally:
        lock.release()


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 when done (promoted or refused), 1 after a reported error."""
    return serve(lambda values, say: run(RetrainRequest.from_json(values), say), arguments, what="training")
