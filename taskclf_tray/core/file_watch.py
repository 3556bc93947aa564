"""Whether a file has changed since it was last looked at, for every file that is watched.

A file counts as changed when its modification time, size, inode or device does. A file that was written a moment ago
may be half-written: who cannot use it judges it at the next look.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

SETTLE_SECONDS: Final = 0.5
"""How long an editor may take to write a file."""


class FileStamp(NamedTuple):
    """The state of a file, to compare with a later one; times in nanoseconds, size in bytes."""

    modified_ns: int
    size: int
    inode: int
    device: int


def file_stamp(path: Path | str, *, follow_links: bool = True) -> FileStamp | None:
    """Look at a file, or at the link itself. Returns None where there is none, or none that may be looked at."""
    try:
        status = os.stat(path, follow_symlinks=follow_links)  # noqa: PTH116 - asked at every look; Path takes longer
    except OSError:
        return None
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)


def folder_stamps(folder: Path) -> dict[str, FileStamp]:
    """Look at every file of a folder and of the folders in it, by path."""
    found = {}
    for inside, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(inside, name)  # noqa: PTH118 - as above
            stamp = file_stamp(path)
            if stamp is not None:
                found[path] = stamp
    return found


def written_within(seconds: float, stamps: Iterable[FileStamp | None]) -> bool:
    """Whether one of these files was last written less than `seconds` ago."""
    now = time.time_ns()
    return any(0 <= now - stamp.modified_ns < seconds * 1e9 for stamp in stamps if stamp is not None)


class FileWatch:
    """Remembers how some files looked.

    >>> watch = FileWatch(Path("/no/such/file"))
    >>> watch.has_changed(), watch.has_changed()
    (True, False)
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen: tuple[FileStamp | None, ...] | None = None

    def has_changed(self) -> bool:
        """Whether one of the files has changed since the last call; true at the first."""
        stamps = tuple(map(file_stamp, self._paths))
        is_changed = stamps != self._seen
        self._seen = stamps
        return is_changed

    def forget(self) -> None:
        """Let the files count as changed."""
        self._seen = None
