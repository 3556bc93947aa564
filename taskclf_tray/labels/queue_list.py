"""The JSON list beside a queue's store, synchronised in both directions.

Other programs (the taskclf tool) know only the list. Entries that they add or close go into the store, and the entries
of the store appear in the list. Closed entries stay closed, and the list loses only our own withdrawn entries. Our
programs write it under a lock file; a write of another program in between is detected and merged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from taskclf_tray.core.errors import LabelError, StoreError
from taskclf_tray.core.file_watch import FileStamp, file_stamp
from taskclf_tray.core.strict_json import BadJsonError, parse_json_list, read_bounded
from taskclf_tray.core.time import to_us
from taskclf_tray.labels.queue_file import MAX_FILE_BYTES, entry_of, fresh_record, parse_entries, write_entries
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest

_log = logging.getLogger(__name__)

LOCK_WAIT_SECONDS: Final = 10.0
_TRIES: Final = 5
_LISTED: Final = "queue_listed"
"""Ids of the pending entries at the last synchronisation: an entry that the store lacks was withdrawn."""
_WITHDRAWN: Final = "queue_withdrawn"
_WITHDRAWN_KEPT: Final = 500
"""The number of withdrawn ids to keep, because another program may write them again from memory."""
_UPDATED: Final = ("bucket_end_ts", "confidence", "predicted_label", "status")

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Listed:
    """One entry of the list, raw and parsed."""

    raw: dict[str, Any]
    request: LabelRequest

    @property
    def key(self) -> _Key:
        return self.request.user_id, to_us(self.request.bucket_start_ts)


class QueueList:
    """The list at `path` and its open store; owned by one thread."""

    def __init__(self, path: Path, database: Database) -> None:
        self._path = path
        self._database = database
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._seen: FileStamp | None = None
        self._is_behind = True

    def pull(self, zone_name: str) -> None:
        """Take in changes of other programs since the last call, with one `stat` when there are none.

        An unreadable list is logged, and read again when it changes. Raises StoreError.
        """
        if not self._is_behind and file_stamp(self._path) == self._seen:
            return
        try:
            self.synchronise(zone_name)
        except LabelError as error:
            self._seen, self._is_behind = file_stamp(self._path), False
            _log.warning("the list stays as it is, and the queue works without it: %s", error)

    def push(self, zone_name: str) -> None:
        """Synchronise after a change of the store. Raises StoreError."""
        self._is_behind = True
        self.pull(zone_name)

    def synchronise(self, zone_name: str) -> None:
        """Merge both ways. Raises LabelError for an unreadable list, StoreError when it stays locked."""
        try:
            with self._lock.acquire(timeout=LOCK_WAIT_SECONDS):
                for _ in range(_TRIES):
                    if self._merge(zone_name):
                        return
        except Timeout as error:
            raise StoreError(
                f"Another process has been writing to {self._path} for more than {LOCK_WAIT_SECONDS:g} seconds.",
                "Wait for it to finish or end it, then try again.",
            ) from error
        except OSError as error:
            _log.warning("the list %s is not up to date: %s", self._path, error.strerror or type(error).__name__)

    def _merge(self, zone_name: str) -> bool:
        """Try once; False when another program wrote meanwhile."""
        seen = file_stamp(self._path)
        listed = self._read()
        with self._database.transaction():
            gone = self._ids(_WITHDRAWN)
            withdrawn = self._withdrawn(listed, {*self._ids(_LISTED), *gone})
            self._take_in([one for one in listed if one.key not in withdrawn], zone_name)
            records = self._database.requests.all()
            waiting = [r.request_id for r in records if r.status == "pending" and r.reason != "gap"]
            self._database.state.set(_LISTED, json.dumps(waiting))
            gone = list(dict.fromkeys([*gone, *withdrawn.values()]))[-_WITHDRAWN_KEPT:]
            self._database.state.set(_WITHDRAWN, json.dumps(gone))
        entries = _entries([one for one in listed if one.key not in withdrawn], records)
        if entries != [one.raw for one in listed]:
            if file_stamp(self._path) != seen:
                return False
            write_entries(self._path, entries)
        self._seen, self._is_behind = file_stamp(self._path), False
        return True

    def _read(self) -> list[_Listed]:
        """Read the entries; none without a file, or for an empty one. Raises LabelError."""
        try:
            if not self._path.exists() or self._path.stat().st_size == 0:
                return []
            raw = parse_json_list(read_bounded(self._path, MAX_FILE_BYTES))
            return [_Listed(entry, request) for entry, request in zip(raw, parse_entries(raw), strict=True)]
        except BadJsonError as error:
            raise LabelError(f"The queue file {self._path} {error}.", "Nothing in it was used.") from error

    def _ids(self, name: str) -> list[str]:
        ids: list[str] = json.loads(self._database.state.get(name) or "[]")
        return ids

    def _withdrawn(self, listed: Iterable[_Listed], known: set[str]) -> dict[_Key, str]:
        """Return the ids of pending entries that the store had once and no longer has."""
        return {
            one.key: one.request.request_id
            for one in listed
            if one.request.status == "pending"
            and one.request.request_id in known
            and self._database.requests.at(*one.key) is None
        }

    def _take_in(self, listed: Iterable[_Listed], zone_name: str) -> None:
        records = {(r.user_id, r.start_us): r for r in self._database.requests.all()}
        for one in listed:
            known = records.get(one.key)
            if known is None:
                self._database.requests.put(fresh_record(self._database, one.request, zone_name))
            elif known.status == "pending" and one.request.status != "pending":
                self._database.requests.close(known.request_id, one.request.status, None)


def _entries(listed: Iterable[_Listed], records: Iterable[LabelRequest]) -> list[dict[str, Any]]:
    """Return the new list: the existing entries, updated, then the new ones, without time away."""
    ours: Mapping[_Key, LabelRequest] = {(r.user_id, r.start_us): r for r in records if r.reason != "gap"}
    entries: list[dict[str, Any]] = []
    placed: set[_Key] = set()
    for one in listed:
        entries.append(_updated(one, ours[one.key]) if one.key in ours else one.raw)
        placed.add(one.key)
    return entries + [entry_of(record) for key, record in ours.items() if key not in placed]


def _updated(one: _Listed, record: LabelRequest) -> dict[str, Any]:
    """Update the entry from the store; its own keys, spelling of times and id stay."""
    fresh, old = entry_of(record), entry_of(one.request)
    changes = {name: fresh[name] for name in _UPDATED if fresh[name] != old[name]}
    return one.raw | changes if changes else one.raw
