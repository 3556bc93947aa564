"""pytest fixtures: the desktop backend, and a notification service on a private bus it is to find."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from taskclf_tray.notify.base import Notifier
from taskclf_tray.notify.desktop import DesktopNotifierBackend
from tests.support.dbus_bus import private_bus
from tests.support.notify_service import NotificationService

Presses = queue.Queue[tuple[str, str]]


@pytest.fixture(scope="module")
def bus_address() -> Iterator[str]:
    with private_bus() as bus:
        yield bus.address


@pytest.fixture(autouse=True)
def on_the_private_bus(bus_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


def nothing_more(presses: Presses) -> bool:
    """Whether no press is reported for a while."""
    try:
        presses.get(timeout=0.2)
    except queue.Empty:
        return True
    return False
