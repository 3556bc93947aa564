"""The running app, `--once` and the check-up when the clock is put right."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app.clock_put_back import put_right
from taskclf_tray.app.doctor import check_everything
from taskclf_tray.app.home_checks import CheckResult
from taskclf_tray.app.session import Session
from taskclf_tray.app.sources import SourceSwitch
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.store.connection import connect
from taskclf_tray.store.database import Database
from taskclf_tray.store.migrations import MIGRATIONS
from taskclf_tray.ui.headless import run_once
from tests.support.clock_home import NOON, ClockHome, clock_home
from tests.support.report_records import MINUTE, bucket
from tests.support.worker_home import USER, copy_home
from tests.support.worker_rig import FAST, RecordingNotifier, Watcher, until

HOUR = timedelta(hours=1)


class App:
    """The worker on the home of a desk."""

    def __init__(self, home: ClockHome) -> None:
        self.home = home
        self.notifier, self.watcher = RecordingNotifier(), Watcher()
        self.opened = 0
        home.session.close()
        self.runtime = TrayRuntime(self._session, self.notifier, settings=FAST, listeners=[self.watcher])

    def _session(self, before_request: Callable[[], None]) -> Session:
        self.opened += 1
        self.home.session = self.home.opened(before_request)
        return self.home.session

    def finalised(self) -> list[datetime]:
        return [prediction.bucket_start_ts for step in self.watcher.steps for prediction in step.finalised]

    def stop(self) -> None:
        self.runtime.stop()
        assert self.runtime.wait(5)
        self.home.session = self.home.opened()


def test_the_running_app_goes_on_in_the_present(tmp_path: Path) -> None:
    with clock_home(tmp_path) as home:
        home.work(20, "before")
        app = App(home)
        app.runtime.start()
        try:
            until(lambda: app.runtime.snapshot.line != "Starting…", "the app")
            start = NOON + 2 * HOUR
            home.clock.set(start)
            home.desk.note(start, start + 5 * MINUTE, "ahead")
            home.clock.set(start + 5 * MINUTE)
            until(lambda: start + 3 * MINUTE in app.finalised(), "minutes ahead")
            home.clock.set(NOON + 25 * MINUTE)
            until(lambda: app.notifier.told("The clock was put back by about 2 hours"), "a word about it")
            for number in range(5):
                home.desk.note(home.clock.now(), home.clock.now() + MINUTE, "after")
                home.clock.advance(60)
                expected = NOON + (24 + number) * MINUTE
                until(lambda: number == 0 or expected in app.finalised(), "the present")  # noqa: B023
            assert app.runtime.snapshot.today.total_minutes < 30
            assert app.opened == 2
            assert len(app.notifier.told("clock")) == 1
        finally:
            app.stop()
        assert set(home.apps().values()) == {"before", "after"}
        assert home.apart() == 4
        assert len(app.finalised()) == len(set(app.finalised()))


def test_minutes_come_back_while_the_app_runs(tmp_path: Path) -> None:
    """The clock was not ahead: it was set back by hand, and is set right again."""
    with clock_home(tmp_path, NOON - timedelta(days=3)) as home:
        home.work(20, "days before")
        home.clock.set(NOON)
        home.work(20, "before")
        right = home.clock.now()
        app = App(home)
        app.runtime.start()
        try:
            until(lambda: app.runtime.snapshot.line != "Starting…", "the app")
            home.clock.set(NOON - timedelta(days=3) - 20 * MINUTE)
            until(lambda: app.notifier.told("was put back by about 3 days"), "a word about it")
            until(lambda: app.runtime.snapshot.today.total_minutes == 0, "an empty day")
            home.clock.set(right + 2 * MINUTE)
            until(lambda: app.notifier.told("back in the record"), "that the minutes are back")
            until(lambda: app.runtime.snapshot.today.total_minutes == 20, "today's minutes")
        finally:
            app.stop()
        assert set(home.apps().values()) == {"days before", "before"}
        assert len(home.record()) == 40


def test_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with clock_home(tmp_path) as home:
        home.work(20, "before")
        home.clock.set(NOON + 2 * HOUR)
        home.work(10, "ahead")
        home.session.close()
        home.clock.set(NOON + 30 * MINUTE)
        switch = SourceSwitch(home.paths, home.config, environ={})
        monkeypatch.setattr(switch, "open_session", home.opened)
        assert run_once(switch, is_json=False) == 0
        err = capsys.readouterr().err
        assert err.startswith("The clock was put back by about 2 hours. ")
        assert run_once(switch, is_json=False) == 0
        assert capsys.readouterr().err == ""
        home.session = home.opened()
        assert set(home.apps().values()) == {"before"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return copy_home(tmp_path / "home")


def clock_findings(home: Path) -> list[CheckResult]:
    found = check_everything(home=home, aw_host="http://127.0.0.1:9")
    return [finding for finding in found if finding.subject == "Clock"]


def test_the_check_up_says_what_lies_ahead_and_changes_nothing(home: Path) -> None:
    assert clock_findings(home) == []
    database = Database(home / "tray" / "tray.db")
    start = from_us(to_us(datetime.now(UTC) + timedelta(days=400)) // 60_000_000 * 60_000_000)
    with database.transaction():
        database.buckets.put(bucket(start + n * MINUTE, user=USER) for n in range(3))
    database.close()
    (finding,) = clock_findings(home)
    assert finding.verdict == "failed"
    assert f"reaches to {start.astimezone():%Y-%m-%d}" in finding.detail
    assert finding.next_step.startswith("Start the app")
    database = Database(home / "tray" / "tray.db")
    assert database.buckets.count(USER) == 3
    database.close()


def test_the_check_up_names_what_is_kept_apart(home: Path) -> None:
    database = Database(home / "tray" / "tray.db")
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    with database.transaction():
        database.buckets.put(bucket(start + n * MINUTE, user=USER) for n in range(3))
    put_right(database, USER, start - 2 * HOUR, "UTC")
    database.close()
    (finding,) = clock_findings(home)
    assert finding.verdict == "note"
    assert finding.detail.startswith(
        "kept apart: 3 minutes from 2026-03-02 12:00 on, recorded before the clock was put"
    )


def test_a_home_of_an_older_version(home: Path) -> None:
    """Its database gets the new tables, also when only read."""
    path = home / "tray" / "old.db"
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    for script in MIGRATIONS[:2]:
        for statement in script:
            connection.execute(statement)
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    shutil.copy(path, home / "tray" / "reader.db")
    for name, read_only in (("old.db", False), ("reader.db", True)):
        opened = connect(home / "tray" / name, read_only=read_only)
        assert opened.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        assert opened.execute("SELECT count(*) FROM ahead_buckets").fetchone()[0] == 0
        opened.close()
