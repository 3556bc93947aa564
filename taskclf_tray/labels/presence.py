"""Presence over the last half hour of events: the app in front and since when, the last gap, the last return.

A short look elsewhere does not begin new work: another app belongs to the block if it was in front for less than three
minutes, and no longer than the current app before it in the same block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate, pairwise
from typing import Final

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, MIN_BLOCK_DURATION_SECONDS
from taskclf_tray.core.intervals import Interval, flatten
from taskclf_tray.core.time import US_PER_SECOND, seconds_to_us, to_us
from taskclf_tray.core.types import AWEvent, SourceEvents
from taskclf_tray.features.spans import microseconds

EXCURSION: Final = timedelta(seconds=MIN_BLOCK_DURATION_SECONDS)
"""The shortest interruption of work: another app in front, another prediction, no input."""

_EXCURSION_US: Final = EXCURSION // timedelta(microseconds=1)
_KEPT_US: Final = 40 * 60 * US_PER_SECOND
"""A little more than the longest block."""
_TYPING_US: Final = 60 * US_PER_SECOND


@dataclass(frozen=True, slots=True)
class Front:
    """One app in front in [start_us, end_us)."""

    app: str
    start_us: int
    end_us: int
    is_terminal: bool = False


def changed_us(fronts: Sequence[Front], block_us: int, known_from_us: int = 0) -> int | None:
    """Return when the current app came to the front, in a block that began at `block_us`;

    None when it was there from the start.

    `fronts`: in order of time; the time before `known_from_us` is unknown.
    """
    if not fronts:
        return None
    mine = [front for front in fronts if front.app == fronts[-1].app and front.end_us > block_us] or [fronts[-1]]
    begins = [block_us if front.start_us <= known_from_us else max(front.start_us, block_us) for front in mine]
    before = list(accumulate(front.end_us - begin for front, begin in zip(mine, begins, strict=True)))
    start_us = mine[-1].start_us
    for at in range(len(mine) - 2, -1, -1):
        elsewhere_us = start_us - mine[at].end_us
        if elsewhere_us >= _EXCURSION_US or elsewhere_us > before[at]:
            break
        start_us = mine[at].start_us
    return None if start_us <= max(block_us, known_from_us) else start_us


class Presence:
    """Follows the reads of a source; keeps as much as a block of 30 minutes needs."""

    def __init__(self, bucket_seconds: int = DEFAULT_BUCKET_SECONDS) -> None:
        self._bucket_us = bucket_seconds * US_PER_SECOND
        self._fronts: list[Front] = []
        self._known_from_us = self._known_until_us = 0
        self._gap_end_us: int | None = None
        self._away: Interval | None = None

    @property
    def gap_end_us(self) -> int | None:
        """End of the last time without a window that leaves a whole bucket empty."""
        return self._gap_end_us

    @property
    def away(self) -> Interval | None:
        """The last finished time away of at least three minutes."""
        return self._away

    def changed_us(self, block_us: int) -> int | None:
        """Apply the function `changed_us` to the kept events."""
        return changed_us(self._fronts, block_us, self._known_from_us)

    def front_at(self, moment_us: int) -> str | None:
        """Return the app in front at a moment, or next after it; None for an unknown moment."""
        if moment_us < self._known_from_us:
            return None
        return next((front.app for front in self._fronts if front.end_us > moment_us), None)

    @property
    def is_typing(self) -> bool:
        """Whether a terminal came to the front less than a minute ago, perhaps to type a command."""
        last = self._fronts[-1] if self._fronts else None
        return last is not None and last.is_terminal and last.end_us - last.start_us < _TYPING_US

    def read(self, events: SourceEvents, away: Sequence[Interval], end_us: int) -> None:
        """Add a read that reaches up to now.

        `away`: when the person was away; `end_us`: end of the newest window event.
        """
        start_us = to_us(events.start)
        if not self._fronts or start_us > self._known_until_us:
            self._fronts, self._known_from_us, self._gap_end_us = [], start_us, None
        self._known_from_us = max(min(self._known_from_us, start_us), end_us - _KEPT_US)
        before = [f for f in self._fronts if f.start_us < start_us and f.end_us > self._known_from_us]
        if before and before[-1].end_us > start_us:
            before[-1] = replace(before[-1], end_us=start_us)
        self._fronts = _joined([*before, *_fronts_of(events.window)])
        self._known_until_us = to_us(events.end)
        for left, right in pairwise(self._fronts):
            if -(-left.end_us // self._bucket_us) < right.start_us // self._bucket_us:
                self._gap_end_us = right.start_us
        seen_us = max((microseconds(event)[1] for event in events.away if not event.is_away), default=0)
        for begin_us, stop_us in away:
            if stop_us <= seen_us and stop_us - begin_us >= _EXCURSION_US:
                self._away = (begin_us, stop_us)


def _fronts_of(events: Sequence[AWEvent]) -> list[Front]:
    """Return the apps in front in order of time; an app seen once counts as a moment."""
    spans = []
    for event in events:
        start_us = to_us(event.timestamp)
        spans.append((start_us, start_us + max(1, seconds_to_us(event.duration_seconds)), event.event_id))
    return [
        Front(events[at].app_id, start_us, end_us, events[at].is_terminal) for start_us, end_us, at in flatten(spans)
    ]


def _joined(fronts: Sequence[Front]) -> list[Front]:
    """Join touching fronts of one app."""
    joined: list[Front] = []
    for front in fronts:
        last = joined[-1] if joined else None
        if last is not None and last.app == front.app and last.end_us >= front.start_us:
            joined[-1] = replace(last, end_us=max(last.end_us, front.end_us))
        else:
            joined.append(front)
    return joined
