"""Deleting recorded minutes by their age, so that no byte of them stays in the file.

SQLite overwrites what is deleted with zeros (`secure_delete`); the write-ahead log still holds earlier states of the
pages, until `Database.fold` empties it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

_APART: Final = ("ahead_buckets", "ahead_requests", "ahead_events")
_UNUSED_CONFIGS: Final = (
    "DELETE FROM configs WHERE first_used_us < ? AND config_id NOT LIKE 'common-%' AND config_id NOT IN "
    "(SELECT config_id FROM buckets UNION SELECT config_id FROM ahead_buckets)",
    "DELETE FROM configs WHERE first_used_us < ? AND config_id LIKE 'common-%' AND config_id NOT IN "
    "(SELECT coalesce(json_extract(content, '$.common'), '') FROM configs WHERE config_id NOT LIKE 'common-%')",
)
"""Those of no minute, then what these alone had in common."""


class AgedMinutes:
    """Deletes old minutes; transactions belong to the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def delete(self, user_id: str, before_us: int, most: int) -> int:
        """Delete up to `most` minutes of the record that ended before a moment, oldest first; labels stay.

        With the last of them goes what a wrong clock set aside of that time, and the configurations first used
        then that no minute names any more. Returns how many minutes were deleted.
        """
        self._connection.execute("PRAGMA secure_delete = ON")
        deleted = self._connection.execute(
            "DELETE FROM buckets WHERE user_id = ?1 AND start_us IN (SELECT start_us FROM buckets "
            "WHERE user_id = ?1 AND start_us < ?2 AND end_us <= ?2 ORDER BY start_us LIMIT ?3)",
            (user_id, before_us, most),
        ).rowcount
        if deleted < most:
            for table in _APART:
                self._connection.execute(f"DELETE FROM {table} WHERE end_us <= ?", (before_us,))  # noqa: S608 - constants
            for statement in _UNUSED_CONFIGS:
                self._connection.execute(statement, (before_us,))
        return int(deleted)
