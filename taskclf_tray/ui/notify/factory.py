"""Chooses the notification backend of this machine, and says why."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from taskclf_tray.ui.notify.base import Notifier, PressHandler
from taskclf_tray.ui.notify.dummy import DummyNotifier


@dataclass(frozen=True, slots=True)
class NotifierChoice:
    """The backend in use, and one sentence for `doctor` and the log on why it is this one."""

    notifier: Notifier
    reason: str


def choose_notifier(
    on_press: PressHandler | None = None,
    *,
    enabled: bool = True,
    platform: str = sys.platform,
    environment: Mapping[str, str] = os.environ,
) -> NotifierChoice:
    """The best notifier for `platform`; the dummy, with the reason, where nothing can be shown.

    Whether a service answers right now is not asked: on Linux it may start later, and the backend finds it then.
    """
    obstacle = _obstacle(enabled, platform, environment)
    if obstacle is not None:
        return NotifierChoice(DummyNotifier(on_press), obstacle)
    from taskclf_tray.ui.notify.desktop import DesktopNotifierBackend  # brings asyncio: 2.4 MiB a terminal saves

    return NotifierChoice(DesktopNotifierBackend(on_press), "Notifications go through the desktop's own service.")


def _obstacle(enabled: bool, platform: str, environment: Mapping[str, str]) -> str | None:
    if not enabled:
        return "Notifications are switched off (notifications_enabled in config.toml)."
    if find_spec("desktop_notifier") is None:
        return "The package desktop-notifier is not installed, so nothing can be shown."
    if platform.startswith("linux") and not environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return "There is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set), so nothing can be shown."
    if platform == "darwin" and not _in_app_bundle():
        return "macOS shows notifications of application bundles only, and this program does not run from one."
    return None


def _in_app_bundle() -> bool:
    return ".app/Contents/" in sys.executable
