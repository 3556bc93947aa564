"""Protects the files and the memory of the process from other users and programs.

A core dump would hold window titles, and systemd keeps dumps by default. On Linux the process is marked as not
dumpable, which also keeps other programs of the same user from attaching to it or reading its memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import Final

if sys.platform != "win32":
    import resource

ATTACHABLE_VARIABLE: Final = "TASKCLF_ATTACHABLE"
"""Set it to let a debugger or a profiler of the same user attach to the process."""
_PR_SET_DUMPABLE: Final = 4


def protect() -> None:
    """Create files for the user alone (umask 077), and keep the memory out of core dumps and of other processes."""
    os.umask(0o077)
    if sys.platform == "win32":
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux" and not os.environ.get(ATTACHABLE_VARIABLE):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
