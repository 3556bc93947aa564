"""The log of the app: two regular files of its own, whatever stands in their places."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.system.log_file import OwnLogHandler
from tests.support.special_files import KINDS, mark, no_waiting, put


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log = logging.Logger("own")
    handler = OwnLogHandler(tmp_path / "tray.log", 200)
    log.addHandler(handler)
    yield log
    handler.close()


def write_lines(log: logging.Logger) -> None:
    with no_waiting():
        for number in range(12):
            log.warning("line %d %s", number, "x" * 30)


def test_it_keeps_the_newest_lines_in_two_private_files(log: logging.Logger, tmp_path: Path) -> None:
    write_lines(log)
    assert "line 11 " in (tmp_path / "tray.log").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tray.log", "tray.log.1"]
    for path in tmp_path.iterdir():
        assert (path.stat().st_mode & 0o777, path.stat().st_size <= 200) == (0o600, True)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_waited_for_or_written_over(log: logging.Logger, tmp_path: Path, kind: str) -> None:
    there = put(tmp_path / "tray.log", kind)
    write_lines(log)
    assert mark(tmp_path / "tray.log") == there
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_log_that_cannot_make_room_begins_anew(log: logging.Logger, tmp_path: Path, kind: str) -> None:
    there = put(tmp_path / "tray.log.1", kind)
    write_lines(log)
    assert mark(tmp_path / "tray.log.1") == there
    assert "line 11 " in (tmp_path / "tray.log").read_text()
    assert (tmp_path / "tray.log").stat().st_size <= 200


def test_a_link_is_not_written_through(log: logging.Logger, tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine")
    (tmp_path / "tray.log").symlink_to("diary")
    write_lines(log)
    assert (tmp_path / "diary").read_text() == "mine"
