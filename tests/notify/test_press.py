"""What a person does to a notice comes back once, under the right tag, whatever the service goes through."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from taskclf_tray.notify.base import CLICKED, CLOSED_EARLY, DISMISSED, Button, Notice, Notifier, NotifyCapability
from taskclf_tray.notify.desktop import DesktopNotifierBackend
from tests.support.notify_rig import Presses, bus_address, nothing_more, notifier, on_the_private_bus, presses, service
from tests.support.notify_service import NotificationService
from tests.support.processes import allowed, wait_until
from tests.support.stub_notifyd import NotifyDaemon

__all__ = ["bus_address", "notifier", "on_the_private_bus", "presses", "service"]  # fixtures

pytestmark = pytest.mark.bus
BUTTONS = (Button("Build", "build"), Button("Skip", "skip"))


def ask(tag: str) -> Notice:
    return Notice(f"14:05–14:25: Build? {tag}", "", BUTTONS, tag=tag)


def test_a_press_reports_tag_and_key_once(notifier: Notifier, service: NotificationService, presses: Presses) -> None:
    assert notifier.notify(ask("block-7"))
    (shown,) = service.shown
    assert list(shown.actions.items()) == [("build", "Build"), ("skip", "Skip"), ("default", "Open")]
    service.press(shown.id, "Skip")
    assert presses.get(timeout=120) == ("block-7", "skip")
    for key in ("skip", "build", "default"):
        service.signal(shown.id, key)
    service.dismiss(shown.id)
    assert nothing_more(presses)


@pytest.mark.parametrize(
    ("act", "expected"),
    [(NotificationService.click, CLICKED), (NotificationService.dismiss, DISMISSED)],
)
def test_a_click_and_a_dismissal_are_told(
    notifier: Notifier,
    service: NotificationService,
    presses: Presses,
    act: Callable[[NotificationService, int], None],
    expected: str,
) -> None:
    assert NotifyCapability.CLICK in notifier.capabilities
    notifier.notify(Notice("No tag", ""))
    notifier.notify(ask("block-7"))
    act(service, 1)
    act(service, 2)
    assert presses.get(timeout=120) == ("block-7", expected)
    assert nothing_more(presses)


def test_what_nobody_did_is_not_told(notifier: Notifier, service: NotificationService, presses: Presses) -> None:
    for tag in ("expired", "replied", "unknown", "foreign"):
        notifier.notify(ask(tag))
    service.expire(1)
    service.reply(2, "Build")
    service.signal(3, "a_key_of_nobody")
    service.signal(77, "build")
    assert nothing_more(presses)


def test_what_the_desktop_itself_takes_away_too_early_is_told(
    notifier: Notifier, service: NotificationService, presses: Presses
) -> None:
    notifier.notify(replace(ask("stays"), stays_seconds=60))
    notifier.notify(replace(ask("is over"), stays_seconds=0))
    assert [shown.expire_ms for shown in service.shown] == [60_000, 0]
    service.expire(2)
    service.expire(1)
    assert presses.get(timeout=120) == ("stays", CLOSED_EARLY)
    service.ends_at_once(True)  # before its own answer is read, as a service does that hides it
    assert notifier.notify(replace(ask("hidden"), stays_seconds=60))
    assert presses.get(timeout=120) == ("hidden", CLOSED_EARLY)
    assert notifier.notify(ask("as long as it likes"))
    assert nothing_more(presses)


def test_what_is_taken_back_is_closed_and_silent(
    notifier: Notifier, service: NotificationService, presses: Presses
) -> None:
    for tag in ("one", "two"):
        notifier.notify(ask(tag))
    notifier.withdraw("one")
    notifier.withdraw("one")
    notifier.withdraw("never shown")
    assert service.closed == [1]
    service.signal(1, "build")
    service.dismiss(1)
    service.press(2, "build")
    assert presses.get(timeout=120) == ("two", "build")
    assert nothing_more(presses)


def test_an_answered_notice_is_not_taken_back_again(
    notifier: Notifier, service: NotificationService, presses: Presses
) -> None:
    notifier.notify(ask("one"))
    service.press(1, "build")
    assert presses.get(timeout=120) == ("one", "build")
    notifier.withdraw("one")
    assert notifier.notify(ask("one"))
    assert service.closed == []
    service.press(2, "skip")
    assert presses.get(timeout=120) == ("one", "skip")


def test_a_replaced_notice_is_silent(notifier: Notifier, service: NotificationService, presses: Presses) -> None:
    notifier.notify(ask("block"))
    notifier.notify(ask("block"))
    assert service.closed == [1]
    service.signal(1, "build")
    assert nothing_more(presses)
    service.press(2, "skip")
    assert presses.get(timeout=120) == ("block", "skip")


@pytest.fixture
def restarted(
    bus_address: str, notifier: Notifier, service: NotificationService, presses: Presses
) -> Iterator[NotificationService]:
    """A service that crashed with notice 1, "old", on the screen, and counts from 1 again."""
    assert notifier.notify(ask("old"))
    service.stop()
    second = NotificationService(bus_address)
    yield second
    second.stop()


def test_another_programs_notice_under_our_old_number(restarted: NotificationService, presses: Presses) -> None:
    for key in ("build", "default"):
        restarted.signal(1, key)
    restarted.dismiss(1)
    assert nothing_more(presses)


def test_our_own_notice_under_an_old_number(
    notifier: Notifier, restarted: NotificationService, presses: Presses
) -> None:
    assert notifier.notify(ask("new"))
    assert [notice.id for notice in restarted.shown] == [1]
    restarted.press(1, "build")
    assert presses.get(timeout=120) == ("new", "build")
    assert nothing_more(presses)


def test_a_lost_notice_takes_no_other_with_it(
    notifier: Notifier, restarted: NotificationService, presses: Presses
) -> None:
    assert notifier.notify(ask("new"))
    notifier.withdraw("old")
    assert notifier.notify(ask("old"))
    assert restarted.closed == []
    assert [notice.id for notice in restarted.shown] == [1, 2]
    restarted.press(2, "skip")
    assert presses.get(timeout=120) == ("old", "skip")


def test_a_service_that_is_gone_for_a_while(
    bus_address: str, notifier: Notifier, service: NotificationService, presses: Presses
) -> None:
    assert notifier.notify(ask("one"))
    service.stop()
    assert not notifier.notify(ask("lost"))
    second = NotificationService(bus_address)
    try:
        assert notifier.notify(ask("two"))
        second.press(1, "build")
        assert presses.get(timeout=120) == ("two", "build")
        second.signal(1, "build")
        assert nothing_more(presses)
    finally:
        second.stop()


def test_a_hung_service_loses_no_answer(notifier: Notifier, service: NotificationService, presses: Presses) -> None:
    """A computer under load: what was shown before still answers, what shows too late is taken back."""
    assert notifier.notify(ask("shown"))
    service.hang()
    assert not notifier.notify(ask("late"))
    began = time.monotonic()
    notifier.withdraw("shown by nobody")
    assert time.monotonic() - began < allowed(0.5)
    service.recover()
    wait_until(lambda: service.closed == [2], "the late notice to be taken back")
    service.signal(2, "build")
    service.press(1, "build")
    assert presses.get(timeout=120) == ("shown", "build")
    assert nothing_more(presses)


def test_a_withdrawal_from_a_hung_service(notifier: Notifier, service: NotificationService, presses: Presses) -> None:
    assert notifier.notify(ask("one"))
    service.hang()
    began = time.monotonic()
    notifier.withdraw("one")
    assert time.monotonic() - began < allowed(3)
    service.signal(1, "build")
    assert nothing_more(presses)
    service.recover()


def test_a_notifier_that_closes_leaves_no_dead_buttons(notifier: Notifier, service: NotificationService) -> None:
    for tag in ("one", "two"):
        notifier.notify(ask(tag))
    notifier.close()
    assert service.closed == [1, 2]


def test_a_press_from_before_a_restart_of_the_app(
    notifier: Notifier, service: NotificationService, presses: Presses
) -> None:
    """Another connection's notice: an earlier run of the app that was killed."""
    killed = DesktopNotifierBackend()
    killed.notify(ask("old"))
    try:
        assert notifier.notify(ask("new"))
        service.press(1, "build")
        service.press(2, "skip")
        assert presses.get(timeout=120) == ("new", "skip")
        assert nothing_more(presses)
    finally:
        killed.close()


