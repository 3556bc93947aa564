"""Atomic replacement: full disk, kill -9, two writers, links and modes."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import time
from pathlib import Path

import pytest

from taskclf_tray.core import atomic
from taskclf_tray.core.atomic import write_bytes_atomic, write_json_atomic, write_text_atomic
from tests.support.forked import forked
from tests.support.processes import wait_until
from tests.support.writers import write_policies


def test_new_file_gets_its_folders_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "a/b/secret"
    write_text_atomic(path, "x", 0o600)
    assert path.read_text() == "x"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["secret"]


def test_replacing_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o640)
    write_text_atomic(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o640)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("real")
    write_text_atomic(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_nan_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json_atomic(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_left_over_of_a_killed_writer_is_removed_once_it_is_old(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".x.0.tmp", tmp_path / ".x.1.tmp"
    for left in (old, fresh):
        left.write_text("part")
    os.utime(old, (1, 1))
    write_text_atomic(tmp_path / "x", "whole")
    assert sorted(item.name for item in tmp_path.iterdir()) == [".x.1.tmp", "x"]


def test_full_disk_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    """A file size limit makes `write` fail half-way, as a full disk does."""
    path = tmp_path / "file"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_bytes_atomic(path, b"n" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_failed_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_text_atomic(path, "new")
    assert [(item.name, item.read_text()) for item in tmp_path.iterdir()] == [("file", "old")]


def test_kill_9_while_a_policy_is_saved_leaves_a_whole_one(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for round_number in range(30):
        with forked(write_policies, models, "a") as child:
            assert child.next() == "ready"
            wait_until((models / "inference_policy.json").exists, "a policy")
            time.sleep(0.0013 * (round_number % 10))
            child.kill()
        assert json.loads((models / "inference_policy.json").read_text())["source"] == "a" * 3000


def test_two_processes_writing_never_mix(tmp_path: Path) -> None:
    models = tmp_path / "models"
    seen: set[str] = set()

    def both_are_seen() -> bool:
        source = json.loads((models / "inference_policy.json").read_text())["source"]
        assert source in ("a" * 3000, "b" * 3000)
        seen.add(source[0])
        return seen == {"a", "b"}

    with forked(write_policies, models, "a"), forked(write_policies, models, "b"):
        wait_until((models / "inference_policy.json").exists, "a policy")
        wait_until(both_are_seen, "policies of both")
