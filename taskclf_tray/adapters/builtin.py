"""The built-in watcher as a source, for a machine without ActivityWatch.

A thread looks at the desk: when the window in front changes, and every five seconds. What it saw is cleaned in the
thread that reads, before anything is kept: exclusions are left out, titles become salted numbers and are dropped. What
is kept reaches back `KEPT` at most, in a ring that never holds a title.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final, Protocol, TypeVar

from taskclf_tray.adapters.base import ActivitySource, SourceStatus, Stream
from taskclf_tray.adapters.cleaning import CLIP_NOISE_US
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.adapters.watching import LOCKER, Desk, DeskLostError, Front, Track
from taskclf_tray.core.errors import SourceError
from taskclf_tray.core.time import US_PER_SECOND, as_utc, from_us, seconds_to_us, to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, SourceEvents

KEPT: Final = timedelta(days=30)
LOOK_SECONDS: Final = 5.0
"""The longest time between two looks, and how often idle time is asked for."""
_SHORTEST_SECONDS: Final = 1.0
"""A title that changes many times a second is looked at once a second, as ActivityWatch does."""
_SLEPT_US: Final = 15 * US_PER_SECOND
"""A look that comes so late means that the machine slept."""
_JOIN_SECONDS: Final = 5.0
_LOST: Final = ("The screen cannot be seen any more.", "Start taskclf-tray again in the session you work in.")
_Event = TypeVar("_Event", AWEvent, AWAwayEvent, AWInputEvent)


class Ring(Protocol):
    """Keeps cleaned events of the last days. Used by one thread; raises StoreError."""

    def keep(self, events: SourceEvents, forget_before_us: int) -> None:
        """Store events by id, in the place of shorter versions of them, and forget what ended before."""

    def between(self, start_us: int, end_us: int) -> SourceEvents:
        """Return whole events that overlap [start, end), in order of start and id."""

    def newest(self) -> tuple[int, datetime | None]:
        """Return the highest id (0 without one), and the end of the newest window event."""

    def close(self) -> None:
        """Let the file go."""


class BuiltinSource(ActivitySource):
    """Reads the desk of this session. `rest` and `read` are called by one thread.

    Args:
        normaliser: cleans the events.
        ring: keeps them; closed with the source.
        open_desk: opens the desk, in the thread of the watcher, at the first `rest(None)`.
        desk_name: its name for the person.
        kept: how long the ring keeps an event.
        now_us: the wall clock.
    """

    name: ClassVar[str] = "builtin"

    def __init__(
        self,
        normaliser: Normaliser,
        ring: Ring,
        open_desk: Callable[[], Desk],
        *,
        desk_name: str,
        kept: timedelta = KEPT,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._normaliser = normaliser
        self._ring = ring
        self._desk_name = desk_name
        self._lock = threading.Lock()
        self._track = Track(ring.newest()[0] + 1)
        self._watcher = _Watcher(open_desk, self._track, self._lock, now_us)
        self._kept_us = seconds_to_us(kept.total_seconds())
        self._now_us = now_us

    def __repr__(self) -> str:
        return f"BuiltinSource({self._desk_name})"

    def rest(self, since: datetime | None) -> None:
        """Stop looking, and drop what was seen since then; None: look. Raises StoreError."""
        if since is None:
            self._watcher.start()
            return
        if self._watcher.stop():
            self._take(until_us=to_us(since))

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        """Read the events of [start, end). Raises SourceError when the desk is lost, StoreError."""
        start, end = as_utc(start), as_utc(end)
        if self._watcher.is_lost:
            raise SourceError(*_LOST)
        if start >= end:
            return SourceEvents(start, end)
        self._take()
        bounds = to_us(start), to_us(end)
        found = self._ring.between(*bounds)
        return SourceEvents(
            start,
            end,
            window=tuple(e for e in _clipped(found.window, *bounds) if not self._normaliser.excludes(e.app_id)),
            input=tuple(_clipped(found.input, *bounds)),
            away=tuple(_clipped(found.away, *bounds)),
        )

    def status(self) -> SourceStatus:
        """Report what is seen, and the end of the newest window event."""
        streams = {Stream.WINDOW, Stream.AWAY} | ({Stream.INPUT} if self._watcher.has_counts else set())
        return SourceStatus(
            name=self.name,
            reachable=not self._watcher.is_lost,
            streams=frozenset(streams),
            detail=" ".join(_LOST) if self._watcher.is_lost else f"The built-in watcher looks at {self._desk_name}.",
            newest_event=self._ring.newest()[1],
        )

    def close(self) -> None:
        """Stop looking, and keep what was seen."""
        try:
            if self._watcher.stop():
                self._take()
        finally:
            self._ring.close()

    def keep(self, raw: Mapping[Stream, Sequence[RawEvent]]) -> None:
        """Clean events and store them. Raises StoreError."""
        ends = [event.end_us for events in raw.values() for event in events]
        if not ends:
            return
        begin_us = min(event.start_us for events in raw.values() for event in events)
        cleaned = self._normaliser.events(from_us(begin_us), from_us(max(ends) + 1), raw)
        self._ring.keep(cleaned, self._now_us() - self._kept_us)

    def _take(self, until_us: int | None = None) -> None:
        """Keep what was seen since the last call; `until_us`: only what was seen before."""
        with self._lock:
            raw = self._track.drain()
        self.keep({stream: list(_until(events, until_us)) for stream, events in raw.items()})


def _until(events: Iterable[RawEvent], until_us: int | None) -> Iterable[RawEvent]:
    for event in events:
        if until_us is None or event.end_us <= until_us:
            yield event
        elif event.start_us < until_us:
            yield dataclasses.replace(event, duration_us=until_us - event.start_us)


def _clipped(events: Iterable[_Event], start_us: int, end_us: int) -> Iterable[_Event]:
    """The events within [start, end); remainders of ≤ 1 ms go, as everywhere (contract, section 3)."""
    for event in events:
        first_us = to_us(event.timestamp)
        last_us = first_us + seconds_to_us(event.duration_seconds)
        begin_us, finish_us = max(first_us, start_us), min(last_us, end_us)
        if (begin_us, finish_us) == (first_us, last_us):
            yield event
        elif finish_us - begin_us > CLIP_NOISE_US:
            seconds = (finish_us - begin_us) / US_PER_SECOND
            yield dataclasses.replace(event, timestamp=from_us(begin_us), duration_seconds=seconds)


class _Watcher:
    """The thread that looks. `start` and `stop` belong to one thread; the track is shared under the lock."""

    def __init__(
        self, open_desk: Callable[[], Desk], track: Track, lock: threading.Lock, now_us: Callable[[], int]
    ) -> None:
        self._open_desk = open_desk
        self._track = track
        self._lock = lock
        self._now_us = now_us
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._desk: Desk | None = None
        self.is_lost = False
        self.has_counts = False

    def start(self) -> None:
        """Look, if that is not done already."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
            self._thread.start()

    def stop(self) -> bool:
        """Look no longer; returns whether it was done."""
        thread, self._thread = self._thread, None
        if thread is None:
            return False
        self._stopping.set()
        desk = self._desk
        if desk is not None:
            desk.wake()
        thread.join(_JOIN_SECONDS)
        return True

    def _run(self) -> None:
        try:
            self._desk = desk = self._open_desk()
        except DeskLostError:
            self.is_lost = True
            return
        try:
            self._watch(desk)
        except DeskLostError:
            self.is_lost = not self._stopping.is_set()
        finally:
            with self._lock:
                self._track.interrupt()
            desk.close()
            self._desk = None

    def _watch(self, desk: Desk) -> None:
        changed_us: int | None = None
        last_us = asked_us = 0
        while not self._stopping.is_set():
            at_us = self._now_us()
            if not 0 <= at_us - last_us <= _SLEPT_US:
                with self._lock:
                    self._track.interrupt()
                changed_us, asked_us = None, at_us
            last_us = at_us
            self._look(desk, at_us, changed_us)
            if at_us - asked_us >= LOOK_SECONDS * US_PER_SECOND - US_PER_SECOND // 2 or asked_us == at_us:
                self._ask(desk, asked_us, at_us)
                asked_us = at_us
            desk.wait(LOOK_SECONDS)
            changed_us = self._now_us()
            early = _SHORTEST_SECONDS - (changed_us - at_us) / US_PER_SECOND
            if early > 0:
                self._stopping.wait(early)

    def _look(self, desk: Desk, at_us: int, changed_us: int | None) -> None:
        front = Front(LOCKER) if desk.is_locked else desk.front()
        with self._lock:
            self._track.saw(front, at_us, since_us=changed_us)

    def _ask(self, desk: Desk, since_us: int, at_us: int) -> None:
        """Ask for idle time, and for what was pressed since the last time."""
        idle_us, counts = seconds_to_us(desk.idle_seconds()), desk.counts()
        self.has_counts = counts is not None
        with self._lock:
            self._track.touched(idle_us, at_us, is_locked=desk.is_locked)
            if counts is not None and since_us < at_us:
                self._track.counted(counts, since_us, at_us)