def test_a_failing_handler_does_not_end_the_loop(service: NotificationService) -> None:
    pressed = threading.Event()

    def fail(tag: str, key: str) -> None:
        pressed.set()
        raise RuntimeError(key)

    backend = DesktopNotifierBackend(fail)
    try:
        assert backend.notify(ask("one"))
        service.press(1, "skip")
        assert pressed.wait(120)
        assert backend.notify(Notice("Two", ""))
    finally:
        backend.close()


def test_a_handler_that_notifies_is_refused_instead_of_hanging(service: NotificationService) -> None:
    answers: queue.Queue[bool] = queue.Queue()
    backend = DesktopNotifierBackend(
        lambda tag, key: answers.put(backend.notify(Notice("Again", ""))), timeout_seconds=1.0
    )
    try:
        backend.notify(ask("one"))
        service.press(1, "skip")
        assert answers.get(timeout=120) is False
    finally:
        backend.close()


def test_the_service_as_a_process_that_crashes_and_hangs(
    bus_address: str, notifier: Notifier, presses: Presses, tmp_path: Path
) -> None:
    daemon = NotifyDaemon(tmp_path / "notices.jsonl", {**os.environ, "DBUS_SESSION_BUS_ADDRESS": bus_address})
    daemon.start()
    try:
        assert notifier.notify(ask("one"))
        daemon.stop()
        daemon.start()
        assert notifier.notify(ask("two"))
        assert [notice.id for notice in daemon.notices()] == [1, 1]
        assert daemon.press(daemon.wait_for("two").id, "Build") == "build"
        assert presses.get(timeout=120) == ("two", "build")
        for act, expected in ((daemon.click, CLICKED), (daemon.dismiss, DISMISSED)):
            assert notifier.notify(ask("next"))
            act(daemon.wait_for("next").id)
            assert presses.get(timeout=120) == ("next", expected)
        for act in (daemon.expire, lambda number: daemon.reply(number, "x"), lambda number: daemon.signal(number, "x")):
            assert notifier.notify(ask("silent"))
            act(daemon.wait_for("silent").id)
        assert daemon.closed() == []
        assert notifier.notify(ask("taken back"))
        notifier.withdraw("taken back")
        assert len(daemon.closed()) == 1
        daemon.hang()
        assert not notifier.notify(ask("late"))
        daemon.recover()
        wait_until(lambda: len(daemon.closed()) == 2, "the late notice to be taken back")
        assert nothing_more(presses)
    finally:
        daemon.stop()
