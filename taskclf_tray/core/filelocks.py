"""The write lock of a home: one writer at a time for models, policy and identity."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from taskclf_tray.core.errors import TaskclfError, file_error
from taskclf_tray.core.private_files import PRIVATE_FILE, make_private_folder

LOCK_WAIT_SECONDS: Final = 10.0
"""Writers hold the lock for milliseconds; who waits longer has met one that hangs."""


class HomeBusyError(TaskclfError):
    """Another process holds the write lock of the home, or the lock file cannot be created."""


_own = threading.local()


@contextmanager
def home_lock(home: Path, wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Hold the write lock of `home` (`tray/home.lock`).

    The lock is reentrant within a thread, so that several writes can form one. The operating system releases it when
    the process dies. Raises HomeBusyError after `wait_seconds`, and when the lock file cannot be created.
    """
    path = Path(home).resolve() / "tray" / "home.lock"
    lock = _lock_of(path)
    try:
        make_private_folder(path.parent)
        lock.acquire(timeout=wait_seconds)
    except Timeout as error:
        raise HomeBusyError(
            f"Another process has been writing to {home} for more than {wait_seconds:g} seconds.",
            "Wait for it to finish or end it, then try again.",
        ) from error
    except OSError as error:
        raise file_error(
            error,
            path,
            kind=HomeBusyError,
            problem="cannot be made",
            next_step="Make the folder writable for your user.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _lock_of(path: Path) -> FileLock:
    """Return this thread's lock object for the path; FileLock counts nested acquisitions."""
    locks: dict[Path, FileLock] = _own.__dict__.setdefault("locks", {})
    if path not in locks:
        locks[path] = FileLock(path, mode=PRIVATE_FILE, thread_local=False)
    return locks[path]
