"""What goes wrong is one sentence with a next step and an exit code, never a traceback."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.system.paths import HomePaths
from tests.support.app_process import run_app, running_app
from tests.support.aw_server import AWServer, run_aw_server
from tests.support.processes import wait_until
from tests.support.server_days import Desk

pytestmark = pytest.mark.server

EDITOR = ("emacs", "notes")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AWServer]:
    with run_aw_server(tmp_path_factory.mktemp("aw")) as running:
        yield running


def assert_one_sentence(error: str, *words: str) -> None:
    assert error.startswith("taskclf-tray: ")
    assert len([line for line in error.splitlines() if not line.startswith("- ")]) == 1, error  # a list may follow
    assert "Traceback" not in error
    for word in words:
        assert word in error


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of this size, gone with the block; needs root, or sudo without a password."""
    folder.mkdir()
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    owner = f"size={size},uid={os.getuid()},gid={os.getgid()}"
    subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", owner, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*sudo, "umount", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("ab", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\n" * size):
                    pass


def test_an_unknown_model(tmp_path: Path, server: AWServer) -> None:
    home, model = tmp_path / "home", tmp_path / "no-such-model"
    code, out, err = run_app("run", "--once", "--aw-host", server.url, "--model-dir", model, "--home", home)
    assert (code, out) == (1, "")
    assert_one_sentence(err, "There is no model at", "no-such-model", "`taskclf-tray model list` shows the models")


def test_a_damaged_database(tmp_path: Path, server: AWServer) -> None:
    paths = HomePaths(tmp_path / "home")
    paths.tray.mkdir(parents=True)
    paths.database.write_bytes(b"this was a database once" * 400)
    for arguments in (["--once"], ["--headless", "--json"]):
        code, out, err = run_app("run", *arguments, "--aw-host", server.url, "--home", paths.home)
        assert code == 1
        assert '"bucket"' not in out
        assert_one_sentence(err, f"The database {paths.database} is damaged.", "Move it aside")
    assert paths.database.read_bytes().startswith(b"this was a database once")


def test_a_home_that_is_a_file(tmp_path: Path, server: AWServer) -> None:
    home = tmp_path / "home"
    home.write_text("a file")
    code, out, err = run_app("run", "--headless", "--aw-host", server.url, "--home", home)
    assert (code, out) == (1, "")
    assert_one_sentence(err, "Nothing can be written to", str(home))


def test_no_server_for_a_single_run(tmp_path: Path) -> None:
    code, out, err = run_app(
        "run", "--once", "--aw-host", "http://127.0.0.1:9", "--source", "activitywatch", "--home", tmp_path / "home"
    )
    assert (code, out) == (1, "")
    assert_one_sentence(err, "No ActivityWatch server answers at http://127.0.0.1:9.", "Start ActivityWatch")


def shown(paths: HomePaths) -> int:
    """How often the running app has shown itself."""
    return paths.log.read_text().count("Told: taskclf. ")


def test_a_second_start_is_told_and_the_first_shows_itself(tmp_path: Path, server: AWServer) -> None:
    paths = HomePaths(tmp_path / "home")
    arguments = ("run", "--headless", "--json", "--source", "activitywatch", "--aw-host", server.url)
    with running_app(*arguments, "--home", paths.home) as app:
        app.wait_for(lambda line: line["state"] == "away", "the first poll")
        for number, again in enumerate((arguments, ("run", "--once", "--aw-host", server.url)), start=1):
            code, out, err = run_app(*again, "--home", paths.home)
            assert code == 1
            said = [json.loads(line) for line in out.splitlines()]
            assert [line["event"] for line in said] == (["error"] if "--json" in again else [])
            assert_one_sentence(err, "already running", "It was asked to show itself.")
            wait_until(lambda n=number: shown(paths) == n, "the running app to show itself")  # type: ignore[misc]
        assert app.end()[0] == 0
    code, _, err = run_app("run", "--once", "--aw-host", server.url, "--source", "activitywatch", "--home", paths.home)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("is_log_full", [False, True])
def test_a_full_disk(tmp_path: Path, is_log_full: bool) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk, run_aw_server(tmp_path / "aw") as server:
        paths = HomePaths(disk / "home")
        arguments = ("run", "--headless", "--json", "--source", "activitywatch", "--aw-host", server.url)
        desk = Desk(server)
        with running_app(*arguments, "--home", paths.home) as app:
            app.wait_for(lambda line: line["state"] == "away", "the first poll")
            fill(disk / "filler")
            if is_log_full:
                fill(paths.log)  # what its last page still held
            now = datetime.now(UTC)
            desk.work(*EDITOR, now - timedelta(hours=2), now)
            app.wait_for_state("attention")
            assert not app.of_kind("bucket")
            seen = len(app.lines)
            (disk / "filler").unlink()
            app.wait_for(lambda line: line["event"] == "bucket", "the record to go on", 25.0, after=seen)
            app.wait_for_label(after=seen)
            code, _ = app.end()
            starts = [line["bucket_start_ts"] for line in app.of_kind("bucket")]
            assert (code, app.errors) == (0, "")
        assert len(set(starts)) == len(starts) >= 119
        told = paths.log.read_text().count("Told: The disk that holds tray.db is full.")
        assert told == (0 if is_log_full else 1)
        fill(disk / "filler")
        code, out, err = run_app("run", "--headless", "--aw-host", server.url, "--home", paths.home)
        assert (code, out) == (1, "")
        assert_one_sentence(err, "No space left on device", "with space on its disk")
