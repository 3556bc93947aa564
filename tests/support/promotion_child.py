"""Promotes, or rolls back, in one home after the other, killed right before the first, second, … change to the disk.

Arguments: a folder with homes named 1, 2, …, and `promote` (with a head), `back` or `answer`. Prints how many of them
were killed; the one after those lived on. The kills are of forks of this process, which has loaded everything once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from taskclf_tray.models.head_files import save_head
from taskclf_tray.models.history import roll_back
from taskclf_tray.models.promotion import HeadBasis, policy_to_learn_on, promote, served_now, switch_head
from taskclf_tray.models.retention import staging_dir
from tests.support.heads import FITTED_AT, some_head
from tests.support.promotion_home import FIRST, STORE

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod")


class KillBefore:
    """An audit hook: it sees every rename, removal, new folder and file opened for writing."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        flags = arguments[2] if event == "open" else None
        if event in CHANGES or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def was_killed(models: Path, way: str, number: int) -> bool:
    """Do it in a process of its own."""
    child = os.fork()
    if child == 0:
        served = served_now(models)
        sys.addaudithook(KillBefore(number))
        if way == "promote":
            replaces = None if served is None else served.bundle_id
            staged = staging_dir(models) / FIRST
            promote(models, staged, STORE, reject_threshold=0.61, replaces=replaces, head=some_head())
        elif way == "answer":
            basis = HeadBasis.of(policy_to_learn_on(models))
            entry = save_head(some_head(), models.parent, fitted_at=FITTED_AT, labelled_minutes=1)
            assert switch_head(models, basis, entry)
        else:
            roll_back(models)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def main(folder: Path, way: str) -> None:
    """Until one lives on."""
    number = 1
    while was_killed(folder / str(number) / "home" / "models", way, number):
        number += 1
    print(number - 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
