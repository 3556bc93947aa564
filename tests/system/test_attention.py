"""Full screen and do not disturb, seen on a real window manager and in the services that keep them."""
# no `from __future__ import annotations`: dbus-fast reads the annotations of the stand-in as D-Bus signatures

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from dbus_fast import PropertyAccess, RequestNameReply
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool
from dbus_fast.service import ServiceInterface, dbus_property

from taskclf_tray.system.attention import (
    SENSES,
    Attention,
    Sense,
    attention_backend,
    attention_now,
    attention_of,
    attention_table,
    senses_now,
)
from tests.support.dbus_bus import private_bus
from tests.support.desktop import desktop
from tests.support.notify_service import NotificationService
from tests.support.processes import allowed, ready_child, stop, wait_until

NOTHING = Attention()
FULL_SCREEN = Attention(is_full_screen=True)
QUIET = Attention(is_do_not_disturb=True)
WINDOW = "tests.support.fullscreen_window"


def becomes(expected: Attention, env: Mapping[str, str]) -> bool:
    return wait_until(lambda: attention_now(env, "linux") == expected, str(expected))


@pytest.mark.desktop
@pytest.mark.bus
def test_a_real_window_manager_and_a_real_settings_service(tmp_path: Path) -> None:
    def silence(value: str) -> None:
        command = ["xfconf-query", "-c", "xfce4-notifyd", "-p", "/do-not-disturb", "-n", "-t", "bool", "-s", value]
        subprocess.run(command, env=desk.env, check=True, timeout=240)

    with desktop(tmp_path / "home") as desk:
        assert attention_now(desk.env, "linux") == NOTHING
        with ready_child(WINDOW, ["plain"], desk.env):
            assert attention_now(desk.env, "linux") == NOTHING
        with ready_child(WINDOW, [], desk.env):
            assert becomes(FULL_SCREEN, desk.env)
            with ready_child(WINDOW, ["plain"], desk.env):  # now the active one
                assert becomes(NOTHING, desk.env)
        assert becomes(NOTHING, desk.env)
        silence("true")
        assert attention_now(desk.env, "linux") == QUIET
        silence("false")
        assert attention_now(desk.env, "linux") == NOTHING


