"""Clocks for simulated time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from taskclf_tray.core.time import as_utc


class Clock(Protocol):
    """Anything that tells the time, as aware UTC."""

    def now(self) -> datetime:
        """The moment it is."""
        ...


class ReplayClock:
    """Starts at a past moment and runs `speed` times as fast as real time (60: a minute a second)."""

    def __init__(self, start: datetime, speed: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        if speed <= 0:
            raise ValueError("a clock's speed is above 0")
        self._start = as_utc(start)
        self._speed = speed
        self._monotonic = monotonic
        self._began = monotonic()

    def now(self) -> datetime:
        """The simulated moment."""
        return self._start + timedelta(seconds=(self._monotonic() - self._began) * self._speed)


class ManualClock:
    """Stands still until told."""

    def __init__(self, start: datetime) -> None:
        self._now = as_utc(start)

    def now(self) -> datetime:
        """The moment it was set to."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Jump to a moment, forwards or backwards."""
        self._now = as_utc(moment)

    def advance(self, seconds: float) -> None:
        """Go on by so many seconds."""
        self._now += timedelta(seconds=seconds)
