"""pytest fixtures: a private bus, a stub panel and a stub notification service on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.support.dbus_bus import PrivateBus, private_bus
from tests.support.processes import ready_child
from tests.support.stub_notifyd import NotifyDaemon

_DRIVER = "tests.support.sni_driver"


class Panel:
    """The stub StatusNotifierWatcher, in a process that can be restarted."""

    def __init__(self, bus: PrivateBus) -> None:
        self._bus = bus
        self._running = contextlib.ExitStack()

    def start(self, *roles: str) -> None:
        """Start it; returns when it owns its name. `roles`: of `sni_driver.ROLES`."""
        self._running.enter_context(ready_child(_DRIVER, ["watch", *roles], self._bus.env))

    def stop(self) -> None:
        """Stop it."""
        self._running.close()


@pytest.fixture
def session_bus() -> Iterator[PrivateBus]:
    """A bus of its own; `session_bus.env` for children, `session_bus.kill()` to lose it."""
    with private_bus() as bus:
        yield bus


@pytest.fixture
def panel(session_bus: PrivateBus) -> Iterator[Panel]:
    """A running stub panel."""
    stub = Panel(session_bus)
    stub.start()
    yield stub
    stub.stop()


@pytest.fixture
def notify_daemon(session_bus: PrivateBus) -> Iterator[NotifyDaemon]:
    """A running stub notification service."""
    daemon = NotifyDaemon(session_bus.folder / "notices.jsonl", session_bus.env)
    daemon.start()
    yield daemon
    daemon.stop()
