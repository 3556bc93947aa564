"""Requests for labels, and the asks: notifications that interrupted the person for one."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from taskclf_tray.core.time import from_us, to_us

RequestReason = Literal["low_confidence", "drift", "audit", "gap"]
RequestStatus = Literal["pending", "labeled", "skipped"]
AskOutcome = Literal["answered", "skipped", "dismissed", "other", "never"]

_DAY_US = 86_400_000_000

REQUEST_COLUMNS = (
    "request_id, user_id, start_us, end_us, reason, confidence, predicted_label, created_us, status, second_label, "
    "local_day"
)
_SELECT = f"SELECT {REQUEST_COLUMNS} FROM label_requests"  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A block in the queue for a label (contract, section 14); (user_id, bucket_start_ts) is its key.

    `confidence` is the lowest of the block's buckets, None for a gap. `predicted_label` and `second_label` are the two
    most probable labels. `local_day` (ISO) is the calendar day of the queueing, empty before it is stored.

    >>> from datetime import UTC, datetime
    >>> noon, later = datetime(2026, 1, 5, 12, tzinfo=UTC), datetime(2026, 1, 5, 12, 10, tzinfo=UTC)
    >>> LabelRequest("r1", "me", noon, later, "low_confidence", 0.41, "Build", noon).status
    'pending'
    """

    request_id: str
    user_id: str
    bucket_start_ts: datetime
    bucket_end_ts: datetime
    reason: RequestReason
    confidence: float | None
    predicted_label: str | None
    created_at: datetime
    status: RequestStatus = "pending"
    second_label: str | None = None
    local_day: str = ""

    @property
    def start_us(self) -> int:
        """Return the start of the block in microseconds."""
        return to_us(self.bucket_start_ts)

    @property
    def end_us(self) -> int:
        """Return the end of the block in microseconds, exclusive."""
        return to_us(self.bucket_end_ts)


@dataclass(frozen=True, slots=True)
class AskRecord:
    """A notification that asked for a label.

    `outcome` None: no reaction yet; with `outcome_us`, the desktop took the notification away at that time.
    """

    id: int
    request_id: str
    at_us: int
    local_day: str
    is_random: bool
    outcome: AskOutcome | None
    outcome_us: int | None

    @property
    def is_unseen(self) -> bool:
        """Whether the desktop took the notification away early, and nobody has answered since."""
        return self.outcome is None and self.outcome_us is not None


