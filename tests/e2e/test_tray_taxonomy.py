"""The person's own categories, edited from the tray while it runs: applied, refused with line and key, coloured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.infer.taxonomy_file import starter_taxonomy_text
from tests.support.dbus import Panel
from tests.support.dbus_bus import PrivateBus
from tests.support.processes import python_child, wait_until
from tests.support.sni_driver import TrayClient
from tests.support.stub_notifyd import NotifyDaemon
from tests.support.xdg_editor import FakeEditor

pytestmark = pytest.mark.bus
ONE_BUCKET = (
    "/^buckets:/,/^advanced:/{/^advanced:/!d}\n"
    "s/^advanced:/buckets:\\n  - name: Everything\\n    core_labels: [BreakIdle, Build, Communicate, Debug, Meet, "
    'ReadResearch, Review, Write]\\n    color: "#00FF01"\\nadvanced:/\n'
)


@pytest.fixture
def editor(tmp_path: Path) -> FakeEditor:
    return FakeEditor(tmp_path)


@pytest.fixture
def tray(
    session_bus: PrivateBus, panel: Panel, notify_daemon: NotifyDaemon, editor: FakeEditor, tmp_path: Path
) -> Iterator[TrayClient]:
    """The demo's tray, with a label or an honest doubt."""
    env = {**session_bus.env, **editor.env, "TASKCLF_HOME": str(tmp_path / "home")}
    with python_child("taskclf_tray", ("demo", "--speed", "60"), env), TrayClient(env) as client:
        wait_until(lambda: "%" in title_of(client), "a live label", 15)
        yield client


def title_of(tray: TrayClient) -> str:
    return str(tray.props()["Title"])


def told_of_categories(notify_daemon: NotifyDaemon) -> list[str]:
    return [notice.title for notice in notify_daemon.notices() if "ategories" in notice.title]


def colors_of(tray: TrayClient) -> set[tuple[int, int, int]]:
    """Every opaque colour of the icon's largest picture (ARGB, network order)."""
    _, _, data = max(tray.props()["IconPixmap"], key=lambda picture: picture[0])
    return {(data[i + 1], data[i + 2], data[i + 3]) for i in range(0, len(data), 4) if data[i] == 255}


def test_edit_taxonomy(tray: TrayClient, notify_daemon: NotifyDaemon, editor: FakeEditor, tmp_path: Path) -> None:
    path = tmp_path / "home" / "tray" / "demo" / "configs" / "user_taxonomy.yaml"
    assert not path.exists()
    tray.click("Advanced/Edit Taxonomy")
    wait_until(lambda: editor.opened == [str(path)], "the editor")
    assert path.read_text() == starter_taxonomy_text()
    editor.will_apply('s/"reject_threshold": [0-9.]*/"reject_threshold": 0/')  # every minute gets a label
    tray.click("Advanced/Edit Inference Policy")
    notify_daemon.wait_for("threshold")
    assert told_of_categories(notify_daemon) == []  # what the program wrote itself is no news

    editor.will_apply(ONE_BUCKET)
    tray.click("Advanced/Edit Taxonomy")
    assert "all days" in notify_daemon.wait_for("categories were applied").body
    wait_until(lambda: title_of(tray).startswith("Everything — "), "the person's own category", 20)
    wait_until(lambda: (0x00, 0xFF, 0x01) in colors_of(tray), "the person's own colour")
    assert "\nEverything — " in tray.list()  # its colour stands before it as a picture

    editor.will_apply('s/color: .*/color: "green"/')
    tray.click("Advanced/Edit Taxonomy")
    refused = notify_daemon.wait_for("Categories not applied")
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "green" in text)
    assert f"line {line}" in refused.body
    assert "buckets[0].color" in refused.body
    time.sleep(2.2)  # two more looks at the file
    wait_until(lambda: title_of(tray).startswith("Everything — "), "the last valid categories", 20)
    assert len(told_of_categories(notify_daemon)) == 2  # applied once, refused once
