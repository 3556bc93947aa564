"""A stop signal as a request, for a program that ends by leaving its main loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType

from taskclf_tray.system.stop_signals import install, restore


class StopRequest:
    """A context in which a stop signal is only noted; main thread only.

    A signal handler may fill the queue while the thread it interrupts is inside `get`. A `threading.Event` would wait
    for its own lock.
    """

    def __init__(self) -> None:
        self.is_set = False
        self.on_stop: Callable[[], None] | None = None
        """Called in the handler, for a main loop that is not this one's `wait`."""
        self._wake: SimpleQueue[None] = SimpleQueue()

    def __enter__(self) -> StopRequest:
        self._before = install(self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        restore(self._before)

    def wait(self, seconds: float) -> bool:
        """Wait for a stop signal, at most `seconds`; returns whether there has been one."""
        with contextlib.suppress(Empty):
            self._wake.get(timeout=0.0 if self.is_set else seconds)
        return self.is_set

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.request()

    def request(self) -> None:
        """Ask for the end as a stop signal does; from any thread."""
        self.is_set = True
        self._wake.put(None)
        if self.on_stop is not None:
            self.on_stop()
