"""Without ActivityWatch, a desktop and a past, a simulated person shows the app, until a real server appears."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.time import from_us
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from tests.support.app_process import running_app
from tests.support.aw_server import run_aw_server
from tests.support.processes import allowed, wait_until
from tests.support.server_days import Desk, configure

pytestmark = pytest.mark.server

WRITER = ("libreoffice-writer", "report.odt")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def record_of(paths: HomePaths) -> tuple[str, list[datetime]]:
    """Whose record it is, and the starts of its buckets."""
    user = (paths.processed / ".user_id").read_text().strip()
    database = Database(paths.database, read_only=True)
    starts = [from_us(record.start_us) for record in database.buckets.between(user, 0, 1 << 62)]
    database.close()
    return user, starts


def test_a_server_that_appears_ends_the_simulation(tmp_path: Path) -> None:
    port = free_port()
    paths = HomePaths(tmp_path / "home")
    configure(paths.home, f"http://127.0.0.1:{port}")
    (tmp_path / "bin").mkdir()
    began = time.monotonic()
    # an empty PATH: whatever ActivityWatch the machine has is not found
    with running_app("run", "--headless", "--json", "--home", paths.home, PATH=str(tmp_path / "bin")) as app:
        first = app.wait_for_label()
        assert time.monotonic() - began < allowed(10.0)
        assert first["simulated"] is True
        app.wait_for(lambda line: line["event"] == "bucket", "a simulated bucket")
        assert all(line["simulated"] for line in app.of_kind("live") if line["core_label"])
        simulated = [line["user_id"] for line in app.of_kind("bucket")]

        with run_aw_server(tmp_path / "aw", port) as server:
            now = datetime.now(UTC)
            Desk(server).work(*WRITER, now - timedelta(minutes=20), now)
            seen = len(app.lines)
            began = time.monotonic()
            real = app.wait_for(
                lambda line: line.get("simulated") is False and line["core_label"], "a real label", after=seen
            )
            assert time.monotonic() - began < allowed(8.0)
            assert real["core_label"] == "Write"
            after = app.lines.index(real)
            # all of them: around local noon and midnight the catch-up takes two steps
            wait_until(
                lambda: sum(line["user_id"] not in simulated for line in app.of_kind("bucket")) >= 18,
                "real buckets",
                60,
            )
            code, _ = app.end()
            assert code == 0
            assert not any(line["event"] == "live" and line["simulated"] for line in app.lines[after:])

    real_user, real_starts = record_of(paths)
    demo_user, demo_starts = record_of(HomePaths(paths.tray / "demo"))
    assert real_user != demo_user
    assert demo_starts
    assert 18 <= len(real_starts) <= 21
    assert all(now - timedelta(minutes=21) <= start <= now + timedelta(minutes=1) for start in real_starts)
