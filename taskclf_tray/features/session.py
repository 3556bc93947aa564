"""Sessions: activity without a gap of `idle_gap_seconds` between one event's end and the next one's start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from taskclf_tray.core.time import from_us
from taskclf_tray.core.types import AWEvent
from taskclf_tray.features.spans import Piece


def session_id(user_id: str, start_us: int) -> str:
    """First 12 hex of SHA-256(`user:start`), start as `2026-03-02T08:00:00+00:00` (contract, section 4)."""
    return hashlib.sha256(f"{user_id}:{from_us(start_us).isoformat()}".encode()).hexdigest()[:12]


class Session:
    """The running session. A gap ends it; the next row's bucket begins the new one and its title counts.

    Two sessions cannot meet in one bucket while the gap is longer than a bucket; with a shorter gap the bucket
    belongs to the later one.
    """

    def __init__(
        self, user_id: str, gap_us: int, start_us: int | None, last_end_us: int | None, titles: Mapping[str, int]
    ) -> None:
        self._user_id = user_id
        self._gap_us = gap_us
        self.start_us = start_us
        self.last_end_us = last_end_us
        self.titles = dict(titles)
        self.id = "" if start_us is None else session_id(user_id, start_us)

    def observe(self, pieces: Iterable[Piece[AWEvent]]) -> None:
        """Note the events of the next stretch of time."""
        for start, end, _ in pieces:
            if self.last_end_us is not None and start - self.last_end_us >= self._gap_us:
                self.start_us = None
                self.titles = {}
            self.last_end_us = end

    def enter(self, bucket_us: int, title_hash: str) -> int:
        """Count a row of this bucket; the result is how many rows of the session had its title so far."""
        if self.start_us is None:
            self.start_us = bucket_us
            self.id = session_id(self._user_id, bucket_us)
        self.titles[title_hash] = self.titles.get(title_hash, 0) + 1
        return self.titles[title_hash]
