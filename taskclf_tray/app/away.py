"""Notices the return from a time away, and where that time began."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from taskclf_tray.core.intervals import union
from taskclf_tray.core.time import from_us, local_date, to_us
from taskclf_tray.record.recorder import LiveLabel
from taskclf_tray.store.database import Database

SHORTEST: Final = timedelta(minutes=10)
LONGEST: Final = timedelta(hours=4)
"""What is longer was a night or a day off, and needs no question."""
_REVISED: Final = timedelta(minutes=30)
"""The idle rule looks back: that far before the last sign of life its true beginning is sought."""


class AwayWatch:
    """Fed with each live answer; says once for each time away that it is over."""

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._user_id = user_id
        self._present: datetime | None = None

    def returned(self, live: LiveLabel, zone_name: str) -> tuple[datetime, datetime] | None:
        """The time away that ends with this answer, when it is one to ask about.

        Ten minutes to four hours within one local day, not touched by a pause or private mode, with no minute of
        work in it.
        """
        if live.is_away:
            return None
        back, last = live.prediction.bucket_start_ts, self._present
        self._present = live.prediction.bucket_end_ts
        if last is None or back - last < SHORTEST / 2:
            return None
        gap = (self._last_work(last), back)
        length = gap[1] - gap[0]
        is_one_day = len({local_date(moment, zone_name) for moment in gap}) == 1
        if not SHORTEST <= length <= LONGEST or not is_one_day or self._is_dark(*gap):
            return None
        return gap

    def _last_work(self, last: datetime) -> datetime:
        """End of the last minute that was not away, by the record."""
        with self._database.reading():
            recent = self._database.buckets.between(self._user_id, to_us(last - _REVISED), to_us(last))
        worked = [record.end_us for record in recent if record.decided_by != "idle_rule"]
        return from_us(worked[-1]) if worked else last

    def _is_dark(self, start: datetime, end: datetime) -> bool:
        with self._database.reading():
            found = self._database.blackouts.overlapping(to_us(start), to_us(end))
        return bool(union((b.start_us, to_us(end) if b.end_us is None else b.end_us) for b in found))
