"""A notification service as the desktop notifications specification 1.2 has it, and a person in front of it.

`NotificationService` (in `notify_service`) runs it in a thread; here it gets a process of its own, which writes each
notice as a JSON line: `python -m tests.support.stub_notifyd LOG [CAPABILITY …]` prints a line once it serves.
Each new service counts its notices from 1, as real ones do after a crash.
"""
# no `from __future__ import annotations`: dbus-fast reads the annotations as D-Bus signatures

import asyncio
import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from dbus_fast import DBusError, ErrorType, RequestNameReply
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusDict, DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_signal

from tests.support.dbus_calls import SyncClient, call
from tests.support.processes import ready_child, wait_until

NAME = "org.freedesktop.Notifications"
TEST = "test.Notifications"
DEFAULT_CAPABILITIES = ("body", "actions")
EXPIRED, DISMISSED, CLOSED_BY_CALL = 1, 2, 3
_Strings = Annotated[list[str], DBusSignature("as")]


@dataclass(frozen=True, slots=True)
class ShownNotice:
    """One notice the service was given; `actions` are texts by key, the click on the notice (`default`) included.

    `expire_ms` is how long it is to stay: -1 as the service likes, 0 for ever.
    """

    id: int
    title: str
    body: str
    actions: dict[str, str]
    urgency: int
    expire_ms: int
    icon: str = ""
    desktop_entry: str = ""


def _text_hint(hints: Mapping[str, Any], name: str) -> str:
    return str(hints[name].value) if name in hints else ""


