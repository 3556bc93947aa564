"""Opening files with a fake handler registered through XDG; no server owns display :77, and none is needed."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from taskclf_tray.system.editor import open_in_editor
from taskclf_tray.system.opener import clean_environment, open_folder
from tests.support.processes import allowed


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    keep = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    places = {"HOME": "home", "XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config", "XDG_DATA_DIRS": "none"}
    for folder in ("home", "data/applications", "config"):
        (tmp_path / folder).mkdir(parents=True)
    # where mimetype (libfile-mimeinfo-perl) is installed, xdg-open asks it, and it fails without a list of types
    (tmp_path / "data/mime").symlink_to("/usr/share/mime")
    return keep | {name: str(tmp_path / folder) for name, folder in places.items()} | {"DISPLAY": ":77"}


def _handler(tmp_path: Path, name: str, mimes: list[str], *, body: str = "", extra: str = "") -> None:
    script = tmp_path / name
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >> "{tmp_path}/{name}.opened"\n{body}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    entry = f"[Desktop Entry]\nType=Application\nName={name}\nExec={script} %f\nMimeType={';'.join(mimes)};\n{extra}\n"
    (tmp_path / f"data/applications/{name}.desktop").write_text(entry)
    with (tmp_path / "config/mimeapps.list").open("a") as file:
        file.write("[Default Applications]\n" + "".join(f"{mime}={name}.desktop\n" for mime in mimes))


def _opened(tmp_path: Path, name: str) -> list[str]:
    until = time.monotonic() + 5
    while not (tmp_path / f"{name}.opened").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return (tmp_path / f"{name}.opened").read_text().splitlines()


def _json(tmp_path: Path) -> Path:
    path = tmp_path / "with space; $(x).json"
    path.write_text('{"a": 1}\n')
    return path


def test_the_desktops_editor_opens_the_file_and_is_not_waited_for(tmp_path: Path, environ: dict[str, str]) -> None:
    _handler(tmp_path, "fake", ["application/json", "text/plain"], body="sleep 4")
    before = time.monotonic()
    result = open_in_editor(_json(tmp_path), environ=environ)
    assert time.monotonic() - before < allowed(3.5)
    assert (result.opened, result.program) == ("file", "xdg-open")
    assert _opened(tmp_path, "fake") == [str(_json(tmp_path))]


def test_a_browser_is_no_editor_so_the_text_editor_opens_json(tmp_path: Path, environ: dict[str, str]) -> None:
    _handler(tmp_path, "browser", ["application/json"], extra="Categories=Network;WebBrowser;")
    _handler(tmp_path, "texts", ["text/plain"])
    result = open_in_editor(_json(tmp_path), environ=environ)
    assert (result.opened, result.program) == ("file", "texts.desktop")
    assert _opened(tmp_path, "texts") == [str(_json(tmp_path))]
    assert not (tmp_path / "browser.opened").exists()


def test_without_a_display_nothing_is_started_and_the_path_is_said(tmp_path: Path, environ: dict[str, str]) -> None:
    del environ["DISPLAY"]
    result = open_in_editor(_json(tmp_path), environ=environ)
    assert result.opened == "nothing"
    assert str(_json(tmp_path)) in result.reason
    assert open_folder(tmp_path, environ=environ).opened == "nothing"


def test_without_any_program_the_path_is_said(tmp_path: Path, environ: dict[str, str]) -> None:
    environ["PATH"] = str(tmp_path / "none")
    result = open_in_editor(_json(tmp_path), environ=environ)
    assert result.opened == "nothing"
    assert str(_json(tmp_path)) in result.reason


def test_an_editor_that_fails_gives_way_to_the_folder(tmp_path: Path, environ: dict[str, str]) -> None:
    opener = tmp_path / "bin/xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\n[ -d "$1" ] || exit 3\necho "$1" >> {tmp_path}/folder.opened\n')
    opener.chmod(0o755)
    environ["PATH"] = f"{opener.parent}:/bin"
    result = open_in_editor(_json(tmp_path), environ=environ)
    assert result.opened == "folder"
    assert "with space" in result.reason
    assert _opened(tmp_path, "folder") == [str(tmp_path)]


def test_editor_variable_counts_only_from_a_terminal(tmp_path: Path, environ: dict[str, str]) -> None:
    _handler(tmp_path, "fake", ["application/json", "text/plain"])
    _handler(tmp_path, "own", [])
    environ["EDITOR"] = f"{tmp_path}/own"
    assert open_in_editor(_json(tmp_path), environ=environ).program == "xdg-open"
    assert not (tmp_path / "own.opened").exists()
    assert open_in_editor(_json(tmp_path), environ=environ, from_terminal=True).program == f"{tmp_path}/own"
    assert _opened(tmp_path, "own") == [str(_json(tmp_path))]


def test_a_frozen_apps_library_path_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = {"LD_LIBRARY_PATH": "/app/_internal", "LD_LIBRARY_PATH_ORIG": "/usr/x", "A": "1"}
    assert clean_environment(frozen) == {"LD_LIBRARY_PATH": "/usr/x", "A": "1"}
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert clean_environment({"LD_LIBRARY_PATH": "/app/_internal", "A": "1"}) == {"A": "1"}
