"""The desk of Windows and of macOS: the same questions, once a second. Never run so far."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any, Final

from taskclf_tray.adapters.watching import LOCKER, Front

_LOOK_SECONDS: Final = 1.0
_PATH_CHARACTERS: Final = 1024
_QUERY_LIMITED: Final = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
_LOCK_SCREENS: Final = frozenset({"lockapp.exe", "logonui.exe"})
_ANY_INPUT: Final = 0xFFFFFFFF  # kCGAnyInputEventType
_EVERY_SOURCE: Final = 0  # kCGEventSourceStateCombinedSessionState


class _PolledDesk:
    """What the two have in common: nothing tells them of a change, so they are looked at once a second."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._is_locked = False

    @property
    def is_locked(self) -> bool:
        """Whether a lock screen was in front at the last look."""
        return self._is_locked

    def counts(self) -> Mapping[str, int] | None:
        """Input is not counted here."""
        return None

    def wait(self, seconds: float) -> None:
        """Wait for `wake`, a second at most."""
        self._woken.wait(min(seconds, _LOOK_SECONDS))
        self._woken.clear()

    def wake(self) -> None:
        """End a wait."""
        self._woken.set()

    def close(self) -> None:
        """Nothing is held."""
        return


class _LastInput(ctypes.Structure):
    _fields_ = (("size", ctypes.c_uint), ("milliseconds", ctypes.c_uint))


class WindowsDesk(_PolledDesk):
    """The foreground window; the app is the name of its program's file."""

    name = "Windows"

    def __init__(self, windows: Any = None) -> None:
        """`windows`: stands in for ctypes.windll."""
        super().__init__()
        dlls: Any = ctypes.windll if windows is None else windows  # type: ignore[attr-defined, unused-ignore]
        self._user, self._kernel = dlls.user32, dlls.kernel32

    def front(self) -> Front | None:
        """The foreground window; None when none has the focus."""
        window = self._user.GetForegroundWindow()
        if not window:
            return None
        title = ctypes.create_unicode_buffer(_PATH_CHARACTERS)
        self._user.GetWindowTextW(window, title, _PATH_CHARACTERS)
        number = ctypes.c_ulong(0)
        self._user.GetWindowThreadProcessId(window, ctypes.byref(number))
        app = self._program(number.value)
        self._is_locked = app.lower() in _LOCK_SCREENS
        return Front(LOCKER if self._is_locked else app, title.value)

    def idle_seconds(self) -> float:
        """The time since the last input; both counters wrap around after 49 days."""
        last = _LastInput(ctypes.sizeof(_LastInput), 0)
        self._user.GetLastInputInfo(ctypes.byref(last))
        return float((self._kernel.GetTickCount() - last.milliseconds) % 2**32) / 1000

    def _program(self, number: int) -> str:
        handle = self._kernel.OpenProcess(_QUERY_LIMITED, False, number)
        if not handle:
            return "unknown"
        try:
            path, size = ctypes.create_unicode_buffer(_PATH_CHARACTERS), ctypes.c_ulong(_PATH_CHARACTERS)
            self._kernel.QueryFullProcessImageNameW(handle, 0, path, ctypes.byref(size))
            return PureWindowsPath(path.value).name or "unknown"
        finally:
            self._kernel.CloseHandle(handle)


class MacDesk(_PolledDesk):
    """The frontmost application; its title only where the person lets this program record the screen.

    Uses the packages that pystray brings: pyobjc's AppKit and Quartz.
    """

    name = "macOS"

    def __init__(self) -> None:
        super().__init__()
        # macOS only, and 20 MB
        import AppKit  # type: ignore[import-not-found, unused-ignore]
        import Quartz  # type: ignore[import-not-found, unused-ignore]

        self._workspace: Any = AppKit.NSWorkspace.sharedWorkspace()
        self._quartz: Any = Quartz

    def front(self) -> Front | None:
        """The frontmost application; None when there is none."""
        app = self._workspace.frontmostApplication()
        if app is None:
            return None
        name = str(app.localizedName())
        self._is_locked = name == "loginwindow"
        return Front(name, self._title(int(app.processIdentifier())))

    def idle_seconds(self) -> float:
        """The time since the last input."""
        return float(self._quartz.CGEventSourceSecondsSinceLastEventType(_EVERY_SOURCE, _ANY_INPUT))

    def _title(self, process: int) -> str:
        listed = self._quartz.CGWindowListCopyWindowInfo(
            self._quartz.kCGWindowListOptionOnScreenOnly | self._quartz.kCGWindowListExcludeDesktopElements,
            self._quartz.kCGNullWindowID,
        )
        titles = (w.get("kCGWindowName") for w in listed or () if w.get("kCGWindowOwnerPID") == process)
        return str(next((title for title in titles if title), ""))
