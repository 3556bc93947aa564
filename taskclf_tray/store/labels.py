"""Label spans, and the changes that made them and took them away.

A span is never edited: a change takes spans away and makes new ones, so undoing it is to forget what it made and to
give back what it took, byte for byte. Only the end of a growing span moves, while its block goes on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from taskclf_tray.core.types import LABEL_SET_V1

Provenance = Literal["manual", "answer", "import", "auto"]
_PROVENANCES = frozenset(get_args(Provenance))
ChangeKind = Literal["label", "answer", "skip", "import", "erase", "merge", "auto"]

_COLUMNS = "id, user_id, start_us, end_us, label, provenance, confidence, created_us, undone_us, is_growing"
_IN_FORCE = "taken_by IS NULL AND undone_us IS NULL AND ahead IS NULL"
_SELECT = f"SELECT {_COLUMNS} FROM label_spans WHERE user_id = ? AND {_IN_FORCE}"  # noqa: S608 - constants
_CHANGE_COLUMNS = "id, user_id, at_us, kind, start_us, end_us, label, undone_us"


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A label span as stored; those in force never overlap for one user. `id` 0: not stored yet."""

    id: int
    user_id: str
    start_us: int
    end_us: int
    label: str
    provenance: Provenance
    confidence: float | None
    created_us: int
    undone_us: int | None = None
    is_growing: bool = False
    """Its end still follows the block it was given to."""


@dataclass(frozen=True, slots=True)
class LabelChange:
    """One undoable step over [start_us, end_us); `label` None: several labels, or none."""

    id: int
    user_id: str
    at_us: int
    kind: ChangeKind
    start_us: int
    end_us: int
    label: str | None
    undone_us: int | None = None


@dataclass(frozen=True, slots=True)
class LabelMark:
    """How far the labels have come: the newest change of all, and the user's newest one that is not undone; 0 none."""

    newest: int = 0
    in_force: int = 0


