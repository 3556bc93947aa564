"""The tray as a person uses it: the real app on a private bus, its menu read and clicked over D-Bus."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from taskclf_tray.app import text
from tests.support.dbus import Panel
from tests.support.dbus_bus import PrivateBus
from tests.support.processes import ROOT, python_child, stop, wait_until
from tests.support.sni_driver import TrayClient
from tests.support.stub_notifyd import NotifyDaemon
from tests.support.xdg_editor import FakeEditor

pytestmark = pytest.mark.bus
STARTER = "2026-01-01_000000_run-0001"
DEMO = ("demo", "--speed", "60")


@contextmanager
def running_app(env: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with python_child("taskclf_tray", arguments, env) as app:
        yield app


@pytest.fixture
def editor(tmp_path: Path) -> FakeEditor:
    return FakeEditor(tmp_path)


@pytest.fixture
def env(
    session_bus: PrivateBus, panel: Panel, notify_daemon: NotifyDaemon, editor: FakeEditor, tmp_path: Path
) -> dict[str, str]:
    """A session with a panel, a notification service and an editor, and an empty home."""
    return {**session_bus.env, **editor.env, "TASKCLF_HOME": str(tmp_path / "home")}


def has_label(tray: TrayClient) -> str:
    """Wait until the status line shows a label or an honest doubt; the line."""

    def line() -> str:
        title = str(tray.props()["Title"])
        return title if "%" in title else ""

    return wait_until(line, "a live label", 15)


def models_of(home: Path) -> Path:
    return home / "tray" / "demo" / "models"


def test_edit_inference_policy(
    env: dict[str, str], notify_daemon: NotifyDaemon, editor: FakeEditor, tmp_path: Path
) -> None:
    policy = models_of(tmp_path / "home") / "inference_policy.json"
    with running_app(env, *DEMO) as app, TrayClient(env) as tray:
        has_label(tray)
        assert not policy.exists()
        editor.will_apply('s/"reject_threshold": [0-9.]*/"reject_threshold": 0.6/')
        tray.click("Advanced/Edit Inference Policy")
        notice = notify_daemon.wait_for("threshold")
        assert notice.title == "Inference policy applied"
        assert "threshold 0.43 → 0.60" in notice.body
        assert editor.opened == [str(policy)]
        written = json.loads(policy.read_text())
        assert (written["source"], written["model_dir"]) == ("tray-edit", f"models/{STARTER}")

        editor.will_apply('s/"reject_threshold": [0-9.]*/"reject_threshold": 7/')
        tray.click("Advanced/Edit Inference Policy")
        refused = notify_daemon.wait_for("not applied")
        assert "reject_threshold" in refused.body
        tray.activate()
        assert "threshold 0.60" in notify_daemon.wait_for("Model ").body  # the old one stays in use

        editor.will_apply('s/"reject_threshold": [0-9.]*/"reject_threshold": 0.65/')
        tray.click("Advanced/Edit Inference Policy")
        assert "threshold 0.60 → 0.65" in notify_daemon.wait_for("0.65").body
        tray.click("Quit")
        assert app.wait(120) == 0


def test_the_menu_is_the_products_and_nothing_in_it_is_dead(
    env: dict[str, str], tmp_path: Path, editor: FakeEditor
) -> None:
    with running_app(env, *DEMO) as app, TrayClient(env) as tray:
        has_label(tray)
        top = [entry.label for _, entry in tray.menu().walk() if _ == 0]
        assert "Simulated person: this is not your activity" in top
        assert [name for name in top if name in ("Pause", "Private mode", "Prediction Model", "Advanced", "Quit")] == [
            "Pause",
            "Private mode",
            "Prediction Model",
            "Advanced",
            "Quit",
        ]
        for entry in ("Edit Config", "Open Log", "Open Data Folder"):
            before = len(editor.opened)
            tray.click(f"Advanced/{entry}")
            wait_until(lambda seen=before: len(editor.opened) > seen, entry)
        home = tmp_path / "home"
        assert editor.opened[:2] == [str(home / "config.toml"), str(home / "tray" / "tray.log")]
        assert f"(o) {text.model_entry(STARTER, None)}" in tray.list()
        app.send_signal(signal.SIGTERM)
        assert app.wait(120) == 0


def test_pause_and_private_mode(env: dict[str, str]) -> None:
    with running_app(env, *DEMO), TrayClient(env) as tray:
        has_label(tray)
        tray.click("Private mode")
        tray.wait_for_text("[x] Private mode")
        assert "nothing is read" in str(tray.props()["Title"])
        tray.click("Private mode")
        tray.wait_for_text("[ ] Private mode")
        tray.click("Pause/Until tomorrow")
        wait_until(lambda: "Paused until" in str(tray.props()["Title"]), "the pause")
        tray.click("Pause/Resume")
        has_label(tray)


def test_a_picked_model_writes_a_policy(env: dict[str, str], notify_daemon: NotifyDaemon, tmp_path: Path) -> None:
    with running_app(env, *DEMO), TrayClient(env) as tray:
        has_label(tray)
        tray.click(f"Prediction Model/{text.model_entry(STARTER, None)}")
        notify_daemon.wait_for("Prediction model changed")
        written = json.loads((models_of(tmp_path / "home") / "inference_policy.json").read_text())
        assert written["reject_threshold"] == 0.43


def test_the_icon_comes_back_with_the_panel(env: dict[str, str], panel: Panel) -> None:
    def of_the_tray() -> str:
        asked = subprocess.run(
            [sys.executable, "-m", "taskclf_tray", "doctor"], env=env, capture_output=True, text=True
        )
        return next(line for line in asked.stdout.splitlines() if " Tray: " in line)

    with running_app(env, *DEMO), TrayClient(env) as tray:
        has_label(tray)
        panel.stop()
        panel.start()
        with TrayClient(env) as again:
            assert "Advanced" in again.list()
            assert of_the_tray() == "✓ Tray: sni, and the panel has the icon of the running app"
            again.drop_all(is_told=False)
            assert of_the_tray() == "✗ Tray: the app runs, but the panel does not have its icon"


def test_a_session_that_ends_ends_the_app_with_a_sentence(env: dict[str, str], session_bus: PrivateBus) -> None:
    with running_app(env, *DEMO) as app:
        with TrayClient(env) as tray:
            has_label(tray)
        session_bus.kill()
        assert app.wait(120) == 1
        assert app.stderr is not None
        said = app.stderr.read()
        assert "desktop session" in said
        assert "Traceback" not in said


@contextmanager
def in_a_terminal(env: dict[str, str], *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Callable[[], str]]]:
    """The app in a terminal of its own, and what it has written there so far."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    command = [sys.executable, "-m", *arguments]
    app = subprocess.Popen(command, env=env, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, text=True)
    os.close(theirs)
    seen: list[str] = []

    def written() -> str:
        with contextlib.suppress(OSError):
            seen.append(os.read(ours, 1 << 20).decode())
        return "".join(seen)

    try:
        yield app, written
    finally:
        stop(app)
        os.close(ours)


