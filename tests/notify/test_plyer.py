"""The plyer backend: its real helper program against a notification service on a private bus."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskclf_tray.notify.base import Button, Notice, Notifier, NotifyCapability, Urgency
from taskclf_tray.notify.plyer_backend import PlyerNotifier
from tests.support.notifier_contract import NotifierContract
from tests.support.notify_rig import bus_address, on_the_private_bus, service
from tests.support.notify_service import NotificationService
from tests.support.processes import allowed, wait_until

__all__ = ["bus_address", "on_the_private_bus", "service"]  # fixtures

pytestmark = pytest.mark.bus


@pytest.fixture
def notifier() -> Iterator[Notifier]:
    backend = PlyerNotifier(timeout_seconds=1.0)
    yield backend
    backend.close()


class TestWithAService(NotifierContract):
    @pytest.fixture(autouse=True)
    def _service(self, service: NotificationService) -> None:
        """The whole suite runs against a service that answers."""


class TestWithoutAService(NotifierContract):
    """The whole suite again, on a bus where nobody answers."""


@pytest.mark.parametrize(
    ("title", "body"),
    [
        ("Build?", "14:05–14:25"),
        ("--help", "--version"),
        ("-u", "-i /etc/passwd"),
        ("$(touch x) `id`", "a \\n b \\x41 \\"),
        ("<b>R&D</b>", 'it\'s <i>"this"</i> & that'),
    ],
)
def test_the_service_gets_the_texts_as_they_are(
    notifier: Notifier, service: NotificationService, capfd: pytest.CaptureFixture[str], title: str, body: str
) -> None:
    assert notifier.capabilities == {NotifyCapability.BODY}
    assert notifier.notify(Notice(title, body, (Button("Yes", "yes"),), tag="block"))
    (shown,) = service.shown
    assert (shown.title.strip(), shown.body.strip()) == (title, body)
    assert (shown.actions, shown.expire_ms) == ({}, -1)
    assert capfd.readouterr() == ("", "")


def test_urgency_reaches_the_service(notifier: Notifier, service: NotificationService) -> None:
    for urgency in Urgency:
        assert notifier.notify(Notice("Title", "Body", urgency=urgency))
    assert [shown.urgency for shown in service.shown] == [0, 1, 2]


def test_markup_is_shown_as_it_is_written(bus_address: str, notifier: Notifier) -> None:
    service = NotificationService(bus_address, ("body", "body-markup"))
    try:
        assert notifier.notify(Notice("R&D", "<img src='x'> &"))
        (shown,) = service.shown
        assert (shown.title, shown.body) == ("R&D", "&lt;img src='x'&gt; &amp;")
    finally:
        service.stop()


def test_a_hung_service_costs_the_timeout_and_no_more(notifier: Notifier, service: NotificationService) -> None:
    service.hang()
    began = time.monotonic()
    assert not notifier.notify(Notice("One", ""))
    assert time.monotonic() - began < allowed(2)
    service.recover()
    assert notifier.notify(Notice("Two", ""))


def test_a_hung_helper_costs_the_timeout_once(
    notifier: Notifier,
    service: NotificationService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    helper = tmp_path / "notify-send"
    helper.write_text("#!/bin/sh\nexec sleep 1.6\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert not notifier.notify(Notice("One", ""))
        assert not notifier.notify(Notice("Two", ""))
    assert time.monotonic() - began < allowed(1.5)
    assert "TimeoutError" in caplog.text
    helper.unlink()
    assert wait_until(lambda: notifier.notify(Notice("Three", "")), "the next notice")
    assert [shown.title for shown in service.shown] == ["Three"]
