"""A real session manager: it starts the app at login, and a logout loses nothing and takes the open question back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from taskclf_tray.app.live_status import read_status
from taskclf_tray.store.database import Database
from taskclf_tray.system.autostart import XdgLogin
from taskclf_tray.system.lock import is_running
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.system.session_end import SessionEnd
from tests.support.demo_home import DemoHome
from tests.support.desktop import XFCE, Desktop, bare_desktop
from tests.support.notify_service import NotificationService
from tests.support.processes import is_over, stop, wait_until

pytestmark = [pytest.mark.desktop, pytest.mark.bus]

_SESSION = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-session" version="1.0">
  <property name="general" type="empty">
    <property name="FailsafeSessionName" type="string" value="Failsafe"/>
    <property name="SaveOnExit" type="bool" value="false"/>
  </property>
  <property name="sessions" type="empty">
    <property name="Failsafe" type="empty">
      <property name="IsFailsafe" type="bool" value="true"/>
      <property name="Count" type="int" value="2"/>
      <property name="Client0_Command" type="array"><value type="string" value="openbox"/></property>
      <property name="Client1_Command" type="array">
        <value type="string" value="xfce4-panel"/><value type="string" value="--disable-wm-check"/>
      </property>
    </property>
  </property>
</channel>
"""
_FILES = {".config/xfce4/xfconf/xfce-perchannel-xml/xfce4-session.xml": _SESSION}
SPEED = "120"


@contextmanager
def logged_in(folder: Path, home: Path) -> Iterator[tuple[Desktop, subprocess.Popen[str], NotificationService]]:
    """A session of Xfce whose login entry starts the demo; its manager and its notification service."""
    settings = {**XFCE.settings, "XDG_CONFIG_DIRS": str(folder / "none"), "SSH_AUTH_SOCK": "none"}
    recipe = replace(XFCE, settings=settings, files={**XFCE.files, **_FILES})
    with bare_desktop(folder, recipe) as desk:
        program = str(Path(sys.executable).parent / "taskclf-tray")
        XdgLogin([program, "demo", "--speed", SPEED, "--home", str(home)], desk.env).switch(True)
        service = NotificationService(desk.bus.address)
        manager = subprocess.Popen(
            ["xfce4-session"], env=desk.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )
        try:
            yield desk, manager, service
        finally:
            stop(manager)
            service.stop()


def app_of(home: Path) -> int | None:
    """The process id of the app that runs for the home."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"demo" in words and str(home).encode() in words:
            return int(place.parent.name)
    return None


def holes(home: DemoHome) -> list[tuple[int, int]]:
    """The pairs of neighbouring minutes between which something is missing; there must be a few minutes."""
    user = (home.root / "data" / "processed" / ".user_id").read_text().strip()
    database = Database(home.paths.database, read_only=True)
    try:
        minutes = [(record.start_us, record.end_us) for record in database.buckets.iterate(user, -(1 << 62), 1 << 62)]
        assert database.is_sound()
    finally:
        database.close()
    assert len(minutes) > 5
    return [(left[1], right[0]) for left, right in pairwise(minutes) if left[1] != right[0]]


def questions(service: NotificationService) -> list[int]:
    """The numbers of the notices that have buttons."""
    return [number for number, notice in enumerate(service.shown, 1) if notice.actions]


def end_display() -> None:
    """What a display manager does after a logout. The session bus goes on, as systemd's does."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    (server,) = (child for child in children if Path(f"/proc/{child}/comm").read_text() == "Xvfb\n")
    os.kill(int(server), signal.SIGTERM)


def test_a_logout_and_a_sleep_lose_nothing_and_the_next_login_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    demo = DemoHome(home)
    with logged_in(tmp_path / "first", home) as (desk, manager, service):
        app = wait_until(lambda: app_of(home), "the app, started by the session", 30)
        asked = wait_until(lambda: questions(service), "a question", 90)
        os.kill(app, signal.SIGSTOP)  # as the computer sleeps: the simulated person works on for minutes
        subprocess.run(["sleep", "2"], check=True)
        os.kill(app, signal.SIGCONT)
        subprocess.run(["xfce4-session-logout", "--logout", "--fast"], env=desk.env, check=True, timeout=120)
        assert manager.wait(120) == 0
        end_display()
        wait_until(lambda: is_over(app), "the end of the app with its session", 60)
        assert set(asked) <= set(service.closed)
    log = (home / "tray" / "tray.log").read_text()
    assert "The desktop session has ended." in log
    assert " ERROR " not in log
    assert not is_running(home)
    assert holes(demo) == []
    assert demo.requests() != []
    with logged_in(tmp_path / "second", home):
        again = wait_until(lambda: app_of(home), "the app in the next session", 30)
        wait_until(lambda: read_status(HomePaths(home)).core_label, "its label", 60)
    wait_until(lambda: is_over(again), "its end, with the session bus", 60)


def test_the_end_of_a_compositor_is_seen_and_of_nothing_else(tmp_path: Path) -> None:
    ended = threading.Event()
    environ = {"WAYLAND_DISPLAY": "wayland-7", "XDG_RUNTIME_DIR": str(tmp_path), "DISPLAY": ":0"}
    with SessionEnd(environ, ended.set):  # nobody there
        pass
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "wayland-7"))
        server.listen()
        with SessionEnd(environ, ended.set):
            client = server.accept()[0]
        client.close()
        assert not ended.is_set()
        with SessionEnd(environ, ended.set):
            client = server.accept()[0]
            client.sendall(b"something")
            client.close()
            assert ended.wait(120)
