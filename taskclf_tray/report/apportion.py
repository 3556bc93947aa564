"""Time as a person reads it: whole minutes whose parts give the whole that is shown."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

_MINUTE_US = 60_000_000
_HALF_US = _MINUTE_US // 2
K = TypeVar("K", bound=Hashable)


def apportion_minutes(parts_us: Mapping[K, int]) -> dict[K, int]:
    """Each part in minutes; together they are the rounded sum, and none is a minute or more off its time.

    What is left after rounding down goes to the parts with the largest rests, of equal ones the first.
    """
    minutes = {key: part // _MINUTE_US for key, part in parts_us.items()}
    left = (sum(parts_us.values()) + _HALF_US) // _MINUTE_US - sum(minutes.values())
    by_rest = sorted(parts_us, key=lambda key: -(parts_us[key] % _MINUTE_US))
    for key in by_rest[:left]:
        minutes[key] += 1
    return minutes


def duration(minutes: int) -> str:
    """`3 h 05 min`, `12 min`."""
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
