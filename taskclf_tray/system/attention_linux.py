"""Full screen by the X window manager's properties, do not disturb by the service that shows the notifications.

Every notification service keeps the switch in a place of its own, so the service is asked for its name first; where
none runs, the desktop's name says which one would. No service is started for the question: one that does not run
silences nobody.
"""

from __future__ import annotations

import asyncio
import configparser
import contextlib
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from dbus_fast import Message, MessageFlag, Variant
from dbus_fast.aio import MessageBus
from Xlib import X  # type: ignore[import-untyped]  # no types

from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.system.session_bus import ask, close, connect, session_bus_address
from taskclf_tray.system.x11 import open_local_display, within

QUESTION_SECONDS: Final = 0.5
"""How long each of the two questions may take; one that takes longer is answered with no."""
_NOTIFICATIONS: Final = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications")
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_MAX_SETTINGS_BYTES: Final = 1_000_000
_MAKO_MODES: Final = frozenset({"do-not-disturb", "dnd"})


@dataclass(frozen=True, slots=True)
class _Call:
    """A question on the bus: (bus name, path, interface, method, its texts), and what a yes looks like.

    `unanswered` is what an error means: None where the service may be too old to know.
    """

    address: tuple[str, ...]
    is_yes: Callable[[Any], bool] = bool
    unanswered: bool | None = False


@dataclass(frozen=True, slots=True)
class _Setting:
    """A key of GSettings, and the value that silences."""

    schema: str
    key: str
    quiet: str


@dataclass(frozen=True, slots=True)
class _File:
    """A switch in a settings file below the person's configuration: true silences."""

    path: str
    section: str
    key: str


_Place = _Call | _Setting | _File
_PLASMA: Final = _Call((*_NOTIFICATIONS, _PROPERTIES, "Get", _NOTIFICATIONS[0], "Inhibited"), unanswered=None)
_DUNST: Final = _Call((*_NOTIFICATIONS, _PROPERTIES, "Get", "org.dunstproject.cmd0", "paused"))
_XFCE: Final = _Call(
    ("org.xfce.Xfconf", "/org/xfce/Xfconf", "org.xfce.Xfconf", "GetProperty", "xfce4-notifyd", "/do-not-disturb")
)
_PLACES: Final[Mapping[str, _Place]] = MappingProxyType(
    {
        "cinnamon": _Setting("org.cinnamon.desktop.notifications", "display-notifications", "false"),
        "dunst": _DUNST,
        "gnome-shell": _Setting("org.gnome.desktop.notifications", "show-banners", "false"),
        "lxqt-notificationd": _File("lxqt/notifications.conf", "General", "doNotDisturb"),
        "mako": _Call(
            (_NOTIFICATIONS[0], "/fr/emersion/Mako", "fr.emersion.Mako", "ListModes"),
            is_yes=lambda modes: not _MAKO_MODES.isdisjoint(modes),
        ),
        "mate": _Setting("org.mate.NotificationDaemon", "do-not-disturb", "true"),
        "plasma": _PLASMA,
        "swaynotificationcenter": _Call(
            ("org.erikreider.swaync.cc", "/org/erikreider/swaync/cc", "org.erikreider.swaync.cc", "GetDnd")
        ),
        "xfce notify daemon": _XFCE,
    }
)
"""Where each notification service keeps the switch, by its name in lower case."""
_SERVICE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "GNOME": "gnome-shell",
        "LXQT": "lxqt-notificationd",
        "MATE": "mate",
        "X-CINNAMON": "cinnamon",
        "XFCE": "xfce notify daemon",
    }
)
"""The service of a desktop, by its name in XDG_CURRENT_DESKTOP."""


def is_full_screen(environ: Mapping[str, str]) -> bool:
    """Whether the active window fills the screen, as far as X11 knows."""
    name = environ.get("DISPLAY")
    return bool(name and within(QUESTION_SECONDS, lambda: _fills_screen(str(name)), thread_name="full-screen"))


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


def do_not_disturb(environ: Mapping[str, str]) -> bool | None:
    """Whether the person has silenced notifications on this desktop; None where that cannot be found out."""
    return within(QUESTION_SECONDS, lambda: asyncio.run(_asked(environ)), thread_name="do-not-disturb")


async def _asked(environ: Mapping[str, str]) -> bool | None:
    try:
        async with asyncio.timeout(QUESTION_SECONDS):
            bus = await connect(session_bus_address(environ))
            try:
                name = await _service_name(bus)
                place = _PLACES.get(name or _of_desktop(environ))
                return await _looked_up(bus, place, environ, is_known=name is not None)
            finally:
                await close(bus)
    except Exception:  # noqa: BLE001 - no bus, no answer, an answer of another kind
        place = _PLACES.get(_of_desktop(environ))
        return None if place is None or isinstance(place, _Call) else _read(place, environ)


async def _looked_up(
    bus: MessageBus, place: _Place | None, environ: Mapping[str, str], *, is_known: bool
) -> bool | None:
    """What the place says; where the service told no known name, any yes of the services that can be asked is one."""
    if place is not None:
        return await _answer(bus, place) if isinstance(place, _Call) else _read(place, environ)
    answers = await asyncio.gather(*(_answer(bus, call) for call in (_PLASMA, _DUNST, _XFCE)))
    return True if any(answers) else None if is_known else False


async def _service_name(bus: MessageBus) -> str | None:
    """The running service's name in lower case; None where none runs, or it does not say."""
    question = Message(*_NOTIFICATIONS, _NOTIFICATIONS[0], "GetServerInformation", flags=MessageFlag.NO_AUTOSTART)
    answer = await ask(bus, question)
    if not answer:
        return None
    name, vendor = str(answer[0]).lower(), str(answer[1]).lower()
    return "mate" if vendor.startswith("mate") else name  # "Notification Daemon", as GNOME's old one


def _of_desktop(environ: Mapping[str, str]) -> str:
    """The name of the service that belongs to this desktop; empty where none is known."""
    desktops = environ.get("XDG_CURRENT_DESKTOP", "").upper().split(":")
    known = [] if "BUDGIE" in desktops else [_SERVICE_OF[name] for name in desktops if name in _SERVICE_OF]
    return known[0] if known else ""


async def _answer(bus: MessageBus, call: _Call) -> bool | None:
    name, path, interface, method, *words = call.address
    question = Message(
        name, path, interface, method, flags=MessageFlag.NO_AUTOSTART, signature="s" * len(words), body=words
    )
    answer = await ask(bus, question)
    if not answer:
        return call.unanswered
    return call.is_yes(answer[0].value if isinstance(answer[0], Variant) else answer[0])


def _read(place: _Setting | _File, environ: Mapping[str, str]) -> bool | None:
    return _setting(place, environ) if isinstance(place, _Setting) else _in_file(place, environ)


def _setting(place: _Setting, environ: Mapping[str, str]) -> bool | None:
    command = ["gsettings", "get", place.schema, place.key]
    try:
        answer = subprocess.run(
            command, env=dict(environ), capture_output=True, text=True, timeout=QUESTION_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    said = answer.stdout.strip()
    return said == place.quiet if said in ("true", "false") else None


def _in_file(place: _File, environ: Mapping[str, str]) -> bool:
    """Whether the switch is on in the person's file; one that is missing or damaged was never set."""
    folder = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "")) / ".config"
    values = configparser.RawConfigParser(strict=False)
    try:
        text = read_regular(Path(folder) / place.path, _MAX_SETTINGS_BYTES)
        values.read_string(text.decode("utf-8", errors="replace"))
        return values.getboolean(place.section, place.key)
    except (OSError, ValueError, configparser.Error):
        return False
