"""A notification service in a process of its own: writes each notice as a JSON line, and presses buttons when told.

`python -m tests.fakes.stub_notifyd LOG [CAPABILITY …]`; prints a line once it serves.
"""
# no `from __future__ import annotations`: dbus-fast reads the annotations as D-Bus signatures

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from dbus_fast import DBusError, ErrorType
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusDict, DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_signal

from tests.fakes.dbus_calls import SyncClient, call
from tests.fakes.processes import wait_until

NAME = "org.freedesktop.Notifications"
TEST = "test.Notifications"
_Strings = Annotated[list[str], DBusSignature("as")]
_CLOSED_BY_USER, _CLOSED_BY_CALL = 2, 3


class StubNotifications(ServiceInterface):
    """The service, as the desktop notifications specification 1.2 has it."""

    def __init__(self, log: Path, capabilities: list[str]) -> None:
        super().__init__(NAME)
        self._log = log
        self._capabilities = capabilities
        self._count = 0
        self.actions: dict[int, dict[str, str]] = {}

    @dbus_method()
    def Notify(
        self,
        app_name: DBusStr,
        replaces_id: DBusUInt32,
        app_icon: DBusStr,
        summary: DBusStr,
        body: DBusStr,
        actions: _Strings,
        hints: DBusDict,
        expire_timeout: DBusInt32,
    ) -> DBusUInt32:
        self._count += not replaces_id
        number = replaces_id or self._count
        self.actions[number] = dict(zip(actions[::2], actions[1::2], strict=True))
        urgency = int(hints["urgency"].value) if "urgency" in hints else 1
        line = {"id": number, "title": summary, "body": body, "actions": self.actions[number], "urgency": urgency}
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return number

    @dbus_method()
    def CloseNotification(self, number: DBusUInt32) -> None:
        self.NotificationClosed(number, _CLOSED_BY_CALL)

    @dbus_method()
    def GetCapabilities(self) -> _Strings:
        return self._capabilities

    @dbus_method()
    def GetServerInformation(self) -> Annotated[list[str], DBusSignature("ssss")]:
        return ["stub", "tests", "1", "1.2"]

    @dbus_signal()
    def NotificationClosed(self, number: int, reason: int) -> Annotated[list[int], DBusSignature("uu")]:
        return [number, reason]

    @dbus_signal()
    def ActionInvoked(self, number: int, key: str) -> Annotated[list[Any], DBusSignature("us")]:
        return [number, key]


class _Person(ServiceInterface):
    """What the person in front of the screen does."""

    def __init__(self, service: StubNotifications) -> None:
        super().__init__(TEST)
        self._service = service

    @dbus_method()
    def Press(self, number: DBusUInt32, what: DBusStr) -> DBusStr:
        for key, text in self._service.actions.get(number, {}).items():
            if what in (key, text):
                self._service.ActionInvoked(number, key)
                self._service.NotificationClosed(number, _CLOSED_BY_USER)
                return key
        raise DBusError(ErrorType.INVALID_ARGS, f"notice {number} has no button {what}")

    @dbus_method()
    def Dismiss(self, number: DBusUInt32) -> None:
        self._service.NotificationClosed(number, _CLOSED_BY_USER)


async def serve(address: str, log: Path, capabilities: list[str]) -> None:
    """Serve until the bus goes away; prints a line once it does."""
    bus = await MessageBus(bus_address=address).connect()
    service = StubNotifications(log, capabilities)
    bus.export("/org/freedesktop/Notifications", service)
    bus.export("/test", _Person(service))
    await bus.request_name(NAME)
    print("ready", flush=True)
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class RecordedNotice:
    """One line of the log."""

    id: int
    title: str
    body: str
    actions: dict[str, str]
    urgency: int


@dataclass(frozen=True, slots=True)
class NotifyDaemon:
    """The running stub, from the test's side."""

    log: Path
    env: Mapping[str, str]

    def notices(self) -> list[RecordedNotice]:
        """All notices so far."""
        if not self.log.exists():
            return []
        return [RecordedNotice(**json.loads(line)) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def wait_for(self, text: str, timeout_seconds: float = 8.0) -> RecordedNotice:
        """The newest notice with `text` in its title or body."""

        def found() -> list[RecordedNotice]:
            return [notice for notice in self.notices() if text in notice.title or text in notice.body]

        return wait_until(found, f"a notice with {text!r}", timeout_seconds)[-1]

    def press(self, number: int, what: str) -> str:
        """Press a button by key or text; answers the key."""
        with SyncClient(self.env) as client:
            return str(client.run(call(client.bus, NAME, "/test", TEST, "Press", "us", number, what))[0])

    def dismiss(self, number: int) -> None:
        """Close a notice without an answer."""
        with SyncClient(self.env) as client:
            client.run(call(client.bus, NAME, "/test", TEST, "Dismiss", "u", number))


if __name__ == "__main__":
    offered = sys.argv[2:] or ["body", "actions"]
    asyncio.run(serve(os.environ["DBUS_SESSION_BUS_ADDRESS"], Path(sys.argv[1]), offered))