class RequestRepository:
    """Access to `label_requests`; transactions belong to the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, request_id: str) -> LabelRequest | None:
        """Return the request with this id."""
        return self._one("WHERE request_id = ?", (request_id,))

    def at(self, user_id: str, start_us: int) -> LabelRequest | None:
        """Return the request with this key."""
        return self._one("WHERE user_id = ? AND start_us = ?", (user_id, start_us))

    def pending(self, user_id: str | None = None) -> list[LabelRequest]:
        """List the pending requests, oldest block first."""
        if user_id is None:
            return self._many("WHERE status = 'pending' ORDER BY start_us, user_id", ())
        return self._many("WHERE status = 'pending' AND user_id = ? ORDER BY start_us", (user_id,))

    def all(self, user_id: str | None = None) -> list[LabelRequest]:
        """List all requests of any status, oldest block first."""
        if user_id is None:
            return self._many("ORDER BY start_us, user_id", ())
        return self._many("WHERE user_id = ? ORDER BY start_us", (user_id,))

    def most_urgent(self, user_id: str | None = None, limit: int | None = None) -> list[LabelRequest]:
        """List the pending requests, the least confident first, then those without a confidence; ties by time."""
        rest = "ORDER BY confidence IS NULL, confidence, start_us, user_id LIMIT ?"
        limit = -1 if limit is None else max(0, limit)
        if user_id is None:
            return self._many(f"WHERE status = 'pending' {rest}", (limit,))
        return self._many(f"WHERE status = 'pending' AND user_id = ? {rest}", (user_id, limit))

    def overlapping(self, user_id: str, start_us: int, end_us: int) -> list[LabelRequest]:
        """List the requests of any status that overlap [start_us, end_us) and begin at most a day before it."""
        where = "WHERE user_id = ? AND start_us > ? AND start_us < ? AND end_us > ? ORDER BY start_us"
        return self._many(where, (user_id, start_us - _DAY_US, end_us, start_us))

    def beginning(self, user_id: str, start_us: int, end_us: int) -> list[LabelRequest]:
        """List the pending requests that begin in [start_us, end_us)."""
        where = "WHERE status = 'pending' AND user_id = ? AND start_us >= ? AND start_us < ? ORDER BY start_us"
        return self._many(where, (user_id, start_us, end_us))

    def since(self, user_id: str, created_us: int) -> list[LabelRequest]:
        """List the requests of any status queued from this moment on, oldest block first."""
        return self._many("WHERE user_id = ? AND created_us >= ? ORDER BY start_us", (user_id, created_us))

    def count_on(self, user_id: str, local_day: str) -> int:
        """Count the requests that fill the daily limit of a local day: audits do, drift and gaps do not."""
        query = (
            "SELECT count(*) FROM label_requests WHERE user_id = ? AND local_day = ? "
            "AND reason IN ('low_confidence', 'audit')"
        )
        return int(self._connection.execute(query, (user_id, local_day)).fetchone()[0])

    def put(self, request: LabelRequest) -> None:
        """Insert a request, or replace the one with its id."""
        self._connection.execute(
            f"INSERT INTO label_requests ({REQUEST_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608 - constants
            "ON CONFLICT (request_id) DO UPDATE SET end_us = excluded.end_us, reason = excluded.reason, "
            "confidence = excluded.confidence, predicted_label = excluded.predicted_label, "
            "second_label = excluded.second_label, status = excluded.status",
            (request.request_id, request.user_id, request.start_us, request.end_us, request.reason, request.confidence,
             request.predicted_label, to_us(request.created_at), request.status, request.second_label,
             request.local_day),
        )  # fmt: skip

    def withdraw(self, request_id: str) -> None:
        """Delete a pending request whose block no longer exists."""
        self._connection.execute(
            "DELETE FROM label_requests WHERE request_id = ? AND status = 'pending'", (request_id,)
        )

    def close(self, request_id: str, status: RequestStatus, change_id: int | None) -> None:
        """Close a pending request as labelled or skipped; a closed one stays as it is."""
        self._connection.execute(
            "UPDATE label_requests SET status = ?, closed_by = ? WHERE request_id = ? AND status = 'pending'",
            (status, change_id, request_id),
        )

    def reopen(self, change_id: int) -> None:
        """Return the requests that this change closed to pending (undo)."""
        self._connection.execute(
            "UPDATE label_requests SET status = 'pending', closed_by = NULL WHERE closed_by = ?", (change_id,)
        )

    def _one(self, rest: str, values: tuple[Any, ...]) -> LabelRequest | None:
        found = self._many(rest, values)
        return found[0] if found else None

    def _many(self, rest: str, values: tuple[Any, ...]) -> list[LabelRequest]:
        return [
            LabelRequest(name, user, from_us(start), from_us(end), reason, confidence, label, from_us(created), *others)
            for name, user, start, end, reason, confidence, label, created, *others in self._connection.execute(
                f"{_SELECT} {rest}", values
            )
        ]


class AskRepository:
    """Access to `asks`; transactions belong to the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, user_id: str, request_id: str, at_us: int, local_day: str, *, is_random: bool) -> int:
        """Store an ask before its notification is shown; returns its id.

        Args:
            user_id: the user.
            request_id: the request that it asks about.
            at_us: the present.
            local_day: the local date in ISO 8601.
            is_random: whether the block was drawn at random.
        """
        cursor = self._connection.execute(
            "INSERT INTO asks (user_id, request_id, at_us, local_day, is_random) VALUES (?, ?, ?, ?, ?)",
            (user_id, request_id, at_us, local_day, int(is_random)),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def remove(self, ask_id: int) -> None:
        """Delete an ask whose notification could not be shown."""
        self._connection.execute("DELETE FROM asks WHERE id = ?", (ask_id,))

    def settle(self, request_id: str, outcome: AskOutcome, at_us: int) -> None:
        """Store the outcome of the asks for a request; the first outcome other than a dismissal stands."""
        self._connection.execute(
            "UPDATE asks SET outcome = ?, outcome_us = ? "
            "WHERE request_id = ? AND (outcome IS NULL OR outcome IN ('dismissed', 'other'))",
            (outcome, at_us, request_id),
        )

    def mark_unseen(self, request_id: str, at_us: int) -> None:
        """Store that the desktop took the notification away before anybody can have read it. An outcome stands."""
        self._connection.execute(
            "UPDATE asks SET outcome_us = ? WHERE request_id = ? AND outcome IS NULL", (at_us, request_id)
        )

    def since(self, user_id: str, start_us: int) -> list[AskRecord]:
        """List the asks from this moment on, oldest first."""
        query = (
            "SELECT id, request_id, at_us, local_day, is_random, outcome, outcome_us FROM asks "
            "WHERE user_id = ? AND at_us >= ? ORDER BY at_us, id"
        )
        return [
            AskRecord(*(*row[:4], bool(row[4]), *row[5:]))
            for row in self._connection.execute(query, (user_id, start_us))
        ]

    def count(self, user_id: str) -> int:
        """Count the asks of a user."""
        return int(self._connection.execute("SELECT count(*) FROM asks WHERE user_id = ?", (user_id,)).fetchone()[0])
