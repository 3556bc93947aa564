"""Label spans, and the changes that made and removed them.

A span is never edited: a change removes spans and makes new ones. Undo deletes what the change made and restores what
it removed, byte for byte. Only the end of a growing span moves, while its block continues.
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
    """A stored label span; the spans in force of one user never overlap. `id` 0: not stored yet."""

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
    """Whether its end still follows the labelled block."""


@dataclass(frozen=True, slots=True)
class LabelChange:
    """One undoable change over [start_us, end_us); `label` None: several labels, or none."""

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
    """The position of a reader of labels: the newest change of all users, and the user's newest one not undone;

    0 for none.
    """

    newest: int = 0
    in_force: int = 0


class LabelRepository:
    """Access to `label_spans` and `label_changes`; transactions belong to the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._unreadable: set[int] = set()

    @property
    def unreadable(self) -> int:
        """Count the damaged spans that were left out so far."""
        return len(self._unreadable)

    def _sound(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[SpanRecord]:
        for row in rows:
            if row[4] in LABEL_SET_V1 and row[5] in _PROVENANCES:
                yield _span(row)
            else:
                self._unreadable.add(row[0])

    # -- reading ----------------------------------------------------------------------------------------------

    def between(self, user_id: str, start_us: int, end_us: int) -> list[SpanRecord]:
        """List the spans in force that overlap [start_us, end_us), in order of time."""
        # those in force are disjoint: of the ones that begin before, only the last can reach in
        query = (
            f"{_SELECT} AND end_us > ? AND start_us < ? AND start_us >= coalesce((SELECT max(start_us) "  # noqa: S608
            f"FROM label_spans WHERE user_id = ? AND {_IN_FORCE} AND start_us <= ?), ?) ORDER BY start_us"
        )
        values = (user_id, start_us, end_us, user_id, start_us, start_us)
        return list(self._sound(self._connection.execute(query, values)))

    def growing(self, user_id: str) -> SpanRecord | None:
        """Return the newest span in force that still grows."""
        rows = self._connection.execute(f"{_SELECT} AND is_growing ORDER BY start_us DESC LIMIT 1", (user_id,))
        return next(self._sound(rows.fetchall()), None)

    def counts(
        self, user_id: str, provenances: Iterable[Provenance] = ("manual", "answer", "import")
    ) -> dict[str, int]:
        """Count the spans in force by label."""
        wanted = tuple(provenances)
        query = (
            f"SELECT label, count(*) FROM label_spans WHERE user_id = ? AND {_IN_FORCE} "  # noqa: S608 - constants
            f"AND provenance IN ({', '.join('?' * len(wanted))}) GROUP BY label"
        )
        return {str(label): int(count) for label, count in self._connection.execute(query, (user_id, *wanted))}

    def count_since(self, user_id: str, created_us: int) -> int:
        """Count the spans in force that the person made after this moment."""
        query = (
            f"SELECT count(*) FROM label_spans WHERE user_id = ? AND {_IN_FORCE} "  # noqa: S608 - constants
            "AND provenance != 'auto' AND created_us > ?"
        )
        return int(self._connection.execute(query, (user_id, created_us)).fetchone()[0])

    def newest_change(self, user_id: str) -> LabelChange | None:
        """Return the newest change that is not undone."""
        query = (
            f"SELECT {_CHANGE_COLUMNS} FROM label_changes WHERE user_id = ? AND undone_us IS NULL "  # noqa: S608
            "ORDER BY id DESC LIMIT 1"
        )
        row = self._connection.execute(query, (user_id,)).fetchone()
        return None if row is None else LabelChange(*row)

    def mark(self, user_id: str) -> LabelMark:
        """Return the current mark; it changes with every change and undo, not as a span grows."""
        newest = self._connection.execute("SELECT coalesce(max(id), 0) FROM label_changes").fetchone()[0]
        return LabelMark(int(newest), self._in_force(user_id, int(newest)))

    def changed_since(self, user_id: str, mark: LabelMark) -> list[LabelChange] | None:
        """List the changes made or undone after a mark, oldest first; None when some of them were purged.

        Undo proceeds from the newest change back. Of the changes before the mark it has therefore reached all that are
        later than the newest one still in force.
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
        """Start a new change; returns its id.

        A change is never older than the previous one, even after the clock was put back: otherwise neither could be
        undone once the clock is right again.

        Args:
            user_id: the user.
            at_us: the present.
            kind: the kind of change.
            start_us: start of the labelled time.
            end_us: end of it, exclusive.
            label: the label; None for several, or none.
        """
        cursor = self._connection.execute(
            "INSERT INTO label_changes (user_id, at_us, kind, start_us, end_us, label) VALUES (?, "
            "max(?, coalesce((SELECT max(at_us) FROM label_changes WHERE user_id = ?), ?)), ?, ?, ?, ?)",
            (user_id, at_us, user_id, at_us, kind, start_us, end_us, label),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def make(self, change_id: int, spans: Iterable[SpanRecord]) -> None:
        """Put new spans in force and give them ids."""
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
        """Remove spans from force; undoing the change restores them."""
        self._connection.executemany(
            "UPDATE label_spans SET taken_by = ? WHERE id = ?", ((change_id, span_id) for span_id in span_ids)
        )

    def maker(self, span_id: int) -> int:
        """Return the id of the change that made a span."""
        return int(self._connection.execute("SELECT made_by FROM label_spans WHERE id = ?", (span_id,)).fetchone()[0])

    def barrier(self, span: SpanRecord) -> int | None:
        """Return the limit for a growing span: the next span in force, or one that an undo may restore meanwhile."""
        row = self._connection.execute(
            "SELECT min(at_us) FROM (SELECT min(start_us) AS at_us FROM label_spans "
            "WHERE user_id = ? AND taken_by IS NULL AND undone_us IS NULL AND ahead IS NULL AND start_us >= ? "
            "UNION ALL SELECT min(start_us) FROM label_spans WHERE taken_by > ? AND user_id = ? AND start_us >= ?)",
            (span.user_id, span.end_us, self.maker(span.id), span.user_id, span.end_us),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def grow(self, span_id: int, end_us: int, *, is_growing: bool) -> None:
        """Move the end of a growing span forward, never back."""
        self._connection.execute(
            "UPDATE label_spans SET end_us = max(end_us, ?), is_growing = ? WHERE id = ?",
            (end_us, int(is_growing), span_id),
        )

    def stop(self, span_id: int, end_us: int) -> None:
        """End a growing span at this moment."""
        self._connection.execute("UPDATE label_spans SET end_us = ?, is_growing = 0 WHERE id = ?", (end_us, span_id))

    def undo(self, change_id: int, at_us: int) -> None:
        """Delete what a change made and restore what it removed.

        Valid only for the newest change that is not undone.
        """
        self._connection.execute("UPDATE label_spans SET undone_us = ? WHERE made_by = ?", (at_us, change_id))
        self._connection.execute("UPDATE label_spans SET taken_by = NULL WHERE taken_by = ?", (change_id,))
        self._connection.execute("UPDATE label_changes SET undone_us = ? WHERE id = ?", (at_us, change_id))

    def forget(self, user_id: str, before_us: int) -> None:
        """Purge what changes before this moment removed, and what was undone before it.

        An undo could reach older changes only through such a change, so the limit is the id of a change.
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
        """Delete old changes that no span and no request refers to."""
        self._connection.execute(
            "DELETE FROM label_changes WHERE user_id = ? AND id <= ? "
            "AND NOT EXISTS (SELECT 1 FROM label_spans WHERE made_by = label_changes.id) "
            "AND NOT EXISTS (SELECT 1 FROM label_spans WHERE taken_by = label_changes.id) "
            "AND NOT EXISTS (SELECT 1 FROM label_requests WHERE closed_by = label_changes.id)",
            (user_id, last_id),
        )


def _span(row: tuple[Any, ...]) -> SpanRecord:
    return SpanRecord(*(*row[:9], bool(row[9])))
