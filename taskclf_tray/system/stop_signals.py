"""Stop signals: what Ctrl-C, SIGTERM, a closed terminal and Ctrl-Break do to a process from its first instruction.

A process passes through these states, each with handlers of its own:

1. `end_at_once`, while modules load. Nothing is open, so the process ends without a word. An exception would not do:
   raised inside an import it may be printed, dropped, or come out as an ImportError.
2. `Unwinding`, while a command works: an exception that runs every `finally` on its way out.
3. `StopRequest` (`stop_request.py`), while the application runs: its main loop ends, and it shuts down in order.

Inside `AtOnce` the system itself ends the process: for a long call of C code, in which no handler runs.

A process that ends in the first two has the exit code that shells report for the signal: 130 for Ctrl-C, 143 for
SIGTERM. A signal that was ignored when the process began (`command &` in a script ignores Ctrl-C) is handled all the
same, except SIGHUP: `nohup` means it. Windows knows Ctrl-C and Ctrl-Break; its "terminate" ends a process without
asking.

This module is the first that a process imports, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None

STOP_SIGNALS: Final = tuple(
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if name in signal.Signals.__members__
)
_CAN_BLOCK: Final = hasattr(signal, "pthread_sigmask")


def exit_code(number: int) -> int:
    """The exit code of a process that signal `number` ended: the one that shells report."""
    return 128 + number


STOPPED_CODES: Final = {code: number for number in STOP_SIGNALS for code in (exit_code(number), -number)}
"""The return codes of `subprocess` for a process that a stop signal ended, and which signal each means."""


def end_at_once() -> None:
    """Make stop signals end the process at once and silently. Signals that `Held` kept waiting arrive now."""
    install(_end)
    if _CAN_BLOCK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def install(handler: Handler) -> dict[signal.Signals, Handler]:
    """Install `handler` for every stop signal. Returns the handlers before it; none outside the main thread."""
    try:
        return {number: signal.signal(number, handler) for number in STOP_SIGNALS if not _is_to_survive(number)}
    except ValueError:  # signals are the main thread's business
        return {}


def _is_to_survive(number: signal.Signals) -> bool:
    """Whether `nohup` or a shell that was told so lets the process outlive its terminal."""
    return number.name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN


def restore(handlers: dict[signal.Signals, Handler]) -> None:
    """Undo an `install`."""
    for number, handler in handlers.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def is_importing(frame: FrameType | None) -> bool:
    """Whether `frame`, in which a signal arrived, runs inside an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class Unwinding:
    """A context in which Ctrl-C raises KeyboardInterrupt, and SIGTERM or Ctrl-Break SystemExit.

    Inside an import the process ends at once instead. Outside the main thread the context changes nothing.
    """

    def __enter__(self) -> None:
        self._before = install(_unwind)

    def __exit__(self, *_error: object) -> None:
        restore(self._before)


class AtOnce:
    """A context in which stop signals end the process, also inside one long call of C code, where no handler runs.

    For work that has nothing to clean up, such as parsing a large file. Outside the main thread it changes nothing.
    """

    def __enter__(self) -> None:
        self._before = install(signal.SIG_DFL)

    def __exit__(self, *_error: object) -> None:
        restore(self._before)


class Held:
    """A context that keeps stop signals waiting in this thread, and in the processes it starts.

    A child's `end_at_once` lets them through, so that not even the start of its interpreter is without a handler; and
    the parent is not interrupted between starting a child and noting its id. No effect on Windows.
    """

    def __enter__(self) -> None:
        if _CAN_BLOCK:
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)

    def __exit__(self, *_error: object) -> None:
        if _CAN_BLOCK:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(exit_code(number))


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    if is_importing(frame):
        os._exit(exit_code(number))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(exit_code(number))
