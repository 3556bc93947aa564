"""Blackouts: times that are never asked of any source, not even later (contract, section 3)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Reason = Literal["pause", "private"]


@dataclass(frozen=True, slots=True)
class Blackout:
    """[start_us, end_us); an open one has no end yet. `resume_us`: when a timed pause ends."""

    start_us: int
    end_us: int | None
    resume_us: int | None
    reason: Reason


class BlackoutRepository:
    """Reads and writes the table `blackouts`; transactions belong to the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def open(self, reason: Reason, start_us: int, resume_us: int | None = None) -> None:
        """Begin one; while one of this reason is open only its planned end changes."""
        self._connection.execute(
            "INSERT INTO blackouts (start_us, resume_us, reason) VALUES (?, ?, ?) "
            "ON CONFLICT (reason) WHERE end_us IS NULL DO UPDATE SET resume_us = excluded.resume_us",
            (start_us, resume_us, reason),
        )

    def close(self, reason: Reason, end_us: int) -> None:
        """End the open one of this reason, if any; a clock set back cannot end it before it began."""
        self._connection.execute(
            "UPDATE blackouts SET end_us = max(start_us, ?) WHERE reason = ? AND end_us IS NULL", (end_us, reason)
        )

    def close_due(self, now_us: int) -> bool:
        """End pauses whose time is over, at the moment that was planned; whether any ended."""
        cursor = self._connection.execute(
            "UPDATE blackouts SET end_us = max(start_us, resume_us) "
            "WHERE end_us IS NULL AND resume_us IS NOT NULL AND resume_us <= ?",
            (now_us,),
        )
        return cursor.rowcount > 0

    def reaching(self, moment_us: int) -> list[Blackout]:
        """Those that are open, and those that end after a moment; in order of start."""
        return self._select("end_us IS NULL OR end_us > ?", (moment_us,))

    def replace(self, blackout: Blackout, parts: Iterable[Blackout]) -> None:
        """Put others in the place of one."""
        self._connection.execute(
            "DELETE FROM blackouts WHERE start_us = ? AND end_us IS ? AND reason = ?",
            (blackout.start_us, blackout.end_us, blackout.reason),
        )
        self._connection.executemany(
            "INSERT INTO blackouts (start_us, end_us, resume_us, reason) VALUES (?, ?, ?, ?)",
            ((part.start_us, part.end_us, part.resume_us, part.reason) for part in parts),
        )

    def open_ones(self) -> list[Blackout]:
        """Those without an end."""
        return self._select("end_us IS NULL", ())

    def overlapping(self, start_us: int, end_us: int) -> list[Blackout]:
        """Those that touch [start_us, end_us), in order of start."""
        return self._select("start_us < ? AND (end_us IS NULL OR end_us > ?)", (end_us, start_us))

    def _select(self, condition: str, values: tuple[int, ...]) -> list[Blackout]:
        query = f"SELECT start_us, end_us, resume_us, reason FROM blackouts WHERE {condition} ORDER BY start_us"  # noqa: S608
        return [Blackout(*row) for row in self._connection.execute(query, values)]
