"""Open a text file in the person's editor.

Linux: the desktop's program for this kind of file (xdg-mime's answer, read from its .desktop file), when it is an
editor (a .json often opens in a browser); else its text editor; else whatever xdg-open finds; else the folder. macOS:
the default text editor. Windows: the associated program, else Notepad. `$VISUAL` and `$EDITOR` are terminal programs as
a rule: they count only for a caller that was started from a terminal.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.system.opener import OpenResult, clean_environment, has_display, launch, open_folder

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


def open_in_editor(path: Path, *, environ: Mapping[str, str] | None = None, from_terminal: bool = False) -> OpenResult:
    """Open the file; never raises and never waits for the editor to be closed.

    It waits for programs to start, about 0.1 s when all is well and some seconds when several fail in turn: call it
    from the worker, not from the thread that draws. `opened="nothing"`: show and copy the path.
    """
    env = os.environ if environ is None else environ
    path = path.resolve()
    if from_terminal and (own := env.get("VISUAL") or env.get("EDITOR")):
        command = _split(own)
        if command and launch([*command, str(path)], env, on_terminal=True):
            return OpenResult("file", command[0])
    if not has_display(env):
        return OpenResult("nothing", reason=f"There is no display to open an editor on; the file is {path}.")
    if sys.platform == "win32":
        opened = _on_windows(path, env)
    elif sys.platform == "darwin":
        opened = "open -t" if launch(["open", "-t", str(path)], env) else ""
    else:
        opened = _on_linux(path, env)
    return OpenResult("file", opened) if opened else _only_folder(path, env)


def _on_linux(path: Path, env: Mapping[str, str]) -> str:
    entry = default_entry(mime_type(path, env), env)
    if entry is not None and entry.can_edit and launch(["xdg-open", str(path)], env):
        return "xdg-open"
    text_editor = default_entry("text/plain", env)
    if text_editor is not None and text_editor.can_edit and launch(text_editor.command_for(path), env):
        return text_editor.desktop_id
    return "xdg-open" if launch(["xdg-open", str(path)], env) else ""


def _on_windows(path: Path, env: Mapping[str, str]) -> str:
    if sys.platform == "win32":
        try:
            os.startfile(path)  # noqa: S606 - no shell is what we want
        except OSError:  # 1155: no program is associated with the file
            return "notepad.exe" if launch(["notepad.exe", str(path)], env) else ""
    return "startfile"


def _only_folder(path: Path, env: Mapping[str, str]) -> OpenResult:
    folder = open_folder(path.parent, environ=env)
    if folder.opened == "folder":
        return OpenResult("folder", folder.program, f"No editor could be started; its folder is open: {path}.")
    return OpenResult("nothing", reason=f"No editor could be started; the file is {path}.")


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command, posix=os.name != "nt")
    except ValueError:
        return []