@pytest.mark.desktop
@pytest.mark.bus
def test_a_real_dunst_that_is_paused(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with desktop(tmp_path / "home", panel=False) as desk:
        dunst = subprocess.Popen(
            ["dunst"], env=desk.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )
        try:

            def pause(value: str) -> bool:
                done = subprocess.run(["dunstctl", "set-paused", value], env=desk.env, capture_output=True, check=False)
                return done.returncode == 0

            wait_until(lambda: pause("true"), "dunst")
            assert attention_now(desk.env, "linux") == QUIET
            assert pause("false")
            assert attention_now(desk.env, "linux") == NOTHING
        finally:
            stop(dunst)


class KdeService(ServiceInterface):
    """What Plasma answers beside the notices."""

    def __init__(self) -> None:
        super().__init__("org.freedesktop.Notifications")
        self.inhibited = True

    @dbus_property(access=PropertyAccess.READ)
    def Inhibited(self) -> DBusBool:
        return self.inhibited


@contextmanager
def kde(address: str) -> Iterator[KdeService]:
    service = KdeService()
    loop = asyncio.new_event_loop()

    async def serve() -> MessageBus:
        bus = await MessageBus(bus_address=address).connect()
        bus.export("/org/freedesktop/Notifications", service)
        assert await bus.request_name("org.freedesktop.Notifications") is RequestNameReply.PRIMARY_OWNER
        return bus

    async def leave(bus: MessageBus) -> None:
        bus.disconnect()
        await bus.wait_for_disconnect()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        bus = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
        yield service
        asyncio.run_coroutine_threadsafe(leave(bus), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(120)
        loop.close()


@pytest.mark.bus
def test_plasma_is_asked() -> None:
    with private_bus() as bus, kde(bus.address) as service:
        env = {"DBUS_SESSION_BUS_ADDRESS": bus.address, "WAYLAND_DISPLAY": "wayland-0"}
        assert attention_now(env, "linux") == QUIET
        service.inhibited = False
        assert attention_now(env, "linux") == NOTHING
        service.inhibited = True
        env = {"XDG_RUNTIME_DIR": str(bus.folder), "WAYLAND_DISPLAY": "wayland-0"}
        assert attention_now(env, "linux") == QUIET


@pytest.mark.bus
def test_a_service_that_knows_no_silence() -> None:
    with private_bus() as bus:
        env = {"DBUS_SESSION_BUS_ADDRESS": bus.address, "WAYLAND_DISPLAY": "wayland-0"}
        assert attention_now(env, "linux") == NOTHING  # nobody there
        service = NotificationService(bus.address)
        try:
            assert attention_now(env, "linux") == NOTHING
        finally:
            service.stop()


@pytest.mark.parametrize(("answer", "expected"), [("false", QUIET), ("true", NOTHING), ("No such schema", NOTHING)])
def test_gnome_is_asked_by_its_own_tool(tmp_path: Path, answer: str, expected: Attention) -> None:
    tool = tmp_path / "gsettings"
    tool.write_text(f'#!/bin/sh\n[ "$*" = "get org.gnome.desktop.notifications show-banners" ] && echo {answer}\n')
    tool.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/bin", "XDG_CURRENT_DESKTOP": "ubuntu:GNOME", "WAYLAND_DISPLAY": "wayland-0"}
    assert attention_now(env, "linux") == expected


QUIET_SETTINGS = {
    "org.gnome.desktop.notifications show-banners": "false",
    "org.cinnamon.desktop.notifications display-notifications": "false",
    "org.mate.NotificationDaemon do-not-disturb": "true",
}


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A home on whose PATH GSettings answers from the file `settings`."""
    tool = tmp_path / "gsettings"
    tool.write_text('#!/bin/sh\nsed -n "s/^$2 $3 //p" "$HOME/settings"\n')
    tool.chmod(0o755)
    return tmp_path / "settings"


@pytest.mark.bus
def test_each_service_is_asked_where_it_keeps_the_switch(settings: Path) -> None:
    """By the service's name, whatever the desktop calls itself; by the desktop's, where no service runs."""
    lines = [f"{key} {quiet}" for key, quiet in QUIET_SETTINGS.items()]
    lxqt = settings.parent / "config" / "lxqt" / "notifications.conf"
    lxqt.parent.mkdir(parents=True)
    by_service = [("gnome-shell", "GNOME"), ("cinnamon", "GNOME"), ("Notification Daemon", "MATE")]
    with private_bus() as bus:
        env = {
            "PATH": f"{settings.parent}:/bin:/usr/bin",
            "HOME": str(settings.parent),
            "XDG_CONFIG_HOME": str(settings.parent / "config"),
            "DBUS_SESSION_BUS_ADDRESS": bus.address,
            "WAYLAND_DISPLAY": "wayland-0",
        }

        def answers(server: tuple[str, str]) -> tuple[bool, bool]:
            """Whether it is quiet, and whether that can be known."""
            service = NotificationService(bus.address, server=server)
            try:
                known = Sense.DO_NOT_DISTURB in senses_now(env, "linux")
                return attention_now(env, "linux").is_do_not_disturb, known
            finally:
                service.stop()

        for number, server in enumerate(by_service):
            settings.write_text(lines[number])
            assert answers(server) == (True, True)
            settings.write_text(lines[number].replace("true", "TRUE").replace("false", "true").replace("TRUE", "false"))
            assert answers(server) == (False, True)
            settings.write_text("")
            assert answers(server) == (False, False), "no such key"
        assert answers(("lxqt-notificationd", "lxqt.org")) == (False, True)
        lxqt.write_text("[General]\nserver_decides=10\ndoNotDisturb=true\n")
        assert answers(("lxqt-notificationd", "lxqt.org")) == (True, True)
        lxqt.write_text("no settings at all")
        assert answers(("lxqt-notificationd", "lxqt.org")) == (False, True)
        assert answers(("Budgie Notification Server", "Solus")) == (False, False)
        assert answers(("Plasma", "KDE")) == (False, False), "too old to say"
        settings.write_text("\n".join(lines))
        for desktop_name in ("ubuntu:GNOME", "X-Cinnamon", "MATE"):
            assert attention_now({**env, "XDG_CURRENT_DESKTOP": desktop_name}, "linux") == QUIET
        assert attention_now({**env, "XDG_CURRENT_DESKTOP": "Budgie:GNOME"}, "linux") == NOTHING


def test_a_tool_that_hangs_or_is_missing(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "XDG_CURRENT_DESKTOP": "GNOME", "WAYLAND_DISPLAY": "wayland-0"}
    assert attention_now(env, "linux") == NOTHING
    tool = tmp_path / "gsettings"
    tool.write_text("#!/bin/sh\nexec /bin/sleep 2\n")
    tool.chmod(0o755)
    began = time.monotonic()
    assert attention_now(env, "linux") == NOTHING
    assert time.monotonic() - began < allowed(1)


@contextmanager
def deaf_socket(path: str) -> Iterator[None]:
    """Accepts connections and says nothing."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(8)
        yield


def test_servers_that_hang_cost_half_a_second_each(tmp_path_factory: pytest.TempPathFactory) -> None:
    number = 40_000 + os.getpid() % 20_000
    display = f"/tmp/.X11-unix/X{number}"
    bus = str(tmp_path_factory.mktemp("b") / "bus")
    Path(display).parent.mkdir(exist_ok=True)
    try:
        with deaf_socket(display), deaf_socket(bus):
            env = {"DISPLAY": f":{number}", "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}"}
            began = time.monotonic()
            assert attention_now(env, "linux") == NOTHING
            assert time.monotonic() - began < allowed(1.5)
    finally:
        Path(display).unlink(missing_ok=True)


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"DISPLAY": ":65000"},
        {"DISPLAY": "elsewhere.example:0"},
        {"DISPLAY": "\x00"},
        {"DISPLAY": ":65000", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"},
        {"DISPLAY": ":65000", "DBUS_SESSION_BUS_ADDRESS": "no address"},
    ],
)
@pytest.mark.parametrize("platform", ["linux", "win32", "darwin", "sunos5"])
def test_what_is_not_there_is_no_and_never_an_error(env: dict[str, str], platform: str) -> None:
    assert attention_now(env, platform) == NOTHING


