"""The parts of the D-Bus tray by themselves: names of pystray it relies on, ids, differences, pictures, failures."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from PIL import Image

from taskclf_tray.app.snapshot import IconState
from taskclf_tray.ui.icon import IconArt
from taskclf_tray.ui.sni import base
from taskclf_tray.ui.sni.base import KeyedItem, Menu, MenuItem
from taskclf_tray.ui.sni.dbusmenu import LABEL_LIMIT, DBusMenu, MenuTree, differences, entry_properties
from taskclf_tray.ui.sni.icon import SniIcon
from taskclf_tray.ui.sni.item import PIXMAP_SIZES, StatusNotifierItem, argb, pixmaps
from tests.support.processes import ROOT


def labels(menu: Any) -> dict[str, int]:
    tree = MenuTree()
    return {node.item.text: node.id for node in tree.build(menu).walk() if node.item is not None}


def test_the_private_names_of_pystray_that_are_used_exist() -> None:
    assert importlib.metadata.version("pystray") == "0.19.5"
    icon = base.Icon("name", Image.new("RGBA", (8, 8)), "title", Menu())
    for name in ("_name", "_icon", "_title", "_menu", "_visible", "_icon_valid", "_running"):
        assert name in vars(icon), name
    hooks = "_show _hide _update_icon _update_title _update_menu _mark_ready _start_setup _run _run_detached _stop"
    for name in [*hooks.split(), "run", "stop", "SETUP_THREAD_TIMEOUT", "HAS_MENU"]:
        assert hasattr(base.Icon, name), name


@pytest.mark.parametrize("before", [None, "gtk"])
def test_importing_needs_no_display_and_leaves_the_environment_alone(before: str | None) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "PYSTRAY_BACKEND")}
    if before is not None:
        env["PYSTRAY_BACKEND"] = before
    code = "import os, taskclf_tray.ui.sni.base as b; print(b.Icon.__module__, os.environ.get('PYSTRAY_BACKEND'))"
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"pystray._base {before}\n"


def test_hiding_an_entry_does_not_renumber_the_others() -> None:
    shown = [True]
    menu = Menu(MenuItem("a", None, visible=lambda item: shown[0]), Menu.SEPARATOR, MenuItem("b", None))
    tree = MenuTree()
    before = [node.id for node in tree.build(menu).children]
    shown[0] = False
    assert [node.id for node in tree.build(menu).children] == before[-1:]
    shown[0] = True
    assert [node.id for node in tree.build(menu).children] == before


def test_keys_follow_their_entry_and_twins_stay_apart() -> None:
    rows = ["x", "y", "x", "x"]
    tree = MenuTree()

    def made() -> dict[str, list[int]]:
        menu = Menu(lambda: iter([KeyedItem(row, row, None) for row in rows]))
        ids: dict[str, list[int]] = {}
        for node in tree.build(menu).children:
            ids.setdefault(node.item.text, []).append(node.id)
        return ids

    first = made()
    assert len({ident for idents in first.values() for ident in idents}) == 4
    rows[:] = ["y", "x"]
    assert made() == {"y": first["y"], "x": first["x"][:1]}


def test_a_child_never_shares_an_id_with_a_twin_of_its_parent() -> None:
    twins = [KeyedItem("x", "outer", Menu(KeyedItem("again", f"inner {n}", None))) for n in range(3)]
    idents = [node.id for node in MenuTree().build(Menu(*twins)).walk()]
    assert len(idents) == len(set(idents)) == 7


def test_the_whole_tooltip_stands_in_its_title_for_lxqt() -> None:
    said = "Build 87 %\nSimulated person"
    for is_wide, title in ((False, "Build 87 %"), (True, said)):
        item = StatusNotifierItem("taskclf", lambda: None, has_wide_tip=is_wide)
        item.tell(said)
        assert item.tool_tip == ["", [], title, "Simulated person"]


def test_labels_are_made_harmless() -> None:
    hostile = "\x00_evil\u202egnp.exe\n\ud800" + "y" * 1000
    label = entry_properties(MenuItem(hostile, None))["label"].value
    assert label.startswith("__evilgnp.exe \ufffd")
    assert len(label.replace("__", "_")) == LABEL_LIMIT
    label.encode()


def test_only_what_differs_is_told() -> None:
    state = {"text": "one", "checked": True}
    menu = Menu(
        MenuItem(lambda item: str(state["text"]), None, checked=lambda item: state["checked"]), MenuItem("b", None)
    )
    tree = MenuTree()

    def nodes() -> dict[int, Any]:
        return {node.id: node for node in tree.build(menu).walk()}

    first = nodes()
    assert differences(first, nodes()) == ([], [])
    state.update(text="two", checked=None)
    changed, removed = differences(first, nodes())
    assert [(ident, {name: value.value for name, value in properties.items()}) for ident, properties in changed] == [
        (1, {"label": "two"})
    ]
    assert removed == [[1, ["toggle-state", "toggle-type"]]]


def test_a_menu_that_raises_leaves_the_last_one_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    def bad(item: Any) -> str:
        raise ValueError("no text")

    served = DBusMenu(lambda item: None)
    served.load(Menu(MenuItem("good", None)))
    before = served._root
    served.load(Menu(MenuItem(bad, None)))
    served.load(Menu(MenuItem(bad, None)))
    assert served._root is before
    assert [record.message for record in caplog.records] == ["the menu cannot be built; the last one stays"]


def test_pixels_are_argb_in_network_order() -> None:
    assert argb(Image.new("RGBA", (1, 1), (1, 2, 3, 4))) == bytes([4, 1, 2, 3])
    drawn = pixmaps(Image.new("RGB", (64, 64), (1, 2, 3)))
    assert [entry[:2] for entry in drawn] == [[size, size] for size in PIXMAP_SIZES]
    assert all(pixels == bytes([255, 1, 2, 3]) * size * size for size, _, pixels in drawn)
    art = IconArt(IconState.PAUSED)
    assert [pixels for *_, pixels in pixmaps(art)] == [argb(art.at(size)) for size in PIXMAP_SIZES]


@pytest.mark.parametrize(
    "address", ["unix:path=/nonexistent/bus", "nonsense", "carrier-pigeon:coop=1", "unix:path=/dev/null"]
)
def test_a_run_that_cannot_start_raises_and_leaves_no_thread(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    called: list[Any] = []
    icon = SniIcon("name", Image.new("RGBA", (8, 8)), "title", Menu(MenuItem("a", None)))
    with pytest.raises(ConnectionError, match="session bus cannot be reached"):
        icon.run(called.append)
    assert called == []
    assert "tray-setup" not in {thread.name for thread in threading.enumerate()}
    icon.run_detached(called.append)
    with pytest.raises(ConnectionError):
        icon.join(120)


def test_before_the_run_changes_are_kept_and_nothing_is_sent() -> None:
    icon = SniIcon("name", Image.new("RGBA", (8, 8)), "title", Menu(MenuItem("a", None)))
    icon.title = "other"
    icon.update_menu()
    icon.visible = True
    assert not icon.registered.is_set()
    assert not icon.host_available()
    icon.visible = False


def test_a_swatch_is_a_small_png_in_the_layout() -> None:
    color: list[str | None] = ["#2e86de"]
    tree = MenuTree()
    menu = Menu(KeyedItem("status", "● Build", None, swatch=lambda: color[0]))
    (node,) = tree.build(menu).children
    png = node.properties["icon-data"].value
    assert png.startswith(b"\x89PNG")
    assert len(png) < 1500
    assert node.properties["label"].value == "Build"
    color[0] = None
    (node,) = tree.build(menu).children
    ring = node.properties["icon-data"].value
    assert ring.startswith(b"\x89PNG")
    assert ring != png
    assert node.properties["label"].value == "Build"
    assert "icon-data" not in entry_properties(KeyedItem("plain", "plain", None))
