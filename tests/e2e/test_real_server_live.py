"""The running app on a real aw-server: what it shows as things change, fail and come back; nothing twice."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.time import from_us
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from tests.support.app_process import AppProcess, running_app
from tests.support.aw_server import AWServer, run_aw_server
from tests.support.processes import allowed, wait_until
from tests.support.server_days import Desk, Typist, configure

pytestmark = pytest.mark.server

WRITER = ("libreoffice-writer", "report.odt")
MEETING = ("zoom", "Zoom Meeting")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AWServer]:
    with run_aw_server(tmp_path / "aw") as running:
        yield running


def desk_after_half_an_hour(server: AWServer) -> Desk:
    desk = Desk(server)
    now = datetime.now(UTC)
    desk.work(*WRITER, now - timedelta(minutes=30), now)
    return desk


def starts(app: AppProcess) -> list[str]:
    return [line["bucket_start_ts"] for line in app.of_kind("bucket")]


def has_unanswered_request(port: int) -> bool:
    """Whether bytes have come to the server's port that nobody has read: a request is under way."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port and fields[3] == "01" and int(fields[4].split(":")[1], 16):
            return True
    return False


def recorded_starts(home: Path) -> list[str]:
    """Every bucket of the record, from a database that SQLite finds whole."""
    connection = sqlite3.connect(HomePaths(home).database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    database = Database(HomePaths(home).database, read_only=True)
    user = (HomePaths(home).processed / ".user_id").read_text().strip()
    records = database.buckets.between(user, 0, 1 << 62)
    database.close()
    return [from_us(record.start_us).isoformat() for record in records]


def test_changes_a_killed_server_and_a_restart(server: AWServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    arguments = ("run", "--headless", "--json", "--aw-host", server.url, "--source", "activitywatch", "--home", home)
    with Typist(desk_after_half_an_hour(server), *WRITER) as typist:
        with running_app(*arguments) as app:
            assert app.wait_for_label()["core_label"] == "Write"
            wait_until(lambda: len(starts(app)) >= 28, "the half hour before the start")

            seen = len(app.lines)
            typist.switch_to(*MEETING)
            began = time.monotonic()
            app.wait_for(lambda line: line.get("core_label") == "Meet", "the meeting", after=seen)
            assert time.monotonic() - began < allowed(8.0)  # the watcher's second, the poll's five, and the work

            seen = len(app.lines)
            server.pause()
            wait_until(lambda: has_unanswered_request(server.port), "a request to the server that hangs")
            server.kill()
            lost = app.wait_for_state("no_source", after=seen)
            assert (lost["ui_label"], lost["core_label"], lost["confidence"]) == (None, None, None)

            seen = len(app.lines)
            server.restart()
            assert app.wait_for_label(25.0, after=seen)["core_label"] == "Meet"
            code, seconds = app.end()
            assert (code, app.errors) == (0, "")
            assert seconds < allowed(3.0)
            first = starts(app)
        assert len(set(first)) == len(first)
        assert sorted(first) == recorded_starts(home)
        with running_app(*arguments) as again:
            again.wait_for_label()
            code, _ = again.end()
            assert (code, again.errors) == (0, "")
            assert sorted(first + starts(again)) == recorded_starts(home)


def test_a_server_that_hangs(server: AWServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    configure(home, server.url, aw_timeout_seconds=1)
    arguments = ("run", "--headless", "--json", "--source", "activitywatch", "--home", home)
    desk_after_half_an_hour(server)
    with running_app(*arguments) as app:
        assert app.wait_for_label()["state"] == "live"
        seen = len(app.lines)
        server.pause()
        app.wait_for_state("no_source", after=seen)
        seen = len(app.lines)
        server.resume()
        app.wait_for_label(after=seen)
        server.pause()
        wait_until(lambda: has_unanswered_request(server.port), "a request to the server that hangs")
        code, seconds = app.end()
        assert (code, app.errors) == (0, "")
        assert seconds < allowed(3.0)
        assert sorted(starts(app)) == recorded_starts(home)
        server.resume()
    log = HomePaths(home).log.read_text()
    assert "did not answer within 1 s" in log
    assert "report.odt" not in log + json.dumps(app.lines)


def test_watchers_that_come_after_the_server(server: AWServer, tmp_path: Path) -> None:
    arguments = ("run", "--headless", "--json", "--aw-host", server.url, "--source", "activitywatch")
    with running_app(*arguments, "--home", tmp_path / "home") as app:
        app.wait_for_state("away")  # the server answers, and has no window bucket yet
        desk_after_half_an_hour(server)
        assert app.wait_for_label(8.0)["core_label"] == "Write"
        assert app.end()[0] == 0
