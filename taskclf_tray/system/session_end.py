"""The end of the desktop session, seen by the display server that closes its connections.

A session manager tells only its own clients of a logout, and the system lets every other program go on: with no panel,
and with the lock that the next session's start needs.
"""

from __future__ import annotations

import logging
import os
import select
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any, Final

from taskclf_tray.system.x11 import open_local_display

log = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 5.0
_END_SECONDS: Final = 2.0


class SessionEnd:
    """A context that calls `on_end` once, from a thread of its own, when the display server has gone.

    Without a local display, as on Windows and macOS, it does nothing.
    """

    def __init__(self, environ: Mapping[str, str], on_end: Callable[[], None]) -> None:
        self._environ = environ
        self._on_end = on_end
        self._stop, self._stopped = socket.socketpair()
        self._thread = Thread(target=self._watch, name="session-end", daemon=True)  # a display may hang

    def __enter__(self) -> SessionEnd:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.close()
        self._thread.join(_END_SECONDS)

    def _watch(self) -> None:
        display = _connected(self._environ)
        with self._stopped:
            if display is not None and _is_closed_first(_socket_of(display), self._stopped):
                log.info("The desktop session has ended.")
                self._on_end()


def _is_closed_first(display: socket.socket, stopped: socket.socket) -> bool:
    """Wait; returns whether the display closes its connection before `stopped` is closed."""
    with display:
        while True:
            ready, _, _ = select.select([display, stopped], [], [])
            if stopped in ready:
                return False
            try:
                if not display.recv(65_536):  # what a display tells every client is of no interest
                    return True
            except OSError:
                return True


def _connected(environ: Mapping[str, str]) -> Any | None:
    """A connection to the Wayland compositor or else to the X server; Xwayland comes and goes within a session."""
    wayland = environ.get("WAYLAND_DISPLAY")
    if wayland:
        return _connected_to(Path(environ.get("XDG_RUNTIME_DIR", ""), wayland))
    return open_local_display(environ.get("DISPLAY", ""), _CONNECT_SECONDS)


def _connected_to(place: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_CONNECT_SECONDS)
        connection.connect(str(place))
        connection.settimeout(None)
    except OSError:
        connection.close()
        return None
    return connection


def _socket_of(connection: Any) -> socket.socket:
    """The socket of either kind of connection, for this module alone."""
    if isinstance(connection, socket.socket):
        return connection
    own = socket.socket(fileno=os.dup(connection.fileno()))
    own.setblocking(True)
    connection.display.socket.close()
    return own
