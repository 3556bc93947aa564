"""What an export file holds, as the inference documents want it: a list of window events, the rest beside it."""

from __future__ import annotations

from datetime import datetime

from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent, SourceEvents


class ExportedEvents(list[AWEvent]):
    """The window events in order of time; `input`, `away` and `tab` are those of the other watchers."""

    __slots__ = ("_events",)

    def __init__(self, events: SourceEvents) -> None:
        super().__init__(events.window)
        self._events = events

    @property
    def start(self) -> datetime:
        """Where the first event of any watcher begins."""
        return self._events.start

    @property
    def end(self) -> datetime:
        """Where the last one ends."""
        return self._events.end

    @property
    def window(self) -> tuple[AWEvent, ...]:
        """The list itself, as it was read."""
        return self._events.window

    @property
    def input(self) -> tuple[AWInputEvent, ...]:
        """Keyboard and mouse."""
        return self._events.input

    @property
    def away(self) -> tuple[AWAwayEvent, ...]:
        """Whether somebody was there."""
        return self._events.away

    @property
    def tab(self) -> tuple[AWTabEvent, ...]:
        """Browser tabs."""
        return self._events.tab

    @property
    def newest_end(self) -> datetime | None:
        """End of the newest window event, None when there is none."""
        return self._events.newest_end
