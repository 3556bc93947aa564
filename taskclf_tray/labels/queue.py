"""The labelling queue: one store, one entry per block, skipped entries stay skipped.

Every change is one SQLite transaction, so any number of processes may share the file. The key of an entry is
(user_id, start): queueing a block again updates its pending entry, and never re-opens a labelled or skipped one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast
from uuid import uuid4

from taskclf_tray.core.defaults import DEFAULT_ASK_THRESHOLD, DEFAULT_MAX_ASKS_PER_DAY
from taskclf_tray.core.intervals import covered, union
from taskclf_tray.core.time import from_us, local_date, to_us
from taskclf_tray.labels.blocks import Block, is_long_enough
from taskclf_tray.labels.queue_file import find_store
from taskclf_tray.labels.queue_list import QueueList
from taskclf_tray.labels.queue_rows import Predictions, QueueRow, join_rows, to_rows
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest, RequestReason, RequestStatus
from taskclf_tray.system.local_zone import local_zone_name

__all__ = ["ActiveLabelingQueue", "LabelRequest"]

DEFAULT_DRIFT_LABEL_LIMIT: Final = 50

_COUNTED: Final = ("low_confidence", "audit")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ActiveLabelingQueue:
    """The queue in the SQLite store at `queue_path`; one thread owns the object, any number of processes share the
    file.

    A `queue_path` that ends in `.json` is a list shared with other programs: its store is `<queue_path>.sqlite3` beside
    it. Each call reads what other programs added or closed in the list, and writes new entries into it. Every method
    raises StoreError when the store fails.

    >>> import tempfile
    >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    >>> row = {"user_id": "me", "bucket_start_ts": noon, "confidence": 0.4, "predicted_label": "Build"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     queue = ActiveLabelingQueue(Path(folder, "queue.sqlite3"))
    ...     queue.enqueue_low_confidence([row]), queue.get_pending()[0].confidence
    ...     queue.close()
    (1, 0.4)
    """

    def __init__(
        self,
        queue_path: Path,
        max_asks_per_day: int = DEFAULT_MAX_ASKS_PER_DAY,
        *,
        time_zone: Callable[[], str] = local_zone_name,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Open or create the queue.

        Args:
            queue_path: the store, or a shared `.json` list.
            max_asks_per_day: new entries of low confidence and audit per local day.
            time_zone: returns the name of the local zone.
            now: returns the aware current time.

        Raises:
            LabelError: the file is not a queue.
            StoreError: the store cannot be opened.
        """
        store_path, list_path = find_store(Path(queue_path))
        database = Database(store_path)
        queue_list = None if list_path is None else QueueList(list_path, database)
        try:
            if queue_list is not None:
                queue_list.synchronise(time_zone())
        except BaseException:
            database.close()
            raise
        self._begin(database, max_asks_per_day, time_zone, now, owns_database=True, queue_list=queue_list)

    @classmethod
    def over(
        cls,
        database: Database,
        max_asks_per_day: int = DEFAULT_MAX_ASKS_PER_DAY,
        *,
        time_zone: Callable[[], str] = local_zone_name,
        now: Callable[[], datetime] = _utc_now,
    ) -> ActiveLabelingQueue:
        """Return the queue in an open database; `close` leaves the database open."""
        queue = cls.__new__(cls)
        queue._begin(database, max_asks_per_day, time_zone, now, owns_database=False)
        return queue

    def _begin(
        self,
        database: Database,
        max_asks_per_day: int,
        time_zone: Callable[[], str],
        now: Callable[[], datetime],
        *,
        owns_database: bool,
        queue_list: QueueList | None = None,
    ) -> None:
        self._database = database
        self._max_asks_per_day = max_asks_per_day
        self._time_zone = time_zone
        self._now = now
        self._owns_database = owns_database
        self._list = queue_list

    def close(self) -> None:
        """Close the store, unless the caller opened it."""
        if self._owns_database:
            self._database.close()

    # -- queueing ---------------------------------------------------------------------------------------------

    def enqueue_low_confidence(self, df: Predictions, threshold: float = DEFAULT_ASK_THRESHOLD) -> int:
        """Queue the blocks that hold a row strictly below the threshold, the least confident first.

        Args:
            df: a DataFrame, or records, with user_id, bucket_start_ts, confidence and predicted_label. Contiguous rows
                of one user and predicted label are one block.
            threshold: from 0 to 1.

        Returns:
            The number of new entries, at most `max_asks_per_day` per local day.

        Raises:
            LabelError: a record is incomplete or invalid.
        """
        blocks = join_rows(to_rows(df))
        return self._enqueue([block for block in blocks if _confidence(block) < threshold], "low_confidence")

    def enqueue_drift(self, buckets: Predictions, limit: int = DEFAULT_DRIFT_LABEL_LIMIT) -> int:
        """Queue the `limit` least confident buckets, contiguous ones as one block, outside the daily limit.

        Args:
            buckets: records with user_id, bucket_start_ts and bucket_end_ts; those without a confidence come last.
            limit: number of buckets.

        Returns:
            The number of new entries.

        Raises:
            LabelError: a record is incomplete or invalid.
        """
        return self.enqueue_drifted_rows(to_rows(buckets, has_confidence=False), limit)

    def enqueue_drifted_rows(self, rows: Iterable[QueueRow], limit: int = DEFAULT_DRIFT_LABEL_LIMIT) -> int:
        """Queue rows that are already parsed, as `enqueue_drift` does."""
        least = sorted(rows, key=lambda row: row.urgency)[: max(0, limit)]
        return self._enqueue(join_rows(sorted(least, key=lambda row: (row.user_id, row.start_us))), "drift")

    def enqueue_blocks(
        self,
        user_id: str,
        blocks: Iterable[Block],
        *,
        at: datetime,
        zone: str,
        reason: RequestReason = "low_confidence",
    ) -> list[LabelRequest]:
        """Queue the closed blocks of at least 5 min that the model decided.

        Args:
            user_id: the user.
            blocks: closed blocks.
            at: the present.
            zone: name of the local zone.
            reason: for `low_confidence` only the low blocks are queued.

        Returns:
            The entries that are new or changed.
        """
        wanted = [block for block in blocks if _may_ask(block) and (block.is_low or reason != "low_confidence")]
        rows = [
            QueueRow(user_id, b.start_us, b.end_us, b.confidence, b.predicted_label, b.second_label) for b in wanted
        ]
        new, changed = self._queue(rows, reason, at, zone)
        return new + changed

    def enqueue_gap(
        self, user_id: str, start: datetime, end: datetime, *, at: datetime, zone: str
    ) -> LabelRequest | None:
        """Queue time away from the computer.

        Args:
            user_id: the user.
            start: aware start.
            end: aware end.
            at: the present.
            zone: name of the local zone.

        Returns:
            The entry; None when the time is already labelled, skipped or queued.

        Raises:
            ValueError: `end` is not after `start`.
        """
        if start >= end:
            raise ValueError(f"a gap must end after it begins, not at {end}")
        row = QueueRow(user_id, to_us(start), to_us(end), None, None)
        new, changed = self._queue([row], "gap", at, zone)
        return next(iter(new + changed), None)

    def withdraw_missing(self, user_id: str, start_us: int, end_us: int, kept_starts: Collection[int]) -> int:
        """Remove pending entries that begin in [start_us, end_us) and whose block no longer exists.

        Only low-confidence and audit entries are removed. `kept_starts`: the starts of the blocks that exist. Returns
        the number of removed entries.
        """
        with self._database.transaction():
            waiting = self._database.requests.beginning(user_id, start_us, end_us)
            gone = [r for r in waiting if r.reason in _COUNTED and r.start_us not in kept_starts]
            for record in gone:
                self._database.requests.withdraw(record.request_id)
        if gone:
            self._push()
        return len(gone)

    # -- reading and answering --------------------------------------------------------------------------------

    def get_pending(self, limit: int | None = None, user_id: str | None = None) -> list[LabelRequest]:
        """List the pending entries, the least confident first; entries without a confidence last, ties oldest first.

        Args:
            limit: maximum number of entries.
            user_id: only entries of this user.
        """
        self._pull()
        with self._database.reading():
            return self._database.requests.most_urgent(user_id, limit)

    def mark_done(self, request_id: str, status: str = "labeled") -> LabelRequest | None:
        """Close an entry for good.

        Args:
            request_id: the id of the entry.
            status: `labeled` or `skipped`.

        Returns:
            The closed entry; None when it is unknown or already closed.

        Raises:
            ValueError: another status.
        """
        if status not in ("labeled", "skipped"):
            raise ValueError(f"a request is closed as 'labeled' or 'skipped', not {status!r}")
        self._pull()
        with self._database.transaction():
            record = self._database.requests.get(request_id)
            if record is None or record.status != "pending":
                return None
            self._database.requests.close(request_id, cast(RequestStatus, status), None)
        self._push()
        return replace(record, status=cast(RequestStatus, status))

    # -- queueing, within one transaction ---------------------------------------------------------------------

    def _enqueue(self, rows: Sequence[QueueRow], reason: RequestReason) -> int:
        return len(self._queue(rows, reason, self._now(), self._time_zone())[0])

    def _queue(
        self, rows: Iterable[QueueRow], reason: RequestReason, at: datetime, zone: str
    ) -> tuple[list[LabelRequest], list[LabelRequest]]:
        self._pull()
        with self._database.transaction():
            new, changed = self._offer(rows, reason, at, zone)
        if new or changed:
            self._push()
        return new, changed

    def _pull(self) -> None:
        if self._list is not None:
            self._list.pull(self._time_zone())

    def _push(self) -> None:
        if self._list is not None:
            self._list.push(self._time_zone())

    def _offer(
        self, rows: Iterable[QueueRow], reason: RequestReason, at: datetime, zone: str
    ) -> tuple[list[LabelRequest], list[LabelRequest]]:
        """Add missing entries while the day has room, the least confident first. Returns the (new, changed) entries."""
        requests = self._database.requests
        day = local_date(at, zone).isoformat()
        room: dict[str, float] = {}
        new: list[LabelRequest] = []
        changed: list[LabelRequest] = []
        for row in sorted(rows, key=lambda row: row.urgency):
            known = requests.at(row.user_id, row.start_us)
            if known is not None:
                revised = _revised(known, row, reason)
                if revised != known:
                    changed.append(revised)
                    requests.put(revised)
                continue
            if row.user_id not in room:
                room[row.user_id] = self._room(row.user_id, day, reason)
            if room[row.user_id] > 0 and not self._is_dealt_with(row, reason):
                new.append(_new_request(row, reason, at, day))
                requests.put(new[-1])
                room[row.user_id] -= 1
        return new, changed

    def _room(self, user_id: str, day: str, reason: RequestReason) -> float:
        """Return how many more entries fit into the day."""
        if reason not in _COUNTED:
            return math.inf
        return self._max_asks_per_day - self._database.requests.count_on(user_id, day)

    def _is_dealt_with(self, row: QueueRow, reason: RequestReason) -> bool:
        """Whether the person labelled the whole row, or closed entries cover most of it.

        A revision may move the start of a block by a minute, so a skipped block must not return under another key.
        Drifted buckets inside a pending block need no entry of their own.
        """
        start, end = row.start_us, row.end_us
        spans = self._database.labels.between(row.user_id, start, end)
        labelled = [(span.start_us, span.end_us) for span in spans if span.provenance != "auto"]
        if covered(labelled, start, end) == end - start:
            return True
        others = self._database.requests.overlapping(row.user_id, start, end)
        known = union((o.start_us, o.end_us) for o in others if o.status != "pending" or reason == "drift")
        return 2 * covered(known, start, end) > end - start


def _may_ask(block: Block) -> bool:
    return block.is_askable and is_long_enough(block)


def _confidence(row: QueueRow) -> float:
    return 1.0 if row.confidence is None else row.confidence


def _new_request(row: QueueRow, reason: RequestReason, at: datetime, day: str) -> LabelRequest:
    return LabelRequest(
        str(uuid4()),
        row.user_id,
        from_us(row.start_us),
        from_us(row.end_us),
        reason,
        row.confidence,
        row.predicted_label,
        at,
        second_label=row.second_label,
        local_day=day,
    )


def _revised(known: LabelRequest, row: QueueRow, reason: RequestReason) -> LabelRequest:
    """Return the entry after a revision of its block.

    Closed entries, and entries with another kind of reason, stay as they are. A gap is not a revised block, and drift
    adds nothing to a pending block.
    """
    is_other = reason != known.reason and (reason == "drift" or "gap" in (reason, known.reason))
    if known.status != "pending" or is_other:
        return known
    return replace(
        known,
        bucket_end_ts=from_us(row.end_us),
        confidence=row.confidence,
        predicted_label=row.predicted_label,
        second_label=row.second_label,
    )
