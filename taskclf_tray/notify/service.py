"""What the freedesktop notification service of this session offers, for backends that do not ask themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from dbus_fast import Message

from taskclf_tray.system.session_bus import ask, close, connect, session_bus_address

_SERVICE: Final = "org.freedesktop.Notifications"
_PATH: Final = "/org/freedesktop/Notifications"


def service_capabilities(environ: Mapping[str, str], timeout_seconds: float) -> frozenset[str] | None:
    """The service's own words for what it can do (`body`, `body-markup`, …), or None when none answers in time.

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
