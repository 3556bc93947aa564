"""Notifications through desktop-notifier: the freedesktop service on Linux, toasts on Windows, the centre on macOS.

The library is asynchronous and its Linux calls have no time limit, so everything runs in one loop thread under a
timeout. A connection that failed is dropped and made anew for the next notice: a service that was missing, hung
or restarted works again without a restart of the application.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from taskclf_tray.core.errors import SystemToolError
from taskclf_tray.ui.notify.base import APP_NAME, Notice, Notifier, NotifyCapability, PressHandler, Urgency
from taskclf_tray.ui.notify.loop import LoopThread
from taskclf_tray.ui.notify.plain import escape_markup

if TYPE_CHECKING:
    from desktop_notifier import Capability, DesktopNotifier, Notification

TIMEOUT_SECONDS: Final = 3.0


@dataclass(slots=True)
class _Connection:
    """One live connection to the service and what it can do; used in the loop thread only."""

    service: DesktopNotifier
    capabilities: frozenset[NotifyCapability]
    has_markup: bool
    shown_by_tag: dict[str, str] = field(default_factory=dict)


class DesktopNotifierBackend(Notifier):
    """Shows notices on the desktop. Buttons report from the loop thread."""

    name = "desktop-notifier"

    def __init__(self, on_press: PressHandler | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        super().__init__(on_press)
        self._timeout_seconds = timeout_seconds
        self._loop = LoopThread("notify")
        self._connection: _Connection | None = None
        self._lock = threading.Lock()

    @property
    def capabilities(self) -> frozenset[NotifyCapability]:
        """What the service says it can do; asks it when no connection is up."""
        try:
            with self._lock:
                return self._loop.run(self._connected(), self._timeout_seconds).capabilities
        except Exception:  # noqa: BLE001 - foreign code; an unreachable service simply can do nothing
            return frozenset()

    def close(self) -> None:
        """Disconnect and stop the loop thread."""
        with self._lock:
            self._drop_connection()
            self._loop.close()

    def _show(self, notice: Notice) -> None:
        with self._lock:  # one notice at a time: two first sends would make two connections
            had_connection = self._connection is not None
            try:
                self._loop.run(self._send(notice), self._timeout_seconds)
            except TimeoutError:
                self._drop_connection()
                raise
            except Exception:
                if not had_connection:
                    raise
                # the connection was an old one: the service may have been replaced since, so one more try on a new one
                self._loop.run(self._send(notice), self._timeout_seconds)

    async def _send(self, notice: Notice) -> None:
        connection = await self._connected()
        dispatched: list[bool] = []
        message = self._message(notice, connection, on_dispatched=lambda: dispatched.append(True))
        await connection.service.send_notification(message)
        if not dispatched:
            # the library logs a failed send and returns as if it had worked
            self._connection = None
            await _disconnect(connection.service)
            raise SystemToolError(
                "The notification service did not take the notification.", "The next one tries a new connection."
            )
        if notice.tag is not None:
            await self._replace(connection, notice.tag, message.identifier)

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(TimeoutError):
                self._loop.run(_disconnect(connection.service), self._timeout_seconds)

    async def _connected(self) -> _Connection:
        if self._connection is None:
            self._connection = await _connect()
        return self._connection

    @staticmethod
    async def _replace(connection: _Connection, tag: str, identifier: str) -> None:
        older = connection.shown_by_tag.get(tag)
        connection.shown_by_tag[tag] = identifier
        if older is not None and older in await connection.service.get_current_notifications():
            await connection.service.clear(older)

    def _message(self, notice: Notice, connection: _Connection, *, on_dispatched: Any) -> Notification:
        from desktop_notifier import Button as ServiceButton
        from desktop_notifier import Notification
        from desktop_notifier import Urgency as ServiceUrgency

        levels = {
            Urgency.LOW: ServiceUrgency.Low,
            Urgency.NORMAL: ServiceUrgency.Normal,
            Urgency.CRITICAL: ServiceUrgency.Critical,
        }
        shown_buttons = notice.buttons if NotifyCapability.BUTTONS in connection.capabilities else ()
        return Notification(
            title=notice.title,
            message=escape_markup(notice.body) if connection.has_markup else notice.body,
            urgency=levels[notice.urgency],
            buttons=tuple(
                ServiceButton(button.title, on_pressed=self._reporter(notice, button.key), identifier=button.key)
                for button in shown_buttons
            ),
            on_dispatched=on_dispatched,
        )

    def _reporter(self, notice: Notice, key: str) -> Any:
        return lambda: self._pressed(notice, key)


async def _connect() -> _Connection:
    from desktop_notifier import DesktopNotifier

    # The library logs whole notifications, bodies included; what goes wrong is said here instead.
    logging.getLogger("desktop_notifier").setLevel(logging.CRITICAL)
    service = DesktopNotifier(app_name=APP_NAME, app_icon=None)
    try:
        offered = _known_capabilities(await service.get_capabilities())
        return _Connection(service, offered, await _reads_markup(service))
    except BaseException:
        await _disconnect(service)
        raise


def _known_capabilities(offered: frozenset[Capability]) -> frozenset[NotifyCapability]:
    from desktop_notifier import Capability

    names = {Capability.MESSAGE: NotifyCapability.BODY, Capability.BUTTONS: NotifyCapability.BUTTONS}
    return frozenset(names[one] for one in offered if one in names) | {NotifyCapability.REPLACE}


async def _reads_markup(service: DesktopNotifier) -> bool:
    """Whether the service takes the body as markup: a question the library does not pass on, hence its private part."""
    interface = getattr(service._backend, "interface", None)
    return interface is not None and "body-markup" in await interface.call_get_capabilities()


async def _disconnect(service: DesktopNotifier) -> None:
    bus = getattr(service._backend, "bus", None)
    if bus is not None:
        bus.disconnect()
