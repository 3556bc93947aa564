"""Whether the screen is locked, as the screen savers of the session and logind tell it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Final

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from taskclf_tray.system.session_bus import ask, close, connect, session_bus_address

_JOIN_SECONDS: Final = 3.0
_BUS: Final = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch")
_SYSTEM_BUS: Final = "unix:path=/var/run/dbus/system_bus_socket"
_LOGIN: Final = "org.freedesktop.login1"
_SESSION_RULES: Final = ("type='signal',member='ActiveChanged'",)
"""Of `org.freedesktop.ScreenSaver` and those of GNOME, Cinnamon, MATE and Xfce, which all say it alike."""
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_SYSTEM_RULES: Final = (
    f"type='signal',sender='{_LOGIN}',interface='{_PROPERTIES}',member='PropertiesChanged',arg0='{_LOGIN}.Session'",
)
"""Of the session's `LockedHint`, which the program that locks the screen sets. The signal `Lock` is only a request."""


class LockWatch:
    """Listens in a thread of its own until `close`. `on_change` is called there.

    A bus that is not there is not an error: nothing is known of a lock then.
    """

    def __init__(self, environ: Mapping[str, str], on_change: Callable[[], None]) -> None:
        self.is_locked = False
        self._on_change = on_change
        self._addresses = {
            session_bus_address(environ): _SESSION_RULES,
            environ.get("DBUS_SYSTEM_BUS_ADDRESS", _SYSTEM_BUS): _SYSTEM_RULES,
        }
        self._own_session = environ.get("XDG_SESSION_ID", "")
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="lock-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and its connections."""
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._listen())
        finally:
            self._loop.close()

    async def _listen(self) -> None:
        buses = [bus for address, rules in self._addresses.items() if (bus := await self._joined(address, rules))]
        await self._end.wait()
        for bus in buses:
            await close(bus)

    async def _joined(self, address: str | None, rules: tuple[str, ...]) -> MessageBus | None:
        try:
            bus = await connect(address)
        except ConnectionError:
            return None
        bus.add_message_handler(self._heard)
        for rule in rules:
            await ask(bus, Message(*_BUS, signature="s", body=[rule]))
        return bus

    def _heard(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "ActiveChanged" and "ScreenSaver" in (message.interface or "") and message.body:
            self._locked(bool(message.body[0]))
        elif message.member == "PropertiesChanged" and self._is_own(message.path or ""):
            hint = message.body[1].get("LockedHint")
            if hint is not None:
                self._locked(bool(hint.value))

    def _is_own(self, path: str) -> bool:
        """Whether a session of logind is the one of this program; its path ends with the id, `_3` before a digit."""
        name = path.rsplit("/", 1)[-1]
        return bool(self._own_session) and name in (self._own_session, f"_3{self._own_session}")

    def _locked(self, value: bool) -> None:
        if value != self.is_locked:
            self.is_locked = value
            self._on_change()
