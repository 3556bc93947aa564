"""Blackouts: intervals that are never requested from any source, not even later (contract, section 3)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Reason = Literal["pause", "private"]


@dataclass(frozen=True, slots=True)
class Blackout:
    """[start_us, end_us); an open blackout has no end yet. `resume_us`: the planned end of a timed pause."""

    start_us: int
    end_us: int | None
    resume_us: int | None
    reason: Reason


class BlackoutRepository:
    """Access to the table `blackouts`; transactions belong to the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def open(self, reason: Reason, start_us: int, resume_us: int | None = None) -> None:
        """Begin a blackout; while one of this reason is open, only its planned end changes."""
        self._connection.execute(
            "INSERT INTO blackouts (start_us, resume_us, reason) VALUES (?, ?, ?) "
            "ON CONFLICT (reason) WHERE end_us IS NULL DO UPDATE SET resume_us = excluded.resume_us",
            (start_us, resume_us, reason),
        )

    def close(self, reason: Reason, end_us: int) -> None:
        """End the open blackout of this reason, if any, never before its beginning."""
        self._connection.execute(
            "UPDATE blackouts SET end_us = max(start_us, ?) WHERE reason = ? AND end_us IS NULL", (end_us, reason)
        )

    def close_due(self, now_us: int) -> bool:
        """End the pauses that are over, at their planned moment; returns whether any ended."""
        cursor = self._connection.execute(
            "UPDATE blackouts SET end_us = max(start_us, resume_us) "
            "WHERE end_us IS NULL AND resume_us IS NOT NULL AND resume_us <= ?",
            (now_us,),
        )
        return cursor.rowcount > 0

    def reaching(self, moment_us: int) -> list[Blackout]:
        """List the blackouts that are open or end after a moment, in order of start."""
        return self._select("end_us IS NULL OR end_us > ?", (moment_us,))

    def replace(self, blackout: Blackout, parts: Iterable[Blackout]) -> None:
        """Replace one blackout by others."""
        self._connection.execute(
            "DELETE FROM blackouts WHERE start_us = ? AND end_us IS ? AND reason = ?",
            (blackout.start_us, blackout.end_us, blackout.reason),
        )
        self._connection.executemany(
            "INSERT INTO blackouts (start_us, end_us, resume_us, reason) VALUES (?, ?, ?, ?)",
            ((part.start_us, part.end_us, part.resume_us, part.reason) for part in parts),
        )

    def open_ones(self) -> list[Blackout]:
        """List the blackouts without an end."""
        return self._select("end_us IS NULL", ())

    def overlapping(self, start_us: int, end_us: int) -> list[Blackout]:
        """List the blackouts that overlap [start_us, end_us), in order of start."""
        return self._select("start_us < ? AND (end_us IS NULL OR end_us > ?)", (end_us, start_us))

    def _select(self, condition: str, values: tuple[int, ...]) -> list[Blackout]:
        query = f"SELECT start_us, end_us, resume_us, reason FROM blackouts WHERE {condition} ORDER BY start_us"  # noqa: S608
        return [Blackout(*row) for row in self._connection.execute(query, values)]
