"""A clock that nobody sets: which boot of the computer this is, and how long after its beginning."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from uuid import uuid4

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_clock() -> tuple[str, int]:
    """The id of the boot, and the microseconds since it began, sleep included.

    Where the system names no boot the id is this process's, so that two processes never compare their clocks.
    """
    nanoseconds = time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns()
    return _boot_id(), nanoseconds // 1000


@functools.lru_cache(maxsize=1)
def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return uuid4().hex
