"""Open a record for reading, also where nothing can be written: a full disk, a read-only home.

A reader of a database in WAL mode needs the file `-shm` beside it, and makes it where no writer has it open. Where it
cannot be made, nobody else has the record open either, so it can be read without: as a file that does not change when
its log is empty, else alone with the index of the log in memory, else from a copy in a temporary folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

BUSY_TIMEOUT_SECONDS: Final = 10.0
_CANNOT_WRITE: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that reads. Raises sqlite3.Error: the first one, when no other way leads in either."""
    try:
        return _opened(path, "mode=ro")
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in _CANNOT_WRITE or not path.is_file():
            raise
        first = error
    ways: tuple[Callable[[Path], sqlite3.Connection], ...] = (_alone,) if os.name == "nt" else (_alone, _copied)
    if not _has_log(path):
        ways = (lambda place: _opened(place, "mode=ro&immutable=1"),)
    for way in ways:
        with contextlib.suppress(sqlite3.Error, OSError):
            return way(path)
    raise first


def open_copy(path: Path) -> sqlite3.Connection | None:
    """A connection to a copy of the record, which may be changed and is gone with it; None where none can be made."""
    with contextlib.suppress(sqlite3.Error, OSError):
        return None if os.name == "nt" else _copied(path)
    return None


def _opened(path: Path, query: str, *pragmas: str) -> sqlite3.Connection:
    """Read something, for only that shows whether the file can be read."""
    uri = f"{path.absolute().as_uri()}?{query}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_SECONDS)
    try:
        for pragma in pragmas:
            connection.execute(pragma)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


def _alone(path: Path) -> sqlite3.Connection:
    """A connection that needs no `-shm`, because it locks out every other."""
    return _opened(path, "mode=rw", "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA query_only = ON")


def _copied(path: Path) -> sqlite3.Connection:
    """A connection to a copy whose files have lost their names at once: nothing of the record stays behind."""
    folder = Path(tempfile.mkdtemp(prefix="taskclf-tray-"))  # mode 0700
    try:
        for file in (path, path.with_name(f"{path.name}-wal")):
            if file.exists():
                shutil.copyfile(file, folder / file.name)
        connection = _opened(folder / path.name, "mode=rw", "PRAGMA locking_mode = EXCLUSIVE")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return connection
