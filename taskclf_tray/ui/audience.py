"""Who is told: the views that listen, the notification service and the log. None of them can stop the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from taskclf_tray.ui import text
from taskclf_tray.ui.bugs import describe_bug
from taskclf_tray.ui.icon import IconState
from taskclf_tray.ui.notify.base import Notice, Notifier
from taskclf_tray.ui.notify.plain import plain_text
from taskclf_tray.ui.recorder import Step
from taskclf_tray.ui.serving import Message
from taskclf_tray.ui.snapshot import Snapshot

log = logging.getLogger(__name__)
MAX_LOGGED_CHARACTERS = 600


class Listener(Protocol):
    """Told by the worker, in its thread: be quick, hand over."""

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Something that shows has changed."""

    def on_step(self, step: Step) -> None:
        """Buckets were finalised or revised; they are on disk."""

    def on_message(self, message: Message) -> None:
        """The person is told something, as (title, body); also goes to the notification service."""


class Audience:
    """Holds the newest snapshot and passes everything on, in the worker's thread."""

    def __init__(self, notifier: Notifier, listeners: Sequence[Listener]) -> None:
        self._notifier = notifier
        self._listeners = list(listeners)
        self.snapshot = Snapshot(IconState.NO_SOURCE, text.STARTING)

    def add(self, listener: Listener) -> None:
        """One more listener; before the worker starts."""
        self._listeners.append(listener)

    def stepped(self, step: Step) -> None:
        """Buckets were finalised or revised."""
        self._each(lambda listener: listener.on_step(step))

    def publish(self, snapshot: Snapshot) -> None:
        """Show a snapshot, when anything in it is new."""
        if snapshot == self.snapshot:
            return
        self.snapshot = snapshot
        self._each(lambda listener: listener.on_snapshot(snapshot))

    def tell(self, messages: Sequence[Message]) -> None:
        """Tell the person: a notification, the log, and every view that shows messages."""
        for message in messages:
            title, body = message
            log.info("Told: %s", plain_text(f"{title}. {body}", MAX_LOGGED_CHARACTERS))
            try:
                self._notifier.notify(Notice(title, body))
            except Exception as error:  # noqa: BLE001 - a notification is never worth the record
                log.warning("A notification failed: %s", describe_bug(error))
            self._each(lambda listener, message=message: listener.on_message(message))  # type: ignore[misc]

    def _each(self, tell: Callable[[Listener], None]) -> None:
        for listener in self._listeners:
            try:
                tell(listener)
            except Exception as error:  # noqa: BLE001 - one view's mistake must not stop the record or other views
                log.error("A listener failed: %s", describe_bug(error))
