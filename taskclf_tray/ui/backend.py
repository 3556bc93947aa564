"""Chooses the tray backend of this machine, and lists what it can do.

The UI is written against pystray's `Icon`, `Menu` and `MenuItem`; only this file knows which class serves them. `Menu`,
`MenuItem` and `KeyedItem` are the same on every platform.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from taskclf_tray.app.text import Message, as_line
from taskclf_tray.system.x11 import open_local_display, within
from taskclf_tray.ui.sni.base import Icon, KeyedItem, Menu, MenuItem, current_desktops

if sys.platform.startswith("linux"):
    from taskclf_tray.ui.sni.icon import SniIcon
    from taskclf_tray.ui.sni.watcher import probe, served_icons

if TYPE_CHECKING:
    from taskclf_tray.ui.icon import IconArt

__all__ = ["Capability", "KeyedItem", "Menu", "MenuItem", "TrayBackend", "capability_table", "choose_backend"]

ICON_ID: Final = "taskclf"
"""The same in every session: panels remember the icon's place by it."""
_PICTURE_SIZE: Final = 64
_PROBE_SECONDS: Final = 1.5
_DISPLAY_SECONDS: Final = 2.0


class Capability(StrEnum):
    """What a tray backend can do."""

    MENU = "menu"
    CHECK = "check marks"
    RADIO = "radio marks"
    DEFAULT_ACTION = "left-click action"
    TOOLTIP = "tooltip"
    DYNAMIC = "texts change while it runs"
    REREGISTER = "comes back after a panel restart"


_ALL: Final = frozenset(Capability)
CAPABILITIES: Final = MappingProxyType(
    {
        "sni": _ALL,
        "appindicator": _ALL - {Capability.DEFAULT_ACTION},
        "gtk": _ALL - {Capability.TOOLTIP, Capability.REREGISTER},
        "win32": _ALL,
        "darwin": _ALL - {Capability.RADIO, Capability.DEFAULT_ACTION},
        "none": frozenset[Capability](),
    }
)
_CHECKED: Final = MappingProxyType(
    {
        "sni": "tests, on Xfce, GNOME and waybar; make desktops",
        "appindicator": "not run here",
        "gtk": "not run here",
        "win32": "not run here",
        "darwin": "not run here",
        "none": "tests",
    }
)
_SERVES: Final = MappingProxyType(
    {
        "sni": "Linux with a StatusNotifierWatcher (KDE, Xfce, Cinnamon, MATE, LXQt, waybar, GNOME with its extension)",
        "appindicator": "Linux on X11 without one, pystray through Ayatana",
        "gtk": "Linux on X11 without one, pystray through GTK",
        "win32": "Windows, pystray",
        "darwin": "macOS, pystray",
        "none": "no tray: the status line in the terminal",
    }
)
_TERMINAL: Final = "The app runs in this terminal and loses no function."


@dataclass(frozen=True, slots=True)
class TrayBackend:
    """The tray backend. `icon_class` is None when there is none.

    `missing`: why no icon is drawn now, and the next step; None when one is. A backend with an icon class and something
    missing waits for its panel.
    """

    name: str
    icon_class: Any
    missing: Message | None = None

    @property
    def reason(self) -> str:
        """What is missing, as a line for a terminal; empty when nothing is."""
        return "" if self.missing is None else f"{as_line(*self.missing)} {_TERMINAL}"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this backend can do."""
        return CAPABILITIES[self.name]

    def picture(self, art: IconArt) -> Any:
        """The art in the form this backend takes: drawn for each size, or as one PIL image."""
        return art if self.name == "sni" else art.at(_PICTURE_SIZE)


def choose_backend(environ: Mapping[str, str], platform: str) -> TrayBackend:
    """Choose the backend for this machine, within about 4 s.

    On Linux any session bus that answers will do: at login the app may start before the panel, and the icon comes when
    the panel does.
    """
    if platform in ("win32", "darwin"):
        return TrayBackend(platform, Icon)
    if not platform.startswith("linux"):
        return TrayBackend("none", None, (f"There is no tray icon on this platform ({platform}).", ""))
    state = probe(environ, _PROBE_SECONDS)
    if state.watcher:
        return TrayBackend("sni", SniIcon)
    found = _pystray_backend(environ) if environ.get("DISPLAY") else None
    if found is not None:
        return found
    missing = missing_panel(environ, has_bus=state.bus)
    return TrayBackend("sni", SniIcon, missing) if state.bus else TrayBackend("none", None, missing)


def _pystray_backend(environ: Mapping[str, str]) -> TrayBackend | None:
    """pystray's own backend, where an X11 tray takes icons and the backend can show a menu.

    Its plain X backend never can. Without a tray manager the icon would be drawn nowhere.
    """
    if not within(_DISPLAY_SECONDS, lambda: has_x11_tray(environ["DISPLAY"]), thread_name="tray-probe"):
        return None
    for name in ("appindicator", "gtk"):
        try:
            icon_class = importlib.import_module(f"pystray._{name}").Icon
        except Exception:  # noqa: BLE001, S112 - gi raises ImportError, ValueError and its own errors
            continue
        if icon_class.HAS_MENU:
            return TrayBackend(name, icon_class)
    return None


def has_x11_tray(display_name: str) -> bool:
    """Whether a tray manager owns the selection of the X11 system tray (freedesktop.org, System Tray Protocol).

    Local displays only.
    """
    connection = open_local_display(display_name, _DISPLAY_SECONDS)
    if connection is None:
        return False
    try:
        selection = connection.intern_atom(f"_NET_SYSTEM_TRAY_S{connection.get_default_screen()}")
        return bool(connection.get_selection_owner(selection))
    finally:
        connection.close()


def missing_panel(environ: Mapping[str, str], *, has_bus: bool) -> Message:
    """What is missing for a tray icon, and how to get it."""
    if not environ.get("DISPLAY") and not environ.get("WAYLAND_DISPLAY"):
        return "There is no desktop here, so there is no tray icon.", ""
    if not has_bus:
        return (
            "There is no tray icon because no D-Bus session bus answers.",
            "Start the app from inside the desktop session.",
        )
    desktops = current_desktops(environ)
    if "BUDGIE" in desktops:  # which is `Budgie:GNOME`
        return (
            "The panel has no place for this tray icon.",
            "Add “AppIndicator Applet” to the panel (package budgie-indicator-applet); the icon then comes by itself.",
        )
    if "GNOME" in desktops:
        return (
            "GNOME shows no tray icons without an extension.",
            "Install and switch on “AppIndicator and KStatusNotifierItem Support” (package "
            "gnome-shell-extension-appindicator) and log in again.",
        )
    return (
        "No panel here takes tray icons.",
        "Add the “Status Tray” or “System Tray” item to the panel (on a bare window manager, start a panel such as "
        "xfce4-panel or waybar); the icon then comes by itself.",
    )


def known_icons(environ: Mapping[str, str]) -> list[bool]:
    """Whether the panel has the icon, for each instance of this app in the session; empty where none runs."""
    return served_icons(environ, ICON_ID) if sys.platform.startswith("linux") else []


def capability_table() -> str:
    """What each backend can do, as a Markdown table for the documentation."""
    head = ["Tray", *Capability, "Checked by"]
    lines = [head, ["---"] * len(head)]
    for name, can in CAPABILITIES.items():
        lines.append([_SERVES[name], *("yes" if each in can else "no" for each in Capability), _CHECKED[name]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
