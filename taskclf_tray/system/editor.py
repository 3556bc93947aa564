"""Open a text file in the person's editor.

Linux: the desktop's program for this kind of file, when it is an editor (a .json often opens in a browser); else its
text editor; else whatever xdg-open finds; else the folder. macOS: the default text editor. Windows: the associated
program, else Notepad. `$VISUAL` and `$EDITOR` are terminal programs as a rule: they count only for a caller that was
started from a terminal.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from taskclf_tray.system.desktop_entry import default_entry, mime_type
from taskclf_tray.system.opener import OpenResult, has_display, launch, open_folder


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
