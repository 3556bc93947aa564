"""A policy edited beside the running app: in force within two seconds, never half of it, and nothing repeated."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.system.paths import HomePaths
from tests.support.app_process import AppProcess, running_app
from tests.support.aw_server import run_aw_server
from tests.support.processes import allowed, wait_until
from tests.support.server_days import Desk
from tests.support.worker_home import copy_home

pytestmark = pytest.mark.server

EDITOR = ("emacs", "notes")
BROWSER = ("firefox", "documentation")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[AppProcess, HomePaths]]:
    paths = HomePaths(copy_home(tmp_path / "home"))
    with run_aw_server(tmp_path / "aw") as server:
        desk = Desk(server)
        now = datetime.now(UTC)
        desk.work(*EDITOR, now - timedelta(minutes=20), now - timedelta(seconds=8))
        desk.work(*BROWSER, now - timedelta(seconds=8), now)  # the last word: the live label holds for 75 s
        arguments = ("run", "--headless", "--json", "--source", "activitywatch", "--aw-host", server.url)
        with running_app(*arguments, "--home", paths.home) as app:
            yield app, paths


def policy_with(paths: HomePaths, threshold: float) -> str:
    return json.dumps({**json.loads(paths.policy.read_text()), "reject_threshold": threshold}, indent=2)


def wait_for_log(paths: HomePaths, words: str, timeout_seconds: float = 8.0) -> None:
    wait_until(lambda: words in paths.log.read_text(), f"{words!r} in the log", timeout_seconds)


def test_a_saved_policy_is_in_force_at_once(running: tuple[AppProcess, HomePaths]) -> None:
    app, paths = running
    before = app.wait_for_label()
    assert (before["state"], before["core_label"]) == ("unsure", "Build")
    assert before["confidence"] < 0.9

    seen, began = len(app.lines), time.monotonic()
    write_text_atomic(paths.policy, policy_with(paths, 0.56))
    shown = app.wait_for_state("live", after=seen)
    assert time.monotonic() - began < allowed(2.0)
    assert shown["ui_label"] == "Deep Work"
    wait_for_log(paths, "threshold 0.90 → 0.56")

    changed = policy_with(paths, 0.89)
    seen = len(app.lines)
    with paths.policy.open("w") as file:
        file.write(changed[: len(changed) // 2])
        file.flush()
        wait_for_log(paths, "Inference policy not applied")
        assert app.lines[seen:] == []  # half a file changes nothing that is shown
        began = time.monotonic()
        file.write(changed[len(changed) // 2 :])
    app.wait_for_state("unsure", after=seen)
    assert time.monotonic() - began < allowed(2.0)
    wait_for_log(paths, "threshold 0.56 → 0.89")

    seen = len(app.lines)
    with paths.policy.open("w") as file:  # as editors save: the halves close together
        whole = changed.replace("0.89", "0.57")
        file.write(whole[: len(whole) // 2])
        file.flush()
        time.sleep(0.15)
        file.write(whole[len(whole) // 2 :])
    app.wait_for_state("live", after=seen)
    assert paths.log.read_text().count("Told: Inference policy not applied") == 1

    code, _ = app.end()
    assert (code, app.errors) == (0, "")
    starts = [line["bucket_start_ts"] for line in app.of_kind("bucket")]
    assert len(set(starts)) == len(starts) >= 18
