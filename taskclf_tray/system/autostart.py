"""Starting at login: the entry the desktop reads, where each platform keeps it, and the switch of it.

On Linux it is a desktop entry in `autostart/` (freedesktop.org, Desktop Application Autostart Specification), on macOS
a launch agent, on Windows a value of the Run key. The last two are written, not run.

An entry belongs to the person. It is switched off by `Hidden=true`, the one key that every program which starts such
entries heeds, and also over an entry that a package has installed for all users. Keys that the person has added stay,
and so does an edited command as long as its program exists.
"""

from __future__ import annotations

import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from taskclf_tray.core.atomic import write_bytes_atomic, write_text_atomic
from taskclf_tray.core.errors import SystemToolError, file_error
from taskclf_tray.core.regular_files import Links, read_regular
from taskclf_tray.system.job_entry import is_bundled
from taskclf_tray.system.paths import home_dir

if sys.platform == "win32":
    import winreg

PROGRAM: Final = "taskclf-tray"
_ENTRY: Final = f"{PROGRAM}.desktop"
_GROUP: Final = "[Desktop Entry]"
_OWN_COMMAND: Final = "X-Taskclf-Exec"
"""The command as it was written last: where `Exec` differs, the person has edited it."""
_MAX_BYTES: Final = 65_536
_ESCAPES: Final = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
_RUN_KEY: Final = r"Software\Microsoft\Windows\CurrentVersion\Run"
_APPROVED_KEY: Final = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
"""Where the Task Manager switches an entry off: a first byte that is odd."""


@dataclass(frozen=True, slots=True)
class LoginState:
    """Whether the app starts at login.

    Attributes:
        is_on: the desktop starts the entry.
        place: the file, or the registry value, that says so.
        command: the words that are started; empty without an entry.
        missing: the program of the entry, where it does not exist any more.
    """

    is_on: bool
    place: str
    command: tuple[str, ...] = ()
    missing: str | None = None


class LoginStart(ABC):
    """The login entry of one user on one platform."""

    def __init__(self, command: list[str]) -> None:
        """`command`: the words that start the app."""
        self._command = command

    def state(self) -> LoginState:
        """Read the entry. Raises SystemToolError."""
        try:
            return self._state()
        except OSError as error:
            raise _not_usable(error) from error

    def switch(self, is_on: bool) -> LoginState:
        """Switch it on or off; no change where it is so already. Raises SystemToolError."""
        try:
            self._switch(is_on)
        except OSError as error:
            raise _not_usable(error) from error
        return self.state()

    @abstractmethod
    def _state(self) -> LoginState: ...

    @abstractmethod
    def _switch(self, is_on: bool) -> None: ...


def _not_usable(error: OSError) -> SystemToolError:
    problem = "cannot be used as the entry for the start at login"
    told = file_error(error, kind=SystemToolError, problem=problem, next_step="Check its permissions, or remove it.")
    assert isinstance(told, SystemToolError)
    return told


def login_start(home: Path, environ: Mapping[str, str] | None = None) -> LoginStart:
    """The entry that starts the app with this home."""
    environ = os.environ if environ is None else environ
    command = start_command(home, environ)
    if sys.platform == "win32":
        return RunKeyLogin(command, WindowsRegistry())
    if sys.platform == "darwin":
        return LaunchAgentLogin(command, Path.home() / "Library" / "LaunchAgents")
    return XdgLogin(command, environ)


def start_command(home: Path, environ: Mapping[str, str]) -> list[str]:
    """The words that start the app: the installed script, the bundled program, or `python -P -m taskclf_tray`.

    An AppImage runs from a folder that changes at each start, so its own path stands there. The home is named where it
    is not the user's default, because TASKCLF_HOME is not set at login.
    """
    where = [] if home == home_dir(environ={}) else ["--home", str(home)]
    return [*_program(environ), "run", *where]


def _program(environ: Mapping[str, str]) -> list[str]:
    if is_bundled():
        image, folder = environ.get("APPIMAGE"), environ.get("APPDIR")
        is_image = image and folder and Path(folder) in Path(sys.executable).parents
        window = Path(sys.executable).with_name(f"{PROGRAM}-window.exe")  # the bundle for Windows has one
        return [image if image and is_image else str(window) if window.exists() else sys.executable]
    name = f"{PROGRAM}-window.exe" if sys.platform == "win32" else PROGRAM
    script = Path(sys.executable).parent / name  # the interpreter's link is kept: it tells the environment
    return [str(script)] if script.exists() else [sys.executable, "-P", "-m", "taskclf_tray"]


