"""Opening the database, and mapping the errors of sqlite3.

A record can be read even where nothing can be written: on a full disk, in a read-only home. A reader of a database in
WAL mode needs the file `-shm` beside it, and creates it when no writer has the database open. Where that fails, no
other process has the record open either. A record with an empty log is then opened as immutable. Otherwise it is
locked exclusively, with the index of the log in memory, or else copied to a temporary folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from operator import methodcaller
from pathlib import Path
from typing import Final

from taskclf_tray.core.atomic import write_new_file
from taskclf_tray.core.defaults import LABEL_COPY_FILE, RECORD_FILE
from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.private_files import make_private_folder
from taskclf_tray.core.regular_files import Links, check_regular
from taskclf_tray.store.migrations import MIGRATIONS
from taskclf_tray.store.repack import PAGE_BYTES

BUSY_TIMEOUT_SECONDS: Final = 10.0
_CANNOT_WRITE: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection for reading. Raises sqlite3.Error: the first error, when every other way fails too."""
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
    """Open a writable copy of the record, which disappears when closed; None when no copy can be made."""
    with contextlib.suppress(sqlite3.Error, OSError):
        return None if os.name == "nt" else _copied(path)
    return None


def _opened(path: Path, query: str, *pragmas: str) -> sqlite3.Connection:
    """Open a connection and read something, because only that shows whether the file is readable."""
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
    """Open a connection that needs no `-shm`, because it locks out every other one."""
    return _opened(path, "mode=rw", "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA query_only = ON")


def _copied(path: Path) -> sqlite3.Connection:
    """Open a copy whose files are unlinked at once, so that nothing of the record stays behind."""
    folder = Path(tempfile.mkdtemp(prefix="taskclf-tray-"))  # mode 0700
    try:
        for file in (path, path.with_name(f"{path.name}-wal")):
            if file.exists():
                shutil.copyfile(file, folder / file.name)
        connection = _opened(folder / path.name, "mode=rw", "PRAGMA locking_mode = EXCLUSIVE")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return connection


_FULL_CODES = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_SHMSIZE)
DAMAGED_CODES: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def advice_for_damage(path: Path) -> str:
    """Return the steps that repair a damaged record without losing a label."""
    if path.name != RECORD_FILE:
        return "Move it aside and try again: a new one is made."
    copy = path.with_name(LABEL_COPY_FILE)
    has_copy = "" if not copy.exists() else f" Where that fails too, {copy} has them: import that file instead."
    return (
        f"First save your labels: `taskclf-tray labels export --out labels.csv`. Move it aside then, that "
        f"is {path.name}, {path.name}-wal and {path.name}-shm, into another folder, run "
        f"`taskclf-tray labels import labels.csv`, and start again: minutes that ActivityWatch kept are "
        f"read back.{has_copy}"
    )


def store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Turn a sqlite3 error into an error for the person."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if code in _FULL_CODES or primary == sqlite3.SQLITE_FULL:
        return StoreError(f"The disk that holds {path.name} is full.", "Free some space; recording then resumes.")
    if primary in DAMAGED_CODES:
        return StoreError(f"The database {path} is damaged.", advice_for_damage(path))
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"Another program keeps {path.name} locked.", "Close it, or try again in a moment.")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(f"The database {path} cannot be written.", "Check the permissions of its folder.")
    kind = getattr(error, "sqlite_errorname", None) or type(error).__name__  # its message may quote the record
    return StoreError(f"The database {path.name} refused an operation ({kind}).", "See the log for details.")


@contextlib.contextmanager
def mapped_errors(path: Path) -> Iterator[None]:
    """Turn sqlite3 errors of the block into StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error, path) from error


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the database; for writing, also create and migrate it.

    A file of an older version is copied before it is migrated.

    WAL with synchronous=FULL: a returned commit survives a power cut, and a reader never blocks the writer. A file of
    an older version is migrated for a reader too. Raises StoreError.
    """
    check_files(path)
    with mapped_errors(path):
        if read_only:
            connection = _opened_for_reader(path)
        else:
            make_private_folder(path.parent)
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)
            path.chmod(0o600)
        connection.isolation_level = None  # transactions are explicit here
        try:
            _prepare(connection, path, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def check_files(path: Path) -> None:
    """Raise StoreError for a FIFO, on which SQLite would wait for ever, and for anything but a regular file of this
    user.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        file = path.with_name(path.name + suffix)
        try:
            check_regular(file, Links.TRUSTED if suffix == "" else Links.NONE)
        except OSError as error:
            raise StoreError(
                f"The record cannot be opened: {file} is in the way ({error.strerror}).",
                "Move it away, and put the record back if you have a copy.",
            ) from error


def _opened_for_reader(path: Path) -> sqlite3.Connection:
    """Migrate a record of an older version, or a copy where it cannot be written, and open it. Raises StoreError."""
    with contextlib.closing(open_reader(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    if 0 < version < len(MIGRATIONS):
        try:
            connect(path).close()
        except StoreError:
            copy = open_copy(path)
            if copy is None:
                raise
            _migrate(copy)
            copy.execute("PRAGMA query_only = ON")
            return copy
    return open_reader(path)


def _prepare(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    # a damaged text is one cell that its reader leaves out, not an error of the whole query that quotes its neighbours
    connection.text_factory = methodcaller("decode", "utf-8", "surrogateescape")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -2000")  # KiB: the working set is the last few minutes
    if not read_only:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new file; an old one keeps its own
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreError(
            f"The database {path} was written by a newer version of this program.",
            "Update taskclf_tray, or start it with another home.",
        )
    if not read_only and version < len(MIGRATIONS):
        if version:
            _back_up(connection, path)
        _migrate(connection)


def backups_of(path: Path) -> list[Path]:
    """The copies that were made of a database before it was migrated."""
    return sorted(path.parent.glob(f"{path.stem}.version-*{path.suffix}"))


def _back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Copy a database of an older version to `tray.version-N.db`, in place of an older copy. Raises sqlite3.Error."""
    connection.execute("BEGIN")  # what is read from here on is one version, also while another process migrates it
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version < len(MIGRATIONS):
            target = path.with_name(f"{path.stem}.version-{version}{path.suffix}")
            for old in {target, *backups_of(path)}:
                old.unlink(missing_ok=True)
            write_new_file(target, b"")
            with contextlib.closing(sqlite3.connect(target)) as copy:
                connection.backup(copy)
    finally:
        connection.execute("ROLLBACK")


def _migrate(connection: sqlite3.Connection) -> None:
    """Run the missing migrations, each in its own transaction, so that two starting processes take turns."""
    for number, script in enumerate(MIGRATIONS, start=1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] < number:
                for statement in script:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite has rolled back already where the disk was full
                connection.execute("ROLLBACK")
            raise
