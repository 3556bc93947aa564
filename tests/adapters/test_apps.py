"""Programs by name: the contract's table, ours, installed .desktop files, and hostile names."""

from __future__ import annotations

import csv
import unicodedata
from importlib import resources
from pathlib import Path

import pytest

from taskclf_tray.adapters.apps import (
    LOCKER_APP_IDS,
    AppInfo,
    AppRegistry,
    application_directories,
    clean_name,
    installed_categories,
)

TABLE = Path(__file__).parents[1] / "data" / "app_registry.csv"
DATA = resources.files("taskclf_tray.adapters") / "data"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_the_contracts_table_is_shipped_unchanged_and_answers_every_row() -> None:
    text = TABLE.read_text("utf-8")
    assert (DATA / "app_registry.csv").read_text("utf-8") == text
    for row in rows(text):
        found = AppRegistry.default().lookup(f"  {row['reported_name'].upper()} ")
        assert (found.app_id, found.app_category) == (row["app_id"], row["app_category"])
        flags = [str(int(flag)) for flag in (found.is_browser, found.is_editor, found.is_terminal)]
        assert flags == [row["is_browser"], row["is_editor"], row["is_terminal"]]


def test_our_own_table_is_sound_and_adds_only_new_names() -> None:
    ours = rows((DATA / "app_registry_extra.csv").read_text("utf-8"))
    theirs = rows(TABLE.read_text("utf-8"))
    names = [row["reported_name"] for row in ours]
    assert len(names) == len(set(names)) > 1000
    assert not set(names) & {row["reported_name"] for row in theirs}
    assert {row["app_category"] for row in ours} <= {row["app_category"] for row in theirs}
    assert all(clean_name(name) == name for name in names)
    for row in ours:
        flags = [row[f"is_{kind}"] == "1" for kind in ("browser", "editor", "terminal")]
        assert flags == [row["app_category"] == kind for kind in ("browser", "editor", "terminal")]
        assert AppRegistry.default().lookup(row["reported_name"]).app_id == row["app_id"]


@pytest.mark.parametrize(
    ("name", "app_id"),
    [
        ("XTerm", "org.invisible-island.xterm"),
        ("Google-chrome", "com.google.Chrome"),
        ("CODE.EXE", "com.microsoft.VSCode"),
        ("LockApp.exe", "com.microsoft.LockApp"),
        ("Some Odd App", "unknown.some_odd_app"),
        ("x/y z", "unknown.x_y_z"),
        ("foo.exe", "unknown.foo.exe"),
        ("unknown", "unknown.unknown"),
    ],
)
def test_names(name: str, app_id: str) -> None:
    assert AppRegistry.default().lookup(name).app_id == app_id


def test_only_real_lockers_lock() -> None:
    registry = AppRegistry.default()
    assert all(registry.lookup(name).is_locker for name in ("i3lock", "LogonUI.exe", "loginwindow", "swaylock"))
    for name in ("gnome-shell", "xdg-desktop-portal-gnome"):
        assert registry.lookup(name).app_category == "lockscreen"
        assert not registry.lookup(name).is_locker
    shipped = {row["app_id"] for file in ("app_registry.csv", "app_registry_extra.csv")
               for row in rows((DATA / file).read_text("utf-8"))}  # fmt: skip
    assert shipped >= LOCKER_APP_IDS


@pytest.mark.parametrize("name", ["x" * 65_536, "a\x00b\x1bc", "\u202eevil\u2066", "\ud800", "ǅ" * 500, "\n\t "])
def test_hostile_names_stay_short_and_printable(name: str) -> None:
    app_id = AppRegistry({}).lookup(name).app_id
    assert app_id.startswith("unknown.")
    assert len(app_id) <= 8 + 128
    assert not any(unicodedata.category(c)[0] == "C" for c in app_id)


def test_what_is_remembered_is_bounded() -> None:
    registry = AppRegistry({"known": AppInfo("known.app")})
    for k in range(3000):
        registry.lookup(f"app {k}")
    assert len(registry._known) <= 1024
    assert registry.lookup("Known").app_id == "known.app"


def desktop_file(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_installed_programs(tmp_path: Path) -> None:
    entry = "[Desktop Entry]\nName={}\nExec={}\nCategories={}\n"
    desktop_file(tmp_path, "org.x.Draw.desktop", entry.format("Drawer", "/opt/x/drawer --new %U", "Graphics;GTK;"))
    desktop_file(
        tmp_path,
        "surfer.desktop",
        entry.format("Surf", "env A=1 surf", "Network;WebBrowser;") + "StartupWMClass=SurferWin\n[Desktop Action new]\n"
        "Name=Other\nCategories=Game;\n",
    )
    desktop_file(tmp_path, "plain.desktop", "[Desktop Entry]\nName=Plain\n")
    (tmp_path / "folder.desktop").mkdir()
    (tmp_path / "broken.desktop").write_bytes(b"\xff\xfe[Desktop" * 9)
    found = installed_categories([tmp_path, tmp_path / "missing"])
    assert found == {
        "surferwin": "browser", "surfer": "browser", "surf": "browser",
        "org.x.draw": "design", "drawer": "design",
    }  # fmt: skip
    registry = AppRegistry({}, lambda: found)
    assert registry.lookup("SurferWin") == AppInfo("unknown.surferwin", "browser", is_browser=True)
    assert registry.lookup("nobody").app_category == "other"


def test_where_programs_are_installed(tmp_path: Path) -> None:
    found = application_directories({"XDG_DATA_HOME": str(tmp_path), "XDG_DATA_DIRS": "/a:relative:/b"})
    assert found[0] == tmp_path / "applications"
    assert Path("/a/applications") in found
    assert all(path.is_absolute() for path in found)


@pytest.mark.parametrize("name", ["  Code.EXE ", "a\tb", "a\x7fb", "x" * 600, "", " ", "é" * 200, "A B"])
def test_a_clean_name_is_the_same_on_the_short_way(name: str) -> None:
    shown = (" " if c.isspace() else c for c in name[:512] if c.isspace() or unicodedata.category(c)[0] != "C")
    assert clean_name(name) == "".join(shown).strip().lower()[:128]
