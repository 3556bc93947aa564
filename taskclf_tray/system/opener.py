"""Starts desktop programs: never through a shell, without waiting for their end, without our libraries."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

START_SECONDS: Final = 1.5
"""A program that is still running after this has started; openers that fail do so within it (measured: 0.1 s)."""

_running: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class OpenResult:
    """What was opened, by which program; `reason` says why not the file itself, as a sentence for the person."""

    opened: Literal["file", "folder", "nothing"]
    program: str = ""
    reason: str = ""


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a foreign program, with the library path from before a frozen app changed it."""
    clean = dict(environ)
    original = clean.pop("LD_LIBRARY_PATH_ORIG", None)
    if original is not None:
        clean["LD_LIBRARY_PATH"] = original
    elif getattr(sys, "frozen", False):
        clean.pop("LD_LIBRARY_PATH", None)
    return clean


def has_display(environ: Mapping[str, str]) -> bool:
    """Whether a window can show. Without a display, openers would start a text browser on a terminal."""
    return sys.platform in ("win32", "darwin") or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def launch(command: Sequence[str], environ: Mapping[str, str], *, on_terminal: bool = False) -> bool:
    """Start a program in a session of its own; returns whether it runs on, or ended with 0, within START_SECONDS."""
    _running[:] = [process for process in _running if process.poll() is None]
    stream = None if on_terminal else subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            list(command),
            env=clean_environment(environ),
            stdin=stream,
            stdout=stream,
            stderr=stream,
            start_new_session=not on_terminal,
        )
    except (OSError, ValueError):
        return False
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    if process.returncode is None:
        _running.append(process)  # reaped at the next launch
    return process.returncode in (None, 0)


def open_folder(path: Path, *, environ: Mapping[str, str] | None = None) -> OpenResult:
    """Show a folder in the file manager. Takes at most START_SECONDS."""
    env = os.environ if environ is None else environ
    folder = str(path.resolve())
    if not has_display(env):
        return OpenResult("nothing", reason=f"There is no display to show {folder} on.")
    if sys.platform == "win32":
        try:
            os.startfile(folder)  # noqa: S606 - no shell is what we want
        except OSError:
            return OpenResult("nothing", reason=f"The file manager did not start; the folder is {folder}.")
        return OpenResult("folder", "startfile")
    program = "open" if sys.platform == "darwin" else "xdg-open"
    if launch([program, folder], env):
        return OpenResult("folder", program)
    return OpenResult("nothing", reason=f"No file manager could be started; the folder is {folder}.")