class LabelRepository:
    """Reads and writes `label_spans` and `label_changes`; transactions belong to the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._unreadable: set[int] = set()

    @property
    def unreadable(self) -> int:
        """How many spans were met and left out so far, because what is stored of them is damaged."""
        return len(self._unreadable)

    def _sound(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[SpanRecord]:
        for row in rows:
            if row[4] in LABEL_SET_V1 and row[5] in _PROVENANCES:
                yield _span(row)
            else:
                self._unreadable.add(row[0])

    # -- reading ----------------------------------------------------------------------------------------------

    def between(self, user_id: str, start_us: int, end_us: int) -> list[SpanRecord]:
        """Spans in force that overlap [start_us, end_us), in order of time."""
        # those in force are disjoint: of the ones that begin before, only the last can reach in
        query = (
            f"{_SELECT} AND end_us > ? AND start_us < ? AND start_us >= coalesce((SELECT max(start_us) "  # noqa: S608
            f"FROM label_spans WHERE user_id = ? AND {_IN_FORCE} AND start_us <= ?), ?) ORDER BY start_us"
        )
        values = (user_id, start_us, end_us, user_id, start_us, start_us)
        return list(self._sound(self._connection.execute(query, values)))

    def growing(self, user_id: str) -> SpanRecord | None:
        """The newest span in force whose end still grows."""
        rows = self._connection.execute(f"{_SELECT} AND is_growing ORDER BY start_us DESC LIMIT 1", (user_id,))
        return next(self._sound(rows.fetchall()), None)

    def counts(
        self, user_id: str, provenances: Iterable[Provenance] = ("manual", "answer", "import")
    ) -> dict[str, int]:
        """How many spans in force each label has."""
        wanted = tuple(provenances)
        query = (
            f"SELECT label, count(*) FROM label_spans WHERE user_id = ? AND {_IN_FORCE} "  # noqa: S608 - constants
            f"AND provenance IN ({', '.join('?' * len(wanted))}) GROUP BY label"
        )
        return {str(label): int(count) for label, count in self._connection.execute(query, (user_id, *wanted))}

    def count_since(self, user_id: str, created_us: int) -> int:
        """How many spans in force the person gave after this moment."""
        query = (
            f"SELECT count(*) FROM label_spans WHERE user_id = ? AND {_IN_FORCE} "  # noqa: S608 - constants
            "AND provenance != 'auto' AND created_us > ?"
        )
        return int(self._connection.execute(query, (user_id, created_us)).fetchone()[0])

    def newest_change(self, user_id: str) -> LabelChange | None:
        """The newest change that was not undone."""
        query = (
            f"SELECT {_CHANGE_COLUMNS} FROM label_changes WHERE user_id = ? AND undone_us IS NULL "  # noqa: S608
            "ORDER BY id DESC LIMIT 1"
        )
        row = self._connection.execute(query, (user_id,)).fetchone()
        return None if row is None else LabelChange(*row)

    def mark(self, user_id: str) -> LabelMark:
        """How far the labels have come; it changes with every change and undo, not as a span grows."""
        newest = self._connection.execute("SELECT coalesce(max(id), 0) FROM label_changes").fetchone()[0]
        return LabelMark(int(newest), self._in_force(user_id, int(newest)))

    def changed_since(self, user_id: str, mark: LabelMark) -> list[LabelChange] | None:
        """What was changed or undone after a mark, oldest first; None when some of it is forgotten.

        Undo goes from the newest change back, so of those before the mark it has reached all that are later than the
        newest still in force.
        """
        kept = self._in_force(user_id, mark.newest)
        newest = self.mark(user_id).newest
        query = f"SELECT {_CHANGE_COLUMNS} FROM label_changes WHERE id > ? OR (id > ? AND id <= ?) ORDER BY id"  # noqa: S608
        rows = self._connection.execute(query, (mark.newest, kept, mark.in_force)).fetchall()
        if len(rows) < newest - mark.newest + max(0, mark.in_force - kept):
            return None
        return [change for change in (LabelChange(*row) for row in rows) if change.user_id == user_id]

    def _in_force(self, user_id: str, until_id: int) -> int:
        query = (
            "SELECT max(id) FROM label_changes INDEXED BY label_changes_undoable "
            "WHERE user_id = ? AND undone_us IS NULL AND id <= ?"
        )
        return int(self._connection.execute(query, (user_id, until_id)).fetchone()[0] or 0)

    # -- writing ----------------------------------------------------------------------------------------------

    def begin(self, user_id: str, at_us: int, kind: ChangeKind, start_us: int, end_us: int, label: str | None) -> int:
        """A new change; returns its id.

        A clock that was set back does not make it older than the ones before it: it could not be undone, nor could
        they, when the clock is right again.
        """
        cursor = self._connection.execute(
            "INSERT INTO label_changes (user_id, at_us, kind, start_us, end_us, label) VALUES (?, "
            "max(?, coalesce((SELECT max(at_us) FROM label_changes WHERE user_id = ?), ?)), ?, ?, ?, ?)",
            (user_id, at_us, user_id, at_us, kind, start_us, end_us, label),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def make(self, change_id: int, spans: Iterable[SpanRecord]) -> None:
        """Put new spans in force; their ids are given here."""
        self._connection.executemany(
            "INSERT INTO label_spans (user_id, start_us, end_us, label, provenance, confidence, created_us, "
            "is_growing, made_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (s.user_id, s.start_us, s.end_us, s.label, s.provenance, s.confidence, s.created_us, int(s.is_growing),
                 change_id)
                for s in spans
            ),
        )  # fmt: skip

    def take(self, change_id: int, span_ids: Iterable[int]) -> None:
        """Take spans out of force; undoing the change gives them back."""
        self._connection.executemany(
            "UPDATE label_spans SET taken_by = ? WHERE id = ?", ((change_id, span_id) for span_id in span_ids)
        )

    def maker(self, span_id: int) -> int:
        """The id of the change that made a span."""
        return int(self._connection.execute("SELECT made_by FROM label_spans WHERE id = ?", (span_id,)).fetchone()[0])

    def barrier(self, span: SpanRecord) -> int | None:
        """How far a growing span can grow: to the next one in force, or one that undo may give back while it stands."""
        row = self._connection.execute(
            "SELECT min(at_us) FROM (SELECT min(start_us) AS at_us FROM label_spans "
            "WHERE user_id = ? AND taken_by IS NULL AND undone_us IS NULL AND ahead IS NULL AND start_us >= ? "
            "UNION ALL SELECT min(start_us) FROM label_spans WHERE taken_by > ? AND user_id = ? AND start_us >= ?)",
            (span.user_id, span.end_us, self.maker(span.id), span.user_id, span.end_us),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def grow(self, span_id: int, end_us: int, *, is_growing: bool) -> None:
        """Move the end of a growing span forward, or let it stand where it is."""
        self._connection.execute(
            "UPDATE label_spans SET end_us = max(end_us, ?), is_growing = ? WHERE id = ?",
            (end_us, int(is_growing), span_id),
        )

    def stop(self, span_id: int, end_us: int) -> None:
        """Let a growing span end here."""
        self._connection.execute("UPDATE label_spans SET end_us = ?, is_growing = 0 WHERE id = ?", (end_us, span_id))

    def undo(self, change_id: int, at_us: int) -> None:
        """Forget what a change made, give back what it took. Only right for the newest change not undone yet."""
        self._connection.execute("UPDATE label_spans SET undone_us = ? WHERE made_by = ?", (at_us, change_id))
        self._connection.execute("UPDATE label_spans SET taken_by = NULL WHERE taken_by = ?", (change_id,))
        self._connection.execute("UPDATE label_changes SET undone_us = ? WHERE id = ?", (at_us, change_id))

    def forget(self, user_id: str, before_us: int) -> None:
        """Remove for good what changes older than this took away, and what was undone before.

        What undo could only reach through such a change is beyond it too, so "older" is a question of the id.
        """
        row = self._connection.execute(
            "SELECT id FROM label_changes WHERE user_id = ? AND at_us < ? ORDER BY at_us DESC, id DESC LIMIT 1",
            (user_id, before_us),
        ).fetchone()
        last_id = 0 if row is None else int(row[0])
        forgotten = self._connection.execute(
            "DELETE FROM label_spans WHERE user_id = ? AND taken_by <= ?", (user_id, last_id)
        ).rowcount
        forgotten += self._connection.execute(
            "DELETE FROM label_spans WHERE user_id = ? AND undone_us < ?", (user_id, before_us)
        ).rowcount
        forgotten += self._connection.execute(
            "UPDATE label_requests SET closed_by = NULL WHERE user_id = ? AND closed_by <= ?", (user_id, last_id)
        ).rowcount
        if forgotten:
            self._forget_changes(user_id, last_id)

    def _forget_changes(self, user_id: str, last_id: int) -> None:
        """Old changes without a span or an entry of the queue say only what is gone."""
        self._connection.execute(
            "DELETE FROM label_changes WHERE user_id = ? AND id <= ? "
            "AND NOT EXISTS (SELECT 1 FROM label_spans WHERE made_by = label_changes.id) "
            "AND NOT EXISTS (SELECT 1 FROM label_spans WHERE taken_by = label_changes.id) "
            "AND NOT EXISTS (SELECT 1 FROM label_requests WHERE closed_by = label_changes.id)",
            (user_id, last_id),
        )


def _span(row: tuple[Any, ...]) -> SpanRecord:
    return SpanRecord(*(*row[:9], bool(row[9])))
