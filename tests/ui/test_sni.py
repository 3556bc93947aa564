"""The tray over D-Bus, from outside: a small app in a process of its own, on a private bus without any display."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Variant
from PIL import Image

from taskclf_tray.app.snapshot import IconState
from taskclf_tray.ui.icon import icon_art
from taskclf_tray.ui.sni.icon import SniIcon
from taskclf_tray.ui.sni.item import MENU_PATH
from taskclf_tray.ui.sni.watcher import served_icons
from tests.support.dbus import Panel, panel, session_bus
from tests.support.dbus_bus import PrivateBus
from tests.support.dbus_calls import DBusCallError, call
from tests.support.processes import allowed, python_child, wait_until
from tests.support.sni_driver import DROPS_NAMES, IGNORES_PIXMAPS, ITEM, MENU, NO_HOST, Entry, TrayClient

__all__ = ["panel", "session_bus"]  # fixtures

pytestmark = pytest.mark.bus
_DEMO = "tests.support.sni_demo"


class App:
    """The demo app and its log."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        def found() -> bool:
            assert self.process.poll() is None or len(self.events(name)) >= count, self.errors()
            return len(self.events(name)) >= count

        wait_until(found, f"{count} × {name}")
        return self.events(name)[-1]

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def ended(self) -> tuple[int, str]:
        code = self.process.wait(120)
        return code, self.errors()


@contextmanager
def running(bus: PrivateBus, *modes: str) -> Iterator[App]:
    log = bus.folder / "demo.jsonl"
    with python_child(_DEMO, [str(log), *modes], bus.env) as process:
        yield App(process, log)


@pytest.fixture
def app(session_bus: PrivateBus, panel: Panel) -> Iterator[App]:
    with running(session_bus) as demo:
        demo.wait_for("ready")
        yield demo


@pytest.fixture
def tray(app: App, session_bus: PrivateBus) -> Iterator[TrayClient]:
    with TrayClient(session_bus.env) as client:
        yield client


def test_the_panel_sees_every_kind_of_entry(app: App, tray: TrayClient) -> None:
    hostile = "a_bcd е" + "x" * 92 + "…"
    assert tray.list().splitlines() == [
        "Now: Build",
        "----",
        "Hideable",
        "[ ] Paused",
        "Label",
        "  (o) Build",
        "  ( ) Meet",
        "  ( ) Write",
        "Recent",
        "  first",
        "  second",
        "  twin",
        "  twin",
        "Advanced",
        "  Edit Inference Policy",
        "  Disabled  (disabled)",
        "  Boom",
        "  Hide",
        f"  {hostile}",
        "  Memory",
        "count 0  (disabled)",
        "----",
        "Quit",
    ]
    assert app.events("ready")[0] | {"mib": 0} == {
        "event": "ready",
        "thread": "tray-setup",
        "registered": True,
        "host": True,
        "mib": 0,
    }


