"""Delivers snapshots, steps and messages to the views, the notification service and the log.

The worker and the label writer both publish, each from its own thread; listeners are called one at a time. A listener
that fails stops neither of them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from taskclf_tray.app import text
from taskclf_tray.app.label_view import with_labels
from taskclf_tray.app.snapshot import IconState, LabelView, Snapshot
from taskclf_tray.app.text import Message
from taskclf_tray.core.errors import describe_bug
from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.notify.base import Notice, Notifier, NotifyCapability
from taskclf_tray.record.recorder import StepResult

log = logging.getLogger(__name__)
MAX_LOGGED_CHARACTERS = 600


class Listener(Protocol):
    """A view. Its methods are called by the worker or the label writer, one at a time, and must return at once."""

    shows_messages: bool
    """Whether the person can read here what `on_message` tells."""

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot that differs from the last one."""

    def on_step(self, step: StepResult) -> None:
        """Take note of buckets that were finalised or revised; they are on disk."""

    def on_message(self, message: Message) -> None:
        """Show a message, as (title, body). It also goes to the notification service."""


class Publisher:
    """Holds the newest snapshot, overlaid with the person's labels, and passes everything on."""

    def __init__(self, notifier: Notifier, listeners: Sequence[Listener]) -> None:
        self._notifier = notifier
        self._listeners = list(listeners)
        self._lock = threading.RLock()
        self._base = Snapshot(IconState.NO_SOURCE, text.STARTING)
        self._labels = LabelView()
        self.snapshot = self._base

    def add(self, listener: Listener) -> None:
        """Add a listener; before the worker starts."""
        self._listeners.append(listener)

    def stepped(self, step: StepResult) -> None:
        """Pass on a step that finalised or revised buckets."""
        self._each(lambda listener: listener.on_step(step))

    def publish(self, snapshot: Snapshot) -> None:
        """Publish the worker's snapshot, overlaid with the labels known last."""
        with self._lock:
            self._base = snapshot
            self._show()

    def show_labels(self, read: Callable[[], LabelView]) -> None:
        """Publish the labels that `read` returns.

        Calls of `read` are serialised, so that an older view never replaces a newer one.
        """
        with self._lock:
            self._labels = read()
            self._show()

    def _show(self) -> None:
        snapshot = with_labels(self._base, self._labels)
        if snapshot == self.snapshot:
            return
        self.snapshot = snapshot
        self._each(lambda listener: listener.on_snapshot(snapshot))

    def tell(self, messages: Sequence[Message]) -> None:
        """Send messages to the notification service, the log and every view that shows messages."""
        for message in messages:
            title, body = message
            log.info("Told: %s", plain_text(text.as_line(title, body), MAX_LOGGED_CHARACTERS))
            try:
                self._notifier.notify(Notice(title, body))
            except Exception as error:  # noqa: BLE001 - a notification is never worth the record
                log.warning("A notification failed: %s", describe_bug(error))
            self._each(lambda listener, message=message: listener.on_message(message))  # type: ignore[misc]

    def ask(self, notice: Notice, in_terminal: str) -> bool:
        """Show a question; returns whether anybody can have seen it.

        `in_terminal` says how to answer without buttons.
        """
        try:
            is_shown = self._notifier.notify(notice)
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("A question could not be shown: %s", describe_bug(error))
            is_shown = False
        readers = [listener for listener in self._listeners if listener.shows_messages]
        self._each(lambda listener: listener.on_message((notice.title, in_terminal)), readers)
        return is_shown or bool(readers)

    def has_buttons(self) -> bool:
        """Whether a notification can be answered with buttons."""
        return NotifyCapability.BUTTONS in self._notifier.capabilities

    def withdraw(self, tag: str) -> None:
        """Withdraw a question that was answered elsewhere."""
        self._notifier.withdraw(tag)

    def _each(self, tell: Callable[[Listener], None], listeners: Sequence[Listener] | None = None) -> None:
        with self._lock:
            for listener in self._listeners if listeners is None else listeners:
                try:
                    tell(listener)
                except Exception as error:  # noqa: BLE001 - one view's mistake must not stop the record or other views
                    log.error("A listener failed: %s", describe_bug(error))
