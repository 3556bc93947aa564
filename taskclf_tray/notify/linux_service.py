"""desktop-notifier's Linux part, fitted to the notification services it does not know.

It adds what a desktop needs to show whose notice it is, gives the click on a notice a text, tells of a notice that the
desktop closed by itself, and offers only what the service on the other side really does. Imported with the library, at
the first notification.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from dbus_fast.signature import Variant
from desktop_notifier import Capability, Icon, Notification
from desktop_notifier.backends.dbus import (
    DEFAULT_ACTION_KEY,
    NOTIFICATION_CLOSED_EXPIRED,
    DBusDesktopNotifier,
    get_hints_signature,
)

DESKTOP_ENTRY: Final = "taskclf-tray"
CLICK_TEXT: Final = "Open"
"""The text of the click on a notice itself. Without one LXQt reports the wrong button."""
_NOT_DONE: Final[Mapping[str, frozenset[Capability]]] = MappingProxyType(
    {
        # takes the click for one more button, and replaces more than three by a list
        "lxqt-notificationd": frozenset({Capability.ON_CLICKED}),
        # offers actions and draws no button
        "mako": frozenset({Capability.BUTTONS}),
    }
)
"""By the name of a service: what it says it can do, or the library thinks so, and it does not."""


@dataclass(frozen=True)
class LinuxNotification(Notification):
    """A notification that also reports its end by the desktop itself."""

    on_expired: Callable[[], None] | None = None


class LinuxService(DBusDesktopNotifier):
    """One connection to the service. `has_markup`: whether it takes a body as markup."""

    def __init__(self, app_name: str, app_icon: Icon | None) -> None:
        super().__init__(app_name, app_icon)
        self.server_name = ""
        self.has_markup = False
        self._closed_unknown: deque[tuple[int, int]] = deque(maxlen=16)

    async def send(self, notification: Notification) -> None:
        """Send a notification. A service may close it before its own answer is read."""
        self._closed_unknown.clear()
        await super().send(notification)
        numbers = self._platform_to_interface_notification_identifier
        for number, reason in tuple(self._closed_unknown):
            if numbers.get(number) == notification.identifier:
                self._on_closed(number, reason)

    async def _init_dbus(self) -> Any:
        interface: Any = await super()._init_dbus()
        self.server_name = str((await interface.call_get_server_information())[0])
        self.has_markup = "body-markup" in await interface.call_get_capabilities()
        self.interface = _Amended(interface)  # type: ignore[assignment]  # passes everything else on
        return self.interface

    async def _get_capabilities(self) -> frozenset[Capability]:
        offered = await super()._get_capabilities()
        if Capability.BUTTONS not in offered:  # the click is an action, like a button
            offered -= {Capability.ON_CLICKED}
        return offered - _NOT_DONE.get(self.server_name, frozenset())

    def _on_closed(self, nid: int, reason: int) -> None:
        identifier = self._platform_to_interface_notification_identifier.get(nid)
        if identifier is None:
            self._closed_unknown.append((nid, reason))
            return
        notification = self._notification_cache.get(identifier)
        super()._on_closed(nid, reason)
        if reason == NOTIFICATION_CLOSED_EXPIRED and isinstance(notification, LinuxNotification):
            (notification.on_expired or _do_nothing)()


def _do_nothing() -> None:
    return


class _Amended:
    """The service's interface, with a `Notify` that names the program and its click."""

    def __init__(self, interface: Any) -> None:
        self._interface = interface
        self._takes_variants = get_hints_signature(interface) == "a{sv}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._interface, name)

    async def call_notify(
        self,
        app_name: str,
        replaces: int,
        icon: str,
        title: str,
        body: str,
        actions: list[str],
        hints: dict[str, Any],
        milliseconds: int,
    ) -> int:
        """Call `Notify` of the desktop notifications specification 1.2; returns the number of the notice."""
        entry = Variant("s", DESKTOP_ENTRY) if self._takes_variants else DESKTOP_ENTRY
        more = {"desktop-entry": entry}
        number = await self._interface.call_notify(
            app_name, replaces, icon, title, body, _click_last(actions), {**hints, **more}, milliseconds
        )
        return int(number)


def _click_last(actions: list[str]) -> list[str]:
    """Give the click on the notice a text, and its place after the buttons."""
    if DEFAULT_ACTION_KEY not in actions[::2]:
        return actions
    pairs = zip(actions[::2], actions[1::2], strict=True)
    buttons = [part for key, title in pairs if key != DEFAULT_ACTION_KEY for part in (key, title)]
    return [*buttons, DEFAULT_ACTION_KEY, CLICK_TEXT]
