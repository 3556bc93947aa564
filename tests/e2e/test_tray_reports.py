"""The tray when it ends: the report of the day so far and its picture, within the memory there is for it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.support.dbus import Panel
from tests.support.dbus_bus import PrivateBus
from tests.support.processes import python_child, wait_until
from tests.support.sni_driver import TrayClient

pytestmark = pytest.mark.bus
TODAY = re.compile(r"^  (\S+(?: \S+)*)  (?:\d+ h )?\d+ min  \(disabled\)$", re.MULTILINE)
"""The lines below Today."""


def test_the_day_so_far_is_on_disk_when_the_tray_has_ended(
    session_bus: PrivateBus, panel: Panel, tmp_path: Path
) -> None:
    """A simulated person at a minute a tenth of a second, with the minutes of the day under Today in the menu."""
    assert panel is not None
    env = {**session_bus.env, "TASKCLF_HOME": str(tmp_path / "home")}
    with python_child("taskclf_tray", ["demo", "--speed", "600"], env) as app, TrayClient(env) as tray:
        shown = wait_until(lambda: TODAY.findall(tray.list()), "Today", 40)
        tray.click("Quit")
        assert app.wait(120) == 0
    out = tmp_path / "home" / "tray" / "demo" / "tray" / "out"
    reports = sorted(out.glob("report_*.json"))
    assert reports
    assert sorted(path.stem for path in out.glob("report_*.png")) == [path.stem for path in reports]
    names: set[str] = set()
    for path in reports:
        report = json.loads(path.read_text())
        names.update(report["ui_label_seconds"])
        parts = sum(report["ui_label_seconds"].values()) + report["rejected_seconds"]
        assert parts == pytest.approx(report["covered_seconds"])
        with Image.open(path.with_suffix(".png")) as picture:
            assert picture.width == 1280
    assert shown[-1] == "Total"
    assert set(shown) & names or set(shown) == {"Not sure", "Total"}
