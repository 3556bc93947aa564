"""Times as a person types and reads them: local time, unless an offset says otherwise.

The functions that parse dates, clock times and weeks return None for a word they do not know.
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from taskclf_tray.cli import context
from taskclf_tray.cli.context import zone_name
from taskclf_tray.core.plain_text import printable
from taskclf_tray.core.time import day_bounds
from taskclf_tray.core.zones import zone
from taskclf_tray.system.local_zone import local_time

HELP = (
    "Times are HH:MM or 2pm (today), monday 14:05, YYYY-MM-DD HH:MM, or ISO 8601 with an offset such as "
    "2026-03-02T14:05+01:00. Without an offset they are local: what the clock of this machine shows."
)
_DATE = re.compile(r"(19[7-9]|20\d|21\d)\d-\d\d-\d\d")
_MOMENT = re.compile(rf"{_DATE.pattern}([T ][0-9:.,]+ ?(Z|z|[+-][0-9:]+)?)?")
"""Less than ISO 8601 allows, so that a slip of the finger is no moment in the year 1111."""
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


def moment(word: str) -> datetime:
    """Parse a time; returns it in UTC. Raises ArgumentTypeError, also for a local time that comes twice or never."""
    text = word.strip()
    try:
        spoken = _spoken(text)
        if spoken is not None:
            return _local(spoken)
        found = datetime.fromisoformat(text if _MOMENT.fullmatch(text) else "")
        return _local(found) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong(word, TIME_EXAMPLES) from None


def _spoken(text: str) -> datetime | None:
    """Parse `14:05` or `2pm` today, or after a day: `monday 2pm`."""
    today_clock = clock_of(text)
    if today_clock is not None:
        return datetime.combine(date_today(), today_clock)
    first, _, rest = text.partition(" ")
    named, clock = date_of(first, date_today()), clock_of(rest)
    return None if named is None or clock is None else datetime.combine(named, clock)


def day(word: str) -> tuple[datetime, datetime]:
    """Parse a day, also `today` and `yesterday`; returns [start, end) in UTC. Raises ArgumentTypeError."""
    return bounds(local_date(word))


def local_date(word: str) -> date:
    """Parse a date, as `date_of` does. Raises ArgumentTypeError, also for a date that the calendar left out."""
    found = date_of(word, date_today())
    if found is None:
        raise _wrong(word, DAY_EXAMPLES)
    try:
        start, end = bounds(found)
    except (ValueError, OverflowError):
        raise _wrong(word, DAY_EXAMPLES) from None
    if start == end:
        raise argparse.ArgumentTypeError(
            f"there was no {found} in {zone_name()}: the calendar went from {found - timedelta(days=1)} to "
            f"{found + timedelta(days=1)}. Name one of these days"
        )
    return found


def since(word: str) -> datetime:
    """Parse a moment, or the start of a day. Raises ArgumentTypeError."""
    return day(word)[0] if _is_day(word) else moment(word)


def until(word: str) -> datetime:
    """Parse a moment, or the end of a day. Raises ArgumentTypeError."""
    return day(word)[1] if _is_day(word) else moment(word)


def today() -> tuple[datetime, datetime]:
    """[start, end) of the current local day, in UTC."""
    return bounds(date_today())


def bounds(local_day: date) -> tuple[datetime, datetime]:
    """[start, end) of a local day, in UTC; also of days of 23 and 25 hours and of days without a midnight."""
    return day_bounds(local_day, zone_name())


def span(start: datetime, end: datetime) -> str:
    """Format as `2026-03-02 14:05–14:25`, local; with both days where they differ."""
    here, there = local(start), local(end)
    if here.date() != there.date():
        return f"{here:%Y-%m-%d %H:%M} – {there:%Y-%m-%d %H:%M}"
    return f"{here:%Y-%m-%d %H:%M}–{there:%H:%M}"


def minutes(start: datetime, end: datetime) -> str:
    """Format a length as `20 min`. The two clock times alone do not tell it over midnight or a clock change."""
    whole = round((end - start) / timedelta(minutes=1))
    return f"{whole} min" if whole else "<1 min"


def columns(start: datetime, end: datetime) -> str:
    """Format as `2026-03-02 14:05–14:25   20 min`, with a fixed width for a table."""
    here, there = local(start), local(end)
    return f"{here:%Y-%m-%d %H:%M}–{there:%H:%M}  {minutes(start, end):>7}"


def local(at: datetime) -> datetime:
    """Convert to local time; UTC where there is none, as in the year 1 of an imported label."""
    try:
        return local_time(at)
    except OverflowError:
        return at


def iso(at: datetime) -> str:
    """Format in UTC, for JSON."""
    return at.astimezone(UTC).isoformat()


def _is_day(word: str) -> bool:
    return date_of(word, date_today()) is not None


def date_today() -> date:
    """The current local date."""
    return local_time(context.now()).date()


def _local(naive: datetime) -> datetime:
    first, second = (local_time(naive.replace(tzinfo=zone(zone_name()), fold=fold).astimezone(UTC)) for fold in (0, 1))
    if first.replace(tzinfo=None, fold=0) != naive.replace(fold=0):
        raise argparse.ArgumentTypeError(f"{naive:%H:%M} did not come on {naive:%Y-%m-%d}: the clock was set forward")
    if first.utcoffset() != second.utcoffset():
        both = " or ".join(at.isoformat(timespec="minutes") for at in (first, second))
        raise argparse.ArgumentTypeError(f"{naive:%Y-%m-%d %H:%M} came twice, as the clock was set back: say {both}")
    return first.astimezone(UTC)


def _wrong(word: str, right: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"“{printable(word)}” is not understood; write {right}")


# -- dates, clock times and weeks -----------------------------------------------------------------------------


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
    """The date; without a year the last one of that day and month. Raises ValueError."""
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
