"""The open database: its repositories and transactions, and the two smallest tables, `state` and `configs`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.atomic import write_new_file
from taskclf_tray.core.errors import RecordMovedError, StoreError, file_error
from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.store.aged_minutes import AgedMinutes
from taskclf_tray.store.ahead import AheadRepository
from taskclf_tray.store.blackouts import BlackoutRepository
from taskclf_tray.store.buckets import BucketRepository
from taskclf_tray.store.connection import connect, mapped_errors
from taskclf_tray.store.labels import LabelRepository
from taskclf_tray.store.requests import AskRepository, RequestRepository

_HEAD_BYTES: Final = 100
_USER_VERSION: Final = slice(60, 64)
_COMMON: Final = "common"
"""The key that names the row with the rest of a description."""


class StateRepository:
    """Access to the table `state`: one text per name."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> str | None:
        """Return the value of a name, None when it was never set."""
        row = self._connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def has_prefix(self, prefix: str) -> bool:
        """Whether any name begins with `prefix`."""
        query = "SELECT 1 FROM state WHERE substr(name, 1, ?) = ? LIMIT 1"
        return self._connection.execute(query, (len(prefix), prefix)).fetchone() is not None

    def with_prefix(self, prefix: str) -> list[tuple[str, str]]:
        """List name and value of every name that begins with `prefix`."""
        query = "SELECT name, value FROM state WHERE substr(name, 1, ?) = ? ORDER BY name"
        return [(str(name), str(value)) for name, value in self._connection.execute(query, (len(prefix), prefix))]

    def set(self, name: str, value: str) -> None:
        """Set or replace the value of a name."""
        self._connection.execute("INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)", (name, value))

    def remove(self, name: str) -> None:
        """Remove a name, if it is set."""
        self._connection.execute("DELETE FROM state WHERE name = ?", (name,))


class ConfigRepository:
    """Access to the table `configs`: the configuration (model, thresholds, taxonomy) behind each prediction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def remember(self, config_id: str, own: Mapping[str, Any], common: Mapping[str, Any], now_us: int) -> None:
        """Store the JSON-ready description of an id, unless the id has one.

        `common`: what many ids have in common; it is stored once. Each answer of a person makes an id of its own.
        """
        text = json.dumps(common)
        place = f"common-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._connection.executemany(
            "INSERT OR IGNORE INTO configs (config_id, first_used_us, content) VALUES (?, ?, ?)",
            [(place, now_us, text), (config_id, now_us, json.dumps({**own, _COMMON: place}))],
        )

    def get(self, config_id: str) -> dict[str, Any] | None:
        """Return the description of an id, None when the id is unknown."""
        found = self._connection.execute("SELECT content FROM configs WHERE config_id = ?", (config_id,)).fetchone()
        if found is None:
            return None
        own: dict[str, Any] = json.loads(found[0])
        place = own.pop(_COMMON, None)  # earlier versions stored all of it under each id
        return own if place is None else {**own, **(self.get(place) or {})}


class Database:
    """The database, owned by one thread. Writes happen inside `transaction()` and are on disk when its block ends."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._connection: sqlite3.Connection = connect(path, read_only=read_only)
        self._file = None if read_only else _file_at(path)
        self._folder = _file_at(path.parent)
        self.buckets = BucketRepository(self._connection)
        self.blackouts = BlackoutRepository(self._connection)
        self.labels = LabelRepository(self._connection)
        self.requests = RequestRepository(self._connection)
        self.asks = AskRepository(self._connection)
        self.ahead = AheadRepository(self._connection)
        self.state = StateRepository(self._connection)
        self.configs = ConfigRepository(self._connection)
        self.aged = AgedMinutes(self._connection)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one transaction, which is atomic even if the process is killed; nested blocks join it.

        Raises StoreError; RecordMovedError, without writing, when the path no longer leads to the open file.
        """
        with mapped_errors(self.path):
            if self._connection.in_transaction:
                yield
            else:
                yield from self._outermost()

    def _outermost(self) -> Iterator[None]:
        if self.is_displaced():
            raise RecordMovedError(
                f"{self.path.name} was deleted, replaced or moved while it was open.",
                "Nothing was written. Try again in a moment.",
            )
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Map sqlite3 errors of a block of reads to StoreError."""
        with mapped_errors(self.path):
            yield

    def is_displaced(self) -> bool:
        """Whether the path leads to another file than the open one, or to none."""
        return self._file is not None and _file_at(self.path) != self._file

    def has_lost_its_folder(self) -> bool:
        """Whether the folder was removed or replaced."""
        return _file_at(self.path.parent) != self._folder

    def fold(self) -> bool:
        """Move the write-ahead log into the file and empty the log. Raises StoreError.

        Returns whether it is empty: not while somebody else reads.
        """
        with mapped_errors(self.path):
            return bool(self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)

    def save_as(self, path: Path) -> None:
        """Write a copy to a new file, replacing an old one. Raises StoreError, and leaves no file then."""
        try:
            with mapped_errors(path):
                path.unlink(missing_ok=True)
                write_new_file(path, b"")
                with contextlib.closing(sqlite3.connect(path)) as target:
                    target.execute("PRAGMA synchronous = FULL")
                    self._connection.backup(target)
        except (StoreError, OSError) as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            if isinstance(error, StoreError):
                raise
            told = file_error(error, path)
            raise StoreError(told.title, told.next_step) from error

    def is_sound(self) -> bool:
        """Whether SQLite finds no damage in the file, all of which it reads. Raises StoreError for severe damage."""
        with self.reading():
            return bool(self._connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")

    def seen_version(self) -> int:
        """Return a number that changes when another connection commits."""
        with self.reading():
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection; SQLite then moves the write-ahead log into the file."""
        with mapped_errors(self.path):
            self._connection.close()


def _file_at(path: Path) -> tuple[int, int] | None:
    """Return the identity of the file at a path; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_record(path: Path) -> bool:
    """Whether the head of a file is that of a database made by this program; the log beside it stays untouched."""
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and any(head[_USER_VERSION])
