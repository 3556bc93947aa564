"""The X display, without waiting for one that hangs."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from threading import Thread
from typing import Any, Final, TypeVar

_T = TypeVar("_T")
_LOCAL_DISPLAY: Final = re.compile(r"(?:unix)?:(\d+)(?:\.\d+)?")


def open_local_display(name: str, timeout_seconds: float) -> Any | None:
    """A python-xlib connection to a local display; None when it is none or nobody accepts at its socket.

    Local displays only: Xlib tries TCP next when the socket does not answer, and leaks both sockets. A server that
    accepts and then says nothing holds the caller for ever: ask from inside `within`.
    """
    local = _LOCAL_DISPLAY.fullmatch(name)
    if local is None or not _accepts(f"/tmp/.X11-unix/X{local[1]}", timeout_seconds):  # noqa: S108 - where X listens
        return None
    # Linux only; a tray whose panel answers over D-Bus never needs its 60 ms and 4 MiB
    from Xlib import display  # type: ignore[import-untyped]  # no types

    try:
        return display.Display(name)
    except Exception:  # noqa: BLE001 - Xlib raises its own errors, OSError and plain ones alike
        return None


def _accepts(socket_path: str, timeout_seconds: float) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.settimeout(timeout_seconds)
            connection.connect(socket_path)
        except OSError:
            return False
    return True


def within(seconds: float, question: Callable[[], _T], *, thread_name: str = "probe") -> _T | None:
    """The answer, or None when it does not come in time (an X server that hangs)."""
    answers: list[_T] = []
    thread = Thread(target=lambda: answers.append(question()), name=thread_name, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None
