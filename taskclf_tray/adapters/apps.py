"""What a program's reported name means: its id, its category, and three flags (contract, section 3).

Watchers report WM_CLASS (Linux), the exe name (Windows) or the display name (macOS). The contract's table is
`data/app_registry.csv`, unchanged; `data/app_registry_extra.csv` adds the common programs of the three systems.
"""

from __future__ import annotations

import csv
import functools
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

from taskclf_tray.adapters.calls import is_call_program
from taskclf_tray.adapters.desktop_files import installed_categories

LOCKER_APP_IDS: Final = frozenset(
    {
        "com.apple.ScreenSaver.Engine",
        "com.apple.loginwindow",
        "com.github.gtklock",
        "com.github.waylock",
        "com.google.xsecurelock",
        "com.microsoft.LockApp",
        "com.microsoft.LogonUI",
        "org.cinnamon.ScreenSaver",
        "org.freedesktop.light-locker",
        "org.gnome.ScreenSaver",
        "org.hyprland.hyprlock",
        "org.i3wm.i3lock",
        "org.jwz.xscreensaver",
        "org.kde.kscreenlocker",
        "org.mate.ScreenSaver",
        "org.suckless.slock",
        "org.swaywm.swaylock",
        "org.xfce.ScreenSaver",
        "org.xtrlock.xtrlock",
    }
)
"""Programs that really lock a screen. The table also files gnome-shell and portals under `lockscreen`: a person who
opens the overview or a file dialog has not left, so these are not here."""

UNKNOWN_APP: Final = "unknown."
"""Begins the id of a program that no table knows."""
MAX_NAME_CHARACTERS: Final = 128
_REMEMBERED: Final = 1024
_NAMELESS: Final = frozenset({"", "unknown"})


@dataclass(frozen=True, slots=True)
class AppInfo:
    """A program: what features see of it."""

    app_id: str
    app_category: str = "other"
    is_browser: bool = False
    is_editor: bool = False
    is_terminal: bool = False
    is_locker: bool = False
    is_call: bool = False
    """A program for calls, whatever its title."""


class AppRegistry:
    """Looks names up, never fails, and answers the same name the same way for as long as it lives.

    `installed` gives categories of programs the tables do not know, by lower-case name; it is asked once, at the
    first unknown name, because reading every .desktop file takes a moment.
    """

    def __init__(self, table: Mapping[str, AppInfo], installed: Callable[[], Mapping[str, str]] | None = None) -> None:
        self._table = table
        self._installed_source = installed
        self._installed: Mapping[str, str] | None = None
        self._known: dict[str, AppInfo] = {}

    @classmethod
    @functools.cache
    def default(cls) -> AppRegistry:
        """The two shipped tables, and on Linux the installed .desktop files."""
        table = dict(_rows("app_registry_extra.csv"))
        table.update(_rows("app_registry.csv"))  # the contract's rows win
        return cls(table, installed_categories if sys.platform.startswith("linux") else None)

    def lookup(self, name: str) -> AppInfo:
        """The program reported as `name`: case and outer spaces do not matter, nor does a trailing `.exe`."""
        key = clean_name(name)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._find(key)
        return known

    def named(self) -> Iterable[tuple[str, AppInfo]]:
        """Every reported name of the tables with its program."""
        return self._table.items()

    def common_name(self, app_id: str) -> str | None:
        """What a known program is called: of its reported names one that is in its id. None for an unknown id."""
        names = [name for name, info in self._table.items() if info.app_id == app_id]
        alike = [name for name in names if "." not in name and name.replace(" ", "") in app_id.lower()]
        return max(alike, key=lambda name: (len(name), name)) if alike else min(names, key=len, default=None)

    def _find(self, key: str) -> AppInfo:
        bare = key.removesuffix(".exe")
        found = self._table.get(key) or self._table.get(bare)
        if found is not None:
            return found
        category = self._installed_categories().get(bare, "other")
        return _info(UNKNOWN_APP + key.replace(" ", "_").replace("/", "_"), category)

    def _installed_categories(self) -> Mapping[str, str]:
        if self._installed is None:
            self._installed = self._installed_source() if self._installed_source else {}
        return self._installed


def clean_name(name: str) -> str:
    """Lower case, stripped, and safe to store and show: no control, format or surrogate characters, ≤ 128 long."""
    cut = name[: 4 * MAX_NAME_CHARACTERS]
    if cut.isascii() and cut.isprintable():  # nearly every name; a look at each character takes ten times as long
        return cut.strip().lower()[:MAX_NAME_CHARACTERS]
    shown = "".join(" " if c.isspace() else c for c in cut if c.isspace() or unicodedata.category(c)[0] != "C")
    return shown.strip().lower()[:MAX_NAME_CHARACTERS]


def is_nameless(app: str, title: str) -> bool:
    """Whether a watcher says in these words that no window has the focus: nothing, or `unknown`, in both."""
    return clean_name(app) in _NAMELESS and clean_name(title) in _NAMELESS


def _rows(file_name: str) -> Iterator[tuple[str, AppInfo]]:
    text = (resources.files("taskclf_tray.adapters") / "data" / file_name).read_text(encoding="utf-8")
    by_id: dict[tuple[str, str], AppInfo] = {}  # one object for a program's many names
    for row in csv.DictReader(text.splitlines()):
        key = (row["app_id"], row["app_category"])
        if key not in by_id:
            by_id[key] = AppInfo(
                app_id=row["app_id"],
                app_category=sys.intern(row["app_category"]),
                is_browser=row["is_browser"] == "1",
                is_editor=row["is_editor"] == "1",
                is_terminal=row["is_terminal"] == "1",
                is_locker=row["app_id"] in LOCKER_APP_IDS,
                is_call=is_call_program(row["app_id"], row["app_category"]),
            )
        yield row["reported_name"], by_id[key]


def _info(app_id: str, category: str) -> AppInfo:
    return AppInfo(
        app_id=app_id,
        app_category=category,
        is_browser=category == "browser",
        is_editor=category == "editor",
        is_terminal=category == "terminal",
        is_call=is_call_program(app_id, category),
    )


def shown_app(app_id: str) -> str | None:
    """What a person calls the app: the reported name of an unknown one, else the last part of the id.

    None for a name without a letter or digit, which would leave a hole in the sentence, and for what no window named.
    """
    name = app_id.removeprefix(UNKNOWN_APP)
    name = name if name != app_id else app_id.rpartition(".")[2]
    return name if name != "unknown" and any(character.isalnum() for character in name) else None
