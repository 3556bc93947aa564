"""The asking state: whether and when the person wants to be asked, a small value in the database shared by all
processes.

When the person leaves questions unanswered, the daily number of questions shrinks; it grows again with answers.
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
"""The modes that the person can choose."""

REVIEW_EVERY: Final = timedelta(days=7)
FEWEST_ASKS: Final = 6
"""The fewest asks from which the answered fraction means something."""

OPEN_FOR: Final = timedelta(hours=2)
"""A younger ask may still be answered and does not count as missed."""

_REACTED: Final = frozenset({"answered", "skipped"})
"""Skip counts as an answer, because the person was reached; a closed notification or no reaction does not. A
notification that the desktop itself took away at once is not counted at all."""


@dataclass(frozen=True, slots=True)
class AskingState:
    """The person's choices and the back-off.

    Attributes:
        is_on: whether asking is on.
        snoozed_until: end of “Snooze 1 hour”.
        quiet_until: end of “Not again today”.
        cap_halvings: how often the daily cap is halved.
        reviewed_at: time of the last review of the back-off.
        first_day: first local day with this program, without questions.
    """

    is_on: bool = True
    snoozed_until: datetime | None = None
    quiet_until: datetime | None = None
    cap_halvings: int = 0
    reviewed_at: datetime | None = None
    first_day: date | None = None

    def is_silent(self, now: datetime) -> bool:
        """Whether the person asked for silence at this moment."""
        return not self.is_on or any(end is not None and now < end for end in (self.snoozed_until, self.quiet_until))


def switch_mode(state: AskingState, mode: AskingMode, at: datetime, zone_name: str) -> AskingState:
    """Return the state after the person switched the mode at this moment; `on` ends every silence."""
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
    """Load the state; the default when it was never set. Raises StoreError."""
    with database.reading():
        saved = database.state.get(_name(user_id))
    return AskingState() if saved is None else _parsed(saved)


def update_asking(database: Database, user_id: str, change: Callable[[AskingState], AskingState]) -> AskingState:
    """Load, change and store the state in one transaction; returns the new state. Raises StoreError."""
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
    """The result of a review. `is_changed`: the daily cap has changed, which the person is told."""

    cap_halvings: int
    reviewed_at: datetime
    is_changed: bool = False


def effective_cap(asks_per_day: int, cap_halvings: int) -> int:
    """Return the daily cap after the halvings: 4, 2, 1; never below 1 unless the person wants no questions."""
    return 0 if asks_per_day <= 0 else max(1, asks_per_day >> cap_halvings)


def review_backoff(
    asks: Sequence[AskRecord], now: datetime, *, cap_halvings: int, reviewed_at: datetime | None, asks_per_day: int
) -> Backoff:
    """Halve the daily cap after few answers, or take one halving back after many.

    Fewer than a third answered halves the cap; a half or more takes a halving back. A review happens once a week, over
    all questions since the last one, and waits for at least six: with a cap of 1, a working week alone never has six.

    Args:
        asks: the asks since `reviewed_at`.
        now: the present.
        cap_halvings: current halvings.
        reviewed_at: the last review. None, or a future time after the clock was put back: the first week begins now.
        asks_per_day: the person's daily cap.
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
    recent = [ask for ask in asks if ask.at_us >= since_us and not ask.is_unseen]
    settled = [ask for ask in recent if ask.outcome is not None or ask.at_us < open_us]
    if len(settled) < FEWEST_ASKS:
        return None
    return sum(ask.outcome in _REACTED for ask in settled) / len(settled)
