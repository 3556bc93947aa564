"""Counts of keys, clicks and movements on X11, by the RECORD extension: how many, never which.

The server tells of every input, so counting costs processor time that the rest of the watcher does not: it is off
unless the person switches it on.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from Xlib import X  # type: ignore[import-untyped]  # no types
from Xlib.error import ConnectionClosedError, XError  # type: ignore[import-untyped]
from Xlib.ext import record  # type: ignore[import-untyped]
from Xlib.protocol import rq  # type: ignore[import-untyped]

from taskclf_tray.system.x11 import open_local_display

_OPEN_SECONDS: Final = 5.0
_JOIN_SECONDS: Final = 3.0
_SCROLLS: Final = {4: "scrollY", 5: "scrollY", 6: "scrollX", 7: "scrollX"}
"""The buttons of a wheel."""
_KEYS: Final = ("presses", "clicks", "deltaX", "deltaY", "scrollX", "scrollY")
_EVENTS: Final = {
    "core_requests": (0, 0),
    "core_replies": (0, 0),
    "ext_requests": (0, 0, 0, 0),
    "ext_replies": (0, 0, 0, 0),
    "delivered_events": (0, 0),
    "device_events": (X.KeyPress, X.MotionNotify),
    "errors": (0, 0),
    "client_started": False,
    "client_died": False,
}
_GONE: Final = (ConnectionClosedError, XError, OSError, EOFError)


class X11Input:
    """Counts in a thread of its own until `close`; counts nothing where the server lacks the extension."""

    def __init__(self, display_name: str) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._place: tuple[int, int] | None = None
        self._listening: Any = open_local_display(display_name, _OPEN_SECONDS)
        self._asking: Any = open_local_display(display_name, _OPEN_SECONDS)
        self._context: int | None = None
        self._thread = threading.Thread(target=self._listen, name="input-counter", daemon=True)
        if self._listening is not None and self._asking is not None and self._asking.has_extension("RECORD"):
            clients = [record.AllClients]
            self._context = self._asking.record_create_context(0, clients, [_EVENTS])
            self._asking.sync()
            self._thread.start()

    def take(self) -> Mapping[str, int] | None:
        """Return what was counted since the last call; None where nothing can be counted."""
        if not self._thread.is_alive():
            return None
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return {key: counts[key] for key in _KEYS}

    def close(self) -> None:
        """End the thread and its connections. Never raises."""
        with contextlib.suppress(*_GONE):
            if self._context is not None:
                self._asking.record_disable_context(self._context)
                self._asking.flush()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_SECONDS)
        for display in (self._asking, self._listening):
            with contextlib.suppress(*_GONE):
                if display is not None:
                    display.close()

    def _listen(self) -> None:
        with contextlib.suppress(*_GONE):
            self._listening.record_enable_context(self._context, self._heard)

    def _heard(self, reply: Any) -> None:
        if reply.category != record.FromServer or reply.client_swapped:
            return
        data = reply.data
        with self._lock:
            while len(data):
                event, data = rq.EventField(None).parse_binary_value(data, self._listening.display, None, None)
                self._count(event)

    def _count(self, event: Any) -> None:
        """Count one event, whatever the key or button."""
        if event.type == X.KeyPress:
            self._counts["presses"] += 1
        elif event.type == X.ButtonPress:
            self._counts[_SCROLLS.get(event.detail, "clicks")] += 1
        elif event.type == X.MotionNotify:
            if self._place is not None:
                self._counts["deltaX"] += abs(event.root_x - self._place[0])
                self._counts["deltaY"] += abs(event.root_y - self._place[1])
            self._place = event.root_x, event.root_y
