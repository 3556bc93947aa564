"""A real notification service on the virtual desktop, xfce4-notifyd or LXQt's, and a hand that clicks what it shows.

A button is found in the picture of the notice's window: one of as many boxes side by side as the notice has buttons,
in the order they were asked for.
"""

from __future__ import annotations

import contextlib
import io
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.dbus_calls import SyncClient, call
from tests.support.desktop import Desktop
from tests.support.processes import stop, wait_until

_SERVICE_FILE = Path("/usr/share/dbus-1/services/org.xfce.xfce4-notifyd.Notifications.service")
_NAME = "org.freedesktop.Notifications"
_MIN_BUTTON_WIDTH = 30


@dataclass(frozen=True, slots=True)
class _Window:
    """A notice on the screen."""

    left: int
    top: int
    pixels: np.ndarray

    def buttons(self) -> list[tuple[int, int]]:
        """The middles of the boxes, from left to right: on one row, long runs that differ from the background."""
        colours, counts = np.unique(self.pixels.reshape(-1, 3), axis=0, return_counts=True)
        background = colours[counts.argmax()]
        rows = [_runs((row != background).any(axis=1)) for row in self.pixels]
        most = max(map(len, rows), default=0)
        heights = [height for height, runs in enumerate(rows) if most and len(runs) == most]
        if not heights:
            return []
        middle = heights[len(heights) // 2]
        return [(self.left + (start + end) // 2, self.top + middle) for start, end in rows[middle]]


def _runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """The stretches as wide as a button, the frame of the window left out."""
    inner = np.flatnonzero(marked)
    groups = groupby(enumerate(inner), key=lambda pair: pair[1] - pair[0])
    stretches = [[int(place) for _, place in group] for _, group in groups]
    widest = len(marked) - 10
    return [(one[0], one[-1]) for one in stretches if _MIN_BUTTON_WIDTH <= len(one) < widest]


class NotifydHand:
    """Sees the notices of the desktop and clicks on them with a real mouse."""

    def __init__(self, desk: Desktop, window_class: str = "xfce4-notifyd") -> None:
        self._desk = desk
        self._window_class = window_class

    def wait_for_buttons(self, titles: Sequence[str], timeout_seconds: float = 10.0) -> dict[str, tuple[int, int]]:
        """Where the buttons are, once a notice with as many as there are titles is on the screen."""

        def found() -> list[tuple[int, int]]:
            places = [window.buttons() for window in self._windows()]
            return next((each for each in places if len(each) == len(titles)), [])

        return dict(zip(titles, wait_until(found, f"a notice with {list(titles)}", timeout_seconds), strict=True))

    def click(self, title: str, titles: Sequence[str], timeout_seconds: float = 10.0) -> None:
        """Click the button `title` of the notice whose buttons are `titles`, from left to right."""
        self._desk.click(*self.wait_for_buttons(titles, timeout_seconds)[title])

    def sees_notice(self) -> bool:
        """Whether a notice is on the screen."""
        return bool(self._windows())

    def click_beside(self, timeout_seconds: float = 10.0) -> None:
        """Click the notice itself, in its upper left corner."""
        window = wait_until(self._windows, "a notice", timeout_seconds)[0]
        self._desk.click(window.left + 8, window.top + 8)

    def wait_until_gone(self, timeout_seconds: float = 10.0) -> None:
        """Wait until no notice is on the screen."""
        wait_until(lambda: not self._windows(), "the notices to go", timeout_seconds)

    def _windows(self) -> list[_Window]:
        numbers = self._answer(["xdotool", "search", "--onlyvisible", "--class", self._window_class]).split()
        seen = [self._seen(number) for number in numbers]
        return [window for window in seen if window is not None and window.pixels.shape[0] > 20]

    def _seen(self, number: str) -> _Window | None:
        """The window's place and picture; None when it has gone meanwhile."""
        lines = self._answer(["xdotool", "getwindowgeometry", "--shell", number]).splitlines()
        geometry = dict(line.split("=", 1) for line in lines)
        picture = self._output(["import", "-window", number, "png:-"])
        if not picture or "X" not in geometry:
            return None
        with Image.open(io.BytesIO(picture)) as image:
            return _Window(int(geometry["X"]), int(geometry["Y"]), np.asarray(image.convert("RGB")))

    def _answer(self, command: Sequence[str]) -> str:
        return self._output(command).decode()

    def _output(self, command: Sequence[str]) -> bytes:
        return subprocess.run(command, env=self._desk.env, capture_output=True, timeout=240, check=False).stdout


@contextlib.contextmanager
def xfce_notifyd(desk: Desktop) -> Iterator[NotifydHand]:
    """Xfce's service on a desktop with a panel, until the block ends; it owns its name when the block begins."""
    exec_line = next(line for line in _SERVICE_FILE.read_text().splitlines() if line.startswith("Exec="))
    with notification_service(shlex.split(exec_line.removeprefix("Exec=")), desk.env):
        yield NotifydHand(desk)


@contextlib.contextmanager
def lxqt_notifyd(desk: Desktop) -> Iterator[NotifydHand]:
    """LXQt's service, as above; it needs no panel."""
    with notification_service(["lxqt-notificationd"], desk.env):
        yield NotifydHand(desk, "lxqt-notificationd")


@contextlib.contextmanager
def notification_service(command: Sequence[str], env: Mapping[str, str]) -> Iterator[None]:
    """A program that owns the name of the notification service, until the block ends."""
    daemon = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    bus = "org.freedesktop.DBus"
    try:
        with SyncClient(env) as client:
            wait_until(
                lambda: client.run(call(client.bus, bus, "/", bus, "NameHasOwner", "s", _NAME))[0], command[0], 10
            )
        yield
    finally:
        stop(daemon)
