"""One D-Bus call with its answer, and a client that makes them without an event loop of the caller's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

_T = TypeVar("_T")
_SECONDS = 120.0


class DBusCallError(RuntimeError):
    """The called side answered with an error; `name` is the D-Bus name of it."""

    def __init__(self, member: str, name: str, body: Sequence[Any]) -> None:
        super().__init__(f"{member}: {name} {list(body)}")
        self.name = name


async def call(
    bus: MessageBus, to: str, path: str, interface: str, member: str, signature: str = "", *body: Any
) -> list[Any]:
    """The answer's values."""
    reply = await bus.call(Message(to, path, interface, member, signature=signature, body=list(body)))
    assert reply is not None
    if reply.message_type is MessageType.ERROR:
        raise DBusCallError(member, str(reply.error_name), reply.body)
    return list(reply.body)


async def prop(bus: MessageBus, to: str, path: str, interface: str, name: str) -> Any:
    """One property, unpacked."""
    return (await call(bus, to, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, name))[0].value


class SyncClient:
    """A connection used from plain code: what arrives between two calls is read at the next one."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._loop = asyncio.new_event_loop()
        self.bus: MessageBus = self.run(self._connect(env["DBUS_SESSION_BUS_ADDRESS"]))

    @staticmethod
    async def _connect(address: str) -> MessageBus:
        return await MessageBus(bus_address=address).connect()

    def run(self, work: Coroutine[Any, Any, _T], timeout_seconds: float = _SECONDS) -> _T:
        """Wait for `work`."""
        return self._loop.run_until_complete(asyncio.wait_for(work, timeout_seconds))

    def close(self) -> None:
        """Leave the bus."""
        if self._loop.is_closed():
            return
        if self.bus.connected:
            self.bus.disconnect()
        with contextlib.suppress(OSError, EOFError):
            self.run(self._gone())
        self._loop.close()

    async def _gone(self) -> None:
        await self.bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
