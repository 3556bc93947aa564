"""Notifications through plyer, where desktop-notifier cannot be used: a title and a body, without buttons.

plyer blocks until its helper program (`notify-send` on Linux) ends, returns nothing, and fails in silence. So it runs
in a thread with a timeout, and on Linux the service itself is asked first.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from taskclf_tray.core.errors import SystemToolError
from taskclf_tray.notify.base import APP_NAME, Notice, Notifier, NotifyCapability, PressHandler, escape_markup

if sys.platform.startswith("linux"):
    from taskclf_tray.system.session_bus import service_capabilities

TIMEOUT_SECONDS: Final = 3.0
_SHOWN_SECONDS: Final = 5  # Windows: a thread of plyer's keeps the process alive for as long
_FOLDERS: Final = {"win32": "win", "darwin": "macosx"}
_HELPERS_NEEDED: Final = {
    "linux": "plyer needs the program notify-send (package libnotify-bin)",
    "darwin": "plyer needs the package pyobjus",
}


def plyer_obstacle(platform: str, environment: Mapping[str, str]) -> str | None:
    """Why plyer can show nothing here, as part of a sentence; None where it may."""
    if find_spec("plyer") is None:
        return "plyer is not installed"
    if platform == "win32":
        return None
    if platform == "darwin":
        return None if find_spec("pyobjus") else _HELPERS_NEEDED[platform]
    if not platform.startswith("linux"):
        return "plyer does not know this platform"
    if not environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return "there is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set)"
    has_way = find_spec("dbus") or shutil.which("notify-send", path=environment.get("PATH"))
    return None if has_way else _HELPERS_NEEDED["linux"]


class PlyerNotifier(Notifier):
    """Shows a title and a body. It can neither replace nor withdraw a notice, and reports no press."""

    name = "plyer"

    def __init__(self, on_press: PressHandler | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        super().__init__(on_press)
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._sender: threading.Thread | None = None
        self._is_closed = False

    @property
    def capabilities(self) -> frozenset[NotifyCapability]:
        """The body, while a service answers."""
        can_show = not self._is_closed and self._offered() is not None
        return frozenset({NotifyCapability.BODY}) if can_show else frozenset()

    def close(self) -> None:
        """Show nothing from now on."""
        self._is_closed = True

    def _show(self, notice: Notice) -> None:
        with self._lock:
            if self._is_closed:
                raise SystemToolError("The notifier is closed.")
            if self._sender is not None and self._sender.is_alive():
                raise SystemToolError("The helper program of the notification before has not ended yet.")
            offered = self._offered()
            if offered is None:
                raise SystemToolError("No notification service answers.")
            self._send_within_time(notice, offered)

    def _offered(self) -> frozenset[str] | None:
        """The capabilities of the service; empty where there is none to ask."""
        if not sys.platform.startswith("linux"):
            return frozenset()
        return service_capabilities(os.environ, self._timeout_seconds)

    def _send_within_time(self, notice: Notice, offered: frozenset[str]) -> None:
        errors: list[Exception] = []

        def send() -> None:
            try:
                _send(notice, offered)
            except Exception as error:  # noqa: BLE001 - plyer and its helpers raise anything; told by the caller
                errors.append(error)

        self._sender = threading.Thread(target=send, name="notify-plyer", daemon=True)
        self._sender.start()
        self._sender.join(self._timeout_seconds)
        if self._sender.is_alive():
            raise TimeoutError("the helper program did not end in time")
        if errors:
            raise errors[0]


def _send(notice: Notice, offered: frozenset[str]) -> None:
    way = _way()
    title, body = notice.title, notice.body
    if "body-markup" in offered:
        body = escape_markup(body)
    if type(way).__name__ != "NotifySendNotification":
        way.notify(title=title, message=body, app_name=APP_NAME, timeout=_SHOWN_SECONDS)
        return
    # its public method leaves the time at 0: the notice would stay for ever
    way._notify(
        title=_argument(title),
        message=_argument(body.replace("\\", "\\\\")),  # the program reads \n and the like
        app_name=APP_NAME,
        urgency=notice.urgency.value,
        expire_time="-1",
    )


def _argument(text: str) -> str:
    """The text in a form that no program takes for an option."""
    return f" {text}" if text.startswith("-") else text


def _way() -> Any:
    """plyer's implementation for this platform. Its public proxy would print tracebacks and warnings."""
    folder = _FOLDERS.get(sys.platform, "linux")
    module = importlib.import_module(f"plyer.platforms.{folder}.notification")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        way = module.instance()
    if type(way).__name__ == "NotifyDesktopPortals":
        raise SystemToolError("plyer pastes texts into a portal call without quoting them, so it is not used there.")
    return way
