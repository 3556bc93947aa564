"""A person corrects, is asked, answers with one click and takes it back: the real app on a private bus."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from taskclf_tray.store.requests import LabelRequest
from tests.support.app_process import run_app
from tests.support.dbus import Panel
from tests.support.dbus_bus import PrivateBus
from tests.support.demo_home import FAST, DemoHome, entry_with
from tests.support.processes import allowed, python_child, wait_until
from tests.support.sni_driver import TrayClient
from tests.support.stub_notifyd import NotifyDaemon, ShownNotice

pytestmark = pytest.mark.bus


@pytest.fixture
def env(session_bus: PrivateBus, panel: Panel, notify_daemon: NotifyDaemon, tmp_path: Path) -> dict[str, str]:
    return {**session_bus.env, "TASKCLF_HOME": str(tmp_path / "home")}


@pytest.fixture
def home(tmp_path: Path) -> DemoHome:
    return DemoHome(tmp_path / "home")


def label_this(tray: TrayClient, label: str) -> None:
    """Click a label under `Label this as (since 14:05)`."""
    menu = next(e for depth, e in tray.menu().walk() if depth == 0 and e.label.startswith("Label this as"))
    tray.click_id(menu.find(label).id)


def asked(notify_daemon: NotifyDaemon) -> ShownNotice:
    """The first question about a block."""

    def found() -> ShownNotice | None:
        return next((n for n in notify_daemon.notices() if "label_" in " ".join(n.actions)), None)

    return wait_until(found, "a question", 90)


def request_of(home: DemoHome, notice: ShownNotice) -> LabelRequest:
    request_id = home.asks()[0].request_id
    return next(request for request in home.requests() if request.request_id == request_id)


def test_label_this_shows_at_once_and_undo_takes_it_back(env: dict[str, str], home: DemoHome) -> None:
    with python_child("taskclf_tray", ("demo", "--speed", "1"), env) as app, TrayClient(env) as tray:
        wait_until(lambda: entry_with(tray, "Label this as (since "), "a block to label", 15)
        before = str(tray.props()["Title"])
        label = "Write" if "Write" not in before else "Debug"
        label_this(tray, label)
        tray.wait_for_text("as you said")
        assert label in str(tray.props()["Title"])
        (span,) = home.spans()
        assert (span.label, span.provenance) == (label, "manual")
        tray.click(wait_until(lambda: entry_with(tray, "Undo “"), "Undo"))
        wait_until(lambda: "as you said" not in str(tray.props()["Title"]), "the model's label")
        assert home.spans() == []
        wait_until(lambda: not entry_with(tray, "Undo “"), "no Undo")
        app.send_signal(signal.SIGTERM)
        assert app.wait(120) == 0


def test_a_question_is_answered_with_one_click_and_the_rest_in_the_menu(
    env: dict[str, str], home: DemoHome, notify_daemon: NotifyDaemon
) -> None:
    with python_child("taskclf_tray", FAST, env) as app, TrayClient(env) as tray:
        notice = asked(notify_daemon)
        buttons = list(notice.actions.values())
        assert [buttons[-2], buttons[-1], len(buttons)] == ["Other…", "Open", 4]  # the last is the notice itself
        request = request_of(home, notice)
        key = next(key for key in notice.actions if key.startswith("label_"))
        notify_daemon.press(notice.id, key)
        wait_until(home.spans, "the label")
        (span,) = [span for span in home.spans() if span.start_us == request.start_us]
        assert (span.label, span.provenance, span.end_us) == (notice.actions[key], "answer", request.end_us)
        notify_daemon.signal(notice.id, next(k for k in notice.actions if k != key))  # a second click, too late

        tray.click(wait_until(lambda: entry_with(tray, f"Undo “{span.label}"), "Undo"))
        wait_until(lambda: not home.spans(), "the undo")
        review = wait_until(lambda: entry_with(tray, "Review ("), "Review")
        waiting = tray.menu().find(review)
        block = next(entry.label for depth, entry in waiting.walk() if "?" in entry.label and "Away" not in entry.label)
        tray.click(f"{review}/{block}/Meet")
        wait_until(lambda: [s.label for s in home.spans()] == ["Meet"], "the label from the menu")
        review = wait_until(lambda: entry_with(tray, "Review ("), "Review") if len(home.requests()) > 1 else ""
        tray.click("Quit")
        assert app.wait(120) == 0


def test_a_question_answered_on_the_command_line_leaves_the_screen(
    env: dict[str, str], home: DemoHome, notify_daemon: NotifyDaemon
) -> None:
    with python_child("taskclf_tray", FAST, env) as app, TrayClient(env) as tray:
        notice = asked(notify_daemon)
        request = request_of(home, notice)
        code, out, errors = run_app("queue", "answer", request.request_id[:8], "Review", "--home", home.root)
        assert (code, errors) == (0, ""), out
        wait_until(lambda: notice.id in notify_daemon.closed(), "the notification is taken back")
        wait_until(lambda: entry_with(tray, "Undo “Review"), "Undo")
        app.send_signal(signal.SIGTERM)
        assert app.wait(120) == 0


def test_the_service_may_die_and_come_back_between_two_presses(
    env: dict[str, str], home: DemoHome, notify_daemon: NotifyDaemon
) -> None:
    with python_child("taskclf_tray", FAST, env) as app, TrayClient(env) as tray:
        notice = asked(notify_daemon)
        notify_daemon.stop()
        notify_daemon.start()
        notify_daemon.signal(notice.id, next(key for key in notice.actions if key.startswith("label_")))
        tray.activate()  # a notice of the new service, which counts from 1 again
        told = notify_daemon.wait_for("threshold")
        notify_daemon.signal(told.id, "label_4")
        assert home.spans() == []
        assert request_of(home, notice).status == "pending"
        review = wait_until(lambda: entry_with(tray, "Review ("), "Review")
        block = next(e.label for _, e in tray.menu().find(review).walk() if "?" in e.label and "Away" not in e.label)
        tray.click(f"{review}/{block}/Skip")
        wait_until(lambda: any(r.status == "skipped" for r in home.requests()), "the skip")
        app.send_signal(signal.SIGTERM)
        assert app.wait(120) == 0


def test_without_a_notification_service_the_question_waits_in_the_menu(
    session_bus: PrivateBus, panel: Panel, tmp_path: Path
) -> None:
    environment = {**session_bus.env, "TASKCLF_HOME": str(tmp_path / "home")}
    home = DemoHome(tmp_path / "home")
    with python_child("taskclf_tray", FAST, environment) as app, TrayClient(environment) as tray:
        wait_until(lambda: entry_with(tray, "Review ("), "a block in the queue", 90)
        assert home.asks() == []
        assert home.requests() != []
        app.send_signal(signal.SIGTERM)
        assert app.wait(120) == 0


def test_never_ask_and_its_way_back(env: dict[str, str], home: DemoHome, notify_daemon: NotifyDaemon) -> None:
    with python_child("taskclf_tray", FAST, env) as app, TrayClient(env) as tray:
        notice = asked(notify_daemon)
        tray.click("Ask me/On")
        wait_until(lambda: "[ ] On" in tray.list(), "Ask me is off")
        tray.click("Ask me/On")
        wait_until(lambda: "[x] On" in tray.list(), "Ask me is on")
        assert notice.id not in notify_daemon.closed()
        app.send_signal(signal.SIGHUP)
        assert app.wait(120) == 0
        assert notice.id in notify_daemon.closed()


@pytest.mark.alone
def test_the_label_changes_within_a_second(env: dict[str, str], home: DemoHome) -> None:
    """What the person sees, from the click to the new title, by label, undo and label again."""
    with python_child("taskclf_tray", ("demo", "--speed", "1"), env) as app, TrayClient(env) as tray:
        wait_until(lambda: entry_with(tray, "Label this as (since "), "a block to label", 15)
        for label in ("Write", "Meet", "Debug"):
            began = time.monotonic()
            label_this(tray, label)
            wait_until(lambda seen=label: f"{seen}, as you said" in str(tray.props()["Title"]), label, 5)
            assert time.monotonic() - began < allowed(1.0)
        app.send_signal(signal.SIGTERM)
        assert app.wait(120) == 0
