"""A real app on a real aw-server full of hostile titles: what it shows, writes, says and starts holds nothing of them.

As a program, `python -m tests.e2e.test_hostile_titles URL HOME`: the app, with a clock that runs through a day of the
server's past, so that a block ends within seconds.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.app import worker
from taskclf_tray.cli.main import main
from taskclf_tray.labels.asking_state import update_asking
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.simulation.person import ReplayClock
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord
from taskclf_tray.store.requests import LabelRequest
from taskclf_tray.system.paths import HomePaths, prepare_home
from tests.support.app_process import AppProcess
from tests.support.aw_feed import feed_aw_server
from tests.support.aw_server import AWServer, run_aw_server
from tests.support.dbus import Panel
from tests.support.dbus_bus import PrivateBus
from tests.support.homes import Home
from tests.support.hostile_texts import ADDRESS, APP, TITLE, HostilePerson, hostile, is_plain, leaks
from tests.support.processes import wait_until
from tests.support.server_days import configure
from tests.support.sni_driver import TrayClient
from tests.support.stub_notifyd import NotifyDaemon, ShownNotice
from tests.support.worker_home import MORNING, USER, copy_home
from tests.support.worker_rig import START

pytestmark = [pytest.mark.server, pytest.mark.bus]
SPEED = 300.0
POLL_SECONDS = 0.2
DAY = timedelta(hours=8)


class MarkupPerson(HostilePerson):
    """Every program has markup in its name."""

    apps = (hostile(APP)[1],)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AWServer]:
    """A day of hostile windows."""
    with run_aw_server(tmp_path_factory.mktemp("aw")) as running:
        feed_aw_server(running.url, MarkupPerson("developer", 1), MORNING, MORNING + DAY)
        yield running


@pytest.fixture
def notify_daemon(session_bus: PrivateBus) -> Iterator[NotifyDaemon]:
    """A service that reads markup."""
    daemon = NotifyDaemon(
        session_bus.folder / "notices.jsonl", session_bus.env, ("body", "actions", "body-markup", "body-hyperlinks")
    )
    daemon.start()
    yield daemon
    daemon.stop()


def prepared(folder: Path, server: AWServer, *, is_private: bool) -> HomePaths:
    """A home on its second day, with a model that is never sure."""
    paths = prepare_home(copy_home(folder / "home"))
    policy = json.loads(paths.policy.read_text())
    paths.policy.write_text(json.dumps({**policy, "reject_threshold": 0.999}))
    configure(paths.home, server.url, privacy_notifications=str(is_private).lower(), ask_spacing_minutes=15)
    yesterday = START.date() - timedelta(days=1)
    with closing(Database(paths.database)) as database:
        update_asking(database, USER, lambda state: dataclasses.replace(state, first_day=yesterday))
    return paths


class Seen:
    """The home's labels and queue, and everything a person or another program can see of the app."""

    def __init__(self, paths: HomePaths, tray: TrayClient, notify_daemon: NotifyDaemon) -> None:
        self._paths, self._tray, self._daemon = paths, tray, notify_daemon
        self.menus: list[str] = []

    def spans(self) -> list[SpanRecord]:
        with closing(Database(self._paths.database, read_only=True)) as database:
            return list(LabelStore(database, USER).everything())

    def requests(self) -> list[LabelRequest]:
        with closing(Database(self._paths.database, read_only=True)) as database:
            return database.requests.all()

    def entry(self, start: str) -> str:
        """The menu's entry that begins so; every menu that is looked at is kept."""
        self.menus += [repr(self._tray.menu()), repr(self._tray.props())]
        labels = [entry.label for depth, entry in self._tray.menu().walk() if depth == 0]
        return next((label for label in labels if label.startswith(start)), "")

    def questions(self) -> list[ShownNotice]:
        return [notice for notice in self._daemon.notices() if "other" in notice.actions]

    def wait_for_question(self, number: int) -> ShownNotice:
        def asked() -> bool:
            self.entry("")
            return len(self.questions()) >= number

        wait_until(asked, f"question {number}", 60)
        return self.questions()[number - 1]


