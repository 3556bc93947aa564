"""The times in a label file: with an offset they are clear, without one they are read as UTC or as local time.

Most spreadsheets and scripts write local times without an offset, the taskclf tool writes UTC without one. So what was
assumed is said with an example from the file, in both readings.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.time import as_utc, zone
from taskclf_tray.labels.spans import printable

LOCAL_OPTION: Final = "--times local"


class LabelTimes:
    """Reads times, and remembers those that had no offset."""

    def __init__(self, zone_name: str | None = None) -> None:
        """`zone_name`: whose clock times without an offset show; None for UTC."""
        self._zone_name = zone_name
        self._example: tuple[str, datetime] | None = None
        self._latest: datetime | None = None
        self.without_offset = 0

    def read(self, text: str, column: str) -> datetime:
        """The time in ISO 8601, in UTC. Raises LabelError, also for one that a local clock shows twice or never."""
        try:
            found = datetime.fromisoformat(text.strip())
            if found.tzinfo is not None:
                return found.astimezone(UTC)
            at = as_utc(found) if self._zone_name is None else _local(found, self._zone_name, column)
        except (ValueError, OverflowError):
            raise LabelError(f"{column} “{printable(text)}” is no ISO 8601 time") from None
        self.without_offset += 1
        self._example = self._example or (printable(text.strip()), at)
        self._latest = at if self._latest is None else max(at, self._latest)
        return at

    def was_read_as_future(self, now: datetime) -> bool:
        """Whether a time without an offset lies ahead of `now` only because it was read as UTC."""
        return self._zone_name is None and self._latest is not None and self._latest > now

    def note(self, here: str) -> str | None:
        """What was assumed, with an example in UTC and in the time zone `here`; None where nothing was.

        `2 times have no offset: 2026-11-27T16:30:00 was read as 16:30 UTC, that is 17:30 here; use --times local …`
        """
        if self._zone_name is not None or self._example is None:
            return None
        text, at = self._example
        count = "One time has" if self.without_offset == 1 else f"{self.without_offset} times have"
        return (
            f"{count} no offset: {text} was read as {at:%H:%M} UTC, that is {_clock(at, here)} here; "
            f"use {LOCAL_OPTION} if the file means local time."
        )


def _clock(at: datetime, here: str) -> str:
    """On the clock of the zone, with the date where it is another one."""
    try:
        local = at.astimezone(zone(here))
    except OverflowError:
        local = at
    return f"{local:%H:%M}" if local.date() == at.date() else f"{local:%Y-%m-%d %H:%M}"


def _local(naive: datetime, zone_name: str, column: str) -> datetime:
    """The instant at which the zone's clock shows this. Raises LabelError where it does so twice or never."""
    here = zone(zone_name)
    first, second = (naive.replace(tzinfo=here, fold=fold) for fold in (0, 1))
    at = first.astimezone(UTC)
    if at.astimezone(here).replace(tzinfo=None) != naive:
        raise LabelError(f"{column} {naive.isoformat()} did not come in {zone_name}: the clock was set forward over it")
    if first.utcoffset() != second.utcoffset():
        both = " or ".join(one.isoformat() for one in (first, second))
        raise LabelError(
            f"{column} {naive.isoformat()} came twice in {zone_name}, as the clock was set back: write {both}"
        )
    return at
