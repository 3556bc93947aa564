"""The desktop backend against a notification service on a private bus."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from taskclf_tray.notify.base import Button, Notice, Notifier, NotifyCapability, Urgency
from tests.support.notifier_contract import NotifierContract
from tests.support.notify_rig import bus_address, notifier, on_the_private_bus, presses, service
from tests.support.notify_service import NotificationService
from tests.support.processes import allowed

__all__ = ["bus_address", "notifier", "on_the_private_bus", "presses", "service"]  # fixtures

pytestmark = pytest.mark.bus


class TestWithAService(NotifierContract):
    @pytest.fixture(autouse=True)
    def _service(self, service: NotificationService) -> None:
        """The whole suite runs against a service that answers."""


class TestWithoutAService(NotifierContract):
    """The whole suite again, on a bus where nobody answers."""


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


@pytest.mark.parametrize(
    ("server_name", "actions", "capabilities"),
    [
        ("lxqt-notificationd", ["yes"], {NotifyCapability.BUTTONS}),  # `default` would be a button of its own
        ("mako", ["default"], {NotifyCapability.CLICK}),  # offers buttons and draws none
        ("Plasma", ["yes", "default"], {NotifyCapability.BUTTONS, NotifyCapability.CLICK}),
    ],
)
def test_only_what_the_service_really_does_is_used(
    bus_address: str, notifier: Notifier, server_name: str, actions: list[str], capabilities: set[NotifyCapability]
) -> None:
    service = NotificationService(bus_address, server=(server_name, ""))
    try:
        assert notifier.capabilities == capabilities | {NotifyCapability.BODY, NotifyCapability.REPLACE}
        assert notifier.notify(Notice("Title", "", (Button("Yes", "yes"),), tag="one"))
        (shown,) = service.shown
        assert list(shown.actions) == actions
        assert shown.desktop_entry == "taskclf-tray"
        assert shown.icon.startswith("file:///")
        assert Path(shown.icon.removeprefix("file://")).read_bytes().startswith(b"\x89PNG")
    finally:
        service.stop()


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
    assert time.monotonic() - started < allowed(3)
    service.recover()
    assert notifier.notify(Notice("Three", ""))


def test_a_bus_that_is_no_bus(notifier: Notifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    assert not notifier.notify(Notice("Title", ""))
    assert notifier.capabilities == frozenset()


def test_importing_the_backend_loads_no_library() -> None:
    import subprocess

    code = "import sys, taskclf_tray.notify.factory; print('desktop_notifier' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    assert answer.stdout.strip() == "False"