class StubNotifications(ServiceInterface):
    """The service; `shown` and `closed` are told as it happens."""

    def __init__(
        self,
        capabilities: list[str],
        *,
        on_shown: Callable[[ShownNotice], None],
        on_closed: Callable[[int], None],
    ) -> None:
        super().__init__(NAME)
        self._capabilities = capabilities
        self._on_shown, self._on_closed = on_shown, on_closed
        self._count = 0
        self._notices: dict[int, ShownNotice] = {}
        self.server = ("stub", "tests")
        self.ends_at_once = False
        self.answers = asyncio.Event()
        self.answers.set()

    @dbus_method()
    async def Notify(
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
        await self.answers.wait()
        self._count += not replaces_id
        number = replaces_id or self._count
        urgency = int(hints["urgency"].value) if "urgency" in hints else 1
        pairs = dict(zip(actions[::2], actions[1::2], strict=True))
        self._notices[number] = ShownNotice(
            number, summary, body, pairs, urgency, expire_timeout, app_icon, _text_hint(hints, "desktop-entry")
        )
        self._on_shown(self._notices[number])
        if self.ends_at_once:
            self.end(number, EXPIRED)
        return number

    @dbus_method()
    async def CloseNotification(self, number: DBusUInt32) -> None:
        await self.answers.wait()
        if number in self._notices:
            self._on_closed(number)
            self.end(number, CLOSED_BY_CALL)

    @dbus_method()
    async def GetCapabilities(self) -> _Strings:
        await self.answers.wait()
        return self._capabilities

    @dbus_method()
    def GetServerInformation(self) -> Annotated[list[str], DBusSignature("ssss")]:
        return [*self.server, "1", "1.2"]

    @dbus_signal()
    def NotificationClosed(self, number: int, reason: int) -> Annotated[list[int], DBusSignature("uu")]:
        return [number, reason]

    @dbus_signal()
    def ActionInvoked(self, number: int, key: str) -> Annotated[list[Any], DBusSignature("us")]:
        return [number, key]

    @dbus_signal()
    def NotificationReplied(self, number: int, text: str) -> Annotated[list[Any], DBusSignature("us")]:
        return [number, text]

    def end(self, number: int, reason: int) -> None:
        """A notice leaves the screen."""
        self._notices.pop(number, None)
        self.NotificationClosed(number, reason)

    def press(self, number: int, what: str) -> str:
        """The person presses a button, named by key or text, and the notice leaves; `default` is the notice itself."""
        notice = self._notices.get(number)
        for key, text in (notice.actions if notice else {}).items():
            if what in (key, text):
                self.ActionInvoked(number, key)
                self.end(number, DISMISSED)
                return key
        raise DBusError(ErrorType.INVALID_ARGS, f"notice {number} has no button {what}")

    def reply(self, number: int, text: str) -> None:
        """The person writes into the notice, as on KDE."""
        self.NotificationReplied(number, text)
        self.end(number, DISMISSED)


class _Person(ServiceInterface):
    """What the person in front of the screen does, and what befalls the service, told over the bus."""

    def __init__(self, service: StubNotifications) -> None:
        super().__init__(TEST)
        self._service = service

    @dbus_method()
    def Press(self, number: DBusUInt32, what: DBusStr) -> DBusStr:
        return self._service.press(number, what)

    @dbus_method()
    def Signal(self, number: DBusUInt32, key: DBusStr) -> None:
        self._service.ActionInvoked(number, key)

    @dbus_method()
    def Reply(self, number: DBusUInt32, text: DBusStr) -> None:
        self._service.reply(number, text)

    @dbus_method()
    def End(self, number: DBusUInt32, reason: DBusUInt32) -> None:
        self._service.end(number, reason)

    @dbus_method()
    def Hang(self) -> None:
        self._service.answers.clear()

    @dbus_method()
    def Recover(self) -> None:
        self._service.answers.set()


async def export(address: str, service: StubNotifications) -> MessageBus:
    """Put the service on a bus, under its name."""
    bus = await MessageBus(bus_address=address).connect()
    bus.export("/org/freedesktop/Notifications", service)
    bus.export("/test", _Person(service))
    assert await bus.request_name(NAME) is RequestNameReply.PRIMARY_OWNER
    return bus


async def _serve(address: str, log: Path, capabilities: list[str]) -> None:
    def write(line: dict[str, Any]) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    service = StubNotifications(
        capabilities,
        on_shown=lambda notice: write(dataclasses.asdict(notice)),
        on_closed=lambda number: write({"closed": number}),
    )
    bus = await export(address, service)
    print("ready", flush=True)
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


class NotifyDaemon:
    """The service in its own process, from the test's side; `start` and `stop` as often as it takes."""

    def __init__(self, log: Path, env: Mapping[str, str], capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES) -> None:
        self._log = log
        self._env = env
        self._capabilities = capabilities
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """Start it; returns when it owns its name. It counts its notices from 1."""
        self._running.enter_context(
            ready_child("tests.support.stub_notifyd", [str(self._log), *self._capabilities], self._env)
        )

    def stop(self) -> None:
        """End it without a word, as a crash does."""
        self._running.close()

    def notices(self) -> list[ShownNotice]:
        """All notices so far, those of earlier starts included."""
        return [ShownNotice(**line) for line in self._lines() if "closed" not in line]

    def closed(self) -> list[int]:
        """The numbers of the notices that were taken back, in that order."""
        return [line["closed"] for line in self._lines() if "closed" in line]

    def _lines(self) -> list[dict[str, Any]]:
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def wait_for(self, text: str, timeout_seconds: float = 8.0) -> ShownNotice:
        """The newest notice with `text` in its title or body."""

        def found() -> list[ShownNotice]:
            return [notice for notice in self.notices() if text in notice.title or text in notice.body]

        return wait_until(found, f"a notice with {text!r}", timeout_seconds)[-1]

    def press(self, number: int, what: str) -> str:
        """Press a button by key or text; answers the key."""
        return str(self._told("Press", "us", number, what)[0])

    def click(self, number: int) -> None:
        """Click the notice itself."""
        self._told("Press", "us", number, "default")

    def signal(self, number: int, key: str) -> None:
        """Tell of a press whether or not there is such a notice: a late one, or one of another program."""
        self._told("Signal", "us", number, key)

    def reply(self, number: int, text: str) -> None:
        """Write into a notice."""
        self._told("Reply", "us", number, text)

    def dismiss(self, number: int) -> None:
        """Close a notice without an answer."""
        self._told("End", "uu", number, DISMISSED)

    def expire(self, number: int) -> None:
        """Let a notice's time pass."""
        self._told("End", "uu", number, EXPIRED)

    def hang(self) -> None:
        """Answer no program any more."""
        self._told("Hang")

    def recover(self) -> None:
        """Answer again, also what was asked meanwhile."""
        self._told("Recover")

    def _told(self, member: str, signature: str = "", *body: Any) -> list[Any]:
        with SyncClient(self._env) as client:
            return client.run(call(client.bus, NAME, "/test", TEST, member, signature, *body))


if __name__ == "__main__":
    offered = sys.argv[2:] or list(DEFAULT_CAPABILITIES)
    asyncio.run(_serve(os.environ["DBUS_SESSION_BUS_ADDRESS"], Path(sys.argv[1]), offered))
