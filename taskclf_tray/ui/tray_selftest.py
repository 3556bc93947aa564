"""The self-test of the tray: an icon is served, its menu is read and clicked as a panel does it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from taskclf_tray.app.selftest import NotHereError, SelftestError
from taskclf_tray.app.snapshot import IconState
from taskclf_tray.ui.backend import Menu, MenuItem, choose_backend
from taskclf_tray.ui.icon import IconArt

if sys.platform.startswith("linux"):
    from dbus_fast import Message, Variant
    from dbus_fast.aio import MessageBus

    from taskclf_tray.system.session_bus import ask, close, connect, session_bus_address
    from taskclf_tray.ui.sni.icon import SniIcon
    from taskclf_tray.ui.sni.item import MENU_PATH

_SECONDS: Final = 10.0
_TEXTS: Final = ("Self-test", "Quit")
_BUS: Final = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


def tray_works(_folder: Path) -> str:
    """Raises NotHereError without a session bus, SelftestError."""
    clicked = threading.Event()
    menu = Menu(*(MenuItem(text, lambda _icon, _item: clicked.set()) for text in _TEXTS))
    art = IconArt(IconState.LIVE, "S", "#4477aa")
    if os.name == "posix" and sys.platform != "darwin":
        return _on_bus(SniIcon("taskclf-selftest", art, "Self-test", menu), clicked)
    backend = choose_backend(os.environ, sys.platform)
    if backend.icon_class is None:
        raise NotHereError(backend.reason)
    backend.icon_class("taskclf-selftest", backend.picture(art), "Self-test", menu).run(_show_once)
    return f"an icon with a menu was shown ({backend.name})"


def _show_once(icon: Any) -> None:
    icon.visible = True
    icon.stop()


def _on_bus(icon: Any, clicked: threading.Event) -> str:
    address = session_bus_address(os.environ)
    if address is None:
        raise NotHereError("there is no D-Bus session bus")
    ready = threading.Event()

    def set_up(shown: Any) -> None:
        shown.visible = True
        ready.set()

    icon.run_detached(set_up)
    try:
        if not ready.wait(_SECONDS):
            raise NotHereError("the D-Bus session bus does not answer")
        texts = asyncio.run(_read_and_click(address))
    finally:
        icon.stop()
        icon.join(_SECONDS)
    if texts != list(_TEXTS):
        raise SelftestError(f"the menu read over D-Bus holds {texts}")
    if not clicked.wait(_SECONDS):
        raise SelftestError("a click on the menu did not arrive")
    return "an icon was served over D-Bus, its menu read and clicked"


async def _read_and_click(address: str) -> list[str]:
    """The texts of the menu, top to bottom, after a click on the first; empty when no menu answers."""
    bus = await connect(address)
    try:
        async with asyncio.timeout(_SECONDS):
            async for name in _own_connections(bus):
                layout = await ask(bus, _to_menu(name, "GetLayout", "iias", 0, -1, []))
                if layout is not None:
                    entries = [entry.value for entry in layout[1][2]]
                    await ask(bus, _to_menu(name, "Event", "isvu", entries[0][0], "clicked", Variant("s", ""), 0))
                    return [str(properties["label"].value) for _, properties, _ in entries]
        return []
    finally:
        await close(bus)


def _to_menu(name: str, member: str, signature: str, *values: Any) -> Message:
    return Message(name, MENU_PATH, "com.canonical.dbusmenu", member, signature=signature, body=list(values))


async def _own_connections(bus: MessageBus) -> AsyncIterator[str]:
    """The other connections of this process to the bus: the icon is served on one of them."""
    names = await ask(bus, Message(*_BUS, "ListNames"))
    for name in [] if names is None else names[0]:
        if name.startswith(":") and name != bus.unique_name:
            owner = await ask(bus, Message(*_BUS, "GetConnectionUnixProcessID", signature="s", body=[name]))
            if owner == [os.getpid()]:
                yield str(name)
