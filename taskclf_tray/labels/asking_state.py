"""Whether and when the person wants to be asked: a small value in the database that every process may change."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from taskclf_tray.core.time import from_us, local_day_bounds, to_us
from taskclf_tray.store.database import Database

SNOOZE: Final = timedelta(hours=1)

AskingMode = Literal["on", "off", "snooze", "not_today"]
"""What the person may switch to."""


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