@pytest.mark.parametrize("is_private", [True, False])
def test_hostile_titles_reach_nothing(
    is_private: bool,
    server: AWServer,
    session_bus: PrivateBus,
    panel: Panel,
    notify_daemon: NotifyDaemon,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths, trace = prepared(tmp_path, server, is_private=is_private), tmp_path / "programs"
    tracer = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-e", "trace=execve", "-s", "100000", "-o", str(trace)]
    command = [*tracer, sys.executable, "-m", "tests.e2e.test_hostile_titles", server.url, str(paths.home)]
    app = AppProcess(command, {**session_bus.env, "TZ": "UTC"})
    try:
        with TrayClient(session_bus.env, 20) as tray:
            seen = Seen(paths, tray, notify_daemon)
            answer_skip_and_undo(seen, tray, notify_daemon)
            printed = exported(Home(paths.home, capsys), tmp_path)
            assert leaks(paths.home) == []  # with the write-ahead log as it is while the app runs
            code, _ = app.end(signal.SIGTERM)
        assert (code, app.lines, app.errors) == (0, [], "")
    finally:
        app.close()
    assert leaks(paths.home) == []
    assert leaks(paths.home, (APP,)) == [paths.database.name]  # so what was read is what attacks
    assert leaks(session_bus.folder) == []  # the service's log, and the app's HOME
    assert sys.executable in trace.read_text()
    said = " ".join(map(repr, notify_daemon.notices()))
    everything = " ".join([said, *seen.menus, printed, trace.read_text()]).lower()
    assert TITLE not in everything
    assert ADDRESS not in everything
    check_apps(is_private, notify_daemon, " ".join([*seen.menus, printed, trace.read_text()]))


def answer_skip_and_undo(seen: Seen, tray: TrayClient, notify_daemon: NotifyDaemon) -> None:
    first = seen.wait_for_question(1)
    notify_daemon.press(first.id, next(key for key in first.actions if key.startswith("label_")))
    wait_until(seen.spans, "the label")
    tray.click(wait_until(lambda: seen.entry("Undo “"), "Undo"))
    wait_until(lambda: not seen.spans(), "the undo")
    review = wait_until(lambda: seen.entry("Review ("), "Review")
    block = next(e.label for _, e in tray.menu().find(review).walk() if "?" in e.label)
    tray.click(f"{review}/{block}/Write")
    wait_until(lambda: [span.label for span in seen.spans()] == ["Write"], "the label from the menu")
    seen.wait_for_question(2)
    review = wait_until(lambda: seen.entry("Review ("), "Review")
    block = next(e.label for _, e in tray.menu().find(review).walk() if "?" in e.label)
    tray.click(f"{review}/{block}/Skip")
    wait_until(lambda: any(request.status == "skipped" for request in seen.requests()), "the skip")
    tray.activate()  # says in a notification what goes on
    seen.entry("")


def exported(line: Home, folder: Path) -> str:
    """What the commands print and write."""
    printed = ""
    for arguments in (
        ("labels", "export"), ("queue", "export"), ("labels", "list", "--from", "2026-03-02"), ("queue", "list"),
        ("queue", "asking"), ("doctor",), ("model", "list"),
    ):  # fmt: skip
        _, out, errors = line.call(*arguments)
        printed += out + errors
    assert ",Write," in printed
    assert '"predicted_label"' in printed
    for group, name in (("labels", "labels.csv"), ("queue", "queue.json")):
        assert line.call(group, "export", "--out", str(folder / name))[0] == 0
        printed += (folder / name).read_text()
    return printed


def check_apps(is_private: bool, notify_daemon: NotifyDaemon, elsewhere: str) -> None:
    """A program's name is in questions only, only where it may be, and as text there, not as markup."""
    assert APP not in elsewhere
    bodies = [notice.body for notice in notify_daemon.notices()]
    named = [body for body in bodies if APP in body]
    assert bool(named) is not is_private
    for body in bodies:
        assert is_plain(body)
        assert len(body) < 400
        assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", body)
    assert all(f"Mostly in &lt;b&gt;{APP}" in body for body in named)


def run_hurried(url: str, home: str) -> int:
    """What runs as a program."""
    clock = ReplayClock(START, SPEED)
    setattr(ActivityWatchSource, "now", lambda _source: clock.now())  # noqa: B010 - a class's method, from outside
    setattr(worker, "Settings", functools.partial(worker.Settings, poll_seconds=POLL_SECONDS))  # noqa: B010
    return main(["run", "--source", "activitywatch", "--aw-host", url, "--home", home])


if __name__ == "__main__":
    sys.exit(run_hurried(*sys.argv[1:]))
