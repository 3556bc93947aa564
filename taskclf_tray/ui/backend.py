"""Chooses the tray backend of this machine, and lists what it can do.

The UI is written against pystray's `Icon`, `Menu` and `MenuItem`; only this file knows which class serves them. `Menu`,
`MenuItem` and `KeyedItem` are the same on every platform.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from taskclf_tray.system.x11 import open_local_display, within
from taskclf_tray.ui.sni.base import Icon, KeyedItem, Menu, MenuItem

if sys.platform.startswith("linux"):
    from taskclf_tray.ui.sni.icon import SniIcon
    from taskclf_tray.ui.sni.watcher import PanelState, probe

if TYPE_CHECKING:
    from taskclf_tray.ui.icon import IconArt

__all__ = ["Capability", "KeyedItem", "Menu", "MenuItem", "TrayBackend", "capability_table", "choose_backend"]

_PICTURE_SIZE: Final = 64
_PROBE_SECONDS: Final = 1.5
_DISPLAY_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.25


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
        "sni": "tests, on a private bus and under xfce4-panel",
        "appindicator": "not run here",
        "gtk": "not run here",
        "win32": "not run here",
        "darwin": "not run here",
        "none": "tests",
    }
)
_SERVES: Final = MappingProxyType(
    {
        "sni": "Linux with a StatusNotifierWatcher (KDE, Xfce, Cinnamon, MATE, GNOME with its extension)",
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
    """The tray backend. `icon_class` is None when there is none; then `reason` is a sentence for the person."""

    name: str
    icon_class: Any
    reason: str = ""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this backend can do."""
        return CAPABILITIES[self.name]

    def picture(self, art: IconArt) -> Any:
        """The art in the form this backend takes: drawn for each size, or as one PIL image."""
        return art if self.name == "sni" else art.at(_PICTURE_SIZE)


def choose_backend(environ: Mapping[str, str], platform: str, *, panel_wait_seconds: float = 0.0) -> TrayBackend:
    """Choose the backend for this machine, within about 4 s plus `panel_wait_seconds`.

    At login the app may start before the panel: `panel_wait_seconds` is how long to wait for one on a session bus that
    answers.
    """
    if platform in ("win32", "darwin"):
        return TrayBackend(platform, Icon)
    if not platform.startswith("linux"):
        return TrayBackend("none", None, f"There is no tray icon on this platform ({platform}). {_TERMINAL}")
    state = _panel_state(environ, panel_wait_seconds)
    if state.watcher:
        return TrayBackend("sni", SniIcon)
    found = _pystray_backend(environ) if environ.get("DISPLAY") else None
    return found or TrayBackend("none", None, missing_sentence(environ, has_bus=state.bus))


def _panel_state(environ: Mapping[str, str], wait_seconds: float) -> PanelState:
    end = time.monotonic() + wait_seconds
    while True:
        state = probe(environ, _PROBE_SECONDS)
        if state.watcher or not state.bus or time.monotonic() >= end:
            return state
        time.sleep(_PAUSE_SECONDS)


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


def missing_sentence(environ: Mapping[str, str], *, has_bus: bool) -> str:
    """What is missing for a tray icon, and how to get it."""
    if not environ.get("DISPLAY") and not environ.get("WAYLAND_DISPLAY"):
        return f"There is no desktop here, so there is no tray icon. {_TERMINAL}"
    if not has_bus:
        return (
            "There is no tray icon because no D-Bus session bus answers: start the app from inside the desktop "
            f"session. {_TERMINAL}"
        )
    if "GNOME" in environ.get("XDG_CURRENT_DESKTOP", "").upper().split(":"):
        return (
            "GNOME shows no tray icons without an extension: install and switch on the extension “AppIndicator and "
            "KStatusNotifierItem Support” (package gnome-shell-extension-appindicator), log in again and restart "
            f"the app. {_TERMINAL}"
        )
    return (
        "No panel here takes tray icons: add the “Status Tray” or “System Tray” item to the panel (on a bare window "
        f"manager, start a panel such as xfce4-panel or waybar) and restart the app. {_TERMINAL}"
    )


def capability_table() -> str:
    """What each backend can do, as a Markdown table for the documentation."""
    head = ["Tray", *Capability, "Checked by"]
    lines = [head, ["---"] * len(head)]
    for name, can in CAPABILITIES.items():
        lines.append([_SERVES[name], *("yes" if each in can else "no" for each in Capability), _CHECKED[name]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
