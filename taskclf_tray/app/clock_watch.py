"""Watches the computer's clock and its time zone.

A clock that is two hours ahead for a quarter of an hour leaves minutes, labels and marks in the future. Waiting for
them would cost two hours, or years. So one transaction keeps apart what lies ahead, and recording resumes now. It
comes back only where the earlier time turns out to have been right.

`ClockWatch` notices that the clock was put back, or that it has passed what was kept apart. `ZoneWatch` follows the
time zone, and tells once when another one stands in for it.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from taskclf_tray.adapters.base import ActivitySource
from taskclf_tray.app import record_text
from taskclf_tray.app.clock_put_back import SAVE_SECONDS, BootClock, give_back, put_right
from taskclf_tray.app.text import Message
from taskclf_tray.core.time import MICROSECOND, to_us
from taskclf_tray.core.zones import unknown_zones, unknown_zones_note
from taskclf_tray.record.clock_marks import EARLIEST, TOLERANCE, is_ahead, load_seen, save_seen
from taskclf_tray.store.ahead import ClockChange
from taskclf_tray.store.database import Database
from taskclf_tray.system.local_zone import LocalZone, local_zone

log = logging.getLogger(__name__)

LEAP: Final = timedelta(minutes=5)
"""The clock leapt, or the computer slept, when it shows so much more than at the last look."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TOLERANCE_US: Final = TOLERANCE // MICROSECOND


def watch_of(database: Database, user_id: str, source: ActivitySource, time_zone: Callable[[], str]) -> ClockWatch:
    """Watch the clock of a source. Only the computer's own clock can be compared with the time since the boot."""
    is_computers = type(source).now is ActivitySource.now
    return ClockWatch(database, user_id, source.now, time_zone, boot=boot_clock if is_computers else None)


class ClockWatch:
    """Checks the clock about once a second; one for each session, owned by the worker. Raises StoreError.

    `boot`: a clock that nobody sets; None where `clock` is not the computer's own.
    """

    def __init__(
        self,
        database: Database,
        user_id: str,
        clock: Callable[[], datetime],
        time_zone: Callable[[], str],
        *,
        boot: BootClock | None = None,
    ) -> None:
        self._database = database
        self._user_id = user_id
        self._clock = clock
        self._time_zone = time_zone
        self._boot = boot
        self._save_at = 0.0
        self._seen = clock()
        self._is_put_back = False
        self._due: list[tuple[ClockChange, int | None]] = []

    def begin(self) -> list[Message]:
        """Keep apart what lies ahead; returns messages for the person."""
        now = self._clock()
        if now < EARLIEST:
            return [record_text.clock_without_battery(now)]
        before = load_seen(self._database, self._user_id)
        set_aside = put_right(self._database, self._user_id, now, self._time_zone(), boot=self._boot)
        self._due = self._leapt_over(now, None if before is None else before.moment)
        self._seen, self._is_put_back = now, False
        self._save(now)
        return [] if set_aside is None else set_aside.messages()

    def look(self) -> bool:
        """Whether the session must restart: the clock was put back, or has passed what was kept apart."""
        now = self._clock()
        if now < self._seen - TOLERANCE:
            self._is_put_back = True
            save_seen(self._database, self._user_id, self._seen, is_exact=True)
            return True
        if now - self._seen > LEAP and self._leapt_over(now, self._seen):
            return True
        self._seen = max(self._seen, now)
        if time.monotonic() >= self._save_at:
            self._save(self._seen)
            return is_ahead(self._database, self._user_id, now)  # a click from before may have been written since
        return False

    @property
    def is_due(self) -> bool:
        """Whether something is to come back."""
        return bool(self._due)

    def give_back(self) -> list[Message]:
        """Return what turned out to be right, once the record is up to date; returns messages for the person."""
        due, self._due = self._due, []
        count = 0
        for change, since_us in due:
            count += give_back(self._database, change, since_us=since_us, now=self._clock())
        if not due:
            return []
        log.warning("The clock had been right before: %d minutes are back.", count)
        return [record_text.minutes_back(count)] if count else []

    def close(self) -> None:
        """Store the last look."""
        if not self._is_put_back:
            self._save(self._seen)

    def _save(self, moment: datetime) -> None:
        self._save_at = time.monotonic() + SAVE_SECONDS
        save_seen(self._database, self._user_id, moment)

    def _leapt_over(self, now: datetime, before: datetime | None) -> list[tuple[ClockChange, int | None]]:
        """The changes that this leap of the clock undoes, each with the moment from which on it does.

        Within one boot the time that has really passed is known. In another one only what the clock has not shown since
        comes back, and only where the record does not prove that the clock was ahead.
        """
        with self._database.reading():
            changes = self._database.ahead.kept_apart(self._user_id)
        boot_id, boot_us = (None, 0) if self._boot is None else self._boot()
        due: list[tuple[ClockChange, int | None]] = []
        for change in changes:
            if to_us(now + TOLERANCE) < change.end_us:
                continue
            if boot_id is not None and change.boot_id == boot_id and change.boot_us is not None:
                if change.found_us + boot_us - change.boot_us + _TOLERANCE_US < change.end_us:
                    due.append((change, None))
            elif not change.is_certain and before is not None and now - before > LEAP:
                due.append((change, to_us(before)))
        return due


def boot_clock() -> tuple[str, int]:
    """A clock that nobody sets: (id of the boot, microseconds since it began, with sleep).

    Where the system has no id of the boot, it is this process's, so that two processes never compare their clocks.
    """
    nanoseconds = time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns()
    return _boot_id(), nanoseconds // 1000


@functools.lru_cache(maxsize=1)
def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return uuid4().hex


class ZoneWatch:
    """Checks the time zone about once a second."""

    def __init__(
        self, tell: Callable[[Sequence[Message]], None], *, current: Callable[[], LocalZone] = local_zone
    ) -> None:
        self._tell = tell
        self._current = current
        self._name: str | None = None
        self._problem: str | None = None
        self._unknown: tuple[str, ...] = ()

    def look(self) -> bool:
        """Whether the zone has changed since the last call, and with it every time that is shown."""
        zone, before = self._current(), self._name
        self._name = zone.name
        if zone.problem is not None and zone.problem != self._problem:
            log.warning("%s %s stands in for it.", zone.problem, zone.name)
            self._tell([record_text.zone_not_usable(zone.problem, zone.name)])
        self._problem = zone.problem
        unknown = unknown_zones()
        if unknown != self._unknown:
            log.warning("%s", unknown_zones_note(unknown))
        self._unknown = unknown
        return before is not None and before != zone.name
