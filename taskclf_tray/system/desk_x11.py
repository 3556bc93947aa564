"""The desk of an X11 session: the active window by the window manager's properties, idle time by XScreenSaver.

Nothing is polled: the server says when another window is active or its title changes.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from Xlib import X  # type: ignore[import-untyped]  # no types
from Xlib.error import ConnectionClosedError, XError  # type: ignore[import-untyped]

from taskclf_tray.adapters.watching import DeskLostError, Front
from taskclf_tray.system.input_x11 import X11Input
from taskclf_tray.system.session_lock import LockWatch
from taskclf_tray.system.x11 import open_local_display

_OPEN_SECONDS: Final = 5.0
_IDLE_EXTENSION: Final = "MIT-SCREEN-SAVER"
_LOST: Final = (ConnectionClosedError, OSError, EOFError)


class X11Desk:
    """One X11 display. The app is the class of the window (`WM_CLASS`), as ActivityWatch reports it.

    `counts_input`: whether input is counted. Raises DeskLostError when nobody answers at the display.
    """

    name = "X11"

    def __init__(self, environ: Mapping[str, str], *, counts_input: bool = False) -> None:
        display = open_local_display(environ.get("DISPLAY", ""), _OPEN_SECONDS)
        if display is None:
            raise DeskLostError
        self._display: Any = display
        self._active_id = 0
        self._woken, self._waker = os.pipe()
        with self._asking():
            display.set_error_handler(_ignore)  # a window may close between two requests
            self._root = display.screen().root
            self._active = display.get_atom("_NET_ACTIVE_WINDOW")
            self._title = display.get_atom("_NET_WM_NAME")
            self._watched = frozenset({self._active, self._title, display.get_atom("WM_NAME")})
            self._root.change_attributes(event_mask=X.PropertyChangeMask)
            self._tells_idle = display.has_extension(_IDLE_EXTENSION)
            display.flush()
        self._lock = LockWatch(environ, self.wake)
        self._input = X11Input(environ["DISPLAY"]) if counts_input else None

    @property
    def is_locked(self) -> bool:
        """Whether the session says that its screen is locked."""
        return self._lock.is_locked

    def front(self) -> Front | None:
        """The active window; None where the window manager names none."""
        with self._asking():
            window_id = self._number(self._root, self._active)
            if window_id != self._active_id:
                self._follow(window_id)
            if not window_id:
                return None
            window = self._display.create_resource_object("window", window_id)
            try:
                names = window.get_wm_class()
                title = window.get_full_property(self._title, X.AnyPropertyType)
                shown = window.get_wm_name() if title is None else title.value
            except XError:  # it has closed
                return None
        return Front(names[1] if names else "unknown", _text(shown))

    def idle_seconds(self) -> float:
        """The time since the last input; 0 where the server does not tell it."""
        if not self._tells_idle:
            return 0.0
        with self._asking():
            return float(self._root.screensaver_query_info().idle) / 1000

    def counts(self) -> Mapping[str, int] | None:
        """What was pressed and moved since the last call; None where it is not counted."""
        return None if self._input is None else self._input.take()

    def wait(self, seconds: float) -> None:
        """Wait for another active window or title, `wake`, or the end of the time."""
        until = time.monotonic() + seconds
        with self._asking():
            while not self._has_news():
                ends = [self._display.fileno(), self._woken]
                ready, _, _ = select.select(ends, [], [], max(0.0, until - time.monotonic()))
                if self._woken in ready:
                    os.read(self._woken, 1024)
                if not ready or self._woken in ready:
                    return

    def wake(self) -> None:
        """End a wait."""
        with contextlib.suppress(OSError):
            os.write(self._waker, b"x")

    def close(self) -> None:
        """Leave the display and the bus."""
        if self._input is not None:
            self._input.close()
        self._lock.close()
        with contextlib.suppress(*_LOST, XError):
            self._display.close()
        for end in (self._woken, self._waker):
            os.close(end)

    def _has_news(self) -> bool:
        """Take what the server has sent; whether the active window or a title may have changed."""
        has_news = False
        while self._display.pending_events():
            event = self._display.next_event()
            has_news |= event.type == X.PropertyNotify and event.atom in self._watched
        return has_news

    def _follow(self, window_id: int) -> None:
        """Be told of the title of the active window, and of no other any more."""
        for number, mask in ((self._active_id, X.NoEventMask), (window_id, X.PropertyChangeMask)):
            if number:
                self._display.create_resource_object("window", number).change_attributes(event_mask=mask)
        self._active_id = window_id

    @staticmethod
    def _number(window: Any, atom: int) -> int:
        answer = window.get_full_property(atom, X.AnyPropertyType)
        return int(answer.value[0]) if answer is not None and len(answer.value) else 0

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except _LOST as error:
            raise DeskLostError from error


def _ignore(*_error: object) -> None:
    return


def _text(name: bytes | str | None) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""
