"""The app on a real panel: xfce4-panel under Xvfb, a real mouse, a screenshot that is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desktop import desktop
from tests.support.processes import ROOT, python_child, wait_until
from tests.support.sni_driver import TrayClient

ARTEFACTS = ROOT / ".artefacts"


@pytest.mark.desktop
def test_the_app_on_xfce(tmp_path: Path) -> None:
    with desktop(tmp_path / "desk") as desk:
        env = desk.env | {"TASKCLF_HOME": str(tmp_path / "home")}
        with python_child("taskclf_tray", ["demo", "--speed", "5"], env) as app, TrayClient(env) as tray:
            wait_until(lambda: " % since" in str(tray.props()["Title"]), "a label it is sure of", 30)
            ARTEFACTS.mkdir(exist_ok=True)
            bare = desk.pixels(tmp_path / "bare.png")
            desk.click(14, 16, button=3)
            menu = desk.pixels_after(bare, tmp_path / "menu.png")
            desk.keys("Up", "Up", "Right")
            shown = desk.pixels_after(menu, ARTEFACTS / "tray-xfce.png")
            assert shown != bare
            desk.keys("Escape", "Escape")
            tray.click("Quit")
            assert app.wait(120) == 0
