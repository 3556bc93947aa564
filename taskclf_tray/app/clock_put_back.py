"""Handles a clock that was put back: keeps apart what lies ahead, and resumes recording now, in one transaction.

Minutes, labels and questions that lie ahead are kept apart (`store.ahead`). Marks of when something was done last are
set to now: a training, a question, a cursor. Blackouts stay blackouts.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from taskclf_tray.app import record_text
from taskclf_tray.core.time import floor_bucket, from_us, local_date, local_day_bounds, local_midnight, to_us
from taskclf_tray.drift.memory import DriftMemory, update_memory
from taskclf_tray.features.state import BuilderState
from taskclf_tray.labels.asking_state import SNOOZE, AskingState, update_asking
from taskclf_tray.labels.learning import load_last_training, load_reinference, save_last_training, save_reinference
from taskclf_tray.record.clock_marks import (
    CURSORS,
    Seen,
    is_ahead,
    load_seen,
    newest_mark,
    number_of,
    save_seen,
    until_us,
)
from taskclf_tray.store.ahead import ClockChange
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.store.database import Database

log = logging.getLogger(__name__)

BootClock = Callable[[], tuple[str, int]]
SAVE_SECONDS: Final = 600.0
"""The last look at the clock is written down this often."""
TOLD_FROM: Final = timedelta(minutes=5)
"""A clock put back by less is only in the log."""
_RESTORED: Final = ("asking:", "drift:", "reinference:", "training:")
"""State that comes back as it was where the earlier time turns out to have been the right one."""
_LONGEST_AHEAD: Final = timedelta(days=2)
_SLACK: Final = timedelta(minutes=2)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SetAside:
    """What was kept apart: by how much the clock was put back, and how many minutes and labels lay ahead."""

    by: timedelta
    minutes: int
    labels: int

    def messages(self) -> list[tuple[str, str]]:
        """Messages for the person."""
        if self.by < TOLD_FROM or not (self.minutes or self.labels):
            return []
        return [record_text.clock_put_back(self.by, self.minutes, self.labels)]


def put_right(
    database: Database, user_id: str, now: datetime, zone_name: str, *, boot: BootClock | None = None
) -> SetAside | None:
    """Keep apart what lies ahead of `now`, and put all marks back; None when nothing does. Raises StoreError.

    One transaction, so that a kill leaves all of it or none. Any process may call it.
    """
    if not is_ahead(database, user_id, now):
        return None
    with database.transaction():
        newest = newest_mark(database, user_id)
        if newest is None or not is_ahead(database, user_id, now):  # another process was faster
            return None
        change = _found(database, user_id, now, newest, boot)
        last = database.buckets.before(user_id, change.start_us, 1)
        resume = from_us(last[0].end_us) if last else None
        seen = load_seen(database, user_id)
        change_id = database.ahead.set_aside(change)
        before = dict(database.state.with_prefix(""))
        put_back(database, user_id, now, zone_name, seen=_seen_between(seen, newest), resume=resume)
        after = {name: database.state.get(name) for name in before if name.startswith(_RESTORED)}
        database.ahead.keep_state(
            change_id,
            {name: (before[name], new) for name, new in after.items() if new is not None and new != before[name]},
        )
        save_seen(database, user_id, now)
        minutes, labels = database.ahead.minutes(change_id), database.ahead.labels(change_id)
    by = max(newest, seen.moment if seen is not None else newest) - now
    log.warning("The clock was put back by %s: %d minutes and %d labels are kept apart.", by, minutes, labels)
    return SetAside(by, minutes, labels)


def give_back(database: Database, change: ClockChange, *, since_us: int | None, now: datetime) -> int:
    """Undo it, since the clock had been right before; returns how many minutes came back. Raises StoreError."""
    with database.transaction():
        number = database.buckets.last_change() + 1
        count = database.ahead.give_back(change, since_us=since_us, now_us=to_us(now), number=number)
        for name, (before, after) in database.ahead.kept_state(change.id).items():
            if database.state.get(name) == after:
                database.state.set(name, before)
    return count


def _found(database: Database, user_id: str, now: datetime, newest: datetime, boot: BootClock | None) -> ClockChange:
    start_us = database.ahead.first_ahead_us(user_id, to_us(now)) or to_us(floor_bucket(now))
    first_us, end_us = database.ahead.span_from(user_id, start_us) or (start_us, start_us)
    last = database.buckets.before(user_id, start_us, 1)
    is_certain = _is_certain(now, from_us(first_us), from_us(end_us), from_us(last[0].end_us) if last else None)
    boot_id, boot_us = (None, None) if boot is None else boot()
    return ClockChange(0, user_id, to_us(now), start_us, max(end_us, to_us(newest)), is_certain, boot_id, boot_us)


def _is_certain(now: datetime, first: datetime, end: datetime, before: datetime | None) -> bool:
    """Whether the minutes ahead can have been recorded since the last one before them: then the clock was ahead.

    Else `now` lies inside what was recorded long ago, and the clock may be wrong now.
    """
    length = end - first
    return length <= _LONGEST_AHEAD and (before is None or now - before >= length - _SLACK)


def _seen_between(seen: Seen | None, newest: datetime) -> tuple[datetime, datetime]:
    """The moment the clock had reached before it was put back, as (at least, at most)."""
    if seen is not None and seen.is_exact:
        return seen.moment, seen.moment
    least = newest if seen is None else max(newest, seen.moment)
    return least, least + timedelta(seconds=SAVE_SECONDS)


def put_back(
    database: Database,
    user_id: str,
    now: datetime,
    zone_name: str,
    *,
    seen: tuple[datetime, datetime],
    resume: datetime | None,
) -> None:
    """Put every mark that lies ahead of `now` back to it, inside the caller's transaction.

    `seen`: the moment the clock had reached, as (at least, at most). `resume`: where the record resumes; None where it
    starts over.
    """
    now_us, today = to_us(now), local_date(now, zone_name)
    database.ahead.pull_back(user_id, now_us, today.isoformat())
    for blackout in database.blackouts.reaching(now_us):
        database.blackouts.replace(blackout, _dark_parts(blackout, now, seen, zone_name))
    _put_builder_back(database, user_id, resume)
    database.state.remove(f"idle:{user_id}")  # a new one knows nothing of what was before
    for name in CURSORS:
        saved = number_of(database, name, user_id)
        if saved is not None:
            database.state.set(f"{name}:{user_id}", str(min(saved, to_us(resume or now))))
    update_asking(database, user_id, lambda state: _asking_at(state, now, zone_name))
    last = load_last_training(database, user_id)
    if last is not None and last.at_us > now_us:
        save_last_training(database, user_id, dataclasses.replace(last, at_us=now_us))
    again = load_reinference(database, user_id)
    if again is not None and again.done_us > now_us:
        save_reinference(database, user_id, dataclasses.replace(again, done_us=now_us))
    update_memory(database, user_id, lambda memory: _drift_at(memory, now, today))
    for name, saved_days in database.state.with_prefix("outputs:"):
        database.state.set(name, _without_days_after(saved_days, today))


def _put_builder_back(database: Database, user_id: str, resume: datetime | None) -> None:
    """Let the builder continue where the record resumes; it warms up with the hours before (`record.recorder`)."""
    name = f"builder:{user_id}"
    saved = database.state.get(name)
    until = None if saved is None else until_us(saved)
    if saved is None or (until is not None and resume is not None and until <= to_us(resume)):
        return
    try:
        state = BuilderState.from_json(saved, time_zone="UTC")
    except ValueError:
        state = None
    if resume is None or state is None:
        database.state.remove(name)
        return
    fresh = BuilderState.initial(
        user_id,
        state.device_id,
        time_zone=state.time_zone,
        bucket_seconds=state.bucket_seconds,
        idle_gap_seconds=state.idle_gap_seconds,
    )
    database.state.set(name, dataclasses.replace(fresh, until=resume).to_json())
    database.state.set(f"warm_up:{user_id}", "1")


def _dark_parts(blackout: Blackout, now: datetime, seen: tuple[datetime, datetime], zone_name: str) -> list[Blackout]:
    """Split a blackout that is open, or that reaches past `now`.

    The time that the wrong clock showed stays a blackout for ever: the watchers have recorded activity under it, which
    would be read when its time comes. An open blackout continues from now, a timed pause for as long as was asked.
    """
    start_us, end_us, resume_us, reason = dataclasses.astuple(blackout)
    now_us, seen_us = to_us(now), to_us(seen[1])
    offset_us = to_us(seen[0]) - now_us
    is_over = end_us is not None or (resume_us is not None and start_us > now_us and resume_us <= seen_us)
    ahead_us = start_us if start_us > now_us else max(now_us, start_us + offset_us)
    known_ends = [us for us in (resume_us, max(seen_us, start_us)) if us is not None]
    until_us = min(known_ends) if end_us is None else end_us
    parts = [Blackout(ahead_us, until_us, resume_us, reason)] if ahead_us < until_us else []
    if start_us <= now_us:
        parts.append(dataclasses.replace(blackout, end_us=None if end_us is None else now_us))
    elif not is_over:
        parts.append(Blackout(now_us, None, _resume_us(blackout, now, zone_name), reason))
    return parts


def _resume_us(blackout: Blackout, now: datetime, zone_name: str) -> int | None:
    if blackout.resume_us is None:
        return None
    resume = from_us(blackout.resume_us)
    if local_midnight(resume, zone_name) == resume:  # until tomorrow
        return to_us(local_day_bounds(now, zone_name)[1])
    return to_us(now) + blackout.resume_us - blackout.start_us


def _asking_at(state: AskingState, now: datetime, zone_name: str) -> AskingState:
    """The asking state from now on: a silence lasts as long as was asked, and the first day is today at the latest."""
    snooze, today_ends = now + SNOOZE, local_day_bounds(now, zone_name)[1]
    today = local_date(now, zone_name)
    return dataclasses.replace(
        state,
        snoozed_until=None if state.snoozed_until is None else min(state.snoozed_until, snooze),
        quiet_until=None if state.quiet_until is None else min(state.quiet_until, today_ends),
        reviewed_at=None if state.reviewed_at is None else min(state.reviewed_at, now),
        first_day=None if state.first_day is None else min(state.first_day, today),
    )


def _drift_at(memory: DriftMemory, now: datetime, today: date) -> DriftMemory:
    yesterday, checked = today - _DAY, memory.checked_day
    if checked is not None and checked > yesterday:  # with minutes that are kept apart now: yesterday is checked again
        checked = yesterday - _DAY
    return dataclasses.replace(
        memory,
        checked_day=checked,
        checked_at=None if memory.checked_at is None else min(memory.checked_at, now),
        last_seen={key: min(day, yesterday) for key, day in memory.last_seen.items()},
        told=tuple(
            dataclasses.replace(told, at=min(told.at, now), day=min(told.day, yesterday)) for told in memory.told
        ),
    )


def _without_days_after(saved: str, today: date) -> str:
    """The state of the files in one folder, without days in the future."""
    state: dict[str, Any] = json.loads(saved)
    state["days"] = [day for day in state["days"] if date.fromisoformat(day) <= today]
    return json.dumps(state)
