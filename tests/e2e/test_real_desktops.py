"""GNOME and sway with their real panels: the icon comes with a panel that starts later, and none is ever lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskclf_tray.ui.icon_drawing import parse_color
from tests.support.desktop import PANEL_HEIGHT, Desktop, Recipe, bare_desktop, panel_of
from tests.support.processes import ROOT, python_child, ready_child, wait_until
from tests.support.real_desktops import BUSY_LOOPS, GNOME, STARTS, SWAY, busy_loops
from tests.support.sni_driver import TrayClient
from tests.support.sni_many import COLOR

pytestmark = [pytest.mark.desktop, pytest.mark.bus]
ARTEFACTS = ROOT / ".artefacts"


def icons_in(screen: Path, color: str) -> int:
    """How many icons of this colour stand side by side in the panel."""
    with Image.open(screen) as picture:
        panel = np.asarray(picture.convert("RGB")).astype(int)[:PANEL_HEIGHT]
    is_near = (np.abs(panel - np.array(parse_color(color))) < 60).all(axis=2).any(axis=0)
    edges = np.flatnonzero(np.diff(is_near.astype(int), prepend=0) == 1)
    return int(1 + (np.diff(edges) > 8).sum()) if edges.size else 0


@contextlib.contextmanager
def many_icons(desk: Desktop, tray: TrayClient) -> Iterator[None]:
    """All of them on a panel that already has one."""
    with ready_child("tests.support.sni_many", [str(STARTS)], desk.env) as icons:
        wait_until(lambda: len(tray.items()) == STARTS + 1, f"{STARTS} icons and the app's", 10)
        yield
        icons.terminate()
        icons.wait(120)


@pytest.mark.parametrize("recipe", [GNOME, SWAY], ids=["gnome", "sway"])
def test_the_icon_comes_with_the_panel_and_twenty_of_twenty_starts_keep_theirs(recipe: Recipe, tmp_path: Path) -> None:
    shot = tmp_path / "screen.png"
    with bare_desktop(tmp_path / "home", recipe) as desk:
        env = desk.env | {"TASKCLF_HOME": str(tmp_path / "taskclf")}
        with python_child("taskclf_tray", ["demo", "--speed", "60"], env) as app:
            log = tmp_path / "taskclf/tray/tray.log"
            wait_until(lambda: log.exists() and "tray icons" in log.read_text(), "the app, which finds no panel")
            with panel_of(desk, recipe), TrayClient(desk.env) as tray:
                wait_until(lambda: "%" in str(tray.props()["Title"]), "a live label", 15)
                with busy_loops(BUSY_LOOPS), many_icons(desk, tray):
                    wait_until(lambda: icons_in(desk.screenshot(shot), COLOR) == STARTS, "as many pictures", 10)
                    assert len(tray.items()) == STARTS + 1
                ARTEFACTS.mkdir(exist_ok=True)
                desk.screenshot(ARTEFACTS / f"tray-{recipe.name.split()[0].lower()}.png")
                tray.click("Quit")
                assert app.wait(120) == 0
