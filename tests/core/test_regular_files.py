"""One reader and one opener: only regular files, no waiting, and no link that leads to another user's file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from taskclf_tray.core import regular_files
from taskclf_tray.core.atomic import append_line, write_bytes_atomic
from taskclf_tray.core.regular_files import Links, NotRegularError, TooLargeError, open_regular, read_regular
from taskclf_tray.core.strict_json import BadJsonError, read_bounded
from tests.support.special_files import KINDS, mark, no_waiting, put

PACKAGE = Path(regular_files.__file__).parents[1]
_READS = re.compile(r"\.read_(?:bytes|text)\(|\.open\(\s*\"|[^.\w]open\(|os\.open\(")
ALLOWED = {
    "core/atomic.py": 2,  # a folder that is flushed; a new file under a name nobody knows, O_EXCL
    "core/regular_files.py": 1,
    "adapters/apps.py": 1,  # a table of the package
    "adapters/browsers.py": 1,  # a table of the package
    "adapters/aw_http.py": 1,  # /proc/net/tcp
    "store/blackouts.py": 1,  # no file either
    "app/clock_watch.py": 1,  # /proc
    "system/console.py": 2,  # /dev/null
    "system/local_zone.py": 2,  # time zones of the system and of the package
    "jobs/process.py": 1,  # /dev/null
    "ui/icon_drawing.py": 1,  # a picture of the package
    "app/session.py": 2,  # blackouts are opened, no files
}
"""Where a file is opened otherwise, and how often."""


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that this process makes belongs to another user, who is not root."""
    real = regular_files._is_trusted
    monkeypatch.setattr(regular_files, "_is_trusted", lambda status: status.st_uid != os.geteuid() and real(status))


def test_every_read_of_the_package_goes_through_it() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): len(_READS.findall(path.read_text())) for path in PACKAGE.rglob("*.py")
    }
    assert {name: count for name, count in found.items() if count} == ALLOWED


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_a_regular_file_is_opened_or_written_over(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    there = put(path, kind)
    with no_waiting():
        for links in Links:
            with pytest.raises(OSError):
                read_regular(path, 100, links)
            with pytest.raises(OSError):
                open_regular(path, "r+b", links)
        with pytest.raises(BadJsonError):
            read_bounded(path, 100)
        is_lost = kind in ("link to nowhere", "link to itself")  # which may be made a file, or replaced
        for links in (Links.NONE,) if is_lost else (Links.TRUSTED, Links.NONE):
            with pytest.raises(OSError):
                write_bytes_atomic(path, b"new", links=links)
        with pytest.raises(OSError):
            append_line(path, "new")
    assert mark(path) == there
    assert not list(tmp_path.glob(".*.tmp"))


def test_what_the_person_links_to_is_read_and_replaced_behind_the_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    kept, link = tmp_path / "dotfiles" / "config.toml", tmp_path / "config.toml"
    kept.write_text("old")
    link.symlink_to(tmp_path / "second")
    (tmp_path / "second").symlink_to("dotfiles/config.toml")
    assert read_bounded(link, 100) == b"old"
    write_bytes_atomic(link, b"new")
    assert (link.is_symlink(), kept.read_text()) == (True, "new")
    for act in (
        lambda: read_regular(link, 100, Links.NONE),
        lambda: write_bytes_atomic(link, b"newer", links=Links.NONE),
        lambda: append_line(link, "newer"),
    ):
        with pytest.raises(NotRegularError, match="it is a link"):
            act()
    assert kept.read_text() == "new"


def test_a_link_of_another_user_is_neither_read_nor_followed(tmp_path: Path, foreign: None) -> None:
    mine, link = tmp_path / "mine", tmp_path / "link"
    mine.write_text("old")
    link.symlink_to(mine)
    assert read_regular(link, 100) == b"old"  # a file the person has named
    with pytest.raises(BadJsonError, match="is a link of another user"):
        read_bounded(link, 100)
    with pytest.raises(NotRegularError, match="of another user"):
        write_bytes_atomic(link, b"new")
    assert mine.read_text() == "old"
    assert read_bounded(mine, 100) == b"old"  # no link: the folder decides


def test_a_link_to_another_users_file_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, link = tmp_path / "theirs", tmp_path / "link"
    theirs.write_text("old")
    link.symlink_to(theirs)
    inode = theirs.stat().st_ino
    monkeypatch.setattr(regular_files, "_is_trusted", lambda status: status.st_ino != inode)
    with pytest.raises(BadJsonError, match="is a link to another user's file"):
        read_bounded(link, 100)
    with pytest.raises(NotRegularError, match="to another user's file"):
        write_bytes_atomic(link, b"new")
    assert theirs.read_text() == "old"


def test_sizes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_regular(path, 100) == b"x" * 100
    with pytest.raises(TooLargeError, match="99 bytes"):
        read_regular(path, 99)
    if Path("/proc/self/status").exists():  # a regular file of no size, with content
        assert read_regular(Path("/proc/self/status"), 1 << 20).startswith(b"Name:")
        with pytest.raises(TooLargeError):
            read_regular(Path("/proc/self/status"), 100)
    with open_regular(tmp_path / "made", "ab", Links.NONE) as file:
        file.write(b"1")
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600
