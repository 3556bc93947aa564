"""Full screen by the X window manager's properties, do not disturb by the service in which this desktop keeps it.

No service is started for the question: one that does not run silences nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dbus_fast import Message, MessageFlag, Variant
from dbus_fast.aio import MessageBus
from Xlib import X  # type: ignore[import-untyped]  # no types

from taskclf_tray.system.session_bus import ask, close, connect, session_bus_address
from taskclf_tray.system.x11 import open_local_display, within

QUESTION_SECONDS: Final = 0.5
"""How long each of the two questions may take; one that takes longer is answered with no."""
_NOTIFICATIONS: Final = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications")
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
# (bus name, path, interface, method, two texts): KDE, dunst, Xfce
_QUESTIONS: Final = (
    (*_NOTIFICATIONS, _PROPERTIES, "Get", "org.freedesktop.Notifications", "Inhibited"),
    (*_NOTIFICATIONS, _PROPERTIES, "Get", "org.dunstproject.cmd0", "paused"),
    ("org.xfce.Xfconf", "/org/xfce/Xfconf", "org.xfce.Xfconf", "GetProperty", "xfce4-notifyd", "/do-not-disturb"),
)
_GNOME: Final = ("gsettings", "get", "org.gnome.desktop.notifications", "show-banners")


def is_full_screen(environ: Mapping[str, str]) -> bool:
    """Whether the active window fills the screen, as far as X11 knows."""
    name = environ.get("DISPLAY")
    return bool(name) and within(QUESTION_SECONDS, lambda: _fills_screen(str(name)), thread_name="full-screen")


def _fills_screen(display_name: str) -> bool:
    display = open_local_display(display_name, QUESTION_SECONDS)
    if display is None:
        return False
    try:
        active = _values(display, display.screen().root, "_NET_ACTIVE_WINDOW")
        if not active or not active[0]:
            return False
        states = _values(display, display.create_resource_object("window", active[0]), "_NET_WM_STATE")
        return display.get_atom("_NET_WM_STATE_FULLSCREEN") in states
    except Exception:  # noqa: BLE001 - a window that closes meanwhile, a server that dies: Xlib's own errors
        return False
    finally:
        with contextlib.suppress(Exception):  # the same, once more
            display.close()


def _values(display: Any, window: Any, name: str) -> Sequence[int]:
    answer = window.get_full_property(display.get_atom(name), X.AnyPropertyType)
    return [] if answer is None else list(answer.value)


def is_do_not_disturb(environ: Mapping[str, str]) -> bool:
    """Whether the person has silenced notifications on this desktop."""
    return within(QUESTION_SECONDS, lambda: _is_silenced(environ), thread_name="do-not-disturb")


def _is_silenced(environ: Mapping[str, str]) -> bool:
    if "GNOME" in environ.get("XDG_CURRENT_DESKTOP", "").upper().split(":"):
        return _hides_banners(environ)
    return asyncio.run(_asked_on_the_bus(session_bus_address(environ)))


def _hides_banners(environ: Mapping[str, str]) -> bool:
    try:
        answer = subprocess.run(
            _GNOME, env=dict(environ), capture_output=True, text=True, timeout=QUESTION_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.stdout.strip() == "false"


async def _asked_on_the_bus(address: str | None) -> bool:
    """Whether any of the services says yes; an error of any kind is a no."""
    try:
        async with asyncio.timeout(QUESTION_SECONDS):
            bus = await connect(address)
            try:
                return any(await asyncio.gather(*(_says_yes(bus, *question) for question in _QUESTIONS)))
            finally:
                await close(bus)
    except Exception:  # noqa: BLE001 - no bus, no answer, an answer of another kind
        return False


async def _says_yes(bus: MessageBus, name: str, path: str, interface: str, method: str, *words: str) -> bool:
    question = Message(name, path, interface, method, flags=MessageFlag.NO_AUTOSTART, signature="ss", body=list(words))
    answer = await ask(bus, question)
    value = answer[0] if answer else None
    return isinstance(value, Variant) and value.value is True
