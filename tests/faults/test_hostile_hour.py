"""Everything hostile at once: source, titles, settings and disk, while somebody labels; the long form takes an hour."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths, prepare_home
from tests.support.app_process import AppProcess, app_environment, run_app
from tests.support.hostile_server import EXCLUDED_APP, EXCLUDED_WORD, SLOW_PATTERN, HostileServer, is_excluded
from tests.support.hostile_texts import ADDRESS, APP, TITLE, leaks
from tests.support.http_faults import Handler, faulty_server
from tests.support.server_days import configure
from tests.support.worker_home import USER, copy_home
from tests.support.worker_rig import START

LONG = os.environ.get("TASKCLF_FAULTS") == "long"
WALL_SECONDS = float(os.environ.get("TASKCLF_HOSTILE_SECONDS", "3600")) if LONG else 4.0
SPEED = 20.0 if LONG else 240.0
ROUND_SECONDS = 2.0 if LONG else 1.2  # a file that has just been saved is left to settle
FAULTS = 6
PEAK_MIB = 150
ENDS_SECONDS = 5.0
SOUND = {
    "exclude_apps": f'["{EXCLUDED_APP}"]',
    "exclude_title_patterns": f"['{EXCLUDED_WORD}', '{SLOW_PATTERN}']",
    "aw_timeout_seconds": 1,
    "source": '"activitywatch"',
}
BROKEN = (
    b"exclude_apps = [\n",
    f"exclude_apps = \"{EXCLUDED_APP}\"\nexclude_title_patterns = ['{EXCLUDED_WORD}']\n".encode(),
    b'exclude_apps = [""]\nexclude_title_patterns = ["("]\n',
    b"# caf\xe9\nexclude_apps = []\n",
    b"exclude_app = []\n[[[",
    b"\x00" * 100,
    b"exclude_title_patterns = tru\n",
)
"""Files with a mistake; whatever else they say, none of them ends an exclusion that is in use."""


class Person:
    """Saves broken and sound settings by turns, labels minutes of the past, and now and then has a full disk."""

    def __init__(self, home: Path, url: str, app: AppProcess) -> None:
        self._home, self._url, self._app = home, url, app
        self._round = 0
        self.labelled: list[int] = []

    def act(self) -> None:
        """One round."""
        self._round += 1
        broken = BROKEN[self._round % len(BROKEN)]
        if self._round % 2:
            (self._home / "config.toml").write_bytes(broken)
        else:
            configure(self._home, self._url, **SOUND)
        if self._round % 3 == 0:
            self._label()
        is_full = self._round % 4 == 1
        resource.prlimit(self._app.process.pid, resource.RLIMIT_FSIZE, (4096 if is_full else -1, -1))

    def _label(self) -> None:
        start = START - timedelta(days=14) + timedelta(minutes=10 * len(self.labelled))
        database = Database(self._home / "tray" / "tray.db")
        try:
            LabelStore(database, USER).add(start, start + timedelta(minutes=5), "Build", at=START)
        finally:
            database.close()
        self.labelled.append(to_us(start))


@contextlib.contextmanager
def elsewhere() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Where redirects lead, and who came."""

    def answer(handler: Handler) -> None:
        handler.answer(200, b"{}")

    with faulty_server(answer) as found:
        yield found


def peak_mib(pid: int) -> float:
    """The most memory that the process has had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


@pytest.mark.faults
@pytest.mark.timeout(WALL_SECONDS + 120)
def test_everything_hostile_at_once(tmp_path: Path) -> None:
    paths = prepare_home(copy_home(tmp_path / "home"))
    with elsewhere() as (other, came):
        server = HostileServer(other)
        with faulty_server(server.answer) as (url, requests):
            configure(paths.home, url, **SOUND)
            command = [sys.executable, "-m", "tests.support.hostile_child", url, str(paths.home), str(SPEED)]
            app = AppProcess(command, app_environment("Etc/GMT"))
            try:
                app.wait_for_label(20)
                server.is_hostile = True
                person, until = Person(paths.home, url, app), time.monotonic() + WALL_SECONDS
                while time.monotonic() < until or (len(server.faults) < FAULTS and time.monotonic() < until + 30):
                    person.act()
                    time.sleep(ROUND_SECONDS)
                    assert app.process.poll() is None, app.errors
                peak = peak_mib(app.process.pid)
                code, seconds = app.end(signal.SIGTERM)
            finally:
                app.close()
    count = check_record(paths, person.labelled)
    print(f"{count} minutes, {len(requests)} requests, {server.faults}, peak {peak:.1f} MiB, ended in {seconds:.2f} s")
    assert len(server.faults) == FAULTS
    assert came == []
    assert code == 0, app.errors
    assert seconds < ENDS_SECONDS
    assert peak <= PEAK_MIB
    assert leaks(tmp_path, (TITLE, ADDRESS, APP)) == []
    assert not [word for word in (TITLE, ADDRESS, APP) if word in app.errors or word in repr(app.lines)]
    assert run_app("labels", "export", "--home", paths.home)[1].count(",Build,") == len(person.labelled)


def check_record(paths: HomePaths, labelled: list[int]) -> int:
    """No excluded minute, every label; how many minutes were recorded."""
    database = Database(paths.database, read_only=True)
    try:
        starts = [record.start_us for record in database.buckets.between(USER, 0, 1 << 62)]
        spans = {span.start_us for span in LabelStore(database, USER).everything()}
    finally:
        database.close()
    assert [from_us(start) for start in starts if is_excluded(start // 60_000_000)] == []
    assert spans >= set(labelled)
    assert len(starts) >= 3
    return len(starts)
