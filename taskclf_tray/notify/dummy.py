"""The notifier of a machine without notifications: the log tells what would have been shown."""

from __future__ import annotations

import logging

from taskclf_tray.notify.base import Notice, Notifier, NotifyCapability

_log = logging.getLogger(__name__)


class DummyNotifier(Notifier):
    """Shows nothing; only the title is logged, for a body may hold what does not belong in a log."""

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
