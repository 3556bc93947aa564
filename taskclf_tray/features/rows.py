"""Feature rows: the time of one row and the history before it.

A session is activity without a gap of `idle_gap_seconds` between one event's end and the next one's start.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import fsum
from typing import Final

from taskclf_tray.core.time import from_us, seconds_to_us, to_us
from taskclf_tray.core.types import AWEvent, FeatureRow
from taskclf_tray.core.zones import zone
from taskclf_tray.features.buckets import ForegroundSummary
from taskclf_tray.features.inputs import InputValues
from taskclf_tray.features.spans import EventInterval
from taskclf_tray.features.state import ROWS_KEPT, BuilderState, InputTriple
from taskclf_tray.features.windows import AppWindows


def session_id(user_id: str, start_us: int) -> str:
    """Return the first 12 hex digits of SHA-256(`user:start`), start as `2026-03-02T08:00:00+00:00` (contract, section
    4).
    """
    return hashlib.sha256(f"{user_id}:{from_us(start_us).isoformat()}".encode()).hexdigest()[:12]


class Session:
    """The running session. A gap ends it; the next row's bucket begins the new one with new title counts.

    Two sessions cannot meet in one bucket while the gap is longer than a bucket; with a shorter gap the bucket belongs
    to the later one.

    Args:
        user_id: the user, a part of the session's id.
        gap_us: the gap that ends a session.
        start_us: start of a session that began earlier, else None.
        last_end_us: end of the newest event so far.
        titles: rows of the session by title hash.
    """

    def __init__(
        self, user_id: str, gap_us: int, start_us: int | None, last_end_us: int | None, titles: Mapping[str, int]
    ) -> None:
        self._user_id = user_id
        self._gap_us = gap_us
        self.start_us = start_us
        self.last_end_us = last_end_us
        self.titles = dict(titles)
        self.id = "" if start_us is None else session_id(user_id, start_us)

    def observe(self, intervals: Iterable[EventInterval[AWEvent]]) -> None:
        """Note the next foreground intervals."""
        for start, end, _ in intervals:
            if self.last_end_us is not None and start - self.last_end_us >= self._gap_us:
                self.start_us = None
                self.titles = {}
            self.last_end_us = end

    def enter(self, bucket_us: int, title_hash: str) -> int:
        """Count a row of this bucket; returns how many rows of the session had its title so far."""
        if self.start_us is None:
            self.start_us = bucket_us
            self.id = session_id(self._user_id, bucket_us)
        self.titles[title_hash] = self.titles.get(title_hash, 0) + 1
        return self.titles[title_hash]


_US: Final = 1_000_000
_TITLE_BUCKETS: Final = 256
_WINDOWS_ALONE: Final = ("aw-watcher-window",)
_WITH_INPUT: Final = (*_WINDOWS_ALONE, "aw-watcher-input")
"""The watchers a row's numbers come from, by the names of ActivityWatch's own."""


@dataclass(frozen=True, slots=True)
class RowInputs:
    """The inputs of one row.

    `front`, `inputs`, `domain`, `attended_us` and `audible_us` describe the row's own time. `bucket_us` is the bucket
    of the row, and `app_us` that bucket's app time for the windows. For a finished bucket these agree with the row's
    own time; for the live row they belong to the running bucket.
    """

    front: ForegroundSummary
    inputs: InputValues
    domain: str
    attended_us: int
    audible_us: int
    bucket_us: int
    app_us: Mapping[str, int]


class RowBuilder:
    """Builds rows in order of time, starting from a state; `state` returns the state it has reached."""

    def __init__(self, state: BuilderState) -> None:
        self._state = state
        self._zone = zone(state.time_zone)
        self._windows = AppWindows(state.history)
        self._recent: deque[InputTriple] = deque(state.recent, maxlen=ROWS_KEPT)
        self._dwell_app, self._dwell_us = state.dwell_app, state.dwell_us
        start = None if state.session_start is None else to_us(state.session_start)
        gap = seconds_to_us(state.idle_gap_seconds)
        self._session = Session(state.user_id, gap, start, state.last_end_us, state.titles)

    def observe(self, intervals: Iterable[EventInterval[AWEvent]]) -> None:
        """Note intervals for the session gap, even in a bucket that gets no row."""
        self._session.observe(intervals)

    def forget_before(self, moment: int) -> None:
        """Drop window history before `moment`, because history never crosses a blackout."""
        self._windows.drop_before(moment)

    def state(self, until: datetime) -> BuilderState:
        """Return the state after all rows so far, without the events that are still open."""
        session = self._session
        return dataclasses.replace(
            self._state,
            until=until,
            session_start=None if session.start_us is None else from_us(session.start_us),
            last_end_us=session.last_end_us,
            dwell_app=self._dwell_app,
            dwell_us=self._dwell_us,
            titles=session.titles,
            history=self._windows.history,
            recent=tuple(self._recent),
        )

    def row(self, row_inputs: RowInputs) -> FeatureRow:
        """Build the next row."""
        state, front, event = self._state, row_inputs.front, row_inputs.front.event
        inputs, session, windows = row_inputs.inputs, self._session, self._windows
        # a quotient of seconds, not of microseconds: 41.163 s / 60 s rounds to 0.686, and existing models saw that
        length_seconds = (front.end_us - front.start_us) / _US
        start_ts = from_us(front.start_us)
        local = start_ts.astimezone(self._zone)
        dwell = self._dwell(row_inputs)
        windows.add(row_inputs.bucket_us, row_inputs.app_us)
        switches_5m, switches_15m = windows.switches()
        # a bucket that holds only events without length has entropy and concentration 0 whatever came before
        entropy_5m, entropy_15m = windows.entropies() if front.app_us else (0.0, 0.0)
        repeats = session.enter(row_inputs.bucket_us, event.window_title_hash)
        session_start = row_inputs.bucket_us if session.start_us is None else session.start_us
        last = self._recent[-1] if self._recent else (None, None, None)
        self._recent.append((inputs.keys_per_min, inputs.clicks_per_min, inputs.mouse_distance))
        return FeatureRow(
            user_id=state.user_id,
            device_id=state.device_id,
            session_id=session.id,
            bucket_start_ts=start_ts,
            bucket_end_ts=from_us(front.end_us),
            app_id=event.app_id,
            app_category=event.app_category,
            window_title_hash=event.window_title_hash,
            is_browser=event.is_browser,
            is_editor=event.is_editor,
            is_terminal=event.is_terminal,
            app_switch_count_last_5m=switches_5m,
            app_foreground_time_ratio=round(min(1.0, front.dominant_us / _US / length_seconds), 4),
            app_change_count=front.app_changes,
            app_dwell_time_seconds=round(dwell / _US, 2),
            app_entropy_5m=entropy_5m,
            app_entropy_15m=entropy_15m,
            top2_app_concentration_15m=windows.top2_concentration() if front.app_us else 0.0,
            idle_return_indicator=session_start == row_inputs.bucket_us,
            keys_per_min=inputs.keys_per_min,
            clicks_per_min=inputs.clicks_per_min,
            scroll_events_per_min=inputs.scroll_events_per_min,
            mouse_distance=inputs.mouse_distance,
            active_seconds_keyboard=inputs.active_seconds_keyboard,
            active_seconds_mouse=inputs.active_seconds_mouse,
            active_seconds_any=inputs.active_seconds_any,
            max_idle_run_seconds=inputs.max_idle_run_seconds,
            event_density=inputs.event_density,
            domain_category=row_inputs.domain,
            window_title_bucket=int(event.window_title_hash, 16) % _TITLE_BUCKETS,
            title_repeat_count_session=repeats,
            keys_per_min_rolling_5=self._mean(0, 5),
            keys_per_min_rolling_15=self._mean(0, 15),
            mouse_distance_rolling_5=self._mean(2, 5),
            mouse_distance_rolling_15=self._mean(2, 15),
            keys_per_min_delta=_delta(inputs.keys_per_min, last[0]),
            clicks_per_min_delta=_delta(inputs.clicks_per_min, last[1]),
            mouse_distance_delta=_delta(inputs.mouse_distance, last[2]),
            app_switch_count_last_15m=switches_15m,
            hour_of_day=local.hour,
            day_of_week=local.weekday(),
            session_length_so_far=round((row_inputs.bucket_us - session_start) / (60 * _US), 2),
            title_token_sketch=event.title_token_sketch,
            title_char3_sketch=event.title_char3_sketch,
            title_char_count=event.title_char_count,
            title_token_count=event.title_token_count,
            title_unique_token_ratio=event.title_unique_token_ratio,
            title_digit_ratio=event.title_digit_ratio,
            title_separator_count=event.title_separator_count,
            source_ids=_WITH_INPUT if inputs.keys_per_min is not None else _WINDOWS_ALONE,
            time_zone=state.time_zone,
            covered_seconds=front.covered_us / _US,
            unknown_seconds=front.unknown_us / _US,
            locked_seconds=front.locked_us / _US,
            attended_seconds=row_inputs.attended_us / _US,
            audible_seconds=row_inputs.audible_us / _US,
            call_spans=front.calls,
            lock_spans=front.locks,
            word_seconds=front.word_seconds,
        )

    def _dwell(self, row_inputs: RowInputs) -> int:
        """Return the running time of the same dominant app, which includes this bucket; after a change, this row's own
        time.
        """
        app = row_inputs.front.event.app_id
        if app == self._dwell_app:
            self._dwell_us += row_inputs.app_us.get(app, 0)
        else:
            self._dwell_app, self._dwell_us = app, row_inputs.front.dominant_us
        return self._dwell_us

    def _mean(self, column: int, rows: int) -> float | None:
        """Return the mean of the values present in the last rows (the newest included), 4 decimals."""
        recent = self._recent
        values = [recent[i][column] for i in range(max(0, len(recent) - rows), len(recent))]
        present = [value for value in values if value is not None]
        return round(fsum(present) / len(present), 4) if present else None


def _delta(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else round(now - before, 4)
