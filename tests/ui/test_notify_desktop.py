"""The desktop backend against a notification service on a private bus."""

from __future__ import annotations

import queue
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.ui.notify.base import Button, Notice, Notifier, NotifyCapability, Urgency
from taskclf_tray.ui.notify.desktop import DesktopNotifierBackend
from tests.ui.notifier_contract import NotifierContract
from tests.ui.notify_service import NotificationService, private_bus

pytestmark = pytest.mark.bus

Presses = queue.Queue[tuple[str, str]]


@pytest.fixture(scope="module")
def bus_address() -> Iterator[str]:
    # not tmp_path: the path of a Unix socket is short
    with tempfile.TemporaryDirectory() as folder, private_bus(Path(folder)) as address:
        yield address


@pytest.fixture(autouse=True)
def _on_the_private_bus(bus_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus_address)


@pytest.fixture
def service(bus_address: str) -> Iterator[NotificationService]:
    running = NotificationService(bus_address)
    yield running
    running.stop()


@pytest.fixture
def presses() -> Presses:
    return queue.Queue()


@pytest.fixture
def notifier(presses: Presses) -> Iterator[Notifier]:
    backend = DesktopNotifierBackend(lambda tag, key: presses.put((tag, key)), timeout_seconds=1.0)
    yield backend
    backend.close()
    assert "notify" not in {thread.name for thread in threading.enumerate()}


class TestWithAService(NotifierContract):
    @pytest.fixture(autouse=True)
    def _service(self, service: NotificationService) -> None:
        """The whole suite runs against a service that answers."""


class TestWithoutAService(NotifierContract):
    """The whole suite again, on a bus where nobody answers."""


def test_a_press_reports_tag_and_key(notifier: Notifier, service: NotificationService, presses: Presses) -> None:
    buttons = (Button("Build", "build"), Button("Skip", "skip"))
    assert notifier.notify(Notice("14:05–14:25: Build?", "", buttons, tag="block-7"))
    (shown,) = service.shown
    assert {key: title for key, title in shown.actions.items() if key != "default"} == {
        "build": "Build",
        "skip": "Skip",
    }
    service.press(shown.number, "skip")
    assert presses.get(timeout=5) == ("block-7", "skip")
    service.press(shown.number, "skip")
    with pytest.raises(queue.Empty):
        presses.get(timeout=0.2)


def test_a_failing_handler_does_not_end_the_loop(service: NotificationService) -> None:
    pressed = threading.Event()

    def fail(tag: str, key: str) -> None:
        pressed.set()
        raise RuntimeError(key)

    backend = DesktopNotifierBackend(fail)
    try:
        assert backend.notify(Notice("One", "", (Button("Yes", "yes"),), tag="one"))
        service.press(1, "yes")
        assert pressed.wait(5)
        assert backend.notify(Notice("Two", ""))
    finally:
        backend.close()


def test_a_handler_that_notifies_is_refused_instead_of_hanging(service: NotificationService) -> None:
    answers: Presses = queue.Queue()
    backend = DesktopNotifierBackend(
        lambda tag, key: answers.put((tag, str(backend.notify(Notice("Again", ""))))), timeout_seconds=1.0
    )
    try:
        backend.notify(Notice("One", "", (Button("Yes", "yes"),), tag="one"))
        service.press(1, "yes")
        assert answers.get(timeout=5) == ("one", "False")
    finally:
        backend.close()


def test_urgency_reaches_the_service(notifier: Notifier, service: NotificationService) -> None:
    for urgency in (Urgency.LOW, Urgency.NORMAL, Urgency.CRITICAL):
        notifier.notify(Notice("Title", "Body", urgency=urgency))
    assert [shown.urgency for shown in service.shown] == [0, 1, 2]


def test_a_notice_replaces_the_one_of_its_tag(notifier: Notifier, service: NotificationService) -> None:
    for title, tag in (("one", "policy"), ("two", None), ("three", "policy")):
        assert notifier.notify(Notice(title, "", tag=tag))
    assert service.closed == [1]


@pytest.mark.parametrize(
    ("offered", "body", "has_buttons"),
    [
        (("body",), "R&D <now>", False),
        (("body", "body-markup", "actions"), "R&amp;D &lt;now&gt;", True),
    ],
)
def test_the_notice_fits_what_the_service_offers(
    bus_address: str, notifier: Notifier, offered: tuple[str, ...], body: str, has_buttons: bool
) -> None:
    service = NotificationService(bus_address, offered)
    try:
        assert (NotifyCapability.BUTTONS in notifier.capabilities) is has_buttons
        assert notifier.notify(Notice("Title", "R&D <now>", (Button("Yes", "yes"),), tag="one"))
        (shown,) = service.shown
        assert shown.body == body
        assert ("yes" in shown.actions) is has_buttons
    finally:
        service.stop()


def test_a_restarted_service_is_found_again(bus_address: str, notifier: Notifier, presses: Presses) -> None:
    first = NotificationService(bus_address)
    assert notifier.notify(Notice("One", ""))
    first.stop()
    assert not notifier.notify(Notice("Lost", ""))
    second = NotificationService(bus_address)
    try:
        assert notifier.notify(Notice("Two", "", (Button("Yes", "yes"),), tag="after"))
        assert [shown.title for shown in second.shown] == ["Two"]
        second.press(1, "yes")
        assert presses.get(timeout=5) == ("after", "yes")
    finally:
        second.stop()


def test_a_service_replaced_between_two_notices(bus_address: str, notifier: Notifier) -> None:
    first = NotificationService(bus_address)
    notifier.notify(Notice("One", ""))
    first.stop()
    second = NotificationService(bus_address)
    try:
        assert notifier.notify(Notice("Two", ""))
    finally:
        second.stop()


def test_a_hung_service_costs_the_timeout_and_no_more(notifier: Notifier, service: NotificationService) -> None:
    assert notifier.notify(Notice("One", ""))
    service.hang()
    started = time.monotonic()
    assert not notifier.notify(Notice("Two", ""))
    assert time.monotonic() - started < 3
    service.recover()
    assert notifier.notify(Notice("Three", ""))


def test_a_bus_that_is_no_bus(notifier: Notifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    assert not notifier.notify(Notice("Title", ""))
    assert notifier.capabilities == frozenset()


def test_importing_the_backend_loads_no_library() -> None:
    import subprocess

    code = "import sys, taskclf_tray.ui.notify.factory; print('desktop_notifier' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "False"
