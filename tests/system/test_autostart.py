"""The entry for the start at login: valid, started for real, and the person's own."""

from __future__ import annotations

import os
import plistlib
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from taskclf_tray.app.doctor import check_everything
from taskclf_tray.core.errors import SystemToolError
from taskclf_tray.system import autostart
from taskclf_tray.system.autostart import LaunchAgentLogin, LoginState, RunKeyLogin, XdgLogin, start_command
from taskclf_tray.system.paths import home_dir
from tests.support.homes import Home
from tests.support.processes import wait_until

DEFAULT_HOME = home_dir(environ={})


class Login:
    """A user who logs in: a folder of settings, and a program that writes down its arguments."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config"
        self.of_system = folder / "xdg"
        self.started = folder / "started"
        self.program = folder / "a folder" / "taskclf-tray"
        self.entry = self.config / "autostart" / "taskclf-tray.desktop"
        self.env = {"HOME": str(folder), "XDG_CONFIG_HOME": str(self.config), "XDG_CONFIG_DIRS": str(self.of_system)}
        self.make_program(self.program)

    def make_program(self, program: Path) -> None:
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" >> {shlex.quote(str(self.started))}\n')
        program.chmod(0o755)

    def entry_of(self, *words: str) -> XdgLogin:
        return XdgLogin([str(self.program), *words], self.env)

    def log_in(self, environment: str = "XFCE") -> None:
        """What a window manager's session does; returns once everything is started."""
        command = ["dex", "--autostart", "--environment", environment]
        subprocess.run(command, env={**os.environ, **self.env}, check=True, timeout=60, capture_output=True)

    def has_started(self) -> list[str]:
        return wait_until(lambda: self.started.exists() and self.started.read_text().splitlines(), "a start", 10)


@pytest.fixture
def login(tmp_path: Path) -> Login:
    return Login(tmp_path)


