"""Private files and folders: created with mode 0600 and 0700, and checks for what other users can access.

Windows has no such modes: a user's data folder is private by inheritance, and every function here does nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600
_OTHERS: Final = 0o077
_MOST_FOUND: Final = 10_000
"""More places than a home has; a home that is the top of a larger tree is not walked to its end."""


@dataclass(frozen=True, slots=True)
class OpenPlace:
    """A file or folder that other users of this computer can read or write; `mode` is its permission bits."""

    path: Path
    mode: int


def make_private_folder(folder: Path) -> None:
    """Create the folder and its missing parents with mode 0700, whatever the umask. Raises OSError."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder.parent == folder:
            break
        folder = folder.parent
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            each.mkdir(mode=PRIVATE_FOLDER)
        if not each.is_dir():
            raise NotADirectoryError(20, "Not a directory", str(each))


def own_user() -> int | None:
    """Return the user id of this process; None on Windows."""
    return os.geteuid() if os.name == "posix" else None


def foreign_owner(path: Path) -> int | None:
    """Return the user id of the path's owner if it is another user;

    None otherwise, for a missing path, and on Windows.
    """
    user = own_user()
    try:
        owner = path.stat().st_uid
    except OSError:
        return None
    return owner if user is not None and owner != user else None


def open_places(home: Path) -> list[OpenPlace]:
    """List `home` and everything in it that grants permissions to other users; links are not followed."""
    if os.name != "posix" or not home.is_dir():
        return []
    return sorted((OpenPlace(path, mode) for path, mode in _walk(home) if mode & _OTHERS), key=lambda p: p.path)


def close_places(places: list[OpenPlace]) -> list[OpenPlace]:
    """Remove the permissions of other users. Returns the places where that failed."""
    return [place for place in places if not _close(place)]


def open_parents(home: Path) -> list[Path]:
    """List the folders above `home` in which other users can replace it: writable, without the sticky bit."""
    if os.name != "posix":
        return []
    found = []
    for parent in home.parents:
        with contextlib.suppress(OSError):
            mode = parent.stat().st_mode
            if mode & 0o022 and not mode & stat.S_ISVTX:
                found.append(parent)
    return found


def _walk(home: Path) -> Iterator[tuple[Path, int]]:
    found = 0
    for folder, names, files in os.walk(home):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            found += 1
            if found > _MOST_FOUND:
                return
            with contextlib.suppress(OSError):
                status = path.lstat()
                if not stat.S_ISLNK(status.st_mode):
                    yield path, stat.S_IMODE(status.st_mode)
        names[:] = [name for name in names if not Path(folder, name).is_symlink()]


def _close(place: OpenPlace) -> bool:
    try:
        if foreign_owner(place.path) is not None:
            return False
        place.path.chmod(place.mode & ~_OTHERS)
    except OSError:
        return False
    return True
