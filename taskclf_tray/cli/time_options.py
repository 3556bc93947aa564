"""Times as a person types and reads them: on the clock on the wall, unless an offset says otherwise."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, date, datetime, timedelta

from taskclf_tray.cli import context
from taskclf_tray.cli.context import zone_name
from taskclf_tray.cli.date_words import DAY_EXAMPLES, TIME_EXAMPLES, clock_of, date_of
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


def moment(word: str) -> datetime:
    """A time of an option, in UTC. Raises ArgumentTypeError, also for one that the clock shows twice or never."""
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
    """`14:05` or `2pm` today, or behind a day: `monday 2pm`."""
    today_clock = clock_of(text)
    if today_clock is not None:
        return datetime.combine(date_today(), today_clock)
    first, _, rest = text.partition(" ")
    named, clock = date_of(first, date_today()), clock_of(rest)
    return None if named is None or clock is None else datetime.combine(named, clock)


def day(word: str) -> tuple[datetime, datetime]:
    """[start, end) of a local day, in UTC; also `today` and `yesterday`. Raises ArgumentTypeError."""
    return bounds(local_date(word))


def local_date(word: str) -> date:
    """A date, as `date_of` knows it. Raises ArgumentTypeError, also for one that the local calendar left out."""
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
    """A moment, or the beginning of a day. Raises ArgumentTypeError."""
    return day(word)[0] if _is_day(word) else moment(word)


def until(word: str) -> datetime:
    """A moment, or the end of a day. Raises ArgumentTypeError."""
    return day(word)[1] if _is_day(word) else moment(word)


def today() -> tuple[datetime, datetime]:
    """[start, end) of the day it is here, in UTC."""
    return bounds(date_today())


def bounds(local_day: date) -> tuple[datetime, datetime]:
    """[start, end) of a local day, in UTC; right on days of 23 and 25 hours and without a midnight."""
    return day_bounds(local_day, zone_name())


def span(start: datetime, end: datetime) -> str:
    """`2026-03-02 14:05–14:25`, local; with both days where they differ."""
    here, there = local(start), local(end)
    if here.date() != there.date():
        return f"{here:%Y-%m-%d %H:%M} – {there:%Y-%m-%d %H:%M}"
    return f"{here:%Y-%m-%d %H:%M}–{there:%H:%M}"


def minutes(start: datetime, end: datetime) -> str:
    """`20 min`: the clock alone does not say how long a span is that goes over midnight or a clock change."""
    whole = round((end - start) / timedelta(minutes=1))
    return f"{whole} min" if whole else "<1 min"


def columns(start: datetime, end: datetime) -> str:
    """`2026-03-02 14:05–14:25   20 min`, for a table: as wide wherever the end lies."""
    here, there = local(start), local(end)
    return f"{here:%Y-%m-%d %H:%M}–{there:%H:%M}  {minutes(start, end):>7}"


def local(at: datetime) -> datetime:
    """On the clock on the wall; in UTC where that clock has no such time, as in the year 1 of an imported label."""
    try:
        return local_time(at)
    except OverflowError:
        return at


def iso(at: datetime) -> str:
    """For JSON: UTC."""
    return at.astimezone(UTC).isoformat()


def _is_day(word: str) -> bool:
    return date_of(word, date_today()) is not None


def date_today() -> date:
    """The date on the clock on the wall."""
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
    from taskclf_tray.labels.spans import printable

    return argparse.ArgumentTypeError(f"“{printable(word)}” is not understood; write {right}")
