"""Categories of the programs installed on a Linux desktop, from their .desktop files.

Format: Desktop Entry Specification 1.5 and Desktop Menu Specification 1.1 (freedesktop.org).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from taskclf_tray.core.regular_files import open_regular

MAX_FILES: Final = 3000
MAX_FILE_BYTES: Final = 64 * 1024

# the first that a program carries decides: from the particular to the general
_CATEGORIES: Final[tuple[tuple[str, str], ...]] = (
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
# what starts other programs, and so names none
_LAUNCHERS: Final = frozenset({"env", "sh", "bash", "python", "python3", "java", "wine", "flatpak", "snap", "pkexec"})


def installed_categories(directories: Sequence[Path] | None = None) -> dict[str, str]:
    """Lower-case program name → category, over the names a window may report; an unreadable file is passed over.

    Names: StartupWMClass before the file's name before the command before the display name.
    """
    where = application_directories() if directories is None else directories
    entries = [entry for path in islice(_files(where), MAX_FILES) if (entry := _entry(path))]
    found: dict[str, str] = {}
    for rank in range(4):
        for names, category in entries:
            if names[rank]:
                found.setdefault(names[rank], category)
    return found


def application_directories(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Where .desktop files are (XDG Base Directory Specification, and the exports of Flatpak and Snap)."""
    home = environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    shared = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    roots = [home, f"{home}/flatpak/exports/share", *shared.split(":")]
    roots += ["/var/lib/flatpak/exports/share", "/var/lib/snapd/desktop"]
    return [Path(root) / "applications" for root in dict.fromkeys(roots) if Path(root).is_absolute()]


def _files(directories: Sequence[Path]) -> Iterator[Path]:
    for directory in directories:
        try:
            paths = sorted(directory.iterdir())
        except OSError:
            continue
        yield from (path for path in paths if path.suffix == ".desktop")


def _entry(path: Path) -> tuple[tuple[str, str, str, str], str] | None:
    """(names by rank, category) of one file; None when it names no category we know."""
    try:
        with open_regular(path) as file:
            text = file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    values = _main_group(text)
    carried = set(values.get("Categories", "").split(";"))
    category = next((ours for theirs, ours in _CATEGORIES if theirs in carried), None)
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
