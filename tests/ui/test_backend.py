"""Which tray backend is chosen, how quickly, and what is said when there is none."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from taskclf_tray.app.snapshot import IconState
from taskclf_tray.ui import backend
from taskclf_tray.ui.backend import Capability, TrayBackend, capability_table, choose_backend, missing_panel, within
from taskclf_tray.ui.icon import icon_art
from tests.support.dbus import Panel, panel, session_bus
from tests.support.dbus_bus import PrivateBus
from tests.support.processes import allowed

__all__ = ["panel", "session_bus"]  # fixtures

NO_BUS = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}


def test_a_panel_on_the_bus_is_served_over_dbus(session_bus: PrivateBus, panel: Panel) -> None:
    from taskclf_tray.ui.sni.icon import SniIcon

    chosen = choose_backend(session_bus.env, "linux")
    assert (chosen.name, chosen.icon_class, chosen.reason) == ("sni", SniIcon, "")
    assert chosen.capabilities == frozenset(Capability)
    art = icon_art(IconState.AWAY)
    assert chosen.picture(art) is art


def test_any_session_bus_will_do_since_the_panel_may_come_later(session_bus: PrivateBus) -> None:
    chosen = choose_backend({**session_bus.env, "WAYLAND_DISPLAY": "w"}, "linux")
    assert chosen.name == "sni"
    assert chosen.reason.startswith("No panel here takes tray icons")


def test_a_bus_that_accepts_and_says_nothing_is_given_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("b") / "s"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        start = time.monotonic()
        chosen = choose_backend({"DBUS_SESSION_BUS_ADDRESS": f"unix:path={path}"}, "linux")
        assert time.monotonic() - start < allowed(2.0)
    assert chosen.icon_class is None


def test_the_socket_of_systemd_counts_without_the_variable(session_bus: PrivateBus, panel: Panel) -> None:
    assert choose_backend({"XDG_RUNTIME_DIR": str(session_bus.folder)}, "linux").name == "sni"


@pytest.mark.parametrize(
    ("environ", "has_bus", "says"),
    [
        ({}, True, "no desktop here"),
        ({"DISPLAY": ":77"}, False, "no D-Bus session bus answers"),
        ({"WAYLAND_DISPLAY": "w", "XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}, True, "AppIndicator and"),
        ({"DISPLAY": ":77", "XDG_CURRENT_DESKTOP": "Budgie:GNOME"}, True, "budgie-indicator-applet"),
        ({"DISPLAY": ":77", "XDG_CURRENT_DESKTOP": "i3"}, True, "No panel here takes tray icons"),
    ],
)
def test_without_a_tray_one_sentence_says_what_is_missing(environ: Mapping[str, str], has_bus: bool, says: str) -> None:
    missing = TrayBackend("none", None, missing_panel(environ, has_bus=has_bus))
    reason = missing.reason
    assert says in reason
    assert reason.endswith("The app runs in this terminal and loses no function.")
    if not has_bus:
        assert choose_backend({**environ, **NO_BUS}, "linux") == missing


def fake_pystray(name: str, *, has_menu: bool) -> ModuleType:
    module = ModuleType(f"pystray._{name}")
    module.__dict__["Icon"] = type("Icon", (), {"HAS_MENU": has_menu})
    return module


@pytest.mark.parametrize(
    ("appindicator", "gtk", "chosen"),
    [
        (True, True, "appindicator"),
        (None, True, "gtk"),
        (False, True, "gtk"),
        (None, None, "none"),
        (None, False, "none"),
    ],
)
def test_on_plain_x11_only_a_backend_with_a_menu_is_taken(
    appindicator: bool | None, gtk: bool | None, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "has_x11_tray", lambda name: name == ":77")
    for name, has_menu in (("appindicator", appindicator), ("gtk", gtk)):
        module = None if has_menu is None else fake_pystray(name, has_menu=has_menu)
        monkeypatch.setitem(sys.modules, f"pystray._{name}", module)  # None makes the import fail
    found = choose_backend({"DISPLAY": ":77", **NO_BUS}, "linux")
    assert found.name == chosen
    assert (found.icon_class is None) == bool(found.reason) == (chosen == "none")
    if chosen != "none":
        assert found.picture(icon_art(IconState.AWAY)).size == (64, 64)
    assert choose_backend({"DISPLAY": ":78", **NO_BUS}, "linux").name == "none"


def test_a_question_that_hangs_is_a_no() -> None:
    release = threading.Event()
    assert not within(0.05, lambda: release.wait(5))
    release.set()
    assert within(1, lambda: True)
    assert not within(1, lambda: False)


def test_no_x_server_is_no_tray() -> None:
    assert not backend.has_x11_tray(":65000")


def test_other_platforms() -> None:
    assert choose_backend({}, "win32").name == "win32"
    assert choose_backend({}, "darwin").capabilities == frozenset(Capability) - {
        Capability.RADIO,
        Capability.DEFAULT_ACTION,
    }
    assert "no tray icon on this platform (sunos5)" in choose_backend({}, "sunos5").reason


def test_the_table_has_a_row_for_each_backend() -> None:
    head, rule, *rows = capability_table().splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == ["Tray", *Capability, "Checked by"]
    assert len(rows) == 6
    assert {line.count("|") for line in (head, rule, *rows)} == {len(Capability) + 3}
    assert [row.endswith("not run here |") for row in rows] == [False, True, True, True, True, False]


def test_the_menu_names_are_exported(tmp_path: Path) -> None:
    from taskclf_tray.ui.sni import base

    assert (backend.Menu, backend.MenuItem, backend.KeyedItem) == (base.Menu, base.MenuItem, base.KeyedItem)
    with pytest.raises(AttributeError):
        backend.Nothing  # noqa: B018
