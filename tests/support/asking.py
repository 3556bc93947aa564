"""A moment that allows asking, to which each test adds what forbids it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from taskclf_tray.labels.budget import AskMemory, AskSettings, Candidate, Decision, Moment, decide, is_random_turn

NOW = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
SETTINGS = AskSettings()


def ago(**units: float) -> datetime:
    """Before now."""
    return NOW - timedelta(**units)


def candidate(
    request_id: str = "a",
    *,
    end: datetime = NOW - timedelta(minutes=3),
    minutes: float = 20,
    confidence: float | None = 0.4,
    label: str | None = "Build",
    reason: Any = "low_confidence",
    created: datetime | None = None,
) -> Candidate:
    """A block that ended three minutes ago and was queued at once."""
    start = end - timedelta(minutes=minutes)
    return Candidate(request_id, start, end, created or end + timedelta(minutes=2), confidence, label, reason)


def gap(request_id: str = "gap", *, end: datetime = NOW) -> Candidate:
    """A return from away."""
    return candidate(request_id, end=end, confidence=None, label=None, reason="gap", created=end)


MOMENT = Moment(
    now=NOW,
    time_zone="UTC",
    breakpoint_at=ago(minutes=1),
    resumed_at=ago(hours=5),
    is_meeting=False,
    is_full_screen=False,
    is_do_not_disturb=False,
    is_away=False,
    is_dark=False,
)


def turn(user_id: str = "user", *, is_random: bool) -> int:
    """A turn of this kind after the first."""
    return next(number for number in range(1, 1000) if is_random_turn(user_id, number) == is_random)


MEMORY = AskMemory(
    first_day=date(2026, 1, 1),
    last_ask_at=ago(hours=4),
    asked_today=1,
    asked_ever=turn(is_random=False),
    is_on=True,
    snoozed_until=None,
    quiet_until=None,
    cap_halvings=0,
)
RANDOM_TURN = turn(is_random=True)


def asked(
    *candidates: Candidate, moment: Moment = MOMENT, memory: AskMemory = MEMORY, settings: AskSettings = SETTINGS
) -> Decision:
    """The decision about these, or about the one usual block."""
    return decide(candidates or (candidate(),), moment, memory, settings, user_id="user")


def at(**changes: Any) -> Moment:
    """The moment with something else about it."""
    return replace(MOMENT, **changes)


def remembering(**changes: Any) -> AskMemory:
    """The memory with something else about it."""
    return replace(MEMORY, **changes)
