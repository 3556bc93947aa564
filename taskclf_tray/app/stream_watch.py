"""Watches for buckets of the source that are not read, and for windows that stay away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from taskclf_tray.adapters.base import BucketState, Stream, Unread
from taskclf_tray.app import record_text
from taskclf_tray.app.text import Message
from taskclf_tray.store.database import Database

FRESH: Final = timedelta(minutes=15)
"""A bucket with an event of this age or younger is active; without one it is silent."""
AT_KEYBOARD: Final = timedelta(minutes=5)
_STATE: Final = "told_unread"
_MOST_REMEMBERED: Final = 200
_NOT_TOLD: Final = frozenset({None, Unread.OTHER_TYPE, Unread.OTHER_HOST})
Tell = Callable[[Sequence[Message]], None]


class StreamWatch:
    """Tells once of each active bucket that is not read, and of windows that stay away, once until they return.

    Runs in the worker's thread. Raises StoreError.
    """

    def __init__(self, database: Database, tell: Tell) -> None:
        self._database = database
        self._tell = tell
        self._seen: tuple[BucketState, ...] = ()
        self._newest: dict[str, datetime | None] = {}
        self._silent_since: datetime | None = None
        self._is_silence_told = False
        with database.reading():
            self._told: list[str] = _ids(database.state.get(_STATE))

    def look(self, buckets: tuple[BucketState, ...], now: datetime) -> None:
        """Compare the source's buckets, as the last read reported them, with those seen before."""
        self._look_for_silence(buckets, now)
        if buckets is self._seen:
            return
        self._seen = buckets
        news = [bucket for bucket in buckets if self._is_news(bucket, now)]
        self._newest = {bucket.bucket_id: bucket.newest for bucket in buckets}
        for bucket in news:
            self._remember(bucket.bucket_id)  # first: a kill in between tells less, never twice
            self._tell([record_text.bucket_unread(bucket)])

    def _is_news(self, bucket: BucketState, now: datetime) -> bool:
        if bucket.unread in _NOT_TOLD or bucket.newest is None or bucket.bucket_id in self._told:
            return False
        before = self._newest.get(bucket.bucket_id)
        return _is_fresh(bucket, now) or (before is not None and bucket.newest > before)

    def _remember(self, bucket_id: str) -> None:
        self._told = [*self._told, bucket_id][-_MOST_REMEMBERED:]
        with self._database.transaction():
            self._database.state.set(_STATE, json.dumps(self._told))

    def _look_for_silence(self, buckets: tuple[BucketState, ...], now: datetime) -> None:
        """Notice that windows stay away while somebody types, or while only unread buckets report any."""
        if not buckets or not (_is_at_keyboard_without_windows(buckets, now) or _others_only(buckets, now)):
            self._silent_since, self._is_silence_told = None, False
            return
        self._silent_since = self._silent_since or now
        if not self._is_silence_told and now - self._silent_since >= FRESH:
            self._is_silence_told = True
            others = [b for b in buckets if b.stream is Stream.WINDOW and b.unread is not None and _is_fresh(b, now)]
            self._tell([record_text.windows_stay_away(others[0] if others else None)])


def _is_at_keyboard_without_windows(buckets: Sequence[BucketState], now: datetime) -> bool:
    """Whether a computer is in use whose windows are silent."""
    for away in _read(buckets, Stream.AWAY):
        if away.used_until is None or not timedelta(0) <= now - away.used_until <= AT_KEYBOARD:
            continue
        windows = [b for b in _read(buckets, Stream.WINDOW) if away.machine in ("", b.machine)]
        if not any(_is_fresh(window, now) for window in windows):
            return True
    return False


def _others_only(buckets: Sequence[BucketState], now: datetime) -> bool:
    if any(_is_fresh(bucket, now) for stream in Stream for bucket in _read(buckets, stream)):
        return False
    return any(
        bucket.stream is Stream.WINDOW and bucket.unread not in _NOT_TOLD and _is_fresh(bucket, now)
        for bucket in buckets
    )


def _read(buckets: Sequence[BucketState], stream: Stream) -> Iterator[BucketState]:
    return (bucket for bucket in buckets if bucket.stream is stream and bucket.unread is None)


def _is_fresh(bucket: BucketState, now: datetime) -> bool:
    return bucket.newest is not None and abs(now - bucket.newest) < FRESH


def _ids(saved: str | None) -> list[str]:
    try:
        found = json.loads(saved or "[]")
    except ValueError:
        return []
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
