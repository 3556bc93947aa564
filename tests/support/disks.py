"""Disks and folders that refuse: a real small file system, one that is full, and permissions that bind root too."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.forked import forked

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_CAPABILITIES_VERSION = 0x20080522
_IGNORE_PERMISSIONS = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def permissions_bind() -> Iterator[None]:
    """In this thread, and in those it starts, the modes of files hold for root as for anybody."""
    header, data = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0), (ctypes.c_uint32 * 6)()
    assert _libc.capget(header, data) == 0
    before = data[0]
    data[0] &= ~_IGNORE_PERMISSIONS
    assert _libc.capset(header, data) == 0
    try:
        yield
    finally:
        data[0] = before
        assert _libc.capset(header, data) == 0


@contextlib.contextmanager
def read_only(home: Path) -> Iterator[None]:
    """Every folder of the home has the mode 0500, and it binds."""
    folders = [home, *(Path(root, name) for root, names, _ in os.walk(home) for name in names)]
    modes = [folder.stat().st_mode for folder in folders]
    for folder in folders:
        folder.chmod(0o500)
    try:
        with permissions_bind():
            yield
    finally:
        for folder, mode in zip(folders, modes, strict=True):
            folder.chmod(mode)


def on_small_disk(size: str, folder: Path, work: Callable[[Path], Any]) -> Any:
    """What `work(folder)` returns in a process that sees a file system of this size at `folder`; as its `repr` if not.

    `work` is a function of a module, in a process of its own.
    """
    with forked(_on_small_disk, size, folder, work) as child:
        return child.next()


def _on_small_disk(say: Callable[[Any], None], size: str, folder: Path, work: Callable[[Path], Any]) -> None:
    """The mount is seen by this process alone, and goes with it."""
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(_NEW_MOUNTS | (0 if user == 0 else _NEW_USER)) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if user != 0:
        for name, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            Path("/proc/self", name).write_text(line)
    private = 1 << 18 | 1 << 14  # MS_PRIVATE | MS_REC
    assert _libc.mount(None, b"/", None, private, None) == 0
    assert _libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, f"size={size},mode=0700".encode()) == 0
    try:
        say(work(folder))
    except BaseException as error:
        say(repr(error))
        raise


def fill(folder: Path, left: int = 0) -> Path:
    """Fill the disk of the folder, but for so many bytes; returns the file that does."""
    path = folder / "filling"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(handle, b"x" * 4096)
    os.ftruncate(handle, max(0, os.fstat(handle).st_size - left))
    os.close(handle)
    return path


@contextmanager
def full_disk(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond this size: writes come back short, then fail."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
