"""What the built-in watcher sees, as the events that ActivityWatch's watchers would write.

A desk is what an operating system lets a program see of the person's work; `Track` turns looks at it into events of
the shapes of aw-watcher-window, -afk and -input. A window is an event from the look that first saw it until the look
that saw another one, so there are no holes to fill. Away is known backwards, when nobody has touched anything for
three minutes, and a locked screen is away at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import US_PER_SECOND

AWAY_AFTER_US: Final = 180 * US_PER_SECOND
"""As aw-watcher-afk has it."""
LOCKER: Final = "light-locker"
"""The program in front of a locked screen, by a name that the table of programs knows as one."""
_NO_FOCUS: Final = {"app": "unknown", "title": "unknown"}


@dataclass(frozen=True, slots=True)
class Front:
    """The window in front: its program as ActivityWatch names it, and its title."""

    app: str
    title: str = field(default="", repr=False)


class DeskLostError(Exception):
    """The desk cannot be seen any more: its session has ended."""


class Desk(Protocol):
    """What a program can see of the person's work. All methods but `wake` belong to one thread.

    Each may raise DeskLostError.
    """

    name: str
    """As a person knows it: `X11`."""

    @property
    def is_locked(self) -> bool:
        """Whether the screen is locked; False where that is not told."""

    def front(self) -> Front | None:
        """The window in front; None when none has the focus."""

    def idle_seconds(self) -> float:
        """How long nobody has touched keyboard or mouse."""

    def counts(self) -> Mapping[str, int] | None:
        """Key presses, clicks and movements since the last call; None where they are not counted."""

    def wait(self, seconds: float) -> None:
        """Wait until the window in front may be another one, or `wake` was called; at most so long."""

    def wake(self) -> None:
        """End a wait; callable from any thread."""

    def close(self) -> None:
        """Let the desk go. Never raises."""


class Track:
    """Events in the making. Times are microseconds since 1970 UTC and never go back.

    `first_id`: the id of the first event; every further event has the next one.
    """

    def __init__(self, first_id: int) -> None:
        self._next_id = first_id
        self._open: dict[Stream, RawEvent] = {}
        self._changed: dict[int, tuple[Stream, RawEvent]] = {}
        self._last_input_us = 0

    def saw(self, front: Front | None, at_us: int, *, since_us: int | None = None) -> None:
        """Note a look at the window in front. `since_us`: when it is known to have changed."""
        data = _NO_FOCUS if front is None else {"app": front.app, "title": front.title}
        current = self._open.get(Stream.WINDOW)
        if current is None or current.data != data:
            begin_us = at_us if since_us is None else min(since_us, at_us)
            if current is not None:
                begin_us = max(begin_us, current.end_us)
                self._grow(Stream.WINDOW, begin_us)
            self._begin(Stream.WINDOW, begin_us, at_us, data)
        else:
            self._grow(Stream.WINDOW, at_us)

    def touched(self, idle_us: int, at_us: int, *, is_locked: bool = False) -> None:
        """Note how long nobody has touched anything; a locked screen is away."""
        last_us = max(at_us - idle_us, self._last_input_us)
        current = self._open.get(Stream.AWAY)
        is_away = is_locked or at_us - last_us >= AWAY_AFTER_US
        was_away = current is not None and current.data["status"] == "afk"
        if current is None:
            self._begin(Stream.AWAY, at_us, at_us, _status(is_away))
        elif is_away and not was_away:
            since_us = at_us if is_locked else max(last_us, current.end_us)
            self._grow(Stream.AWAY, since_us)
            self._begin(Stream.AWAY, since_us, at_us, _status(is_away))
        elif was_away and not is_away:
            back_us = max(last_us, current.end_us)
            self._grow(Stream.AWAY, back_us)
            self._begin(Stream.AWAY, back_us, at_us, _status(is_away))
        else:
            self._grow(Stream.AWAY, at_us if is_away else max(last_us, current.end_us))
        self._last_input_us = last_us

    def counted(self, counts: Mapping[str, int], since_us: int, at_us: int) -> None:
        """Note what was pressed and moved between two looks; nothing is an event, too."""
        self._begin(Stream.INPUT, since_us, at_us, dict(counts))

    def interrupt(self) -> None:
        """End every event where it was seen last: the machine slept, or nothing may be seen for a while."""
        self._open.clear()
        self._last_input_us = 0

    def drain(self) -> dict[Stream, list[RawEvent]]:
        """Return the events that are new or have grown since the last call; one that grows keeps its id."""
        changed, self._changed = self._changed, {}
        by_stream: dict[Stream, list[RawEvent]] = {}
        for stream, event in changed.values():
            by_stream.setdefault(stream, []).append(event)
        return by_stream

    def _begin(self, stream: Stream, start_us: int, end_us: int, data: Mapping[str, Any]) -> None:
        self._keep(stream, RawEvent(start_us, max(0, end_us - start_us), data, self._next_id))
        self._next_id += 1

    def _grow(self, stream: Stream, end_us: int) -> None:
        event = self._open[stream]
        if end_us > event.end_us:
            self._keep(stream, RawEvent(event.start_us, end_us - event.start_us, event.data, event.event_id))

    def _keep(self, stream: Stream, event: RawEvent) -> None:
        self._open[stream] = event
        self._changed[event.event_id] = stream, event


def _status(is_away: bool) -> dict[str, str]:
    return {"status": "afk" if is_away else "not-afk"}
