"""Notifications through desktop-notifier: the freedesktop service on Linux, toasts on Windows, the centre on macOS.

The library is asynchronous and its Linux calls have no time limit, so everything runs in one loop thread and callers
wait with a timeout. A connection lasts as long as the service it was made to: another service numbers its notices from
the start, and its number 7 is not ours. So a service that is missing, or was restarted, gets a new connection with the
next notice.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from taskclf_tray.core.errors import SystemToolError
from taskclf_tray.notify.base import (
    APP_NAME,
    CLICKED,
    CLOSED_EARLY,
    DISMISSED,
    Notice,
    Notifier,
    NotifyCapability,
    PressHandler,
    Urgency,
    escape_markup,
)

if TYPE_CHECKING:
    from desktop_notifier import Capability, DesktopNotifier, Icon, Notification

TIMEOUT_SECONDS: Final = 3.0
_SERVICE: Final = "org.freedesktop.Notifications"
_JOIN_SECONDS: Final = 2.0
_T = TypeVar("_T")


@dataclass(slots=True)
class _Connection:
    """One live connection to the service and what it can do; used in the loop thread only."""

    service: DesktopNotifier
    capabilities: frozenset[NotifyCapability]
    has_markup: bool
    shown_by_tag: dict[str, str] = field(default_factory=dict)

    @property
    def bus(self) -> Any:
        """The D-Bus connection; None on other systems than Linux."""
        return getattr(self.service._backend, "bus", None)

    @property
    def is_alive(self) -> bool:
        """Whether the bus is still there."""
        return self.bus is None or bool(self.bus.connected)

    def disconnect(self) -> None:
        """Leave the bus."""
        if self.bus is not None:
            self.bus.disconnect()

    async def take_back(self, identifier: str | None) -> None:
        """Remove a notice from the screen, if it is still there; one that cannot be removed is not worth more."""
        if identifier in await self.service.get_current_notifications():
            with suppress(Exception):
                await self.service.clear(str(identifier))


class DesktopNotifierBackend(Notifier):
    """Shows notices on the desktop. Presses are reported from the loop thread."""

    name = "desktop-notifier"

    def __init__(self, on_press: PressHandler | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        super().__init__(on_press)
        self._timeout_seconds = timeout_seconds
        self._loop = LoopThread("notify")
        self._connecting = asyncio.Lock()
        self._connection: _Connection | None = None
        self._deliveries: set[asyncio.Task[None]] = set()

    @property
    def capabilities(self) -> frozenset[NotifyCapability]:
        """What the service says it can do; asks it when no connection is up."""
        try:
            return self._loop.run(self._connected(), self._timeout_seconds).capabilities
        except Exception:  # noqa: BLE001 - foreign code; an unreachable service simply can do nothing
            return frozenset()

    def close(self) -> None:
        """Withdraw open questions, disconnect, and stop the loop thread."""
        if self._connection is not None:
            with suppress(TimeoutError, RuntimeError):
                self._loop.run(self._leave(), self._timeout_seconds)
        self._loop.close()

    def _show(self, notice: Notice) -> None:
        self._loop.run(self._send(notice), self._timeout_seconds)

    def _withdraw(self, tag: str) -> None:
        self._loop.run(self._take_back(tag), self._timeout_seconds)

    async def _send(self, notice: Notice) -> None:
        """Wait for the delivery. It continues when the caller gives up: a notification that shows late is withdrawn."""
        delivery = asyncio.create_task(self._deliver(notice))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._delivered)
        await asyncio.wait({delivery})
        delivery.result()

    def _delivered(self, delivery: asyncio.Task[None]) -> None:
        self._deliveries.discard(delivery)
        if not delivery.cancelled():
            delivery.exception()  # seen, whether or not somebody still waits for it

    async def _deliver(self, notice: Notice) -> None:
        connection = await self._connected()
        if await self._was_shown(notice, connection):
            return
        is_lost = connection is not self._connection or not connection.is_alive
        # lost on the way: the service was replaced, so one more try on a new connection
        if is_lost and await self._was_shown(notice, await self._connected()):
            return
        raise SystemToolError("The notification service did not take the notification.", "Everything is in the menu.")

    async def _was_shown(self, notice: Notice, connection: _Connection) -> bool:
        dispatched: list[bool] = []  # the library logs a failed send and returns as if it had worked
        message = self._message(notice, connection, on_dispatched=lambda: dispatched.append(True))
        await connection.service.send_notification(message)
        if not dispatched or connection is not self._connection:
            return False
        if not self._is_open(notice):
            await connection.take_back(message.identifier)
        elif notice.tag is not None:
            older = connection.shown_by_tag.get(notice.tag)
            connection.shown_by_tag[notice.tag] = message.identifier
            await connection.take_back(older)
        return True

    async def _take_back(self, tag: str) -> None:
        if self._connection is not None:
            await self._connection.take_back(self._connection.shown_by_tag.pop(tag, None))

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            for identifier in connection.shown_by_tag.values():
                await connection.take_back(identifier)
        finally:
            connection.disconnect()

    async def _connected(self) -> _Connection:
        async with self._connecting, asyncio.timeout(self._timeout_seconds):
            if self._connection is None or not self._connection.is_alive:
                self._connection = await _connect(self._service_changed)
            return self._connection

    def _service_changed(self, bus: object) -> None:
        connection = self._connection
        if connection is not None and connection.bus is bus:
            self._connection = None
            connection.disconnect()

    def _message(self, notice: Notice, connection: _Connection, *, on_dispatched: Callable[[], Any]) -> Notification:
        library = _library()
        levels = {
            Urgency.LOW: library.Urgency.Low,
            Urgency.NORMAL: library.Urgency.Normal,
            Urgency.CRITICAL: library.Urgency.Critical,
        }

        def reporter(key: str) -> Callable[[], None]:
            return lambda: self._report(connection, notice, key)

        shown_buttons = notice.buttons if NotifyCapability.BUTTONS in connection.capabilities else ()
        message: Notification = _notification_class(self._ended_early(connection, notice))(
            title=notice.title,
            message=escape_markup(notice.body) if connection.has_markup else notice.body,
            urgency=levels[notice.urgency],
            buttons=tuple(
                library.Button(button.title, on_pressed=reporter(button.key), identifier=button.key)
                for button in shown_buttons
            ),
            on_clicked=reporter(CLICKED),
            on_dismissed=reporter(DISMISSED),
            on_dispatched=on_dispatched,
            timeout=-1 if notice.stays_seconds is None else notice.stays_seconds,
        )
        return message

    def _ended_early(self, connection: _Connection, notice: Notice) -> Callable[[], None]:
        """The callback for the end of a notice that nobody touched; it reports an end that came too early."""
        earliest = time.monotonic() + (notice.stays_seconds or 0) / 2

        def ended() -> None:
            if time.monotonic() < earliest:
                self._report(connection, notice, CLOSED_EARLY)

        return ended

    def _report(self, connection: _Connection, notice: Notice, key: str) -> None:
        """Report a press, unless the connection was lost: a press on a later service's notice may arrive there."""
        if connection is self._connection:
            self._pressed(notice, key)


