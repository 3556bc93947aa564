"""A copy of the person's labels beside the record, in the form of `labels import`: minutes can be read again, labels
not.

The copy follows the labels without losing any. A copy with labels that the record lacks stays while the record has no
labels, and is set aside when it has some. Only a copy written by this very record is replaced by one with fewer labels.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.atomic import free_name, write_text_atomic
from taskclf_tray.core.errors import StoreError, file_error
from taskclf_tray.core.private_files import PRIVATE_FILE
from taskclf_tray.core.strict_json import BadJsonError, read_bounded
from taskclf_tray.core.time import local_date as date_in_zone
from taskclf_tray.labels.csv_files import MAX_FILE_BYTES, label_csv
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database

_NOTE: Final = "label_copy"
_Signature = list[int]


@dataclass(frozen=True, slots=True)
class LabelsApart:
    """A number of labels in the file `path` that the record lacks."""

    path: Path
    count: int


class LabelCopy:
    """Keeps the copy of one user's labels at `path`; owned by the thread that owns the database."""

    def __init__(self, database: Database, user_id: str, path: Path) -> None:
        self._database = database
        self._user_id = user_id
        self._path = path
        self._note: dict[str, Any] | None = None

    def follow(self, now: datetime, zone_name: str, *, is_last: bool = False) -> LabelsApart | None:
        """Write the copy after a change of labels, once per local day, and at the end; otherwise run two queries.

        A growing label is copied with its current end. Returns the labels that only a copy holds, once per such file.
        Raises TaskclfError when the record cannot be read or the copy cannot be written.
        """
        note, signature, today = self._noted(), self._signature(), date_in_zone(now, zone_name)
        is_new = (note.get("signature"), note.get("day")) != (signature, today.isoformat())
        if not (is_new or is_last or not self._path.exists()):
            return None
        text = label_csv(LabelStore(self._database, self._user_id).everything())
        try:
            return self._written(text, note, {"signature": signature, "day": today.isoformat()})
        except OSError as error:
            raise file_error(error, self._path) from error

    def rescue(self, now: datetime, zone_name: str) -> None:
        """Write the labels of a displaced record, for the record in its place to compare with. Raises TaskclfError."""
        text = label_csv(LabelStore(self._database, self._user_id).everything())
        try:
            old = self._present()
            if not _labels(text) - _labels(old):
                return
            if _labels(old) - _labels(text) and _digest(old) not in self._noted().get("written", ()):
                self._path.rename(_free_name(self._path, date_in_zone(now, zone_name)))
            write_text_atomic(self._path, text, PRIVATE_FILE)
        except OSError as error:
            raise file_error(error, self._path) from error

    def _written(self, text: str, note: dict[str, Any], seen: dict[str, Any]) -> LabelsApart | None:
        old = self._present()
        lost = _labels(old) - _labels(text)
        is_own, is_empty = _digest(old) in note.get("written", ()), not _labels(text)
        is_own = is_own and not self._database.labels.unreadable
        apart = None
        if lost and is_empty:
            self._remember({**note, **seen, "told": _digest(old)})
            return None if note.get("told") == _digest(old) else LabelsApart(self._path, len(lost))
        if lost and not is_own:
            apart = LabelsApart(_free_name(self._path, date.fromisoformat(seen["day"])), len(lost))
            self._path.rename(apart.path)
        written = [_digest(text), _digest(old)]  # a kill may leave either
        if text != old or apart is not None or not self._path.exists():
            self._remember({**note, "written": written})
            write_text_atomic(self._path, text, PRIVATE_FILE)
        self._remember({**seen, "written": written})
        return apart

    def _present(self) -> str:
        """Return the existing copy, empty without one. Raises StoreError for anything but a copy."""
        if not self._path.exists():
            return ""
        try:
            return read_bounded(self._path, MAX_FILE_BYTES).decode(errors="replace")
        except BadJsonError as error:
            raise StoreError(
                f"The copy of your labels, {self._path}, {error}.", "Move it out of the folder; another one is written."
            ) from error

    def _signature(self) -> _Signature:
        """Return a value that changes when labels are given or taken back, and when a growing one ends."""
        with self._database.reading():
            mark = self._database.labels.mark(self._user_id)
            growing = self._database.labels.growing(self._user_id)
        return [mark.newest, mark.in_force, 0 if growing is None else growing.id]

    def _noted(self) -> dict[str, Any]:
        if self._note is None:
            with self._database.reading():
                saved = self._database.state.get(self._name)
            self._note = dict(json.loads(saved)) if saved else {}
        return self._note

    def _remember(self, note: dict[str, Any]) -> None:
        if note != self._note:
            with self._database.transaction():
                self._database.state.set(self._name, json.dumps(note))
        self._note = note

    @property
    def _name(self) -> str:
        return f"{_NOTE}:{self._user_id}"


def _labels(text: str) -> set[str]:
    """Return the lines below the heading."""
    return {line for line in text.splitlines()[1:] if line.strip()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _free_name(path: Path, day: date) -> Path:
    """Return `labels-2026-03-02.csv`, or with a number appended."""
    return free_name(path.with_name(f"{path.stem}-{day}{path.suffix}"))
