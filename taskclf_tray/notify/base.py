"""The seam of every notification backend.

`Notifier.notify` is the only way in: it cleans the texts, times the backend, and turns every failure into a log line
and `False`. A notification is never worth a crash. A press on a notice reaches the press handler under the notice's
tag, once. The seam keeps which notice a tag stands for, so a press that comes late, twice or from an older notice is
ignored.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final

from taskclf_tray.core.plain_text import plain_text

APP_NAME: Final = "taskclf"
MAX_TITLE_CHARACTERS: Final = 120
MAX_BODY_CHARACTERS: Final = 500
MAX_BUTTON_CHARACTERS: Final = 40
MAX_BUTTONS: Final = 5
SLOW_SECONDS: Final = 1.0
CLICKED: Final = "default"
"""The key of a click on the notice itself, beside its buttons."""
DISMISSED: Final = "dismissed"
"""The key of a notice the person closed; one that expired or was taken back reports nothing."""
CLOSED_EARLY: Final = "closed_early"
"""The key of a notice that the desktop closed by itself in less than half of the time it was to stay."""

_log = logging.getLogger(__name__)

PressHandler = Callable[[str, str], None]
"""Called with the notice's tag and the button's key, `CLICKED`, `DISMISSED` or `CLOSED_EARLY`, at most once for each
notice, in the backend's own thread: hand over to a queue and return; showing another notice from within is refused."""


class Urgency(StrEnum):
    """How loudly a desktop may show a notice; `CRITICAL` usually stays until it is dismissed."""

    LOW = "low"
    NORMAL = "normal"
    CRITICAL = "critical"


class NotifyCapability(StrEnum):
    """What a backend can do with a notice."""

    BODY = "body"
    BUTTONS = "buttons"
    CLICK = "click"
    """A click on the notice itself is reported."""
    REPLACE = "replace"
    """A notice takes the place of the one shown before under the same tag."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button: its text, and the key that the press handler gets."""

    title: str
    key: str

    def __post_init__(self) -> None:
        if not self.key.isidentifier() or self.key in (CLICKED, DISMISSED, CLOSED_EARLY):
            raise ValueError(f"a button's key is an identifier, and {self.key!r} is none or means something else")


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for the person.

    `tag` names notices that replace each other and comes back with a press; without one nothing is reported, so a
    notice with buttons has one. `stays_seconds` is how long it is to stay on the screen, where the desktop lets a
    program say so; None leaves it to the desktop.
    """

    title: str
    body: str
    buttons: tuple[Button, ...] = ()
    urgency: Urgency = Urgency.NORMAL
    tag: str | None = None
    stays_seconds: int | None = None

    def __post_init__(self) -> None:
        keys = [button.key for button in self.buttons]
        if len(keys) > MAX_BUTTONS or len(set(keys)) < len(keys):
            raise ValueError(f"a notice has at most {MAX_BUTTONS} buttons, each with its own key")
        if self.buttons and self.tag is None:
            raise ValueError("a notice with buttons has a tag, or nobody could tell what was pressed")


class Notifier(ABC):
    """Shows notices. Every implementation passes `tests/support/notifier_contract.py`."""

    name: ClassVar[str]

    def __init__(self, on_press: PressHandler | None = None) -> None:
        self._on_press = on_press
        self._open_lock = threading.Lock()
        self._open: dict[str, Notice] = {}

    @property
    @abstractmethod
    def capabilities(self) -> frozenset[NotifyCapability]:
        """What can be used now; empty while no service answers. Never raises."""

    def notify(self, notice: Notice) -> bool:
        """Show `notice`; whether a service accepted it. Never raises. May block for a few seconds: not for a UI
        thread."""
        started = time.monotonic()
        shown = _cleaned(notice)
        before = self._swap(shown.tag, shown)  # a press can be faster than the service's answer
        try:
            self._show(shown)
        except Exception as error:  # noqa: BLE001 - a backend's failure, of whatever kind, must not reach the caller
            self._swap(shown.tag, before)
            _log.warning("A notification could not be shown (%s, %s).", self.name, type(error).__name__)
            return False
        seconds = time.monotonic() - started
        if seconds > SLOW_SECONDS:
            _log.warning("The notification service took %.1f s (%s).", seconds, self.name)
        return True

    def withdraw(self, tag: str) -> None:
        """Remove the notice shown under `tag`, if any. From now on it reports nothing. Never raises."""
        if self._swap(tag, None) is None:
            return
        try:
            self._withdraw(tag)
        except Exception as error:  # noqa: BLE001 - as in notify; what stays on the screen reports nothing
            _log.warning("A notification could not be taken back (%s, %s).", self.name, type(error).__name__)

    @abstractmethod
    def _show(self, notice: Notice) -> None:
        """Show a notice whose texts are clean. Raises whatever goes wrong."""

    def _withdraw(self, tag: str) -> None:  # noqa: ARG002 - not every service can
        """Remove the newest notice of this tag from the screen, where the service can. Raises whatever goes wrong."""
        return

    def close(self) -> None:
        """Free what the backend holds. Safe to call twice; nothing is shown afterwards."""
        return

    def _is_open(self, notice: Notice) -> bool:
        """Whether the notice given to `_show` still stands for its tag: not answered, replaced or withdrawn."""
        with self._open_lock:
            return notice.tag is None or self._open.get(notice.tag) is notice

    def _pressed(self, notice: Notice, key: str) -> None:
        """Report a press on a notice that the backend was given to show.

        A handler that fails is logged, since its caller is a foreign event loop.
        """
        with self._open_lock:
            if notice.tag is None or self._open.get(notice.tag) is not notice:
                return
            del self._open[notice.tag]
        if self._on_press is None:
            return
        try:
            self._on_press(notice.tag, key)
        except Exception:  # noqa: BLE001 - a foreign loop called us and must continue
            _log.exception("The handler of the notification button %r failed.", key)

    def _swap(self, tag: str | None, notice: Notice | None) -> Notice | None:
        """Let `notice`, or nothing, stand for `tag`; returns what stood for it before."""
        if tag is None:
            return None
        with self._open_lock:
            before = self._open.pop(tag, None)
            if notice is not None:
                self._open[tag] = notice
            return before


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


def escape_markup(text: str) -> str:
    """`text` for a service that reads its body as markup (the freedesktop capability `body-markup`)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
