"""Child processes to be killed: forks of one process that has loaded everything, since starting fifty takes long."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

LOADED = (
    "tests.support.label_child",
    "tests.support.private_child",
    "tests.support.recorder_child",
    "tests.support.writers",
)
"""What the process that is forked has imported."""
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(LOADED))
Say = Callable[[Any], None]


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
    heard, said = _context.Pipe(duplex=False)
    process = _context.Process(target=_begin, args=(main, said, arguments))
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