def _library() -> ModuleType:
    # 0.2 s, which the first notification takes in this thread and the start of the app does not
    import desktop_notifier

    return desktop_notifier


def _service() -> DesktopNotifier:
    """The library's notifier, on Linux with a backend of ours behind it."""
    icon = _icon()
    service: DesktopNotifier = _library().DesktopNotifier(app_name=APP_NAME, app_icon=icon)
    if sys.platform.startswith("linux"):
        # with the library, for the same reason
        from taskclf_tray.notify.linux_service import LinuxService

        service._backend = LinuxService(APP_NAME, icon)
    return service


def _icon() -> Icon | None:
    """The program's picture, from the package or the checkout; None where it was left out."""
    places = (Path(str(files("taskclf_tray.notify"))) / "app.png", Path(__file__).parents[2] / "assets" / "app.png")
    return next((_library().Icon(path=path) for path in places if path.is_file()), None)


def _notification_class(on_expired: Callable[[], None]) -> Callable[..., Notification]:
    """The library's class, on Linux one that also reports the end of a notice."""
    if not sys.platform.startswith("linux"):
        return _library().Notification
    from taskclf_tray.notify.linux_service import LinuxNotification  # with the library, for the same reason

    return partial(LinuxNotification, on_expired=on_expired)


async def _connect(on_service_changed: Callable[[object], None]) -> _Connection:
    # The library logs whole notifications, bodies included; what goes wrong is said here instead.
    logging.getLogger("desktop_notifier").setLevel(logging.CRITICAL)
    connection = _Connection(_service(), frozenset(), has_markup=False)
    try:
        connection.capabilities = _known_capabilities(await connection.service.get_capabilities())
        connection.has_markup = getattr(connection.service._backend, "has_markup", False)
    except BaseException:
        connection.disconnect()
        raise
    if connection.bus is not None:
        _watch_owner(connection.bus, on_service_changed)
    return connection


def _watch_owner(bus: Any, on_service_changed: Callable[[object], None]) -> None:
    """Call back when the service that was there is gone. The library itself would continue with the next service."""

    def heard(message: Any) -> None:
        is_change = message.member == "NameOwnerChanged" and message.sender == "org.freedesktop.DBus"
        if is_change and message.body[0] == _SERVICE and message.body[1]:
            on_service_changed(bus)

    bus.add_message_handler(heard)


def _known_capabilities(offered: frozenset[Capability]) -> frozenset[NotifyCapability]:
    of_library = _library().Capability
    names = {
        of_library.MESSAGE: NotifyCapability.BODY,
        of_library.BUTTONS: NotifyCapability.BUTTONS,
        of_library.ON_CLICKED: NotifyCapability.CLICK,
    }
    return frozenset({names[one] for one in offered if one in names} | {NotifyCapability.REPLACE})


class LoopThread:
    """An asyncio event loop in a thread of its own, started by the first coroutine that another thread gives it.

    A daemon thread: an unanswered D-Bus call must not keep the process alive.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, coroutine: Coroutine[Any, Any, _T], timeout_seconds: float) -> _T:
        """Return the coroutine's result. After `timeout_seconds` it is cancelled, and TimeoutError is raised.

        Raises RuntimeError when the loop is closed, or when called from the loop's own thread, which would wait for
        itself.
        """
        try:
            loop = self._started()
        except RuntimeError:
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result(timeout_seconds)
        except TimeoutError:
            future.cancel()
            raise

    def close(self) -> None:
        """Stop the loop, end its tasks and join the thread."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise RuntimeError("the event loop is closed")
            if self._thread is threading.current_thread():
                raise RuntimeError("the event loop cannot wait for itself")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    finally:
        loop.close()
