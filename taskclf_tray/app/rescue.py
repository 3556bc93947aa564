"""Saves a record that was deleted, replaced or moved while it was open.

Nothing is written into a file that has lost its name. A deleted record is restored from the open file. A replaced
record gives way to the one in its place, and the labels that only it had are kept in a copy; a file that is no record
does not count as a replacement. When the whole folder is gone, nothing is created in its place.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Final

from taskclf_tray.app import record_text
from taskclf_tray.app.text import Message
from taskclf_tray.core.atomic import free_name, replace, sync_directory
from taskclf_tray.core.errors import StoreError, TaskclfError
from taskclf_tray.store.database import Database, is_record

log = logging.getLogger(__name__)

_BESIDE: Final = ("-wal", "-shm")


class Rescue:
    """Begun while the old file is open, finished when every connection to it is closed."""

    def __init__(self, database: Database) -> None:
        self._path = database.path
        self._saved: Path | None = None
        self.told: list[Message] = []
        with contextlib.suppress(StoreError):
            database.fold()  # so that no log of the old file is taken for one of the new
        self.is_replaced = is_record(database.path)
        if self.is_replaced:
            self.told = [record_text.record_replaced()]
        elif database.has_lost_its_folder():
            self.told = [record_text.home_gone(self._path.parent.parent)]
        else:
            self._save(database)

    def _save(self, database: Database) -> None:
        saved = self._path.with_name(f".{self._path.name}.saved")
        try:
            database.save_as(saved)
            self._saved = saved
            self.told = [record_text.record_deleted()]
        except TaskclfError as error:
            log.warning("The deleted record could not be saved: %s", error)
            self.told = [record_text.record_not_saved(error.title, error.next_step)]

    def finish(self) -> None:
        """Restore the saved record to its place. A file that stands there is left alone. Raises OSError."""
        if self._saved is None:
            return
        if self._path.exists():
            beside = free_name(self._path.with_name(f"{self._path.stem}-saved{self._path.suffix}"))
            replace(self._saved, beside)
            self.told = [record_text.record_kept_beside(beside)]
            return
        for ending in _BESIDE:
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        replace(self._saved, self._path)
        sync_directory(self._path.parent)
        log.warning("The record was deleted while it was open, and was put back.")
