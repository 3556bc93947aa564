"""Chooses the notification backend of this machine, and says why."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from taskclf_tray.notify.base import Notice, Notifier, NotifyCapability, PressHandler
from taskclf_tray.notify.desktop import DesktopNotifierBackend
from taskclf_tray.notify.plyer_backend import PlyerNotifier, plyer_obstacle

_log = logging.getLogger(__name__)


class DummyNotifier(Notifier):
    """For a machine without notifications. Logs the title only, for a body may hold what a log must not."""

    name = "none"

    @property
    def capabilities(self) -> frozenset[NotifyCapability]:
        """Nothing can be shown."""
        return frozenset()

    def notify(self, notice: Notice) -> bool:
        """Log the title; always False, since nobody saw the notice."""
        super().notify(notice)
        if notice.tag is not None:
            self.withdraw(notice.tag)
        return False

    def _show(self, notice: Notice) -> None:
        _log.info("no notifications here: %s", notice.title)


@dataclass(frozen=True, slots=True)
class NotifierChoice:
    """The backend in use, and the reason as one sentence for `doctor` and the log."""

    notifier: Notifier
    reason: str


def choose_notifier(
    on_press: PressHandler | None = None,
    *,
    enabled: bool = True,
    platform: str = sys.platform,
    environment: Mapping[str, str] = os.environ,
) -> NotifierChoice:
    """Choose desktop-notifier, else plyer, else the dummy; returns the notifier with the reason.

    The service is not asked whether it answers now: on Linux it may start later, and the backend finds it then.
    """
    if not enabled:
        return NotifierChoice(
            DummyNotifier(on_press), "Notifications are switched off (notifications_enabled in config.toml)."
        )
    obstacle = _obstacle(platform, environment)
    if obstacle is None:
        return NotifierChoice(DesktopNotifierBackend(on_press), "Notifications go through the desktop's own service.")
    second = plyer_obstacle(platform, environment)
    if second is None:
        return NotifierChoice(PlyerNotifier(on_press), f"{obstacle}, so plyer shows them, without buttons.")
    both = obstacle if second.lower() in obstacle.lower() else f"{obstacle}, and {second}"
    return NotifierChoice(DummyNotifier(on_press), f"{both}, so nothing can be shown.")


def _obstacle(platform: str, environment: Mapping[str, str]) -> str | None:
    """Why desktop-notifier can show nothing here: the beginning of a sentence."""
    if find_spec("desktop_notifier") is None:
        return "The package desktop-notifier is not installed"
    if platform.startswith("linux") and not environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return "There is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set)"
    if platform == "darwin" and not _in_app_bundle():
        return "macOS lets desktop-notifier show notifications of application bundles only, and this program is none"
    return None


def _in_app_bundle() -> bool:
    return ".app/Contents/" in sys.executable
