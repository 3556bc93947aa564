"""Asking less of a person who does not answer: how the day's number of questions shrinks, and grows again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from taskclf_tray.core.time import to_us
from taskclf_tray.store.requests import AskRecord

REVIEW_EVERY: Final = timedelta(days=7)
FEWEST_ASKS: Final = 6
"""A share of fewer questions than this says nothing."""

OPEN_FOR: Final = timedelta(hours=2)
"""A question younger than this may still be answered and is not counted as missed."""

_REACTED: Final = frozenset({"answered", "skipped"})
"""Who presses Skip was reached and wanted to be asked, just not this; a closed notice or none at all is no answer."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """What a review found. `is_changed`: the day's cap is another one now, which the person is told."""

    cap_halvings: int
    reviewed_at: datetime
    is_changed: bool = False


def effective_cap(asks_per_day: int, cap_halvings: int) -> int:
    """The day's cap after the halvings: 4, 2, 1; never below 1 but for a person who wants none."""
    return 0 if asks_per_day <= 0 else max(1, asks_per_day >> cap_halvings)


def review_backoff(
    asks: Sequence[AskRecord], now: datetime, *, cap_halvings: int, reviewed_at: datetime | None, asks_per_day: int
) -> Backoff:
    """Halve the cap when fewer than a third of the questions were answered, take a halving back at one half or more.

    `asks`: those since `reviewed_at`. A review is held once a week, over everything asked since the one before: with a
    cap of 1 and five working days a week never has the six questions it takes, and the cap could not grow again. While
    there are fewer the review waits. None: the first week begins now; so does one whose beginning lies in the future,
    which the clock being set back has made.
    """
    if reviewed_at is None or reviewed_at > now:
        return Backoff(cap_halvings, now)
    share = _answered_share(asks, now, reviewed_at)
    if now - reviewed_at < REVIEW_EVERY or share is None:
        return Backoff(cap_halvings, reviewed_at)
    cap = effective_cap(asks_per_day, cap_halvings)
    after = cap_halvings
    if share < 1 / 3 and effective_cap(asks_per_day, cap_halvings + 1) < cap:
        after = cap_halvings + 1
    elif share >= 1 / 2:
        after = max(0, cap_halvings - 1)
    return Backoff(after, now, is_changed=effective_cap(asks_per_day, after) != cap)


def _answered_share(asks: Sequence[AskRecord], now: datetime, since: datetime) -> float | None:
    since_us, open_us = to_us(since), to_us(now - OPEN_FOR)
    settled = [ask for ask in asks if ask.at_us >= since_us and (ask.outcome is not None or ask.at_us < open_us)]
    if len(settled) < FEWEST_ASKS:
        return None
    return sum(ask.outcome in _REACTED for ask in settled) / len(settled)
