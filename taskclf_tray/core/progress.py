"""The callback through which long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ProgressCallback = Callable[[dict[str, Any]], None]
"""Takes one event, `{"event": "progress", "done", "total"}` and the like; see `jobs/process.py`."""
