"""A whole small desktop: Xvfb, a private bus, openbox and xfce4-panel with a tray and a clock, in a home of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from taskclf_tray.ui.sni.watcher import probe
from tests.support.dbus_bus import PrivateBus, private_bus
from tests.support.processes import stop, wait_until

WIDTH, HEIGHT = 800, 560
PANEL_HEIGHT = 32

_PANEL = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="false"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="{height}"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/><value type="int" value="2"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
    <property name="plugin-2" type="string" value="clock"/>
  </property>
</channel>
"""


@dataclass(frozen=True, slots=True)
class Desktop:
    """The running desktop. `env` is for programs started on it."""

    env: dict[str, str]
    bus: PrivateBus

    def screenshot(self, path: Path) -> Path:
        """The whole screen as a picture file."""
        self._run(["import", "-window", "root", str(path)])
        return path

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Press a mouse button at a place of the screen (the panel is at the top: y below 32)."""
        self._run(["xdotool", "mousemove", str(x), str(y), "sleep", "0.2", "click", str(button)])

    def point(self, x: int, y: int) -> None:
        """Move the mouse to a place of the screen."""
        self._run(["xdotool", "mousemove", str(x), str(y)])

    def keys(self, *names: str) -> None:
        """Press keys by their X names, one after another."""
        self._run(["xdotool", "key", "--delay", "120", *names])

    def _run(self, command: Sequence[str]) -> None:
        subprocess.run(command, env=self.env, check=True, timeout=240, capture_output=True)


@contextlib.contextmanager
def desktop(folder: Path, *, panel: bool = True) -> Iterator[Desktop]:
    """A desktop that ends with the block; its home is `folder`. Without a panel there is a display and a bus only."""
    settings = {
        "HOME": str(folder),
        "XDG_CURRENT_DESKTOP": "XFCE",
        "GTK_THEME": "Adwaita",
        "NO_AT_BRIDGE": "1",
        "GDK_GL": "disable",
    }
    with contextlib.ExitStack() as running:
        settings["DISPLAY"] = running.enter_context(_xvfb())
        bus = running.enter_context(private_bus(settings, services=["org.xfce.Xfconf"] if panel else []))
        env = bus.env | settings
        desk = Desktop(env, bus)
        if panel:
            _write_panel_settings(folder)
            running.enter_context(_program(["openbox"], env))
            running.enter_context(_program(["xfce4-panel", "--disable-wm-check"], env))
            wait_until(lambda: probe(env).host, "the panel's tray", 15)
        yield desk


def _write_panel_settings(home: Path) -> None:
    settings = home / ".config/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml"
    settings.parent.mkdir(parents=True)
    settings.write_text(_PANEL.format(height=PANEL_HEIGHT))


@contextlib.contextmanager
def _xvfb() -> Iterator[str]:
    """A display of its own; answers its name."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL, text=True)
    os.close(writing)
    try:
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        stop(server)


@contextlib.contextmanager
def _program(command: Sequence[str], env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    try:
        yield
    finally:
        stop(process)
