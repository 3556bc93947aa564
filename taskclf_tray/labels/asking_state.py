"""Whether and when the person wants to be asked: a small value in the database that every process may change.

A person who does not answer is asked less: the day's number of questions shrinks, and grows again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from taskclf_tray.core.time import from_us, local_day_bounds, to_us
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import AskRecord

SNOOZE: Final = timedelta(hours=1)

AskingMode = Literal["on", "off", "snooze", "not_today"]
"""What the person may switch to."""

REVIEW_EVERY: Final = timedelta(days=7)
FEWEST_ASKS: Final = 6
"""A share of fewer questions than this says nothing."""

OPEN_FOR: Final = timedelta(hours=2)
"""A question younger than this may still be answered and is not counted as missed."""

_REACTED: Final = frozenset({"answered", "skipped"})
"""Who presses Skip was reached and wanted to be asked, just not this; a closed notice or none at all is no answer."""


@dataclass(frozen=True, slots=True)
class AskingState:
    """`snoozed_until`: Snooze 1 hour; `quiet_until`: Not again today. `cap_halvings`, `reviewed_at`: the back-off.

    `first_day`: the first local day with this program, on which nobody is asked.
    """

    is_on: bool = True
    snoozed_until: datetime | None = None
    quiet_until: datetime | None = None
    cap_halvings: int = 0
    reviewed_at: datetime | None = None
    first_day: date | None = None

    def is_silent(self, now: datetime) -> bool:
        """Whether the person has asked for silence right now."""
        return not self.is_on or any(end is not None and now < end for end in (self.snoozed_until, self.quiet_until))


def switched(state: AskingState, mode: AskingMode, at: datetime, zone_name: str) -> AskingState:
    """The state after the person has switched to a mode at this moment; `on` ends every silence."""
    match mode:
        case "on":
            return dataclasses.replace(state, is_on=True, snoozed_until=None, quiet_until=None)
        case "off":
            return dataclasses.replace(state, is_on=False)
        case "snooze":
            return dataclasses.replace(state, snoozed_until=at + SNOOZE)
        case "not_today":
            return dataclasses.replace(state, quiet_until=local_day_bounds(at, zone_name)[1])


def load_asking(database: Database, user_id: str) -> AskingState:
    """The state; the default where none was ever set. Raises StoreError."""
    with database.reading():
        saved = database.state.get(_name(user_id))
    return AskingState() if saved is None else _parsed(saved)


def update_asking(database: Database, user_id: str, change: Callable[[AskingState], AskingState]) -> AskingState:
    """Read, change and write in one transaction; the new state. Raises StoreError."""
    with database.transaction():
        saved = database.state.get(_name(user_id))
        before = AskingState() if saved is None else _parsed(saved)
        after = change(before)
        if after != before:
            database.state.set(_name(user_id), _text(after))
    return after


def _name(user_id: str) -> str:
    return f"asking:{user_id}"


def _text(state: AskingState) -> str:
    values = dataclasses.asdict(state)
    for name in ("snoozed_until", "quiet_until", "reviewed_at"):
        values[name] = None if values[name] is None else to_us(values[name])
    values["first_day"] = None if state.first_day is None else state.first_day.isoformat()
    return json.dumps(values)


def _parsed(saved: str) -> AskingState:
    values = json.loads(saved)
    for name in ("snoozed_until", "quiet_until", "reviewed_at"):
        values[name] = None if values[name] is None else from_us(values[name])
    values["first_day"] = None if values["first_day"] is None else date.fromisoformat(values["first_day"])
    return AskingState(**values)


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
