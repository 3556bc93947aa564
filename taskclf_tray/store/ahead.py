"""Records made while the clock was ahead: set aside when the clock is put back, and restored if the clock was right.

A clock change is a row of `clock_changes`. Its minutes and requests move into tables of their own, so that the same
minutes can be recorded again. Its label spans are marked and stay where undo finds them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from taskclf_tray.store.buckets import BUCKET_COLUMNS
from taskclf_tray.store.requests import REQUEST_COLUMNS

_COLUMNS: Final = "id, user_id, found_us, start_us, end_us, is_certain, boot_id, boot_us, is_noted"
_FAR_US: Final = 1 << 62
_LONGEST_BUCKET_US: Final = 300_000_000
_IN_FORCE: Final = "taken_by IS NULL AND undone_us IS NULL AND ahead IS NULL"
_AHEAD_LABELS: Final = "ahead = ? AND taken_by IS NULL AND undone_us IS NULL"


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A clock put back: at `found_us` of the new time the record covered `start_us` to `end_us`, in the future.

    `is_certain`: the record itself shows that the earlier time was wrong. `boot_id`, `boot_us`: the boot of the
    computer, and the time since then; None when the clock is not the computer's.
    """

    id: int
    user_id: str
    found_us: int
    start_us: int
    end_us: int
    is_certain: bool
    boot_id: str | None
    boot_us: int | None
    is_noted: bool = False
    """Whether the events that the source recorded meanwhile are in `ahead_events`."""


@dataclass(frozen=True, slots=True)
class AheadEvent:
    """An event that a watcher recorded while the clock was ahead.

    `stream`: as in SourceEvents; `content`: its values.
    """

    stream: str
    event_id: int
    start_us: int
    end_us: int
    content: str


