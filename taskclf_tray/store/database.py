"""The open database: its repositories and its transactions."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from taskclf_tray.store.ahead import AheadRepository
from taskclf_tray.store.blackouts import BlackoutRepository
from taskclf_tray.store.buckets import BucketRepository
from taskclf_tray.store.connection import connect, mapped_errors
from taskclf_tray.store.labels import LabelRepository
from taskclf_tray.store.requests import AskRepository, RequestRepository
from taskclf_tray.store.state import ConfigRepository, StateRepository


class Database:
    """Owned by one thread. Writes happen inside `transaction()`; each is on disk when the block has ended."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._connection: sqlite3.Connection = connect(path, read_only=read_only)
        self.buckets = BucketRepository(self._connection)
        self.blackouts = BlackoutRepository(self._connection)
        self.labels = LabelRepository(self._connection)
        self.requests = RequestRepository(self._connection)
        self.asks = AskRepository(self._connection)
        self.ahead = AheadRepository(self._connection)
        self.state = StateRepository(self._connection)
        self.configs = ConfigRepository(self._connection)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, also when the process is killed inside. One inside another is part of it.

        Raises StoreError.
        """
        with mapped_errors(self.path):
            if self._connection.in_transaction:
                yield
            else:
                yield from self._outermost()

    def _outermost(self) -> Iterator[None]:
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
        """A block of reads with sqlite3's errors mapped. Raises StoreError."""
        with mapped_errors(self.path):
            yield

    def is_sound(self) -> bool:
        """Whether SQLite finds the file well-built; it reads all of it. Raises StoreError for a damaged one."""
        with self.reading():
            return bool(self._connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")

    def seen_version(self) -> int:
        """A number that changes when another connection has committed something."""
        with self.reading():
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close; SQLite folds the write-ahead log into the file."""
        with mapped_errors(self.path):
            self._connection.close()
