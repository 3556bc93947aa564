"""Whether a question would disturb now: a program fills the screen, or the person has asked for quiet.

Asked only when a question is about to be shown; the libraries for Linux are loaded then.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

_log = logging.getLogger(__name__)

# of Windows' SHQueryUserNotificationState: QUNS_BUSY, QUNS_RUNNING_D3D_FULL_SCREEN, QUNS_PRESENTATION_MODE
_FULL_SCREEN: Final = frozenset({2, 3, 4})
_QUIET_TIME: Final = 6


@dataclass(frozen=True, slots=True)
class Attention:
    """What is known of the person's attention; False where it cannot be known."""

    is_full_screen: bool = False
    is_do_not_disturb: bool = False


class Sense(StrEnum):
    """What can be noticed."""

    FULL_SCREEN = "full screen"
    DO_NOT_DISTURB = "do not disturb"


_ALL: Final = frozenset(Sense)
SENSES: Final = MappingProxyType(
    {
        "x11": _ALL,
        "wayland": frozenset({Sense.DO_NOT_DISTURB}),
        "win32": _ALL,
        "darwin": frozenset[Sense](),
        "none": frozenset[Sense](),
    }
)
_SERVICES: Final = "KDE, GNOME, Xfce, MATE, Cinnamon, LXQt, dunst, mako and SwayNotificationCenter"
_NOTICES: Final = MappingProxyType(
    {
        "x11": f"Linux on X11: the window manager; {_SERVICES}",
        "wayland": f"Linux on Wayland: {_SERVICES}; of full screen only X11 programs",
        "win32": "Windows: the state the shell tells; of do not disturb only the first hour after a setup",
        "darwin": "macOS: offers no way to ask",
        "none": "no desktop",
    }
)
_CHECKED: Final = MappingProxyType(
    {
        "x11": "tests: openbox, xfconfd, dunst, mako, LXQt; the others by stand-ins",
        "wayland": "tests, as on X11",
        "win32": "not run here",
        "darwin": "nothing to run",
        "none": "tests",
    }
)


def attention_backend(environ: Mapping[str, str], platform: str) -> str:
    """The row of `SENSES` for this desktop."""
    if platform in ("win32", "darwin"):
        return platform
    if not platform.startswith("linux"):
        return "none"
    if environ.get("WAYLAND_DISPLAY"):
        return "wayland"
    return "x11" if environ.get("DISPLAY") else "none"


def attention_now(environ: Mapping[str, str], platform: str) -> Attention:
    """What is known now. Takes at most about a second and never raises."""
    try:
        return _BACKENDS[attention_backend(environ, platform)](environ)
    except Exception as error:  # noqa: BLE001 - foreign code on every platform; the question is then asked
        _log.warning("Whether a question disturbs could not be found out (%s).", type(error).__name__)
        return Attention()


def senses_now(environ: Mapping[str, str], platform: str) -> frozenset[Sense]:
    """What can be noticed here and now: on Linux, do not disturb only where the notification service tells it.

    Takes at most about half a second.
    """
    backend = attention_backend(environ, platform)
    known = SENSES[backend]
    if backend not in ("x11", "wayland"):
        return known
    # Linux only, and loads D-Bus and Xlib, as below
    from taskclf_tray.system.attention_linux import do_not_disturb

    return known if do_not_disturb(environ) is not None else known - {Sense.DO_NOT_DISTURB}


def _linux(environ: Mapping[str, str]) -> Attention:
    # Linux only, and loads D-Bus and Xlib: 60 ms that a question takes and the start does not
    from taskclf_tray.system.attention_linux import do_not_disturb, is_full_screen

    return Attention(is_full_screen(environ), bool(do_not_disturb(environ)))


def _windows(_environ: Mapping[str, str]) -> Attention:
    return shell_state()


def shell_state() -> Attention:
    """What Windows tells a program that wants to notify; Attention() when it says nothing.

    Never run on Windows so far.
    """
    state = ctypes.c_int(0)
    shell: Any = ctypes.windll.shell32  # type: ignore[attr-defined, unused-ignore]
    if shell.SHQueryUserNotificationState(ctypes.byref(state)) != 0:
        return Attention()
    return attention_of(state.value)


def attention_of(state: int) -> Attention:
    """Convert a QUERY_USER_NOTIFICATION_STATE."""
    return Attention(is_full_screen=state in _FULL_SCREEN, is_do_not_disturb=state == _QUIET_TIME)


def _nothing_known(_environ: Mapping[str, str]) -> Attention:
    return Attention()


_BACKENDS: Final[Mapping[str, Callable[[Mapping[str, str]], Attention]]] = MappingProxyType(
    {"x11": _linux, "wayland": _linux, "win32": _windows, "darwin": _nothing_known, "none": _nothing_known}
)


def attention_table() -> str:
    """What is noticed where, as a Markdown table for the documentation."""
    head = ["Attention", *Sense, "Checked by"]
    lines = [head, ["---"] * len(head)]
    for name, can in SENSES.items():
        lines.append([_NOTICES[name], *("yes" if each in can else "no" for each in Sense), _CHECKED[name]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