class AheadRepository:
    """Access to the records that are set aside; transactions belong to the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # -- reading ----------------------------------------------------------------------------------------------

    def newest_mark_us(self, user_id: str) -> int | None:
        """Return the latest moment in the tables of minutes, label changes, asks and open blackouts."""
        query = (
            "SELECT max(at_us) FROM (SELECT max(start_us) AS at_us FROM buckets WHERE user_id = ?1 "
            "UNION ALL SELECT max(at_us) FROM label_changes WHERE user_id = ?1 "
            "UNION ALL SELECT max(at_us) FROM asks WHERE user_id = ?1 "
            "UNION ALL SELECT max(start_us) FROM blackouts WHERE end_us IS NULL)"
        )
        found = self._connection.execute(query, (user_id,)).fetchone()[0]
        return None if found is None else int(found)

    def first_ahead_us(self, user_id: str, now_us: int) -> int | None:
        """Return the start of the first minute that ends after `now_us`, None without any."""
        query = (
            "SELECT start_us FROM buckets WHERE user_id = ? AND start_us > ? AND end_us > ? ORDER BY start_us LIMIT 1"
        )
        row = self._connection.execute(query, (user_id, now_us - _LONGEST_BUCKET_US, now_us)).fetchone()
        return None if row is None else int(row[0])

    def span_from(self, user_id: str, start_us: int) -> tuple[int, int] | None:
        """Return the start of the first and the end of the last minute from `start_us` on, None without any."""
        query = "SELECT min(start_us), max(end_us) FROM buckets WHERE user_id = ? AND start_us >= ?"
        first, last = self._connection.execute(query, (user_id, start_us)).fetchone()
        return None if first is None else (int(first), int(last))

    def kept_apart(self, user_id: str) -> list[ClockChange]:
        """List the changes whose minutes are still set aside, oldest first."""
        query = f"SELECT {_COLUMNS} FROM clock_changes WHERE user_id = ? AND returned_us IS NULL ORDER BY id"  # noqa: S608
        rows = self._connection.execute(query, (user_id,)).fetchall()
        return [ClockChange(*(*row[:5], bool(row[5]), *row[6:8], bool(row[8]))) for row in rows]

    def starts_us(self, user_id: str) -> set[int]:
        """Return the starts of the minutes that are set aside and not recorded again."""
        query = (
            "SELECT start_us FROM ahead_buckets AS apart WHERE user_id = ? AND NOT EXISTS "
            "(SELECT 1 FROM buckets WHERE user_id = apart.user_id AND start_us = apart.start_us)"
        )
        return {int(row[0]) for row in self._connection.execute(query, (user_id,))}

    def minutes(self, change_id: int) -> int:
        """Count the minutes that a change set aside."""
        query = "SELECT count(*) FROM ahead_buckets WHERE clock_change = ?"
        return int(self._connection.execute(query, (change_id,)).fetchone()[0])

    def first_us(self, change_id: int) -> int | None:
        """Return the start of the first minute or label that a change set aside, None without any."""
        query = (
            "SELECT min(start_us) FROM (SELECT start_us FROM ahead_buckets WHERE clock_change = ?1 "
            "UNION ALL SELECT start_us FROM label_spans WHERE ahead = ?1 AND taken_by IS NULL AND undone_us IS NULL)"
        )
        found = self._connection.execute(query, (change_id,)).fetchone()[0]
        return None if found is None else int(found)

    def labels(self, change_id: int) -> int:
        """Count the labels in force that a change set aside."""
        query = f"SELECT count(*) FROM label_spans WHERE {_AHEAD_LABELS}"  # noqa: S608 - constants
        return int(self._connection.execute(query, (change_id,)).fetchone()[0])

    def events(self, user_id: str, since_us: int) -> list[AheadEvent]:
        """List the noted events that end after `since_us`, of changes whose minutes are still set aside."""
        query = (
            "SELECT stream, event_id, ahead_events.start_us, ahead_events.end_us, content FROM ahead_events "
            "JOIN clock_changes ON clock_changes.id = clock_change WHERE user_id = ? AND returned_us IS NULL "
            "AND ahead_events.end_us > ?"
        )
        return [AheadEvent(*row) for row in self._connection.execute(query, (user_id, since_us))]

    def keep_state(self, change_id: int, before: Mapping[str, tuple[str, str]]) -> None:
        """Store the state values that were put back with the clock: by name, the value before and after."""
        self._connection.execute("UPDATE clock_changes SET state = ? WHERE id = ?", (json.dumps(before), change_id))

    def kept_state(self, change_id: int) -> dict[str, tuple[str, str]]:
        """Return the values that `keep_state` stored."""
        row = self._connection.execute("SELECT state FROM clock_changes WHERE id = ?", (change_id,)).fetchone()
        return {str(name): (str(before), str(after)) for name, (before, after) in json.loads(row[0]).items()}

    def note_events(self, change_id: int, events: Iterable[AheadEvent]) -> None:
        """Store the events of the source from the time of a change."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO ahead_events (clock_change, stream, event_id, start_us, end_us, content) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            ((change_id, e.stream, e.event_id, e.start_us, e.end_us, e.content) for e in events),
        )
        self._connection.execute("UPDATE clock_changes SET is_noted = 1 WHERE id = ?", (change_id,))

    # -- setting aside ----------------------------------------------------------------------------------------

    def set_aside(self, change: ClockChange) -> int:
        """Set everything aside that begins at `change.start_us` or later; returns the id of the change.

        A label that begins earlier and reaches into the future is cut there: its beginning stays in force.
        """
        user_id, start_us = change.user_id, change.start_us
        cursor = self._connection.execute(
            "INSERT INTO clock_changes (user_id, found_us, start_us, end_us, is_certain, boot_id, boot_us) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (user_id, change.found_us, start_us, change.end_us, int(change.is_certain), change.boot_id, change.boot_us),
        )
        change_id = int(cursor.lastrowid or 0)
        self._move("buckets", "ahead_buckets", f"{BUCKET_COLUMNS}, change", change_id, user_id, start_us)
        self._move("label_requests", "ahead_requests", REQUEST_COLUMNS, change_id, user_id, start_us)
        self._connection.execute(
            "DELETE FROM label_requests WHERE user_id = ? AND status = 'pending' AND end_us > ?", (user_id, start_us)
        )
        self._set_labels_aside(change_id, user_id, start_us)
        return change_id

    def _move(self, source: str, target: str, columns: str, change_id: int, user_id: str, start_us: int) -> None:
        where = "WHERE user_id = ? AND start_us >= ?"
        self._connection.execute(
            f"INSERT INTO {target} (clock_change, {columns}) SELECT ?, {columns} FROM {source} {where}",  # noqa: S608
            (change_id, user_id, start_us),
        )
        self._connection.execute(f"DELETE FROM {source} {where}", (user_id, start_us))  # noqa: S608 - constants

    def _set_labels_aside(self, change_id: int, user_id: str, start_us: int) -> None:
        reaching = f"WHERE user_id = ? AND start_us < ? AND end_us > ? AND {_IN_FORCE}"
        columns = "label, provenance, confidence, created_us, made_by"
        self._connection.execute(
            f"INSERT INTO label_spans (user_id, start_us, end_us, {columns}, ahead) "  # noqa: S608 - constants
            f"SELECT user_id, ?, end_us, {columns}, ? FROM label_spans {reaching}",
            (start_us, change_id, user_id, start_us, start_us),
        )
        self._connection.execute(
            f"UPDATE label_spans SET end_us = ?, is_growing = 0 {reaching}",  # noqa: S608 - constants
            (start_us, user_id, start_us, start_us),
        )
        self._connection.execute(
            "UPDATE label_spans SET ahead = ?, is_growing = 0 WHERE user_id = ? AND start_us >= ? AND ahead IS NULL",
            (change_id, user_id, start_us),
        )

    def pull_back(self, user_id: str, now_us: int, local_day: str) -> None:
        """Move the times of recent changes that lie after `now_us` to `now_us`."""
        for statement in (
            "UPDATE label_changes SET at_us = ?1 WHERE user_id = ?2 AND at_us > ?1",
            "UPDATE label_changes SET undone_us = ?1 WHERE user_id = ?2 AND undone_us > ?1",
            "UPDATE label_spans SET created_us = ?1 WHERE user_id = ?2 AND created_us > ?1 AND ahead IS NULL",
            "UPDATE label_spans SET undone_us = ?1 WHERE user_id = ?2 AND undone_us > ?1",
            "UPDATE asks SET outcome_us = ?1 WHERE user_id = ?2 AND outcome_us > ?1",
        ):
            self._connection.execute(statement, (now_us, user_id))
        for table, column in (("asks", "at_us"), ("label_requests", "created_us")):
            self._connection.execute(
                f"UPDATE {table} SET {column} = ?1, local_day = ?3 WHERE user_id = ?2 AND {column} > ?1",  # noqa: S608
                (now_us, user_id, local_day),
            )

    # -- giving back ------------------------------------------------------------------------------------------

    def give_back(self, change: ClockChange, *, since_us: int | None, now_us: int, number: int) -> int:
        """Restore the minutes from `since_us` on where the record has none; returns the number of minutes set aside.

        Restored minutes are settled: nothing revises them any more. Labels return where no other label is in force,
        requests where none is known.

        Args:
            change: the clock change.
            since_us: start of the restored time; None restores all of it, also over minutes recorded under the wrong
                time.
            now_us: the present.
            number: change number of the restored minutes.
        """
        settled, verb = BUCKET_COLUMNS.replace("settled", "1"), "REPLACE" if since_us is None else "IGNORE"
        since_us = -_FAR_US if since_us is None else since_us
        where, values = "WHERE clock_change = ? AND start_us >= ?", (change.id, since_us)
        count = int(self._connection.execute(f"SELECT count(*) FROM ahead_buckets {where}", values).fetchone()[0])  # noqa: S608
        self._connection.execute(
            f"INSERT OR {verb} INTO buckets ({BUCKET_COLUMNS}, change) SELECT {settled}, ? FROM ahead_buckets {where}",  # noqa: S608
            (number, *values),
        )
        self._connection.execute(
            f"INSERT OR IGNORE INTO label_requests ({REQUEST_COLUMNS}) SELECT {REQUEST_COLUMNS} FROM ahead_requests "  # noqa: S608
            f"{where}",
            values,
        )
        self._give_labels_back(change, since_us)
        self._connection.execute(f"DELETE FROM ahead_requests {where}", values)  # noqa: S608 - constants
        self._connection.execute(
            f"DELETE FROM ahead_buckets {where} AND EXISTS (SELECT 1 FROM buckets WHERE change = ? "  # noqa: S608
            "AND user_id = ahead_buckets.user_id AND start_us = ahead_buckets.start_us)",
            (*values, number),
        )
        self._connection.execute("UPDATE clock_changes SET returned_us = ? WHERE id = ?", (now_us, change.id))
        return count

    def _give_labels_back(self, change: ClockChange, since_us: int) -> None:
        query = f"SELECT id FROM label_spans WHERE {_AHEAD_LABELS} AND start_us >= ? ORDER BY start_us"  # noqa: S608
        others = (
            "SELECT 1 FROM label_spans AS other WHERE other.user_id = own.user_id AND other.taken_by IS NULL "
            "AND other.undone_us IS NULL AND other.ahead IS NULL AND other.start_us < own.end_us "
            "AND other.end_us > own.start_us"
        )
        for (span_id,) in self._connection.execute(query, (change.id, since_us)).fetchall():
            self._connection.execute(
                f"UPDATE label_spans AS own SET ahead = NULL WHERE id = ? AND NOT EXISTS ({others})",  # noqa: S608
                (span_id,),
            )