def test_the_icon_has_title_tooltip_and_sharp_pictures(tray: TrayClient) -> None:
    props = tray.props()
    assert props["Title"] == "Build 87 %"
    assert list(props["ToolTip"]) == ["", [], "Build 87 %", "since 14:05"]
    assert (props["Status"], props["ItemIsMenu"], props["Menu"]) == ("Active", False, "/MenuBar")
    assert [list(pixmap[:2]) for pixmap in props["IconPixmap"]] == [[size, size] for size in (16, 22, 24, 32, 48)]
    for width, height, pixels in props["IconPixmap"]:
        assert len(pixels) == width * height * 4
        middle = (height // 2 * width + 2) * 4  # inside the tile, left of the letter
        assert pixels[middle : middle + 4][0] == 255, "alpha comes first"


def test_the_label_stands_in_the_panel_and_is_read_aloud(app: App, tray: TrayClient) -> None:
    assert [tray.props()[name] for name in ("XAyatanaLabel", "IconAccessibleDesc")] == ["", "Build 87 %"]
    tray.signals()
    tray.click("Paused")
    tray.click("Label/Meet")
    wait_until(lambda: tray.props()["XAyatanaLabel"] == "Paused", "the label")
    assert ("XAyatanaNewLabel", ["Paused", "Paused"]) in tray.signals()
    wait_until(lambda: tray.props()["IconAccessibleDesc"] == "Meet 87 %", "the words of the new label")
    driver = tray.driver
    tray.run(call(tray.bus, driver.service, driver.path, ITEM, "XAyatanaSecondaryActivate", "u", 0))
    tray.run(call(tray.bus, driver.service, driver.path, ITEM, "ProvideXdgActivationToken", "s", "token"))
    assert app.events("default") == []


def test_nothing_moves_in_an_open_menu(app: App, tray: TrayClient) -> None:
    def send(kind: str) -> None:
        tray.run(call(tray.bus, tray.driver.service, MENU_PATH, MENU, "Event", "isvu", 0, kind, Variant("i", 0), 0))

    def layout() -> str:
        """As the panel holds it: asked for without a word that it is about to be shown."""
        asked = call(tray.bus, tray.driver.service, MENU_PATH, MENU, "GetLayout", "iias", 0, -1, [])
        return "\n".join(entry.line() for _, entry in Entry.parse(tray.run(asked)[1]).walk())

    ids = tray.ids()
    send("opened")
    tray.signals()
    tray.click_id(ids["Hide"])
    tray.click_id(ids["Meet"])
    wait_until(lambda: "Now: Meet" in layout(), "the text, which changes at once")
    assert "Hideable" in layout()
    assert "first" in layout()
    assert "LayoutUpdated" not in {member for member, _ in tray.signals()}
    send("closed")
    assert "Hideable" not in layout()
    assert "LayoutUpdated" in {member for member, _ in tray.signals()}


def test_clicks_reach_their_callbacks_and_only_those(app: App, tray: TrayClient) -> None:
    tray.click("Advanced/Edit Inference Policy")
    tray.click("Label/Meet")
    tray.click("Paused")
    tray.click("Recent/second")
    tray.click("Advanced/Disabled")
    tray.click("Advanced")
    tray.click_id(99999)
    tray.scroll()
    tray.activate()
    assert app.wait_for("default")["thread"] == "MainThread"
    assert [len(app.events(name)) for name in ("policy", "label", "toggle", "recent second", "BAD")] == [1, 1, 1, 1, 0]
    menu = tray.wait_for_text("Now: Meet")
    assert "(o) Meet" in menu
    assert "( ) Build" in menu
    assert "[x] Paused" in menu
    assert list(tray.props()["ToolTip"]) == ["", [], "Meet 87 %", "since &lt;14:05&gt; &amp; on"]


def test_a_callback_that_raises_is_logged_and_the_app_goes_on(app: App, tray: TrayClient) -> None:
    tray.click("Advanced/Boom")
    tray.click("Paused")
    app.wait_for("toggle")
    tray.click("Quit")
    code, errors = app.ended()
    assert code == 0
    assert "RuntimeError: boom" in errors


def test_changed_texts_leave_an_open_menu_open(app: App, tray: TrayClient) -> None:
    tray.signals()
    tray.click("Label/Write")
    app.wait_for("label")
    tray.wait_for_text("Now: Write")
    heard = tray.signals()
    assert {"NewIcon", "NewTitle", "NewToolTip", "ItemsPropertiesUpdated"} == {member for member, _ in heard}
    (updates,) = (values for member, values in heard if member == "ItemsPropertiesUpdated")
    ids = tray.ids()
    assert {(ident, *sorted(properties)) for ident, properties in updates[0]} == {
        (ids["Now: Write"], "label"),
        (ids["Build"], "toggle-state"),
        (ids["Write"], "toggle-state"),
    }


def test_ids_stay_with_their_entries_and_are_never_reused(app: App, tray: TrayClient) -> None:
    before = tray.ids()
    twins = [entry.id for _, entry in tray.menu().walk() if entry.label == "twin"]
    assert len(set(twins)) == 2
    tray.signals()
    tray.click("Advanced/Hide")
    wait_until(lambda: "Hideable" not in tray.list(), "the entry to go")
    after = tray.ids()
    gone = {before["Hideable"], before["first"]}
    assert {label: ident for label, ident in before.items() if ident not in gone} == after
    assert "LayoutUpdated" in {member for member, _ in tray.signals()}
    tray.click_id(before["first"])
    tray.click("Recent/second")
    app.wait_for("recent second")
    assert app.events("recent first") == []


def test_a_part_of_the_menu_can_be_asked_for(tray: TrayClient) -> None:
    driver = tray.driver

    def ask(member: str, signature: str, *body: Any) -> list[Any]:
        return tray.run(call(tray.bus, driver.service, driver.menu_path, MENU, member, signature, *body))

    ids = tray.ids()
    _, (ident, properties, children) = ask("GetLayout", "iias", ids["Label"], 1, ["label"])
    assert (ident, {name: value.value for name, value in properties.items()}) == (ids["Label"], {"label": "Label"})
    assert [child.value[1]["label"].value for child in children] == ["Build", "Meet", "Write"]
    assert ask("GetLayout", "iias", 0, 0, [])[1][2] == []
    group = ask("GetGroupProperties", "aias", [ids["Quit"], 99999], [])[0]
    assert [(each[0], each[1]["label"].value) for each in group] == [(ids["Quit"], "Quit")]
    assert ask("GetProperty", "is", ids["Quit"], "label")[0].value == "Quit"
    assert ask("AboutToShowGroup", "ai", [ids["Quit"], 99999]) == [[], [99999]]
    assert ask("EventGroup", "a(isvu)", []) == [[]]
    with pytest.raises(DBusCallError, match=r"InvalidArgs"):
        ask("GetLayout", "iias", 99999, -1, [])
    with pytest.raises(DBusCallError, match=r"InvalidArgs"):
        ask("GetProperty", "is", ids["Quit"], "toggle-state")


def test_a_panel_that_restarts_gets_the_icon_again(app: App, panel: Panel, session_bus: PrivateBus) -> None:
    panel.stop()
    panel.start()
    with TrayClient(session_bus.env) as tray:
        assert "Now: Build" in tray.list()


def test_a_panel_that_drops_the_icon_gets_it_again(session_bus: PrivateBus) -> None:
    forgetful = Panel(session_bus)
    forgetful.start(DROPS_NAMES)
    with running(session_bus), TrayClient(session_bus.env) as tray:
        (item,) = tray.items()
        assert item == f"{tray.driver.service}/StatusNotifierItem"
        assert item.startswith(":"), "by the connection, not by a name"
        tray.drop_all()
        assert tray.items() == []
        wait_until(lambda: tray.items() == [item], "the icon to register again")
        assert served_icons(session_bus.env, "demo") == [True]
        assert served_icons(session_bus.env, "another") == []
        tray.drop_all(is_told=False)
        assert served_icons(session_bus.env, "demo") == [False]
        tray.click("Quit")
    forgetful.stop()


def test_a_panel_that_ignores_pixels_gets_a_file(session_bus: PrivateBus) -> None:
    blind = Panel(session_bus)
    blind.start(IGNORES_PIXMAPS)
    with running(session_bus) as app, TrayClient(session_bus.env) as tray:
        first = Path(tray.props()["IconName"])
        assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
        with Image.open(first) as picture:
            assert (picture.format, picture.size) == ("PNG", (48, 48))
        tray.click("Label/Meet")
        app.wait_for("label")
        wait_until(lambda: tray.props()["IconName"] != str(first), "another file")
        assert Path(tray.props()["IconName"]).is_file()
        blind.stop()
        blind.start()
        wait_until(lambda: not first.parent.exists(), "the folder to go with the panel that wanted it")
        with TrayClient(session_bus.env) as again:
            assert again.props()["IconName"] == ""
            blind.stop()
            blind.start(IGNORES_PIXMAPS)
        with TrayClient(session_bus.env) as again:
            last = Path(again.props()["IconName"])
            again.click("Quit")
        assert app.ended() == (0, "")
        assert not last.parent.exists()
    blind.stop()


def test_a_panel_that_comes_late_gets_the_icon(session_bus: PrivateBus) -> None:
    late = Panel(session_bus)
    with running(session_bus) as app:
        assert app.wait_for("ready")["registered"] is False
        late.start(NO_HOST)
        with TrayClient(session_bus.env) as tray:
            tray.click("Quit")
        late.stop()
        assert app.ended() == (0, "")


def test_a_lost_bus_ends_the_app_with_one_sentence(app: App, session_bus: PrivateBus) -> None:
    session_bus.kill()
    assert app.ended() == (1, "lost: the session bus went away\n")


def test_without_a_bus_run_fails_at_once_and_nothing_hangs(session_bus: PrivateBus) -> None:
    session_bus.kill()
    with running(session_bus) as app:
        code, errors = app.ended()
    assert code == 1
    assert errors.startswith("lost: the session bus cannot be reached")
    assert app.events("ready") == []


@pytest.mark.parametrize("how", ["quit", "SIGTERM"])
def test_the_end_is_clean(app: App, session_bus: PrivateBus, how: str) -> None:
    if how == "quit":
        with TrayClient(session_bus.env) as tray:
            tray.click("Quit")
    else:
        app.process.send_signal(signal.SIGTERM)
    assert app.ended() == (0, "")
    assert app.events("exited")[0]["threads"] == ["MainThread"]


def test_a_detached_icon_leaves_the_main_thread_free(session_bus: PrivateBus, panel: Panel) -> None:
    with running(session_bus, "detached") as app, TrayClient(session_bus.env) as tray:
        assert app.wait_for("main is free")["thread"] == "MainThread"
        app.wait_for("ready")
        tray.activate()
        assert app.wait_for("default")["thread"] == "tray"
        tray.click("Quit")
        assert app.ended() == (0, "")


def test_a_storm_of_updates_is_drawn_as_its_last_state(session_bus: PrivateBus, panel: Panel) -> None:
    with running(session_bus, "storm") as app, TrayClient(session_bus.env) as tray:
        storm = app.wait_for("storm")
        tray.wait_for_text("count 600")
        wait_until(lambda: tray.props()["Title"] == "calm", "the last title")
        drawn = [member for member, _ in tray.signals()].count("NewIcon")
        assert drawn < 600
        tray.click("Advanced/Memory")
        assert app.wait_for("memory")["mib"] < storm["before"] + 4
        tray.click("Quit")
        assert app.ended() == (0, "")


@pytest.mark.parametrize("early", [True, False])
def test_stop_works_before_the_start_and_from_the_setup(
    session_bus: PrivateBus, monkeypatch: pytest.MonkeyPatch, early: bool
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", session_bus.address)
    icon = SniIcon("name", icon_art(IconState.AWAY), "title")
    if early:
        icon.stop()
    start = time.monotonic()
    icon.run(lambda icon: icon.stop())
    icon.stop()
    assert time.monotonic() - start < allowed(1)
    assert "tray-setup" not in {thread.name for thread in threading.enumerate()}
