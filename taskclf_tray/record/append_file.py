"""Files that only grow, a line at a time: what a crash or a full disk left half-written is cut off."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from taskclf_tray.core.regular_files import Links, open_regular

_LONGEST_LINE = 65_536


@contextlib.contextmanager
def appending(path: Path) -> Iterator[BinaryIO]:
    """The file, made when missing, at the end of its last whole line; on the disk when the block has ended.

    Raises OSError.
    """
    with open_regular(path, "ab", Links.NONE) as file:
        _cut_torn_line(file)
        yield file
        file.flush()
        os.fsync(file.fileno())


def last_line(path: Path) -> bytes:
    """The last whole line without its end; empty when there is none or no file. Raises OSError."""
    try:
        with open_regular(path, links=Links.NONE) as file:
            whole, _, _ = _tail(file)[1].rpartition(b"\n")
            return whole.rpartition(b"\n")[2]
    except FileNotFoundError:
        return b""


def _tail(file: BinaryIO) -> tuple[int, bytes]:
    """The end of the file, and where it begins."""
    start = max(0, file.seek(0, os.SEEK_END) - _LONGEST_LINE)
    file.seek(start)
    return start, file.read()


def _cut_torn_line(file: BinaryIO) -> None:
    start, tail = _tail(file)
    if tail and not tail.endswith(b"\n"):
        file.truncate(start + tail.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)
