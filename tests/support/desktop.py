"""A whole small desktop: Xvfb, a private bus, and Xfce's panel or that of another recipe, in a home of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

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

    def pixels(self, path: Path) -> bytes:
        """The whole screen, kept as a picture file too."""
        with Image.open(self.screenshot(path)) as image:
            return image.convert("RGB").tobytes()

    def pixels_after(self, before: bytes, path: Path) -> bytes:
        """The screen once it is another than before, and rests: a menu has unfolded."""
        last = before

        def is_at_rest() -> bool:
            nonlocal last
            earlier, last = last, self.pixels(path)
            return before != last == earlier

        wait_until(is_at_rest, "another picture on the screen", 10)
        return last

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


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a desktop is started: its programs in their order, with these variables, and files below its home.

    `display` starts what the programs are drawn on where that is not X, and answers variables for it.
    """

    name: str
    packages: tuple[str, ...]
    programs: tuple[tuple[str, ...], ...]
    settings: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    width: int = WIDTH
    display: Callable[[Desktop, contextlib.ExitStack], Mapping[str, str]] | None = None


XFCE = Recipe(
    "Xfce",
    ("xfce4-panel", "openbox"),
    (("openbox",), ("xfce4-panel", "--disable-wm-check")),
    {"XDG_CURRENT_DESKTOP": "XFCE", "GTK_THEME": "Adwaita"},
    {".config/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml": _PANEL.format(height=PANEL_HEIGHT)},
    ("org.xfce.Xfconf",),
)


@contextlib.contextmanager
def desktop(folder: Path, *, panel: bool = True) -> Iterator[Desktop]:
    """An Xfce desktop that ends with the block; its home is `folder`. Without a panel: a display and a bus only."""
    recipe = XFCE if panel else replace(XFCE, programs=(), services=())
    with bare_desktop(folder, recipe) as desk, panel_of(desk, recipe) if panel else contextlib.nullcontext():
        yield desk


@contextlib.contextmanager
def bare_desktop(folder: Path, recipe: Recipe) -> Iterator[Desktop]:
    """A display and a session bus, before the programs of the desktop are there."""
    settings = {"HOME": str(folder), "NO_AT_BRIDGE": "1", "GDK_GL": "disable", **recipe.settings}
    for name, content in recipe.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    with contextlib.ExitStack() as running:
        settings["DISPLAY"] = running.enter_context(_xvfb(recipe.width))
        bus = running.enter_context(private_bus(settings, services=recipe.services))
        desk = Desktop(bus.env | settings, bus)
        if recipe.display is not None:
            desk.env.update(recipe.display(desk, running))
        yield desk


@contextlib.contextmanager
def panel_of(desk: Desktop, recipe: Recipe) -> Iterator[None]:
    """The programs of the desktop, until the block ends; its panel takes icons when the block begins."""
    with contextlib.ExitStack() as running:
        for command in recipe.programs:
            running.enter_context(program(command, desk.env))
        wait_until(lambda: probe(desk.env).host, f"the panel of {recipe.name}", 15)
        yield


@contextlib.contextmanager
def _xvfb(width: int) -> Iterator[str]:
    """A display of its own; answers its name."""
    reading, writing = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(writing),
        "-screen",
        "0",
        f"{width}x{HEIGHT}x24",
        "-nolisten",
        "tcp",
        "-noreset",
    ]
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
def program(command: Sequence[str], env: Mapping[str, str]) -> Iterator[None]:
    """A program in silence, until the block ends."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    try:
        yield
    finally:
        stop(process)
