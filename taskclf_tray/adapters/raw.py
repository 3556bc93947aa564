"""Events as a source gives them, with titles and URLs: in memory only, and hidden from every repr."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from taskclf_tray.core.time import parse_time, seconds_to_us, to_us

MAX_DURATION_SECONDS: Final = 366 * 86_400
"""The absolute limit of a duration; `normalise.is_sound` has one for each stream."""
_EARLIEST_US: Final = 0
_LATEST_US: Final = 7_258_118_400_000_000  # 2200-01-01: later times are mistakes and may overflow


@dataclass(frozen=True, slots=True)
class RawEvent:
    """Start and duration in whole microseconds, the watcher's data, and the source's id (0 without one).

    `browser`: for a tab event, its browser (`adapters/browsers.py`); empty when unknown.
    """

    start_us: int
    duration_us: int
    data: Mapping[str, Any] = field(repr=False, hash=False)
    event_id: int = 0
    browser: str = ""

    @property
    def end_us(self) -> int:
        """End of the event in microseconds since 1970 UTC."""
        return self.start_us + self.duration_us


def parse_raw(item: object, default_id: int = 0, browser: str = "") -> RawEvent | None:
    """Parse one event of ActivityWatch's JSON (`id`, `timestamp`, `duration`, `data`); None when it is damaged.

    Damaged are: a missing or malformed time, a duration that is not a finite number from 0 to a year, and data that is
    not an object. Lists and objects inside the data are dropped: nothing reads them, and they may be nested deeply.
    `default_id`: for an event without an id; `browser`: the browser of a tab event.
    """
    if not isinstance(item, Mapping):
        return None
    start_us, duration_us, data = _time(item.get("timestamp")), _duration(item.get("duration")), item.get("data")
    if start_us is None or duration_us is None or not isinstance(data, Mapping):
        return None
    number = item.get("id")
    if type(number) is not int or abs(number) >= 2**63:  # the range of a database integer
        number = default_id
    if any(isinstance(value, dict | list) for value in data.values()):
        data = {key: value for key, value in data.items() if not isinstance(value, dict | list)}
    return RawEvent(start_us, duration_us, data, number, browser)


def counted_damaged(count: int) -> str:
    """Return `3 damaged events were skipped`."""
    return "1 damaged event was skipped" if count == 1 else f"{count} damaged events were skipped"


def _time(value: object) -> int | None:
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        moment = to_us(parse_time(value))
    except (ValueError, OverflowError):
        return None
    return moment if _EARLIEST_US <= moment < _LATEST_US else None


def _duration(value: object) -> int | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not 0 <= value <= MAX_DURATION_SECONDS or math.isnan(value):
        return None
    return seconds_to_us(value)
