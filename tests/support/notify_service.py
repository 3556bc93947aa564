"""The stub notification service in a thread of the test: answers at once, and can vanish as a crashed one does."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from dbus_fast.aio import MessageBus

from tests.support.stub_notifyd import DEFAULT_CAPABILITIES, DISMISSED, EXPIRED, ShownNotice, StubNotifications, export


class NotificationService:
    """Serves until `stop`; a second one on the same bus counts its notices from 1 again.

    `server`: the name and the vendor it tells.
    """

    def __init__(
        self,
        address: str,
        capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES,
        *,
        server: tuple[str, str] = ("stub", "tests"),
    ) -> None:
        self.shown: list[ShownNotice] = []
        self.closed: list[int] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="notification-service")
        self._thread.start()
        self._bus, self._service = self._run(self._serve(address, list(capabilities), server))

    def press(self, number: int, what: str) -> str:
        """Press a button by key or text; answers the key."""

        async def pressed() -> str:
            return self._service.press(number, what)

        return str(self._run(pressed()))

    def click(self, number: int) -> None:
        """Click the notice itself."""
        self.press(number, "default")

    def signal(self, number: int, key: str) -> None:
        """Tell of a press whether or not there is such a notice: a late one, or one of another program."""
        self._tell(self._service.ActionInvoked, number, key)

    def reply(self, number: int, text: str) -> None:
        """Write into a notice."""
        self._tell(self._service.reply, number, text)

    def dismiss(self, number: int) -> None:
        """Close a notice without an answer."""
        self._tell(self._service.end, number, DISMISSED)

    def expire(self, number: int) -> None:
        """Let a notice's time pass."""
        self._tell(self._service.end, number, EXPIRED)

    def ends_at_once(self, value: bool) -> None:
        """Whether each notice ends by itself as soon as it is shown."""
        self._service.ends_at_once = value

    def hang(self) -> None:
        """Answer no program any more."""
        self._tell(self._service.answers.clear)

    def recover(self) -> None:
        """Answer again, also what was asked meanwhile."""
        self._tell(self._service.answers.set)

    def stop(self) -> None:
        """Vanish from the bus."""
        if self._thread.is_alive():
            self._run(self._leave())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(120)
            self._loop.close()

    async def _serve(
        self, address: str, capabilities: list[str], server: tuple[str, str]
    ) -> tuple[MessageBus, StubNotifications]:
        service = StubNotifications(capabilities, on_shown=self.shown.append, on_closed=self.closed.append)
        service.server = server
        return await export(address, service), service

    async def _leave(self) -> None:
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        self._service.answers.set()
        await asyncio.sleep(0)

    def _tell(self, what: Any, *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(what, *arguments)

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)
