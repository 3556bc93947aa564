"""The demo app on a real panel: the icon is drawn, a real click opens the menu, and keys choose from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from taskclf_tray.core.types import LABEL_LOOKS, CoreLabel
from taskclf_tray.ui.backend import choose_backend, has_x11_tray
from taskclf_tray.ui.icon_drawing import parse_color
from taskclf_tray.ui.sni.watcher import PIXMAP_IGNORERS
from tests.support.dbus import session_bus
from tests.support.dbus_bus import PrivateBus
from tests.support.dbus_calls import call
from tests.support.desktop import PANEL_HEIGHT, Desktop, desktop, program
from tests.support.processes import python_child, wait_until
from tests.support.sni_driver import TrayClient

__all__ = ["session_bus"]  # a fixture

AYATANA = "/usr/libexec/ayatana-indicator-application/ayatana-indicator-application-service"
pytestmark = [pytest.mark.desktop, pytest.mark.bus]


def places_of(color: str, screen: Path) -> list[tuple[int, int]]:
    """The pixels (x, y) of exactly this colour."""
    with Image.open(screen) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return [(int(x), int(y)) for y, x in np.argwhere((pixels == parse_color(color)).all(axis=2))]


def seen(desk: Desktop, color: str, shot: Path) -> list[tuple[int, int]]:
    """Wait until the panel shows at least 20 pixels of the colour."""

    def found() -> list[tuple[int, int]]:
        places = [place for place in places_of(color, desk.screenshot(shot)) if place[1] < PANEL_HEIGHT]
        return places if len(places) > 20 else []

    return wait_until(found, f"{color} in the panel", 10)


def test_the_icon_is_drawn_and_its_menu_works_with_a_mouse(tmp_path: Path) -> None:
    log, shot = tmp_path / "demo.jsonl", tmp_path / "screen.png"

    def happened(event: str) -> bool:
        return log.exists() and event in [json.loads(line)["event"] for line in log.read_text().splitlines()]

    with desktop(tmp_path / "home") as desk, python_child("tests.support.sni_demo", [str(log)], desk.env) as app:
        assert has_x11_tray(desk.env["DISPLAY"])
        places = seen(desk, LABEL_LOOKS[CoreLabel.BUILD].color, shot)
        x, y = places[len(places) // 2]
        empty = places_of("#ffffff", shot)
        desk.click(x, y, button=3)
        menu = tmp_path / "menu.png"
        wait_until(lambda: len(places_of("#ffffff", desk.screenshot(menu))) > len(empty) + 3000, "the menu")
        desk.keys("Down", "Down", "Down", "Return")  # status, Hideable, Paused
        wait_until(lambda: happened("toggle"), "the check mark's callback")
        desk.click(x, y)
        wait_until(lambda: happened("default"), "the left-click action")
        app.terminate()
        assert app.wait(120) == 0


def test_ayatanas_service_gets_the_picture_as_a_file_and_the_label(session_bus: PrivateBus) -> None:
    """The real one, which knows no pixels: (icon, place, connection, menu, …, label, …) of each item."""
    log = session_bus.folder / "demo.jsonl"
    with (
        program([AYATANA], session_bus.env),
        python_child("tests.support.sni_demo", [str(log)], session_bus.env),
        TrayClient(session_bus.env) as tray,
    ):

        def known() -> list[Any]:
            path, interface = "/org/ayatana/indicator/application/service", f"{PIXMAP_IGNORERS[0]}.service"
            (items,) = tray.run(call(tray.bus, PIXMAP_IGNORERS[0], path, interface, "GetApplications"))
            return items[0] if items else []

        icon = Path(wait_until(known, "the item", 10)[0])
        with Image.open(icon) as picture:
            assert (picture.format, picture.size) == ("PNG", (48, 48))
        tray.click("Paused")
        wait_until(lambda: "Paused" in known(), "the label")
        tray.click("Quit")
        wait_until(lambda: not icon.parent.exists(), "the folder to go")


def test_a_display_without_a_panel_has_no_tray(tmp_path: Path) -> None:
    with desktop(tmp_path, panel=False) as desk:
        assert not has_x11_tray(desk.env["DISPLAY"])
        chosen = choose_backend(desk.env, "linux")
    assert chosen.name == "sni", "it waits for its panel"
    assert chosen.reason.startswith("No panel here takes tray icons")
