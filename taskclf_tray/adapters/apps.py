"""Programs by their reported name: id, category and three flags (contract, section 3).

Watchers report WM_CLASS (Linux), the exe name (Windows) or the display name (macOS). The contract's table is
`data/app_registry.csv`, unchanged; `data/app_registry_extra.csv` adds the common programs of the three systems. On a
Linux desktop, other programs get the category of their .desktop file (Desktop Entry Specification 1.5 and Desktop Menu
Specification 1.1, freedesktop.org).
"""

from __future__ import annotations

import csv
import functools
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Final

from taskclf_tray.adapters.calls import is_call_program
from taskclf_tray.core.regular_files import open_regular

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
"""Programs that lock the screen. The table also has gnome-shell and portals under `lockscreen`, but a person who opens
the overview or a file dialog is still present, so they are missing here."""

UNKNOWN_APP: Final = "unknown."
"""The prefix of the id of a program that is in no table."""
MAX_NAME_CHARACTERS: Final = 128
_REMEMBERED: Final = 1024
_NAMELESS: Final = frozenset({"", "unknown"})
MAX_DESKTOP_FILES: Final = 3000
MAX_DESKTOP_FILE_BYTES: Final = 64 * 1024
# the first that a program carries decides: from the particular to the general
_DESKTOP_CATEGORIES: Final[tuple[tuple[str, str], ...]] = (
    ("WebBrowser", "browser"),
    ("TerminalEmulator", "terminal"),
    ("Email", "email"),
    ("VideoConference", "meeting"),
    ("InstantMessaging", "chat"),
    ("Chat", "chat"),
    ("IRCClient", "chat"),
    ("FileManager", "file_manager"),
    ("ProjectManagement", "project_mgmt"),
    ("IDE", "editor"),
    ("TextEditor", "editor"),
    ("WordProcessor", "docs"),
    ("Spreadsheet", "docs"),
    ("Presentation", "docs"),
    ("Dictionary", "docs"),
    ("Documentation", "docs"),
    ("Game", "other"),
    ("Development", "devtools"),
    ("AudioVideo", "media"),
    ("Audio", "media"),
    ("Video", "media"),
    ("Office", "docs"),
    ("Graphics", "design"),
    ("Settings", "utilities"),
    ("System", "utilities"),
    ("Utility", "utilities"),
)
# launchers of other programs, which name none
_LAUNCHERS: Final = frozenset({"env", "sh", "bash", "python", "python3", "java", "wine", "flatpak", "snap", "pkexec"})


@dataclass(frozen=True, slots=True)
class AppInfo:
    """The properties of a program that features use."""

    app_id: str
    app_category: str = "other"
    is_browser: bool = False
    is_editor: bool = False
    is_terminal: bool = False
    is_locker: bool = False
    is_call: bool = False
    """A program for calls, whatever its title."""


class AppRegistry:
    """Looks up reported names; never fails, and gives one name the same result for its whole life.

    `installed` returns categories of installed programs by lower-case name. It is called once, at the first unknown
    name, because reading every .desktop file takes a moment.
    """

    def __init__(self, table: Mapping[str, AppInfo], installed: Callable[[], Mapping[str, str]] | None = None) -> None:
        self._table = table
        self._installed_source = installed
        self._installed: Mapping[str, str] | None = None
        self._known: dict[str, AppInfo] = {}

    @classmethod
    @functools.cache
    def default(cls) -> AppRegistry:
        """Return the registry of the two shipped tables and, on Linux, the installed .desktop files."""
        table = dict(_rows("app_registry_extra.csv"))
        table.update(_rows("app_registry.csv"))  # the contract's rows win
        return cls(table, installed_categories if sys.platform.startswith("linux") else None)

    def lookup(self, name: str) -> AppInfo:
        """Return the program for a reported name, ignoring case, outer spaces and a trailing `.exe`."""
        key = clean_name(name)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._find(key)
        return known

    def named(self) -> Iterable[tuple[str, AppInfo]]:
        """Return every reported name of the tables with its program."""
        return self._table.items()

    def common_name(self, app_id: str) -> str | None:
        """Return a reported name for a known app id, preferably one contained in the id; None for an unknown id."""
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
    """Clean a name for storage and display: lower case, stripped, no control or format characters, ≤ 128 long."""
    cut = name[: 4 * MAX_NAME_CHARACTERS]
    if cut.isascii() and cut.isprintable():  # nearly every name; a look at each character takes ten times as long
        return cut.strip().lower()[:MAX_NAME_CHARACTERS]
    shown = "".join(" " if c.isspace() else c for c in cut if c.isspace() or unicodedata.category(c)[0] != "C")
    return shown.strip().lower()[:MAX_NAME_CHARACTERS]


def is_nameless(app: str, title: str) -> bool:
    """Whether a watcher reports that no window has the focus: app and title are both empty or `unknown`."""
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
    """Return the name of an app for people: the reported name of an unknown app, else the last part of the id.

    None for a name without a letter or digit, which would leave a hole in the sentence, and for `unknown`.
    """
    name = app_id.removeprefix(UNKNOWN_APP)
    name = name if name != app_id else app_id.rpartition(".")[2]
    return name if name != "unknown" and any(character.isalnum() for character in name) else None


def installed_categories(directories: Sequence[Path] | None = None) -> dict[str, str]:
    """Map lower-case program names to categories, from the .desktop files; unreadable files are skipped.

    Precedence: StartupWMClass, then the file's name, then the command, then the display name.
    """
    where = application_directories() if directories is None else directories
    entries = [entry for path in islice(_desktop_files(where), MAX_DESKTOP_FILES) if (entry := _desktop_entry(path))]
    found: dict[str, str] = {}
    for rank in range(4):
        for names, category in entries:
            if names[rank]:
                found.setdefault(names[rank], category)
    return found


def application_directories(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """List the folders of .desktop files (XDG Base Directory Specification, and the exports of Flatpak and Snap)."""
    home = environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    shared = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    roots = [home, f"{home}/flatpak/exports/share", *shared.split(":")]
    roots += ["/var/lib/flatpak/exports/share", "/var/lib/snapd/desktop"]
    return [Path(root) / "applications" for root in dict.fromkeys(roots) if Path(root).is_absolute()]


def _desktop_files(directories: Sequence[Path]) -> Iterator[Path]:
    for directory in directories:
        try:
            paths = sorted(directory.iterdir())
        except OSError:
            continue
        yield from (path for path in paths if path.suffix == ".desktop")


def _desktop_entry(path: Path) -> tuple[tuple[str, str, str, str], str] | None:
    """Return (names by rank, category) of a file; None when no category of it is known."""
    try:
        with open_regular(path) as file:
            text = file.read(MAX_DESKTOP_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    values = _main_group(text)
    carried = set(values.get("Categories", "").split(";"))
    category = next((ours for theirs, ours in _DESKTOP_CATEGORIES if theirs in carried), None)
    if category is None:
        return None
    wm_class = values.get("StartupWMClass", "").strip().lower()
    return (
        wm_class,
        path.stem.lower(),
        _command(values.get("Exec", "")),
        values.get("Name", "").strip().lower(),
    ), category


def _main_group(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == "[Desktop Entry]"
        elif inside and not line.startswith("#"):
            key, equals, value = line.partition("=")
            if equals:
                values.setdefault(key.strip(), value.strip())
    return values


def _command(exec_line: str) -> str:
    words = exec_line.split()
    name = words[0].strip('"').rpartition("/")[2].lower() if words else ""
    return "" if name in _LAUNCHERS else name
