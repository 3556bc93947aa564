"""The desks of the built-in watcher: real windows under a real window manager, and Windows' calls on a stand-in."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dbus_fast import Message, RequestNameReply, Variant

from taskclf_tray.adapters.watching import LOCKER, DeskLostError, Front
from taskclf_tray.system.desk_polled import WindowsDesk
from taskclf_tray.system.desk_x11 import X11Desk
from taskclf_tray.system.session_lock import LockWatch
from tests.support.dbus_bus import private_bus
from tests.support.dbus_calls import SyncClient
from tests.support.desktop import Desktop, desktop, program
from tests.support.processes import allowed, wait_until
from tests.support.real_windows import Windows

SAVER = ("/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver", "ActiveChanged")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desktop]:
    (tmp_path / "home").mkdir()
    with desktop(tmp_path / "home", panel=False) as running, program(["openbox"], running.env):
        probe = Windows(running.env["DISPLAY"])
        wait_until(probe.are_managed, "openbox")  # it leaves alone what is mapped while it starts
        probe.close()
        yield running


@pytest.mark.desktop
@pytest.mark.bus
def test_an_x11_desk_with_real_windows(desk: Desktop) -> None:
    seen = X11Desk(desk.env)
    windows = Windows(desk.env["DISPLAY"])

    def shows(front: Front | None) -> bool:
        """Whether the desk says so, told by the server long before the time is over."""
        end = time.monotonic() + 20
        while seen.front() != front and time.monotonic() < end:
            seen.wait(20)
        return seen.front() == front

    def is_quiet() -> bool:
        began = time.monotonic()
        seen.wait(0.3)
        return time.monotonic() - began >= 0.3

    assert shows(None)
    editor = windows.open("Code", "main.py — project")
    assert shows(Front("Code", "main.py — project"))
    windows.name(editor, "漢字.py")
    assert shows(Front("Code", "漢字.py"))
    windows.open("Firefox", "a page")
    assert shows(Front("Firefox", "a page"))
    wait_until(is_quiet, "the window manager to be done")
    windows.name(editor, "behind")
    assert is_quiet(), "the title of a window behind is no news"

    assert seen.counts() is None
    subprocess.run(["xdotool", "key", "a"], env=desk.env, check=True, timeout=240)
    assert seen.idle_seconds() < allowed(2)
    time.sleep(0.2)
    assert seen.idle_seconds() >= 0.2

    with SyncClient(desk.env) as client:
        for is_locked in (True, False):

            def told(value: bool = is_locked) -> bool:
                client.bus.send(Message.new_signal(*SAVER, "b", [value]))
                seen.wait(0.1)
                return seen.is_locked == value

            wait_until(told, "the lock")

    waker = threading.Timer(0.1, seen.wake)
    waker.start()
    began = time.monotonic()
    seen.wait(100)
    assert time.monotonic() - began < allowed(10)
    windows.close()  # and with it its windows
    assert shows(None)
    seen.close()
    assert "lock-watch" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.bus
def test_the_lock_that_logind_tells_is_that_of_the_own_session() -> None:
    login = "org.freedesktop.login1"
    heard: list[bool] = []
    with private_bus() as bus, SyncClient(bus.env) as client:
        assert client.run(client.bus.request_name(login)) is RequestNameReply.PRIMARY_OWNER
        env = {"XDG_SESSION_ID": "2", "DBUS_SYSTEM_BUS_ADDRESS": bus.address, "XDG_RUNTIME_DIR": "/nonexistent"}
        watch = LockWatch(env, lambda: heard.append(watch.is_locked))

        def tell(session: str, value: bool) -> None:
            body = [f"{login}.Session", {"LockedHint": Variant("b", value)}, []]
            path = f"/org/freedesktop/login1/session/{session}"
            client.bus.send(
                Message.new_signal(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body)
            )
            client.run(asyncio.sleep(0.05))

        wait_until(lambda: tell("_32", True) or heard == [True], "the lock")
        tell("_33", False)
        tell("c2", False)
        wait_until(lambda: tell("_32", False) or heard == [True, False], "the end of the lock")
        watch.close()
        watch.close()


@pytest.mark.desktop
def test_input_is_counted_and_never_which(desk: Desktop) -> None:
    seen = X11Desk(desk.env, counts_input=True)
    hands = ["key", "a", "key", "shift+b", "mousemove", "10", "10", "mousemove", "40", "50", "click", "1", "click", "4"]
    total: Counter[str] = Counter()

    def counted() -> bool:
        total.update(seen.counts() or {})
        return total["scrollY"] > 0

    wait_until(lambda: seen.counts() is not None, "the counter")
    subprocess.run(["xdotool", *hands], env=desk.env, check=True, timeout=240)
    wait_until(counted, "the input")
    assert (total["presses"], total["clicks"], total["scrollY"], total["scrollX"]) == (3, 1, 1, 0)
    assert total["deltaX"] >= 30
    assert total["deltaY"] >= 40
    seen.close()
    assert seen.counts() is None
    assert "input-counter" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.desktop
def test_a_display_that_goes_away_is_lost(tmp_path: Path) -> None:
    with pytest.raises(DeskLostError):
        X11Desk({"DISPLAY": ":65000"})
    with desktop(tmp_path / "home", panel=False) as running:
        seen = X11Desk(running.env)
        assert seen.front() is None
    with pytest.raises(DeskLostError):
        seen.front()
    seen.close()


class Dlls:
    """The calls of Windows as its documentation has them."""

    def __init__(self, program: str | None, title: str = "", ticks: int = 0, last: int = 0) -> None:
        self.closed: list[int] = []
        self.user32 = SimpleNamespace(
            GetForegroundWindow=lambda: 0 if program is None else 77,
            GetWindowTextW=self._text,
            GetWindowThreadProcessId=self._process,
            GetLastInputInfo=self._last_input,
        )
        self.kernel32 = SimpleNamespace(
            GetTickCount=lambda: ticks,
            OpenProcess=lambda access, inherits, number: 0 if program == "" else 5,
            QueryFullProcessImageNameW=self._image,
            CloseHandle=self.closed.append,
        )
        self._program, self._title, self._last = program, title, last

    def _text(self, window: int, buffer: Any, size: int) -> None:
        buffer.value = self._title[: size - 1]

    def _process(self, window: int, number: Any) -> None:
        number._obj.value = 4711

    def _image(self, handle: int, flags: int, buffer: Any, size: Any) -> None:
        buffer.value = f"C:\\Program Files\\Some\\{self._program}"

    def _last_input(self, info: Any) -> None:
        assert info._obj.size == ctypes.sizeof(info._obj) == 8
        info._obj.milliseconds = self._last


def test_windows_is_asked_as_its_documentation_says() -> None:
    dlls = Dlls("chrome.exe", "a page", ticks=5_000, last=2_000)
    seen = WindowsDesk(dlls)
    assert seen.front() == Front("chrome.exe", "a page")
    assert dlls.closed == [5]
    assert seen.idle_seconds() == 3.0
    assert not seen.is_locked
    assert WindowsDesk(Dlls(None)).front() is None
    assert WindowsDesk(Dlls("", "of an administrator")).front() == Front("unknown", "of an administrator")
    assert WindowsDesk(Dlls("x.exe", ticks=1_000, last=2**32 - 1_000)).idle_seconds() == 2.0
    locked = WindowsDesk(Dlls("LockApp.exe"))
    assert locked.front() == Front(LOCKER, "")
    assert locked.is_locked
