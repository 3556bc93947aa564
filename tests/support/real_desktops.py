"""Other real desktops than Xfce: how each is started on a virtual screen, with one panel and nothing else.

GNOME and sway run with every `make test`, the others with `make desktops`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.dbus_bus import private_bus
from tests.support.desktop import HEIGHT, PANEL_HEIGHT, WIDTH, Desktop, Recipe, program
from tests.support.processes import stop, wait_until

NOBODY = 65534
_KEYFILE = ".config/glib-2.0/settings/keyfile"
_IN_A_FILE = {"GSETTINGS_BACKEND": "keyfile"}
_DRAWN_BY_HAND = {"KWIN_COMPOSE": "N", "QT_QUICK_BACKEND": "software", "XDG_SESSION_TYPE": "x11"}
_NEVER_WELCOMED = "99.0"


def _system_bus(_desk: Desktop, running: contextlib.ExitStack) -> Mapping[str, str]:
    """A system bus without services: some programs do not start without one."""
    return {"DBUS_SYSTEM_BUS_ADDRESS": running.enter_context(private_bus()).address}


GNOME = Recipe(
    "GNOME",
    ("gnome-shell", "gnome-shell-extension-appindicator"),
    (("gnome-shell", "--x11"),),
    {"XDG_CURRENT_DESKTOP": "GNOME", "XDG_SESSION_TYPE": "x11", "LIBGL_ALWAYS_SOFTWARE": "1", **_IN_A_FILE},
    {
        _KEYFILE: (
            "[org/gnome/shell]\n"
            "enabled-extensions=['ubuntu-appindicators@ubuntu.com']\n"
            f"welcome-dialog-last-shown-version='{_NEVER_WELCOMED}'\n"
            "[org/gnome/desktop/interface]\nenable-animations=false\n"
        )
    },
    width=2 * WIDTH,  # for twenty icons, since the clock stands in the middle
    display=_system_bus,
)


def _sway(desk: Desktop, running: contextlib.ExitStack) -> Mapping[str, str]:
    """sway in a window of the X server; it refuses to be root's, so root gives it to nobody."""
    folder = Path(tempfile.mkdtemp(prefix="sway-"))
    running.callback(shutil.rmtree, folder, ignore_errors=True)
    (folder / "config").write_text(f"xwayland disable\noutput X11-1 mode {WIDTH}x{HEIGHT}\n")
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        prefix = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    own = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "WLR_BACKENDS": "x11", "WLR_RENDERER": "pixman"}
    command = (*prefix, "sway", "--config", str(folder / "config"))
    running.enter_context(program(command, desk.env | own))
    (socket,) = wait_until(lambda: list(folder.glob("wayland-?")), "sway's socket", 15)
    return {"WAYLAND_DISPLAY": str(socket)}


SWAY = Recipe(
    "sway and waybar",
    ("sway", "waybar"),
    (("waybar",),),
    {"XDG_CURRENT_DESKTOP": "sway", "XDG_SESSION_TYPE": "wayland"},
    {
        ".config/waybar/config": (
            f'{{"height": {PANEL_HEIGHT}, "modules-right": ["tray"], "tray": {{"icon-size": 24, "spacing": 4}}}}'
        ),
        ".config/waybar/style.css": "window#waybar { background: #202020; }",
    },
    display=_sway,
)

MATE = Recipe(
    "MATE",
    ("mate-panel", "marco", "mate-settings-daemon"),
    (("mate-settings-daemon",), ("marco",), ("mate-panel",)),
    {"XDG_CURRENT_DESKTOP": "MATE", **_IN_A_FILE},
    services=("org.mate.panel.applet.NotificationAreaAppletFactory",),
    width=2 * WIDTH,
)
LXQT = Recipe(
    "LXQt",
    ("lxqt-panel", "openbox"),
    (("openbox",), ("lxqt-panel",)),
    {"XDG_CURRENT_DESKTOP": "LXQt"},
    {
        ".config/lxqt/panel.conf": (
            "panels=panel1\n[panel1]\nplugins=statusnotifier\nposition=Top\ndesktop=0\n"
            f"panelSize={PANEL_HEIGHT}\niconSize=24\nwidth=100\nwidth-percent=true\n"
            "[statusnotifier]\ntype=statusnotifier\nalignment=Right\n"
        )
    },
    width=2 * WIDTH,
)
KDE = Recipe(
    "KDE Plasma",
    ("plasma-desktop", "kwin-x11"),
    (("kwin_x11",), ("kded5",), ("plasmashell",)),
    {"XDG_CURRENT_DESKTOP": "KDE", "KDE_FULL_SESSION": "true", "KDE_SESSION_VERSION": "5", **_DRAWN_BY_HAND},
    services=("org.kde.ActivityManager", "org.kde.kglobalaccel"),
    width=2 * WIDTH,
    display=_system_bus,
)
CINNAMON = Recipe(
    "Cinnamon",
    ("cinnamon", "xapp-sn-watcher"),
    (("cinnamon",), ("/usr/libexec/xapps/sn-watcher/xapp-sn-watcher",)),
    {"XDG_CURRENT_DESKTOP": "X-Cinnamon", "XDG_SESSION_TYPE": "x11", "LIBGL_ALWAYS_SOFTWARE": "1", **_IN_A_FILE},
    {_KEYFILE: "[org/cinnamon]\ndesktop-effects=false\n"},
    width=2 * WIDTH,
    display=_system_bus,
)


STARTS = 20
BUSY_LOOPS = 2


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """As many programs that want a processor all the time."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"], text=True) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            stop(loop)