def missing_program(command: tuple[str, ...]) -> str | None:
    """The program of the command, where there is none."""
    if not command:
        return None
    return None if shutil.which(command[0]) else command[0]


# -- Linux ----------------------------------------------------------------------------------------------------


class XdgLogin(LoginStart):
    """A desktop entry in the user's `autostart` folder, which stands before those of the system."""

    def __init__(self, command: list[str], environ: Mapping[str, str]) -> None:
        super().__init__(command)
        home = environ.get("HOME") or str(Path.home())
        own = Path(environ.get("XDG_CONFIG_HOME") or Path(home, ".config"))
        self._own = own / "autostart" / _ENTRY
        folders = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
        self._of_system = [Path(folder, "autostart", _ENTRY) for folder in folders if folder.startswith("/")]

    def _state(self) -> LoginState:
        place, text = self._found()
        if text is None:
            return LoginState(False, str(place))
        keys = _keys(text)
        command = _words(keys.get("Exec", ""))
        is_on = keys.get("Hidden") != "true" and keys.get("X-GNOME-Autostart-enabled") != "false" and bool(command)
        return LoginState(is_on, str(place), command, missing_program(command) if is_on else None)

    def _switch(self, is_on: bool) -> None:
        _, text = self._found()
        if text is None and not is_on:
            return
        old = text if text is not None else _new_entry()
        new = self._switched_on(old) if is_on else _with_key(old, "Hidden", "true")
        if new != text:
            write_text_atomic(self._own, new)

    def _switched_on(self, text: str) -> str:
        keys = _keys(text)
        has_own_command = keys.get("Exec") == keys.get(_OWN_COMMAND)
        command = _words(keys.get("Exec", ""))
        if (has_own_command or not command or missing_program(command)) and command != tuple(self._command):
            line = _exec_line(self._command)
            text = _with_key(_with_key(text, "Exec", line), _OWN_COMMAND, line)
        if keys.get("X-GNOME-Autostart-enabled") == "false":
            text = _with_key(text, "X-GNOME-Autostart-enabled", "true")
        return _with_key(text, "Hidden", None)

    def _found(self) -> tuple[Path, str | None]:
        """The entry that counts, and its text; where there is none the user's place."""
        for place in (self._own, *self._of_system):
            try:
                text = read_regular(place, _MAX_BYTES, Links.TRUSTED).decode(errors="surrogateescape")
            except (FileNotFoundError, NotADirectoryError):
                continue
            if _GROUP in text.splitlines():  # anything else starts nothing
                return place, text
        return self._own, None


def _new_entry() -> str:
    return f"""{_GROUP}
Type=Application
Name=taskclf-tray
Comment=A private, live label for what kind of work the last minute was
Icon={PROGRAM}
Terminal=false
StartupNotify=false
"""


def _keys(text: str) -> dict[str, str]:
    """The keys of the entry's own group."""
    found: dict[str, str] = {}
    for line in _group_lines(text)[1]:
        name, is_key, value = line.partition("=")
        if is_key and not line.startswith("#"):
            found.setdefault(name.strip(), value.strip())
    return found


def _group_lines(text: str) -> tuple[list[str], list[str], list[str]]:
    """The lines before and with the group's head, those of the group, and those after it."""
    lines = text.splitlines()
    first = lines.index(_GROUP) + 1
    last = next((n for n in range(first, len(lines)) if lines[n].startswith("[")), len(lines))
    return lines[:first], lines[first:last], lines[last:]


def _with_key(text: str, name: str, value: str | None) -> str:
    """The text with one key set, or removed for None; every other line stays as it is."""
    before, lines, after = _group_lines(text)
    line = [] if value is None else [f"{name}={value}"]
    places = [n for n, old in enumerate(lines) if old.partition("=")[0].strip() == name]
    if places:
        first, *_ = places
        lines = [*lines[:first], *line, *(old for n, old in enumerate(lines) if n > first and n not in places)]
    else:
        end = len(lines)
        while end and not lines[end - 1].strip():  # before the empty lines that end the group
            end -= 1
        lines = [*lines[:end], *line, *lines[end:]]
    return "\n".join([*before, *lines, *after]) + "\n"


def _exec_line(command: list[str]) -> str:
    """The words as the value of `Exec`: quoted, and escaped once more as every value of a desktop entry."""
    return " ".join(_quoted(word) for word in command).replace("\\", "\\\\").replace("%", "%%")


def _quoted(word: str) -> str:
    if any(ord(char) < 32 for char in word):
        raise SystemToolError(
            f"A desktop entry cannot hold the path {word!r}.", "Use a folder without line ends and tabs in its name."
        )
    if word and not set(word) & set(" \"'\\><~|&;$*?#()`"):
        return word
    for char in '\\"`$':
        word = word.replace(char, f"\\{char}")
    return f'"{word}"'


