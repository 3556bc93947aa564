"""A stored minute."""

from __future__ import annotations

MINUTE = 60_000_000
