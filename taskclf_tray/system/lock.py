"""One instance per home. A second start asks the running one to show itself.

The lock is the operating system's, on `tray/tray.lock`: it is free again when its holder dies, in whatever way. The
request is a file, `tray/raise.request`, written atomically: portable, and without a port. The running instance looks
for it on each tick of its worker, which costs one failed `unlink`.
"""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

from filelock import FileLock, Timeout

from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.errors import AlreadyRunningError, file_error
from taskclf_tray.core.private_files import PRIVATE_FILE, make_private_folder
from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.system.paths import HomeError, HomePaths

if sys.platform != "win32":
    import fcntl

_ACQUIRE_SECONDS: Final = 0.5
"""`is_running` may hold the lock for a moment."""
_ACQUIRE_PAUSE_SECONDS: Final = 0.02


class SingleInstance:
    """Holds the home's instance lock from `acquire` to `release`, or for a `with` block."""

    def __init__(self, home: Path) -> None:
        paths = HomePaths(Path(home))
        self._home = paths.home
        self._request = paths.tray / "raise.request"
        self._lock = FileLock(paths.lock, mode=PRIVATE_FILE, thread_local=False)

    def acquire(self) -> None:
        """Take the lock. Raises AlreadyRunningError after asking the holder to show itself; HomeError."""
        try:
            make_private_folder(self._request.parent)
            self._lock.acquire(timeout=_ACQUIRE_SECONDS, poll_interval=_ACQUIRE_PAUSE_SECONDS)
        except Timeout as error:
            self._ask_to_show()
            raise AlreadyRunningError(
                f"taskclf-tray is already running for {self._home}.", "It was asked to show itself."
            ) from error
        except OSError as error:
            raise file_error(
                error,
                self._lock.lock_file,
                kind=HomeError,
                problem="cannot be made",
                next_step="Make the folder writable for your user.",
            ) from error
        self.take_raise_request()  # one for an instance that is gone

    def release(self) -> None:
        """Free the lock; harmless when it is not held."""
        self._lock.release()

    def take_raise_request(self) -> bool:
        """Whether a second start has asked this instance to show itself since the last call."""
        try:
            self._request.unlink()
        except OSError:
            return False
        return True

    def _ask_to_show(self) -> None:
        with contextlib.suppress(OSError):  # the error that follows says all there is to say
            write_text_atomic(self._request, datetime.now(UTC).isoformat() + "\n")

    def __enter__(self) -> SingleInstance:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_running(home: Path) -> bool:
    """Whether an instance holds the lock of the home. Creates nothing, and asks the instance for nothing."""
    place = HomePaths(Path(home)).lock
    try:
        if sys.platform == "win32":
            return place.exists() and not _is_free(place)
        with open_regular(place) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: several may ask at once
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_free(place: Path) -> bool:
    """Whether the lock could be taken; it is held for a moment."""
    try:
        with FileLock(place, timeout=_ACQUIRE_SECONDS):
            return True
    except Timeout:
        return False
