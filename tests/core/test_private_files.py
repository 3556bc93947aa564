"""The home belongs to one person: from birth, under any umask, whoever makes it first."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskclf_tray.core import private_files
from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.private_files import (
    close_places,
    foreign_owner,
    make_private_folder,
    open_parents,
    open_places,
)
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.store.database import Database
from taskclf_tray.system.lock import SingleInstance
from taskclf_tray.system.paths import HomeError, prepare_home


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def hold_lock(home: Path) -> None:
    with home_lock(home):
        pass


def start(home: Path) -> None:
    with SingleInstance(home):
        pass


FIRST: dict[str, Callable[[Path], object]] = {
    "identity": load_or_create_identity,
    "home": prepare_home,
    "lock": hold_lock,
    "instance": start,
    "record": lambda home: Database(home / "tray" / "tray.db").close(),
    "a file": lambda home: write_text_atomic(home / "configs" / "user_taxonomy.yaml", "version: 1\n"),
}


@pytest.mark.parametrize("first", FIRST)
def test_a_home_is_private_whoever_makes_it_first(umask: int, first: str, tmp_path: Path) -> None:
    home = tmp_path / "made" / "home"
    for name in (first, *FIRST):
        FIRST[name](home)
    assert open_places(home.parent) == []
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "data" / "processed" / ".title_secret").stat().st_mode) == 0o600


def test_open_places_are_found_and_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    load_or_create_identity(home)
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    (home / "link").symlink_to(outside)
    (home / "tray").chmod(0o777)
    (home / "tray" / "identity.json").chmod(0o664)
    home.chmod(0o755)
    found = open_places(home)
    assert {(place.path, place.mode) for place in found} == {
        (home, 0o755),
        (home / "tray", 0o777),
        (home / "tray" / "identity.json", 0o664),
    }
    assert close_places(found) == []
    assert open_places(home) == []
    assert stat.S_IMODE((home / "tray" / "identity.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_a_replaced_file_keeps_its_mode_and_a_new_one_is_private(umask: int, tmp_path: Path) -> None:
    shared = tmp_path / "shared.json"
    shared.write_text("{}")
    shared.chmod(0o640)
    write_text_atomic(shared, "[]")
    write_text_atomic(tmp_path / "new.json", "[]")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o600


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r"file"):
        make_private_folder(tmp_path / "file" / "below")


def test_the_home_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    prepare_home(home)
    monkeypatch.setattr(private_files, "own_user", lambda: os.geteuid() + 1)
    assert foreign_owner(home) == os.geteuid()
    with pytest.raises(HomeError, match=r"belongs to another user") as caught:
        prepare_home(home)
    assert caught.value.next_step


def test_parents_in_which_others_may_replace_the_home(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    sticky = loose / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    assert loose in open_parents(sticky / "home")
    assert sticky not in open_parents(sticky / "home")
