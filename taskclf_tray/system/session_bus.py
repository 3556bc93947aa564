"""The session bus of a Linux desktop: its address, questions to it, and what its notification service can do."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, DBusError, InvalidAddressError

_CONNECT_SECONDS: Final = 5.0
_SERVICE: Final = "org.freedesktop.Notifications"
_PATH: Final = "/org/freedesktop/Notifications"


def session_bus_address(environ: Mapping[str, str]) -> str | None:
    """Address of the session bus: the variable, else the socket of systemd; None where there is neither."""
    if address := environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    socket = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}") / "bus"
    with contextlib.suppress(OSError):
        if socket.is_socket():
            return f"unix:path={socket}"
    return None


class _Connection(MessageBus):
    """A connection that loses unsent messages in silence when it ends; `wait_for_disconnect` reports its end."""

    def __init__(self, address: str) -> None:
        super().__init__(bus_address=address)
        self._disconnect_future.add_done_callback(_look)

    def send(self, msg: Message) -> asyncio.Future[None]:  # type: ignore[override]  # the base class returns nothing
        """Send a message. Raises ConnectionError for a question to a bus that is gone: nothing would end its wait."""
        sent = asyncio.get_running_loop().create_future()
        sent.add_done_callback(_look)
        if self.connected:
            assert self._writer is not None  # set while connected, and kept
            msg.serial = msg.serial or self.next_serial()
            self._writer.schedule_write(msg, sent)
        elif msg.message_type is MessageType.METHOD_CALL:
            raise ConnectionError("the session bus went away")
        return sent

    def _finalize(self, err: Exception | None = None) -> None:
        """End the connection at the next turn of the loop.

        A write that fails ends it, and a write may be in the middle of a signal, which goes through the connections
        of its interface: one that ends there would be taken out from under it, with its socket.
        """
        asyncio.get_running_loop().call_soon(super()._finalize, err)


def _look(sent: asyncio.Future[None]) -> None:
    """Retrieve the exception, which asyncio would print otherwise."""
    if not sent.cancelled():
        sent.exception()


async def connect(address: str | None) -> MessageBus:
    """The session bus.

    Raises ConnectionError when nobody answers at the address within 5 s, or it is no address.
    """
    if address is None:
        raise ConnectionError("there is no session bus")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await _Connection(address).connect()
    except (OSError, EOFError, AuthError, InvalidAddressError, TimeoutError, DBusError) as error:
        raise ConnectionError(f"the session bus cannot be reached ({type(error).__name__})") from error


async def close(bus: MessageBus) -> None:
    """Disconnect and wait until the socket is closed."""
    if bus.connected:
        bus.disconnect()
        with contextlib.suppress(OSError, EOFError):
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def ask(bus: MessageBus, message: Message) -> list[Any] | None:
    """The answer's values, or None for an error or a lost connection."""
    try:
        reply = await bus.call(message)
    except (OSError, EOFError, DBusError):
        return None
    if reply is None or reply.message_type is not MessageType.METHOD_RETURN:
        return None
    return list(reply.body)


def service_capabilities(environ: Mapping[str, str], timeout_seconds: float) -> frozenset[str] | None:
    """The capabilities the service reports (`body`, `body-markup`, …); None when it does not answer in time.

    May start the service, as any notice would.
    """

    async def within_time() -> frozenset[str] | None:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await _asked(session_bus_address(environ))
        except (TimeoutError, ConnectionError):
            return None

    return asyncio.run(within_time())


async def _asked(address: str | None) -> frozenset[str] | None:
    bus = await connect(address)
    try:
        answer = await ask(bus, Message(_SERVICE, _PATH, _SERVICE, "GetCapabilities"))
    finally:
        await close(bus)
    return None if answer is None else frozenset(map(str, answer[0]))