@pytest.mark.parametrize(
    ("env", "platform", "name"),
    [
        ({"DISPLAY": ":0"}, "linux", "x11"),
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, "linux", "wayland"),
        ({}, "linux", "none"),
        ({}, "win32", "win32"),
        ({}, "darwin", "darwin"),
        ({"DISPLAY": ":0"}, "sunos5", "none"),
    ],
)
def test_which_backend(env: dict[str, str], platform: str, name: str) -> None:
    assert attention_backend(env, platform) == name


@pytest.mark.parametrize(
    ("state", "expected"),
    [(1, NOTHING), (2, FULL_SCREEN), (3, FULL_SCREEN), (4, FULL_SCREEN), (5, NOTHING), (6, QUIET), (7, NOTHING)],
)
def test_the_states_of_windows(state: int, expected: Attention) -> None:
    assert attention_of(state) == expected


def test_the_table_has_every_backend() -> None:
    lines = attention_table().splitlines()
    assert len(lines) == len(SENSES) + 2
    assert [sense in lines[0] for sense in Sense] == [True, True]
    assert "| no | no |" in lines[-1]


def test_importing_it_loads_no_library() -> None:
    code = (
        "import sys, taskclf_tray.system.attention; print(sorted({'Xlib', 'dbus_fast', 'asyncio'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    assert answer.stdout.strip() == "[]"
