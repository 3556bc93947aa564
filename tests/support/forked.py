"""Child processes as forks of one process that has loaded everything, since starting fifty takes long."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

LOADED = (
    "taskclf_tray.jobs.batch",
    "taskclf_tray.jobs.drift",
    "taskclf_tray.jobs.refit",
    "taskclf_tray.jobs.replay",
    "taskclf_tray.jobs.retrain",
    "taskclf_tray.jobs.train",
    "tests.support.label_child",
    "tests.support.private_child",
    "tests.support.recorder_child",
    "tests.support.refit_jobs",
    "tests.support.training_jobs",
    "tests.support.writers",
)
"""What the process that is forked has imported."""
Say = Callable[[Any], None]


@cache
def forking() -> Any:
    """The way to such processes; the one that is forked starts with the first of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context


class ForkedChild:
    """A running child and what it says."""

    def __init__(self, process: Any, heard: Connection) -> None:
        self._process = process
        self._heard = heard

    def next(self) -> Any:
        """What it says next. Raises EOFError when it has ended."""
        return self._heard.recv()

    def kill(self) -> list[Any]:
        """kill −9; what it had said until then and nobody had heard yet, without a word that was cut off."""
        self._process.kill()
        self._process.join()
        rest = []
        with contextlib.suppress(EOFError, OSError):
            while True:
                rest.append(self._heard.recv())
        return rest


@contextlib.contextmanager
def forked(main: Callable[..., None], *arguments: Any) -> Iterator[ForkedChild]:
    """Run `main(say, *arguments)` in a process of its own, which is killed at the latest with the block."""
    heard, said = forking().Pipe(duplex=False)
    process = forking().Process(target=_begin, args=(main, said, arguments))
    process.start()
    said.close()
    child = ForkedChild(process, heard)
    try:
        yield child
    finally:
        child.kill()
        heard.close()
        process.close()


def _begin(main: Callable[..., None], said: Connection, arguments: tuple[Any, ...]) -> None:
    main(said.send, *arguments)
