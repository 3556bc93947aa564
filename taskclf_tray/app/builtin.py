"""Whether the built-in watcher can be used on this desktop, and its opening."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from taskclf_tray.adapters.builtin import KEPT, BuiltinSource
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.watching import Desk
from taskclf_tray.core.errors import SourceError
from taskclf_tray.store.activity_ring import ActivityRing
from taskclf_tray.system.attention import attention_backend
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.system.x11 import open_local_display, within

_PROBE_SECONDS: Final = 2.0
_NAMES: Final = {"x11": "the windows of X11", "win32": "the windows of Windows", "darwin": "the programs of macOS"}
WAYLAND: Final = (
    "On Wayland no program may see which window is in front.",
    "Install ActivityWatch with awatcher, or log in to an X11 session.",
)
_NO_DESKTOP: Final = ("There is no desktop to look at.", "Start taskclf-tray in a session with a desktop.")
_NO_DISPLAY: Final = ("The X display does not answer.", "Start taskclf-tray in the session you work in.")


def builtin_obstacle(environ: Mapping[str, str], platform: str = sys.platform) -> SourceError | None:
    """Return why the built-in watcher can see nothing here; None when it can. Takes at most about two seconds."""
    backend = attention_backend(environ, platform)
    if backend == "wayland":
        return SourceError(*WAYLAND)
    if backend not in _NAMES:
        return SourceError(*_NO_DESKTOP)
    if backend == "x11" and not within(_PROBE_SECONDS, lambda: _has_display(environ["DISPLAY"]), thread_name="desk"):
        return SourceError(*_NO_DISPLAY)
    return None


def open_builtin(
    paths: HomePaths,
    normaliser: Normaliser,
    environ: Mapping[str, str],
    platform: str = sys.platform,
    *,
    counts_input: bool = False,
    retention_days: int = KEPT.days,
) -> BuiltinSource:
    """Open the ring of the home, which keeps no event longer than minutes are kept.

    The desk is opened when it may be looked at. Raises StoreError.
    """
    return BuiltinSource(
        normaliser,
        ActivityRing(paths.activity),
        desk_opener(environ, platform, counts_input=counts_input),
        desk_name=_NAMES.get(attention_backend(environ, platform), "nothing"),
        kept=min(KEPT, timedelta(days=retention_days)),
    )


def desk_opener(
    environ: Mapping[str, str], platform: str = sys.platform, *, counts_input: bool = False
) -> Callable[[], Desk]:
    """Return what opens the desk of this platform. Input is counted on X11 only."""
    # each of them loads its own platform's libraries
    if platform.startswith("linux"):
        from taskclf_tray.system.desk_x11 import X11Desk

        return partial(X11Desk, environ, counts_input=counts_input)
    from taskclf_tray.system.desk_polled import MacDesk, WindowsDesk

    return MacDesk if platform == "darwin" else WindowsDesk


def _has_display(name: str) -> bool:
    display = open_local_display(name, _PROBE_SECONDS)
    if display is not None:
        display.close()
    return display is not None
