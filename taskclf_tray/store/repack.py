"""Migration of the page size of a record from an earlier version.

A minute takes about 1.3 KB. In pages of 4096 bytes, a row above 1 KB of a table without rowid continues on its own
overflow page, so a minute took 4.6 KB; in pages of 8192 bytes it takes 1.5 KB.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from taskclf_tray.core.regular_files import open_regular

log = logging.getLogger(__name__)

PAGE_BYTES: Final = 8192
MOST_BYTES: Final = 2_000_000_000
"""The largest record to rewrite: at 160 MB a second (measured) a larger one would delay the start of the app."""
_ROOM_TO_SPARE: Final = 100_000_000
_PAGE_SIZE: Final = slice(16, 18)


def repack(path: Path) -> bool:
    """Rewrite the database in pages of the current size. Returns whether it was rewritten.

    Nothing happens when the pages have that size, another connection is open, or the disk lacks room for a copy and a
    journal. A kill at any moment leaves the whole database, in old or new pages.
    """
    try:
        with open_regular(path) as file:
            head = file.read(100)
        size = path.stat().st_size
        if int.from_bytes(head[_PAGE_SIZE], "big") == PAGE_BYTES or not head or size > MOST_BYTES:
            return False
        if shutil.disk_usage(path.parent).free < 2 * size + _ROOM_TO_SPARE:
            return False
        with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            _vacuum(connection, path.parent)
    except (sqlite3.Error, OSError) as error:
        log.info("The record keeps its pages for now (%s).", type(error).__name__)
        return False
    log.info("The record was rewritten: %d MB became %d MB.", size // 1_000_000, path.stat().st_size // 1_000_000)
    return True


def _vacuum(connection: sqlite3.Connection, folder: Path) -> None:
    """Rewrite the pages outside WAL mode, which SQLite leaves only when no other connection is open."""
    if connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":
        return
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        with _temporary_files_in(folder):
            connection.execute("VACUUM")
    finally:
        connection.execute("PRAGMA journal_mode = WAL")


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Place the copy on the disk whose room was measured; it is unlinked, so a kill leaves nothing behind."""
    name = "SQLITE_TMPDIR"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
