"""Atomic file writes: write a temporary file, flush it to the disk, rename it over the target, flush the directory.

A reader sees the old content or the new, never a mixture, even after a crash, `kill -9`, a power cut or a full disk.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.private_files import PRIVATE_FILE, make_private_folder
from taskclf_tray.core.regular_files import Links, open_regular, replaceable

_STALE_SECONDS: Final = 3600.0
"""A temporary file this old belongs to a process that died while it wrote."""
_REPLACE_TRIES: Final = 20
_REPLACE_PAUSE_SECONDS: Final = 0.05


def write_bytes_atomic(
    path: Path, data: bytes, mode: int | None = None, links: Links = Links.TRUSTED, *, is_durable: bool = True
) -> None:
    """Replace `path` by `data` atomically.

    A symbolic link that the person made stays a link: its target is replaced.

    Args:
        path: the file; missing parent folders are created with mode 0700.
        data: the new content.
        mode: permission bits of the new file; None keeps those of the replaced file, else 0600.
        links: which symbolic links are followed.
        is_durable: flush to the disk. Without it a power cut may cost the content, which saves a disk wake-up where
            the file is worth nothing after it.

    Raises:
        OSError: full disk, no permission, a link that is not followed, or a FIFO or device in the place. The old file
            is untouched and the temporary one is removed.
    """
    target = replaceable(path, links)
    make_private_folder(target.parent)
    _remove_stale(target)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        _write_new(temporary, data, _mode_for(target) if mode is None else mode, is_durable=is_durable)
        replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if is_durable:
        sync_directory(target.parent)


def write_text_atomic(
    path: Path, text: str, mode: int | None = None, links: Links = Links.TRUSTED, *, is_durable: bool = True
) -> None:
    """Write the text in UTF-8 with `write_bytes_atomic`; line ends stay as they are."""
    write_bytes_atomic(path, text.encode(), mode, links, is_durable=is_durable)


def write_json_atomic(path: Path, value: Mapping[str, Any] | Sequence[Any], mode: int | None = None) -> None:
    """Write the value as JSON with `write_bytes_atomic`: two-space indent, keys in their order, a final line end.

    Raises ValueError for NaN and infinities, which JSON does not have.
    """
    write_text_atomic(path, json_text(value), mode)


def json_text(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return the text that `write_json_atomic` writes."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def replace(source: Path, target: Path) -> None:
    """Rename `source` over `target`. On Windows, where an open target makes that fail, retry for 1 s."""
    for attempt in range(_REPLACE_TRIES):
        try:
            source.replace(target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == _REPLACE_TRIES - 1:
                raise
            time.sleep(_REPLACE_PAUSE_SECONDS)


def free_name(path: Path) -> Path:
    """Return the path, or with a number appended when it exists: `labels-2.csv`."""
    names = (f"{path.stem}{'' if number == 1 else f'-{number}'}{path.suffix}" for number in itertools.count(1))
    return next(place for name in names if not (place := path.with_name(name)).exists())


def sync_directory(directory: Path) -> None:
    """Make renames in `directory` durable. Windows has no such call, so this does nothing there."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_new_file(path: Path, data: bytes) -> None:
    """Write and flush a file inside a directory that is still hidden from readers."""
    _write_new(path, data, None)


def append_line(path: Path, line: str) -> None:
    """Append a line durably.

    A line that a crash cut short is ended first, so that it spoils no other. Raises OSError.
    """
    with open_regular(path, "ab", Links.NONE) as file:
        torn = file.seek(0, os.SEEK_END) > 0 and _last_byte(file.fileno(), file.tell()) != b"\n"
        file.write((b"\n" if torn else b"") + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)


def _last_byte(handle: int, size: int) -> bytes:
    os.lseek(handle, size - 1, os.SEEK_SET)
    return os.read(handle, 1)


def _write_new(path: Path, data: bytes, mode: int | None, *, is_durable: bool = True) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode or PRIVATE_FILE)
    with os.fdopen(handle, "wb") as file:
        if mode is not None and os.name != "nt":
            os.fchmod(file.fileno(), mode)  # the umask has reduced the mode of os.open
        file.write(data)
        if is_durable:
            file.flush()
            os.fsync(file.fileno())


def _mode_for(target: Path) -> int | None:
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except OSError:
        return None


def _remove_stale(target: Path) -> None:
    """Remove temporary files that a killed writer of this file left behind."""
    for left in target.parent.glob(f".{_glob_escaped(target.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                left.unlink()


def _glob_escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
