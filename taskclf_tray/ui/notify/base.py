"""The seam of every notification backend.

`Notifier.notify` is the only way in: it cleans the texts, times the backend, and turns every failure into a
log line and `False`. A notification is never worth a crash.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final

from taskclf_tray.ui.notify.plain import plain_text

APP_NAME: Final = "taskclf"
MAX_TITLE_CHARACTERS: Final = 120
MAX_BODY_CHARACTERS: Final = 500
MAX_BUTTON_CHARACTERS: Final = 40
MAX_BUTTONS: Final = 4
SLOW_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)

PressHandler = Callable[[str | None, str], None]
"""Called with (tag of the notice, key of the button) in the backend's own thread: hand over to a queue and return;
showing another notice from within is refused."""


class Urgency(StrEnum):
    """How loudly a desktop may show a notice; `CRITICAL` usually stays until it is dismissed."""

    LOW = "low"
    NORMAL = "normal"
    CRITICAL = "critical"


class NotifyCapability(StrEnum):
    """What a backend can do with a notice."""

    BODY = "body"
    BUTTONS = "buttons"
    REPLACE = "replace"
    """A notice takes the place of the one shown before under the same tag."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button: what the person reads, and the key the press handler gets."""

    title: str
    key: str

    def __post_init__(self) -> None:
        if not self.key.isidentifier() or self.key == "default":
            raise ValueError("a button's key is an identifier, and 'default' is the click on the notice itself")


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for the person; `tag` groups notices that replace each other, and comes back with a press."""

    title: str
    body: str
    buttons: tuple[Button, ...] = ()
    urgency: Urgency = Urgency.NORMAL
    tag: str | None = None

    def __post_init__(self) -> None:
        keys = [button.key for button in self.buttons]
        if len(keys) > MAX_BUTTONS or len(set(keys)) < len(keys):
            raise ValueError(f"a notice has at most {MAX_BUTTONS} buttons, each with its own key")


class Notifier(ABC):
    """Shows notices. Every implementation passes `tests/ui/notifier_contract.py`."""

    name: ClassVar[str]

    def __init__(self, on_press: PressHandler | None = None) -> None:
        self._on_press = on_press

    @property
    @abstractmethod
    def capabilities(self) -> frozenset[NotifyCapability]:
        """What can be used now; empty while no service answers. Never raises."""

    def notify(self, notice: Notice) -> bool:
        """Show `notice`; whether a service accepted it. Never raises. May block for a second or two: not for a UI
        thread."""
        started = time.monotonic()
        try:
            self._show(_cleaned(notice))
        except Exception as error:  # noqa: BLE001 - a backend's failure, of whatever kind, must not reach the caller
            _log.warning("A notification could not be shown (%s, %s).", self.name, type(error).__name__)
            return False
        seconds = time.monotonic() - started
        if seconds > SLOW_SECONDS:
            _log.warning("The notification service took %.1f s (%s).", seconds, self.name)
        return True

    @abstractmethod
    def _show(self, notice: Notice) -> None:
        """Hand over a notice whose texts are clean already; raise whatever goes wrong."""

    def close(self) -> None:
        """Free what the backend holds. Safe to call twice; nothing is shown afterwards."""
        return

    def _pressed(self, tag: str | None, key: str) -> None:
        """Backends report a press here; a handler that fails is logged, for its caller is a foreign event loop."""
        if self._on_press is None:
            return
        try:
            self._on_press(tag, key)
        except Exception:  # noqa: BLE001 - a foreign loop called us and must go on
            _log.exception("The handler of the notification button %r failed.", key)


def _cleaned(notice: Notice) -> Notice:
    return replace(
        notice,
        title=plain_text(notice.title, MAX_TITLE_CHARACTERS) or APP_NAME,
        body=plain_text(notice.body, MAX_BODY_CHARACTERS, multiline=True),
        buttons=tuple(
            replace(button, title=plain_text(button.title, MAX_BUTTON_CHARACTERS) or button.key)
            for button in notice.buttons
        ),
    )