def test_without_a_panel_the_app_runs_in_the_terminal_and_the_icon_comes_with_the_panel(
    session_bus: PrivateBus, notify_daemon: NotifyDaemon, tmp_path: Path
) -> None:
    env = {**session_bus.env, "TASKCLF_HOME": str(tmp_path / "home"), "DISPLAY": ":77", "XDG_CURRENT_DESKTOP": "GNOME"}
    with in_a_terminal(env, "tests.support.impatient_app", *DEMO) as (app, written):
        wait_until(lambda: "Simulated person" in written(), "the banner", 15)
        assert "runs in this terminal" in written()
        wait_until(lambda: "●" in written(), "the status line")
        told = notify_daemon.wait_for("GNOME shows no tray icons")
        assert told.body.startswith("Install and switch on")
        assert [notice.title for notice in notify_daemon.notices()].count(told.title) == 1
        assert "GNOME shows no tray icons" in (tmp_path / "home/tray/tray.log").read_text()
        late = Panel(session_bus)
        late.start()
        with TrayClient(env) as tray:
            title = has_label(tray)
            label = tray.props()["XAyatanaLabel"].removesuffix("?")
            assert label
            assert label in title
        app.send_signal(signal.SIGINT)
        assert app.wait(120) == 0
        late.stop()


def test_without_a_panel_and_a_terminal_nothing_is_printed(session_bus: PrivateBus, tmp_path: Path) -> None:
    with running_app({**session_bus.env, "TASKCLF_HOME": str(tmp_path / "home")}, *DEMO) as app:
        late = Panel(session_bus)
        late.start()
        with TrayClient(session_bus.env) as tray:
            has_label(tray)
            tray.click("Quit")
        assert app.communicate(timeout=120) == ("", "")
        assert app.returncode == 0
        late.stop()


def test_a_second_start_makes_the_first_show_itself(env: dict[str, str], notify_daemon: NotifyDaemon) -> None:
    with running_app(env, *DEMO), TrayClient(env) as tray:
        has_label(tray)
        with running_app(env, *DEMO) as second:
            assert second.wait(120) == 1
            assert second.stderr is not None
            assert "already running" in second.stderr.read()
        notify_daemon.wait_for("taskclf")
