"""Giving memory back: a tray program lives for weeks beside everything else a person runs."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

_M_ARENA_MAX: Final = -8


def one_arena() -> None:
    """Let all threads allocate from one pool (glibc): two threads that seldom run do not need a pool each."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Collect garbage and return free pages to the system (glibc; elsewhere only the collection)."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
