"""A damaged record at the start of the app: moved aside with its date, and what can be read of it put in its place."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from taskclf_tray.core.atomic import free_name, replace, sync_directory
from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.store.buckets import is_whole_row
from taskclf_tray.store.connection import DAMAGED_CODES, backups_of, check_files, connect, open_reader
from taskclf_tray.store.salvage import Salvage, Value, shapes_of

log = logging.getLogger(__name__)

BACKUP_DAYS: Final = 30
_DAY_SECONDS: Final = 86_400
_BESIDE: Final = ("-wal", "-shm")
_BATCH: Final = 1000
_BUCKET_AT: Final = {"buckets": 0, "ahead_buckets": 1}
"""The tables whose rows have a checksum, and the column with which a bucket begins there."""
_MISSING_CHANGES: Final = """
INSERT OR IGNORE INTO label_changes (id, user_id, at_us, kind, start_us, end_us, label)
SELECT {column}, user_id, created_us, 'label', start_us, end_us, {label} FROM {table} WHERE {column} IS NOT NULL
"""
"""A label refers to the steps that made and ended it. A lost step gets a row, so that what it ended stays so."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was saved. `kept`: where the damaged file is."""

    kept: Path
    minutes: int
    labels: int


def recover_damaged(path: Path, today: date) -> Recovery | None:
    """Check the record, and recover it where it is damaged; None where it is sound, not there, or not to be read.

    The damaged file is kept. A kill at any moment leaves either it or the recovered one in its place. Raises OSError,
    StoreError: then nothing has changed.
    """
    try:
        check_files(path)
    except StoreError:  # which says so when it is opened
        return None
    saved = path.with_name(f".{path.name}.recovered")
    if not path.exists() and saved.exists():  # killed between the two renames
        replace(saved, path)
    _remove(saved)
    if not path.exists() or not _is_damaged(path):
        return None
    log.error("The record is damaged; what can be read of it is saved.")
    counts = _copy_rows(path, saved)
    if not counts.total():  # no record at all, which is for the person to put right
        _remove(saved)
        return None
    kept = free_name(path.with_name(f"{path.stem}.damaged-{today:%Y-%m-%d}{path.suffix}"))
    for ending in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            replace(path.with_name(path.name + ending), kept.with_name(kept.name + ending))
    replace(path, kept)
    replace(saved, path)
    sync_directory(path.parent)
    return Recovery(kept, counts["buckets"], counts["label_spans"])


def remove_old_backups(path: Path) -> None:
    """Remove the copy that was made before a migration once it is `BACKUP_DAYS` old. Raises OSError."""
    for backup in backups_of(path):
        if time.time() - backup.stat().st_mtime > BACKUP_DAYS * _DAY_SECONDS:
            backup.unlink()


def _is_damaged(path: Path) -> bool:
    """Whether SQLite finds damage in the file, all of which it reads. Another error is not for this module."""
    try:
        with closing(open_reader(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in DAMAGED_CODES


def _copy_rows(path: Path, target: Path) -> Counter[str]:
    """Write every whole row into a new database; returns how many each table has."""
    try:
        with closing(connect(target)) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA journal_mode = OFF")  # nobody reads the file before all of it is on the disk
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            shapes = shapes_of(connection)
            batches: dict[tuple[str, int], list[list[Value]]] = {}
            for table, row in Salvage(path).rows(shapes):
                if table not in _BUCKET_AT or is_whole_row(row[_BUCKET_AT[table] :]):
                    batch = batches.setdefault((table, len(row)), [])
                    batch.append(row)
                    if len(batch) >= _BATCH:
                        _insert(connection, table, batch)
            for (table, _), batch in batches.items():
                _insert(connection, table, batch)
            for table, column, label in (
                ("label_spans", "made_by", "label"),
                ("label_spans", "taken_by", "label"),
                ("label_requests", "closed_by", "NULL"),
            ):
                connection.execute(_MISSING_CHANGES.format(table=table, column=column, label=label))
            connection.execute("COMMIT")
            counts = Counter({name: _count(connection, name) for name in ("buckets", "label_spans")})
        with open_regular(target, "r+b") as file:
            os.fsync(file.fileno())
        return counts
    except sqlite3.Error as error:
        raise StoreError(f"The record could not be saved ({type(error).__name__}).", "See the log.") from error


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a name of ours


def _insert(connection: sqlite3.Connection, table: str, batch: list[list[Value]]) -> None:
    """Insert the rows and empty the list. A row that the table refuses is left out."""
    marks = ", ".join("?" * len(batch[0])) if batch else ""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")][: len(batch[0]) if batch else 0]
    connection.executemany(f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})", batch)  # noqa: S608 - as above
    batch.clear()


def _remove(saved: Path) -> None:
    for ending in ("", *_BESIDE):
        saved.with_name(saved.name + ending).unlink(missing_ok=True)