def validate(entry: Path) -> None:
    checked = subprocess.run(["desktop-file-validate", str(entry)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_it_is_started_at_login_and_no_more_when_it_is_off(login: Login) -> None:
    entry = login.entry_of("run", "--home", "/data/my own")
    assert entry.state() == LoginState(False, str(login.entry))
    assert entry.switch(False).is_on is False
    assert not login.entry.exists()
    on = entry.switch(True)
    assert on == LoginState(True, str(login.entry), (str(login.program), "run", "--home", "/data/my own"))
    validate(login.entry)
    written = login.entry.read_bytes()
    assert entry.switch(True) == on
    assert login.entry.read_bytes() == written
    login.log_in()
    assert login.has_started() == [str(login.program), "run", "--home", "/data/my own"]
    login.started.unlink()
    assert entry.switch(False).is_on is False
    assert login.entry.read_text().endswith("Hidden=true\n")
    validate(login.entry)
    login.log_in()
    assert not login.started.exists()
    assert entry.switch(True) == on
    assert login.entry.read_bytes() == written


@pytest.mark.parametrize("name", ["plain", 'quo"te', "dollar $HOME", "back`tick", "per%cent", "back\\slash", "it's ü"])
def test_the_desktops_own_parser_starts_a_program_of_any_name(tmp_path: Path, name: str) -> None:
    login = Login(tmp_path)
    login.program = tmp_path / name.replace("%", "") / "taskclf-tray"  # GLib knows %% in arguments only
    if not login.program.exists():
        login.make_program(login.program)
    state = login.entry_of("run", name).switch(True)
    assert state == LoginState(True, str(login.entry), (str(login.program), "run", name))
    validate(login.entry)
    subprocess.run(["gio", "launch", str(login.entry)], env={**os.environ, **login.env}, check=True, timeout=60)
    assert login.has_started() == [str(login.program), "run", name]


def test_a_line_end_in_a_path_is_refused(login: Login) -> None:
    with pytest.raises(SystemToolError, match="cannot hold the path"):
        login.entry_of("--home", "/a\nHidden=true").switch(True)
    assert not login.entry.exists()


def test_what_the_person_edited_stays(login: Login) -> None:
    entry = login.entry_of("run")
    entry.switch(True)
    old = login.entry.read_text()
    own = "# mine\n" + old.replace(
        f"\nExec={autostart._exec_line([str(login.program), 'run'])}", "\nExec=sh -c true\nName[de]=Meins"
    )
    login.entry.write_text(own + "X-GNOME-Autostart-enabled=false\n\n[Desktop Action Other]\nName=x\nHidden=false\n")
    edited = login.entry.read_text()
    assert entry.state().is_on is False
    assert entry.switch(True).command == ("sh", "-c", "true")
    assert login.entry.read_text() == edited.replace("enabled=false", "enabled=true")
    entry.switch(False)
    assert login.entry.read_text() == edited.replace("enabled=false", "enabled=true\nHidden=true")
    moved = XdgLogin(["/usr/bin/env", "x"], login.env).switch(True)
    assert moved.command == ("sh", "-c", "true")


def test_a_package_starts_it_for_everybody_unless_the_user_says_no(login: Login) -> None:
    packaged = login.of_system / "autostart" / "taskclf-tray.desktop"
    packaged.parent.mkdir(parents=True)
    packaged.write_text(f'[Desktop Entry]\nType=Application\nName=taskclf-tray\nExec="{login.program}" run\n')
    entry = login.entry_of("run")
    assert entry.state() == LoginState(True, str(packaged), (str(login.program), "run"))
    entry.switch(True)
    assert not login.entry.exists()
    assert entry.switch(False) == LoginState(False, str(login.entry), (str(login.program), "run"))
    login.log_in()
    assert not login.started.exists()
    assert entry.switch(True).is_on
    login.log_in()
    assert login.has_started() == [str(login.program), "run"]


def test_a_program_that_moved_is_noticed_and_on_repairs_it(
    login: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in login.env.items():
        monkeypatch.setenv(name, value)
    login.entry_of("run").switch(True)
    gone = str(login.program)
    login.program.rename(tmp_path / "taskclf-tray")
    line = Home(tmp_path / "home", capsys)
    code, out, _ = line.call("autostart", "status")
    assert (code, out.splitlines()) == (
        1,
        [
            f"The login entry {login.entry} starts {gone}, which does not exist.",
            "`taskclf-tray autostart on` writes it again.",
        ],
    )
    found = next(f for f in check_everything(home=line.home) if f.subject == "Start at login")
    assert (found.verdict, gone in found.detail) == ("failed", True)
    state = line.json("autostart", "on")
    assert state["is_on"]
    assert state["command"] == start_command(line.home, os.environ)
    assert Path(state["command"][0]).exists()
    assert line.json("autostart", "off")["is_on"] is False
    assert not line.home.exists()


def test_anything_but_an_entry_in_its_place(login: Login) -> None:
    login.entry.parent.mkdir(parents=True)
    login.entry.write_bytes(b"\xff\xfe nonsense")
    assert login.entry_of("run").state().is_on is False
    assert login.entry_of("run").switch(True).is_on
    login.entry.unlink()
    login.entry.mkdir()
    with pytest.raises(SystemToolError, match="cannot be used as the entry"):
        login.entry_of("run").state()


def test_the_command_is_that_of_the_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "taskclf-tray"
    assert start_command(DEFAULT_HOME, {}) == [str(script), "run"]
    assert start_command(tmp_path, {}) == [str(script), "run", "--home", str(tmp_path)]
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python3"))
    assert start_command(DEFAULT_HOME, {}) == [sys.executable, "-P", "-m", "taskclf_tray", "run"]
    bundled = tmp_path / "mounted" / "usr" / "taskclf-tray"
    monkeypatch.setattr(sys, "executable", str(bundled))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert start_command(DEFAULT_HOME, {}) == [str(bundled), "run"]
    image = {"APPIMAGE": "/apps/taskclf.AppImage", "APPDIR": str(tmp_path / "mounted")}
    assert start_command(DEFAULT_HOME, image) == ["/apps/taskclf.AppImage", "run"]
    of_the_terminal = image | {"APPDIR": "/tmp/.mount_terminal"}
    assert start_command(DEFAULT_HOME, of_the_terminal) == [str(bundled), "run"]


def test_a_launch_agent_keeps_other_keys(tmp_path: Path) -> None:
    """The property list alone: launchd is not here."""
    agent = LaunchAgentLogin([sys.executable, "run"], tmp_path)
    place = tmp_path / "taskclf-tray.plist"
    assert agent.switch(False) == LoginState(False, str(place))
    assert not place.exists()
    assert agent.switch(True) == LoginState(True, str(place), (sys.executable, "run"))
    keys = plistlib.loads(place.read_bytes())
    place.write_bytes(plistlib.dumps(keys | {"Nice": 5, "ProgramArguments": ["/gone/taskclf-tray"]}))
    assert agent.state().missing == "/gone/taskclf-tray"
    assert agent.switch(False).is_on is False
    assert agent.switch(True).missing is None
    assert plistlib.loads(place.read_bytes()) == keys | {"Nice": 5}
    place.write_bytes(b"nonsense")
    assert agent.switch(True).is_on


class MemoryRegistry:
    """A registry of values in memory: the real one is not here."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], str | bytes] = {}

    def get(self, key: str, name: str) -> str | bytes | None:
        return self.values.get((key, name))

    def set(self, key: str, name: str, value: str) -> None:
        self.values[key, name] = value

    def delete(self, key: str, name: str) -> None:
        self.values.pop((key, name), None)


def test_the_run_key_and_the_task_manager(tmp_path: Path) -> None:
    program = tmp_path / "a folder" / "taskclf.exe"
    program.parent.mkdir()
    program.touch(mode=0o755)
    registry = MemoryRegistry()
    entry = RunKeyLogin([str(program), "run"], registry)
    assert entry.state().is_on is False
    assert entry.switch(True).command == (str(program), "run")
    assert registry.values == {(autostart._RUN_KEY, "taskclf-tray"): f'"{program}" run'}
    registry.values[autostart._APPROVED_KEY, "taskclf-tray"] = b"\x03\x00"
    assert entry.state().is_on is False
    assert entry.switch(True).is_on
    program.unlink()
    assert entry.state().missing == str(program)
    assert entry.switch(False).is_on is False
    assert registry.values == {}