def _words(line: str) -> tuple[str, ...]:
    """Undo `_exec_line`; empty where a quote is not closed."""
    plain = re.sub(r"\\(.?)", lambda found: _ESCAPES.get(found[1], found[0]), line)
    words, is_quoted, is_word = [""], False, False
    chars = iter(plain)
    for char in chars:
        if char == '"':
            is_quoted, is_word = not is_quoted, True
        elif char == " " and not is_quoted:
            words, is_word = ([*words, ""] if is_word else words), False
        else:
            words[-1] += next(chars, "") if char == "\\" else char
            is_word = True
    return () if is_quoted else tuple(word.replace("%%", "%") for word in (words if is_word else words[:-1]))


# -- macOS ----------------------------------------------------------------------------------------------------


class LaunchAgentLogin(LoginStart):
    """A property list in `~/Library/LaunchAgents`; off is `RunAtLoad` false, so that other keys stay."""

    def __init__(self, command: list[str], folder: Path) -> None:
        super().__init__(command)
        self._place = folder / f"{PROGRAM}.plist"

    def _state(self) -> LoginState:
        keys = self._read()
        words = keys.get("ProgramArguments")
        command = tuple(str(word) for word in words) if isinstance(words, list) else ()
        is_on = keys.get("RunAtLoad") is True and bool(command) and keys.get("Disabled") is not True
        return LoginState(is_on, str(self._place), command, missing_program(command) if is_on else None)

    def _switch(self, is_on: bool) -> None:
        keys = self._read()
        if not keys and not is_on:
            return
        own = {"Label": PROGRAM, "ProcessType": "Interactive"} | keys | {"RunAtLoad": is_on}
        if is_on:
            own |= {"ProgramArguments": self._command, "Disabled": False}
        if own != keys:
            write_bytes_atomic(self._place, plistlib.dumps(own))

    def _read(self) -> dict[str, object]:
        try:
            found = plistlib.loads(read_regular(self._place, _MAX_BYTES, Links.TRUSTED))
        except (FileNotFoundError, NotADirectoryError, plistlib.InvalidFileException, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


# -- Windows --------------------------------------------------------------------------------------------------


class Registry(Protocol):
    """The current user's part of the Windows registry."""

    def get(self, key: str, name: str) -> str | bytes | None:
        """A value; None where there is none. Raises OSError."""

    def set(self, key: str, name: str, value: str) -> None:
        """Set a value. Raises OSError."""

    def delete(self, key: str, name: str) -> None:
        """Remove a value, where there is one. Raises OSError."""


class RunKeyLogin(LoginStart):
    """A value of the Run key; the Task Manager may have switched it off."""

    def __init__(self, command: list[str], registry: Registry) -> None:
        super().__init__(command)
        self._registry = registry

    def _state(self) -> LoginState:
        line = self._registry.get(_RUN_KEY, PROGRAM)
        place = f"HKEY_CURRENT_USER\\{_RUN_KEY}\\{PROGRAM}"
        if not isinstance(line, str):
            return LoginState(False, place)
        approved = self._registry.get(_APPROVED_KEY, PROGRAM)
        is_on = not (isinstance(approved, bytes) and approved and approved[0] & 1)
        words = [word.strip('"') for word in shlex.split(line, posix=False)]
        return LoginState(is_on, place, tuple(words), missing_program(tuple(words)) if is_on else None)

    def _switch(self, is_on: bool) -> None:
        if is_on:
            self._registry.set(_RUN_KEY, PROGRAM, subprocess.list2cmdline(self._command))
        else:
            self._registry.delete(_RUN_KEY, PROGRAM)
        self._registry.delete(_APPROVED_KEY, PROGRAM)


if sys.platform == "win32":

    class WindowsRegistry:
        """The real one; written, not run."""

        def get(self, key: str, name: str) -> str | bytes | None:
            """A value; None where there is none."""
            try:
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key) as opened:
                    value = winreg.QueryValueEx(opened, name)[0]
            except FileNotFoundError:
                return None
            return value if isinstance(value, str | bytes) else None

        def set(self, key: str, name: str, value: str) -> None:
            """Set a value."""
            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, key) as opened:
                winreg.SetValueEx(opened, name, 0, winreg.REG_SZ, value)

        def delete(self, key: str, name: str) -> None:
            """Remove a value, where there is one."""
            try:
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key, 0, winreg.KEY_SET_VALUE) as opened:
                    winreg.DeleteValue(opened, name)
            except FileNotFoundError:
                return
