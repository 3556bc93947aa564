"""How long a label goes on that was given to the current block: until the work changes.

While it goes on it holds for every later moment, whatever the model answers at a single poll. It ends 30 min after it
began, as a block does; at once with a pause, a gap or time away; and when the model has seen other work for three
minutes. While the same app stays in front, the model's doubt is not other work, nor is a new answer in the first three
minutes of the label: the live label follows a change of work only after a minute or two.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from taskclf_tray.core.time import from_us
from taskclf_tray.labels.blocks import MAX_BLOCK_SECONDS
from taskclf_tray.labels.presence import EXCURSION
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.record.live_label import LiveLabel

_MAX_BLOCK: Final = timedelta(seconds=MAX_BLOCK_SECONDS)


class LabelGrowth:
    """Owned by the worker; fed with each live answer. Raises StoreError."""

    def __init__(self, labels: LabelStore, front_at: Callable[[datetime], str | None]) -> None:
        """`front_at`: the app in front at a moment, None where that is not known any more."""
        self._labels = labels
        self._front_at = front_at
        self._span_id: int | None = None
        self._app: str | None = None
        """The app it was given to."""
        self._ui_label: str | None = None
        """The model's answer that the label goes along with."""
        self._answered: str | None = None
        """The model's last answer; None while it does not know."""

    def follow(self, live: LiveLabel | None, now: datetime, *, is_dark: Callable[[], bool]) -> None:
        """Let the label go on with its block, or end. `is_dark`: whether a pause or private mode is on."""
        before = self._answered
        self._answered = None if live is None or live.is_unsure else live.prediction.ui_label
        growing = self._labels.growing()
        if growing is None:
            return
        if growing.id != self._span_id:
            self._span_id, self._ui_label = growing.id, before
            self._app = self._front_at(from_us(growing.start_us))
        start = from_us(growing.start_us)
        if live is not None and live.is_away:
            self._labels.stop_growing(at=live.away_since or live.prediction.bucket_start_ts)
        elif is_dark() or (live is not None and live.unbroken_since is not None and live.unbroken_since > start):
            self._labels.stop_growing()
        elif live is not None and live.prediction.bucket_end_ts - from_us(growing.end_us) > _MAX_BLOCK:
            self._labels.stop_growing()  # it was given to a time that is long over: nothing after it is meant
        elif live is not None and self._goes_on(live, start):
            self._labels.grow(min(live.prediction.bucket_end_ts, start + _MAX_BLOCK))
            if live.prediction.bucket_end_ts >= start + _MAX_BLOCK:
                self._labels.stop_growing()
        elif now - from_us(growing.end_us) > EXCURSION:
            self._labels.stop_growing()

    def _goes_on(self, live: LiveLabel, start: datetime) -> bool:
        """Whether this answer speaks of the work that began at `start`."""
        is_sure = self._answered is not None
        if is_sure and self._answered == self._ui_label:
            return True
        is_same_app = self._app in (None, live.app)
        if self._ui_label is None:
            goes_on = is_same_app or live.since <= start
        else:
            goes_on = is_same_app and (not is_sure or live.since <= start + EXCURSION)
        if goes_on and is_sure:
            self._ui_label = self._answered
        return goes_on
