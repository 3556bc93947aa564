"""Dates, clock times and weeks as people write them; each function answers None for what it does not know."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Final

DAY_EXAMPLES: Final = "2026-03-02, 2.3.2026, monday, today or yesterday"
TIME_EXAMPLES: Final = "14:05, 2pm, monday 14:05, 2026-03-02 14:05 or 2026-03-02T14:05+01:00"
WEEK_EXAMPLES: Final = "2026-W10, 10, this or last"
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORTEST_WEEKDAY: Final = 3
_ISO_DATE: Final = re.compile(r"(19[7-9]|20\d|21\d)\d-\d\d-\d\d", re.ASCII)
_DOTTED_DATE: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.((?:19[7-9]|20\d|21\d)\d)?", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d\d)", re.ASCII)
_HALF_DAY_CLOCK: Final = re.compile(r"(\d{1,2})(?::(\d\d))? ?([ap])\.?m\.?", re.ASCII)
_WEEK: Final = re.compile(r"(?:(19[7-9]\d|20\d\d|21\d\d)-)?w?(\d{1,2})", re.ASCII)


def date_of(word: str, today: date) -> date | None:
    """`2026-03-02`, `2.3.2026`, `2.3.`, `today`, `yesterday`, or a weekday: the last day of that name, or today."""
    text = word.strip().casefold()
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    if len(text) >= _SHORTEST_WEEKDAY:
        for number, name in enumerate(_WEEKDAYS):
            if name.startswith(text):
                return today - timedelta(days=(today.weekday() - number) % 7)
    try:
        if _ISO_DATE.fullmatch(text):
            return date.fromisoformat(text)
        dotted = _DOTTED_DATE.fullmatch(text)
        return None if dotted is None else _dotted(int(dotted[1]), int(dotted[2]), dotted[3], today)
    except ValueError:
        return None


def _dotted(day: int, month: int, year: str | None, today: date) -> date:
    """Without a year the last such day. Raises ValueError."""
    if year is not None:
        return date(int(year), month, day)
    found = date(today.year, month, day)
    return found if found <= today else date(today.year - 1, month, day)


def clock_of(word: str) -> time | None:
    """`14:05`, `2pm`, `2:05 pm`."""
    text = word.strip().casefold()
    try:
        if (found := _CLOCK.fullmatch(text)) is not None:
            return time(int(found[1]), int(found[2]))
        if (found := _HALF_DAY_CLOCK.fullmatch(text)) is not None and 1 <= int(found[1]) <= 12:
            return time(int(found[1]) % 12 + 12 * (found[3] == "p"), int(found[2] or 0))
    except ValueError:
        pass
    return None


def week_of(word: str, today: date) -> date | None:
    """The Monday of `2026-W10`, `W10`, `10`, `this` or `last` week; a week without a year is the last of its number."""
    text = word.strip().casefold()
    monday = today - timedelta(days=today.weekday())
    if text in ("this", "last"):
        return monday - timedelta(weeks=text == "last")
    found = _WEEK.fullmatch(text)
    try:
        if found is None or (found[1] is not None and "w" not in text):
            return None
        if found[1] is not None:
            return date.fromisocalendar(int(found[1]), int(found[2]), 1)
        this_year = today.isocalendar().year
        here = date.fromisocalendar(this_year, int(found[2]), 1)
        return here if here <= monday else date.fromisocalendar(this_year - 1, int(found[2]), 1)
    except ValueError:
        return None


def share_of(word: str) -> float | None:
    """`0.8`, `80%` or `80`: a share from 0 to 1."""
    text = word.strip()
    try:
        number = float(text.removesuffix("%").rstrip())
    except ValueError:
        return None
    is_percent = text.endswith("%") or (number.is_integer() and number > 1)
    share = number / 100 if is_percent else number
    return share if 0 <= share <= 1 else None
