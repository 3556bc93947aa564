"""A notification service on a private bus, driven from the test: records every notice, presses buttons, hangs."""
# no `from __future__ import annotations`: dbus-fast reads the annotations as D-Bus signatures

import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from dbus_fast import RequestNameReply
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusDict, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_signal

_NAME = "org.freedesktop.Notifications"
_Strings = Annotated[list[str], DBusSignature("as")]
_Int32 = Annotated[int, DBusSignature("i")]
_FourStrings = Annotated[tuple[str, str, str, str], DBusSignature("ssss")]
_Closed = Annotated[tuple[int, int], DBusSignature("uu")]
_Invoked = Annotated[tuple[int, str], DBusSignature("us")]

_BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><keep_umask/><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One recorded notice."""

    number: int
    title: str
    body: str
    actions: dict[str, str]
    urgency: int


class _Notifications(ServiceInterface):
    def __init__(self, capabilities: list[str]) -> None:
        super().__init__(_NAME)
        self.offered = capabilities
        self.shown: list[Shown] = []
        self.closed: list[int] = []
        self.hangs = asyncio.Event()
        self.hangs.set()

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
        expire_timeout: _Int32,
    ) -> DBusUInt32:
        await self.hangs.wait()
        number = len(self.shown) + 1
        pairs = dict(zip(actions[::2], actions[1::2], strict=True))
        self.shown.append(Shown(number, summary, body, pairs, hints["urgency"].value))
        return number

    @dbus_method()
    def CloseNotification(self, number: DBusUInt32) -> None:
        self.closed.append(number)
        self.NotificationClosed(number, 3)

    @dbus_method()
    def GetCapabilities(self) -> _Strings:
        return self.offered

    @dbus_method()
    def GetServerInformation(self) -> _FourStrings:
        return ("stub", "tests", "1", "1.2")

    @dbus_signal()
    def NotificationClosed(self, number: int, reason: int) -> _Closed:
        return (number, reason)

    @dbus_signal()
    def ActionInvoked(self, number: int, key: str) -> _Invoked:
        return (number, key)


class NotificationService:
    """The stub in its own thread; `stop` makes it vanish from the bus, as a crashed service does."""

    def __init__(self, address: str, capabilities: tuple[str, ...] = ("body", "actions")) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="notification-service")
        self._thread.start()
        self._bus, self._interface = self._run(self._serve(address, list(capabilities)))

    @property
    def shown(self) -> list[Shown]:
        return list(self._interface.shown)

    @property
    def closed(self) -> list[int]:
        return list(self._interface.closed)

    def press(self, number: int, key: str) -> None:
        self._loop.call_soon_threadsafe(self._interface.ActionInvoked, number, key)

    def hang(self) -> None:
        self._loop.call_soon_threadsafe(self._interface.hangs.clear)

    def recover(self) -> None:
        self._loop.call_soon_threadsafe(self._interface.hangs.set)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._run(self._leave())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()

    async def _serve(self, address: str, capabilities: list[str]) -> tuple[MessageBus, _Notifications]:
        bus = await MessageBus(bus_address=address).connect()
        interface = _Notifications(capabilities)
        bus.export("/org/freedesktop/Notifications", interface)
        assert await bus.request_name(_NAME) is RequestNameReply.PRIMARY_OWNER
        return bus, interface

    async def _leave(self) -> None:
        self._interface.hangs.set()
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


@contextlib.contextmanager
def private_bus(folder: Path) -> Iterator[str]:
    """A dbus-daemon of our own without service activation, so that nothing on the machine answers by accident."""
    socket = folder / "bus"
    config = folder / "bus.conf"
    config.write_text(_BUS_CONFIG.format(socket=socket))
    command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"]
    environment = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as daemon:
        assert daemon.stdout is not None
        try:
            yield daemon.stdout.readline().strip()
        finally:
            daemon.terminate()
