"""Which program a Linux desktop opens a kind of file with: xdg-mime's answer, read from its .desktop file."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.system.opener import clean_environment

_QUERY_SECONDS = 3.0
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DesktopEntry:
    """What matters of one .desktop file."""

    desktop_id: str
    command: tuple[str, ...]
    in_terminal: bool
    categories: frozenset[str]

    @property
    def can_edit(self) -> bool:
        """A window program that is no browser: a browser would only show a JSON file."""
        return bool(self.command) and not self.in_terminal and "WebBrowser" not in self.categories

    def command_for(self, path: Path) -> list[str]:
        """The command that opens `path`, the field codes of `Exec` filled in."""
        filled: list[str] = []
        for word in self.command:
            if word in ("%f", "%F"):
                filled.append(str(path))
            elif word in ("%u", "%U"):
                filled.append(path.as_uri())
            elif not (len(word) == 2 and word.startswith("%") and word != "%%"):
                filled.append(word.replace("%%", "%"))
        return filled


def default_entry(mime: str, environ: Mapping[str, str]) -> DesktopEntry | None:
    """The program the desktop opens this MIME type with; None when there is none, or it cannot be found out."""
    desktop_id = _ask(["xdg-mime", "query", "default", mime], environ)
    return _read_entry(desktop_id, environ) if desktop_id.endswith(".desktop") else None


def mime_type(path: Path, environ: Mapping[str, str]) -> str:
    """The desktop's name for the kind of file, empty when it cannot be found out."""
    return _ask(["xdg-mime", "query", "filetype", str(path)], environ)


def _ask(command: list[str], environ: Mapping[str, str]) -> str:
    try:
        answer = subprocess.run(
            command,
            env=clean_environment(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_QUERY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode("utf-8", "replace").strip()


def _read_entry(desktop_id: str, environ: Mapping[str, str]) -> DesktopEntry | None:
    home = environ.get("HOME", "")
    data_home = environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
    data_dirs = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    for folder in (data_home, *data_dirs.split(":")):
        # an id may stand for a file in a sub-folder: kde-x.desktop is kde/x.desktop
        for name in (desktop_id, desktop_id.replace("-", "/", 1)):
            values = _main_section(Path(folder) / "applications" / name)
            if values is not None:
                return _entry(desktop_id, values)
    return None


def _entry(desktop_id: str, values: Mapping[str, str]) -> DesktopEntry | None:
    try:
        command = tuple(shlex.split(values.get("Exec", "")))
    except ValueError:
        return None
    categories = frozenset(values.get("Categories", "").split(";"))
    return DesktopEntry(desktop_id, command, values.get("Terminal", "").lower() == "true", categories)


def _main_section(path: Path) -> dict[str, str] | None:
    try:
        lines = read_regular(path, _MAX_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    values: dict[str, str] = {}
    inside = False
    for line in lines:
        if line.startswith("["):
            inside = line.strip() == "[Desktop Entry]"
        elif inside and "=" in line:
            key, _, value = line.partition("=")
            values.setdefault(key.strip(), value.strip())
    return values
