"""What may stand where a file belongs: FIFOs, sockets, folders, links; and a limit for who would wait for one."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import shutil
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

WAITING_SECONDS: Final = 60.0
"""Far more than any of these takes on a busy machine; who waits for a FIFO waits for ever."""


def _socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)  # the name of a socket may have 107 characters at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


KINDS: Final[dict[str, Callable[[Path], None]]] = {
    "fifo": lambda path: os.mkfifo(path),
    "socket": _socket,
    "folder": lambda path: path.mkdir(),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "fifo behind a link": lambda path: (
        os.mkfifo(path.with_name(f"{path.name}.pipe")),
        path.symlink_to(f"{path.name}.pipe"),
    )[1],
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to nowhere": _dangling,
}


def put(path: Path, kind: str) -> tuple[int, int]:
    """Put such a thing in the place of the file; the result is for `is_still_there`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.pipe").unlink(missing_ok=True)
    KINDS[kind](path)
    return mark(path)


def mark(path: Path) -> tuple[int, int]:
    """What tells a file from another in its place."""
    status = path.lstat()
    return status.st_ino, stat.S_IFMT(status.st_mode)


@contextlib.contextmanager
def no_waiting(seconds: float = WAITING_SECONDS) -> Iterator[None]:
    """Fail when the block waits for something that never comes. For the main thread."""

    def fail(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("waited for what is no file")

    # a C library may begin to wait again after a signal
    faulthandler.dump_traceback_later(3 * seconds, exit=True, file=sys.__stderr__)
    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
