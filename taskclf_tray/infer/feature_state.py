"""Rolling columns for rows that are built poll by poll, computed from the rows before (inference documents).

The application does not need this module: its feature builder carries its state (`features/state.py`).
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from math import fsum
from typing import Any, Final

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_IDLE_GAP_SECONDS

_ROWS: Final = 16
"""The rolling means take 15; the quarter of an hour before a bucket, and the bucket, are 16."""
_SWITCH_WINDOW: Final = timedelta(minutes=15)
_MEANS: Final = ("keys_per_min", "mouse_distance")
_DELTAS: Final = ("keys_per_min", "clicks_per_min", "mouse_distance")


class OnlineFeatureState:
    """The newest 16 rows of one user, pushed in order of time.

    A row built from one poll's events lacks the rows before it. `get_context` gives its rolling columns computed with
    them: `row.model_copy(update=state.get_context())`. A row that was built with the rows before stays unchanged.

    >>> from datetime import UTC, datetime
    >>> from taskclf_tray.core.types import AWEvent
    >>> from taskclf_tray.features.build import build_features_from_aw_events
    >>> event = AWEvent(datetime(2026, 1, 5, 12, tzinfo=UTC), 60.0, "code", "editor", False, True, False, "0" * 12)
    >>> state = OnlineFeatureState()
    >>> state.push(build_features_from_aw_events([event])[0])
    >>> state.get_context()["app_switch_count_last_15m"]
    0
    """

    def __init__(
        self, bucket_seconds: int = DEFAULT_BUCKET_SECONDS, idle_gap_seconds: float = DEFAULT_IDLE_GAP_SECONDS
    ) -> None:
        self._step = timedelta(seconds=bucket_seconds)
        self._idle_gap = timedelta(seconds=idle_gap_seconds)
        self._rows: deque[Any] = deque(maxlen=_ROWS)
        self._session_start: datetime | None = None

    def push(self, row: Any) -> None:
        """Add the next row; a row of another user clears the state.

        Raises ValueError for a row not after the newest.
        """
        last = self._rows[-1] if self._rows else None
        if last is not None and last.user_id != row.user_id:
            self._rows.clear()
            last = None
        if last is not None and row.bucket_start_ts <= last.bucket_start_ts:
            raise ValueError("a row must come after the newest one")
        if last is None or self._session_start is None or self._begins_session(last, row):
            # a row may be the first seen of a session that began before
            self._session_start = row.bucket_start_ts - timedelta(minutes=row.session_length_so_far)
        self._rows.append(row)

    def _begins_session(self, last: Any, row: Any) -> bool:
        gap = row.bucket_start_ts - last.bucket_start_ts - self._step
        return gap >= self._idle_gap or (gap > timedelta(0) and bool(row.idle_return_indicator))

    def get_context(self) -> dict[str, int | float | None]:
        """Return the rolling columns of the newest row, by name; empty before the first row."""
        if not self._rows or self._session_start is None:
            return {}
        newest = self._rows[-1]
        context: dict[str, int | float | None] = {"app_switch_count_last_15m": self._switches()}
        for name in _MEANS:
            context |= {f"{name}_rolling_{rows}": self._mean(name, rows) for rows in (5, 15)}
        context |= {f"{name}_delta": self._delta(name) for name in _DELTAS}
        minutes = (newest.bucket_start_ts - self._session_start) / timedelta(minutes=1)
        return {**context, "session_length_so_far": round(minutes, 2)}

    def _switches(self) -> int:
        """Count the apps that led a bucket in the last 15 min, less one; the row's own count where that is higher."""
        newest = self._rows[-1]
        since = newest.bucket_start_ts - _SWITCH_WINDOW
        apps = {row.app_id for row in self._rows if row.bucket_start_ts >= since}
        return max(len(apps) - 1, int(newest.app_switch_count_last_15m))

    def _mean(self, name: str, rows: int) -> float | None:
        present = [value for row in list(self._rows)[-rows:] if (value := getattr(row, name)) is not None]
        return round(fsum(present) / len(present), 4) if present else None

    def _delta(self, name: str) -> float | None:
        now, before = getattr(self._rows[-1], name), getattr(self._rows[-2], name) if len(self._rows) > 1 else None
        return None if now is None or before is None else round(now - before, 4)
