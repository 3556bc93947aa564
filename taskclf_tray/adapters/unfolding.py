"""How far a file of events may unfold: what it costs in memory, and in rows, one for each of its minutes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from taskclf_tray.adapters.raw import RawEvent

_MINUTE_US: Final = 60_000_000

MOST_BUCKETS: Final = 2000
"""A computer has four or five for every name it ever had."""

_VALUES_ALWAYS: Final = 100_000
_BYTES_A_VALUE: Final = 20
"""An event is two objects and at least 80 bytes; each object costs memory out of proportion to its text."""

_MINUTES_ALWAYS: Final = 100 * 24 * 60
_MINUTES_AN_EVENT: Final = 60
"""A computer that is left on around the clock, and hardly used, has an event every 50 minutes."""
_MOST_MINUTES: Final = 4_000_000
"""More than seven years around the clock, and 5 GB of rows."""


def holds_too_many_values(content: bytes) -> bool:
    """Whether a JSON text has more objects and lists than events of its size have."""
    return content.count(b"{") + content.count(b"[") > _VALUES_ALWAYS + len(content) // _BYTES_A_VALUE


def too_many_minutes(buckets: Iterable[Sequence[RawEvent]]) -> int:
    """How many minutes the events of all buckets last, when that is more than so many events can mean; else 0."""
    minutes = count = 0
    for events in buckets:
        minutes += sum(event.duration_us for event in events) // _MINUTE_US
        count += len(events)
    return minutes if minutes > min(_MINUTES_ALWAYS + _MINUTES_AN_EVENT * count, _MOST_MINUTES) else 0
