"""Safe opening of files that other users may have placed: only regular files, without waiting.

Opening a FIFO waits for its other end, a device may never end, and a link may lead to another user's file. Everything
but a regular file raises an OSError whose `strerror` completes a sentence.
"""

from __future__ import annotations

import errno
import os
import stat
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final, Literal

from taskclf_tray.core.private_files import PRIVATE_FILE, own_user

_MOST_LINKS: Final = 40
_CHUNK_BYTES: Final = 1 << 16
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Links(Enum):
    """The symbolic links that may be followed at the end of a path."""

    ANY = "any"
    """A file the person names on the command line."""
    TRUSTED = "trusted"
    """A file the person keeps, perhaps in a repository of settings: link and target belong to the person or root."""
    NONE = "none"
    """A file that only this program writes."""


class NotRegularError(OSError):
    """The path is a FIFO, device, socket, folder or a link that is not followed; `strerror` names the kind."""

    def __init__(self, what: str, path: Path) -> None:
        super().__init__(errno.EINVAL, what, str(path))


class TooLargeError(OSError):
    """The file exceeds the limit for its kind; `size` in bytes when known."""

    def __init__(self, path: Path, max_bytes: int, size: int | None = None) -> None:
        limit = f"{max_bytes >> 20} MiB" if max_bytes >= 1 << 20 else f"{max_bytes} bytes"
        super().__init__(errno.EFBIG, f"it is larger than {limit}", str(path))
        self.size = size


def open_regular(path: Path, mode: Literal["rb", "ab", "r+b"] = "rb", links: Links = Links.ANY) -> BinaryIO:
    """Open a regular file; `ab` also allows reading, and creates a missing file with mode 0600.

    Raises OSError, and NotRegularError for anything else, without waiting.
    """
    check_regular(path, links)
    flags = {"rb": os.O_RDONLY, "r+b": os.O_RDWR, "ab": os.O_RDWR | os.O_APPEND | os.O_CREAT}[mode]
    no_link = _NO_LINK if links is Links.NONE else 0
    handle = os.open(path, flags | _NO_WAIT | no_link | _BINARY, PRIVATE_FILE)
    try:
        _check_status(os.fstat(handle), path, links)  # it may be another file than the one just looked at
        return os.fdopen(handle, "a+b" if mode == "ab" else mode)
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, max_bytes: int, links: Links = Links.ANY) -> bytes:
    """Read the whole file. Raises OSError as `open_regular` does, and TooLargeError for more than `max_bytes`."""
    with open_regular(path, "rb", links) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise TooLargeError(path, max_bytes, size)
        data = file.read(size + 1)  # no more at once: a buffer of the limit would be most of the tray's memory
        while more := file.read(_CHUNK_BYTES):  # it grows, or is of a file system that knows no sizes
            data += more
            if len(data) > max_bytes:
                raise TooLargeError(path, max_bytes)
        return data


def check_regular(path: Path, links: Links = Links.ANY) -> None:
    """Raise OSError when the path exists and is no regular file, or is a link that is not followed."""
    try:
        if links is not Links.ANY:
            follow_links(path, links)
        _check_status(path.stat(), path, links)
    except FileNotFoundError:
        return
    except ValueError as error:  # a NUL in the path
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error


def follow_links(path: Path, links: Links = Links.TRUSTED) -> Path:
    """The path behind the links at its end; folders on the way there are as they are.

    Raises NotRegularError for a link that is not followed, OSError for links that go round.
    """
    for _ in range(_MOST_LINKS):
        try:
            status = path.lstat()
        except FileNotFoundError:
            return path
        if not stat.S_ISLNK(status.st_mode):
            return path
        if links is Links.NONE:
            raise NotRegularError("it is a link", path)
        if links is Links.TRUSTED and not _is_trusted(status):
            raise NotRegularError("it is a link of another user", path)
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def replaceable(path: Path, links: Links = Links.TRUSTED) -> Path:
    """Return the path to rename a new file to so that it stands at `path`: the target of the links that are followed.

    Of links in a circle the first one is replaced. Raises NotRegularError for anything but a regular file, and for a
    link to another user's file.
    """
    try:
        target = follow_links(path, links)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return path
    try:
        status = target.lstat()
    except FileNotFoundError:
        return target
    _check_status(status, path, links if target != path else Links.ANY)
    return target


def _check_status(status: os.stat_result, path: Path, links: Links) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotRegularError(
            "it is a folder, not a file" if stat.S_ISDIR(status.st_mode) else "it is not a file", path
        )
    if links is Links.TRUSTED and path.is_symlink() and not _is_trusted(status):
        raise NotRegularError("it is a link to another user's file", path)


def _is_trusted(status: os.stat_result) -> bool:
    user = own_user()
    return user is None or status.st_uid in (user, 0)
