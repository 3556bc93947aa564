"""The buckets of an ActivityWatch server, sorted into machines and listed at most once a minute."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from taskclf_tray.adapters.aw_buckets import is_phone_event, parse_bucket, states
from taskclf_tray.adapters.aw_http import AWClient
from taskclf_tray.adapters.base import BucketState, Stream
from taskclf_tray.adapters.cleaning import MOST_BUCKETS
from taskclf_tray.adapters.machines import Bucket, Machine, Selection, is_askable, select
from taskclf_tray.adapters.raw import parse_raw
from taskclf_tray.core.errors import AWNotFoundError, AWProtocolError

BUCKETS_FRESH_SECONDS: Final = 60.0
"""How long a listing is used: it is the expensive request on older servers."""

REFUSED_SECONDS: Final = 600.0
"""How long a bucket is left out that the server lists without giving its events."""

LATE_US: Final = 120_000_000
"""A listing is up to a minute old and a watcher reports late: an event this much later may be there by now."""

DORMANT_US: Final = 7 * 86_400_000_000
"""A machine without events for this long is not read at every poll; the listing shows when it wakes up."""


class BucketListing:
    """The buckets of one server. `hostname`: read only the machine of this name. Used by one thread.

    When the server does not report the end of a bucket's newest event (neither `last_updated` nor `metadata.end`), the
    event itself is requested, at most once a minute. Methods that send requests raise SourceError.
    """

    def __init__(self, client: AWClient, *, hostname: str | None, clock: Callable[[], float]) -> None:
        self._client = client
        self._hostname = hostname
        self._clock = clock
        self._listed_at: float | None = None
        self._buckets: list[Bucket] = []
        self._own = ("", "")
        self._newest: dict[str, tuple[float, int | None]] = {}
        self._refused: dict[str, float] = {}
        self._phones: set[str] = set()
        self._used_until: dict[str, int] = {}
        self._selection = Selection()
        self._states: tuple[BucketState, ...] | None = None

    @property
    def own_host(self) -> str:
        """Name of the machine that the server runs on."""
        return self._own[0]

    def selection(self) -> Selection:
        """Return the buckets to read.

        The listing is renewed when it is a minute old or has no windows: at login the server starts before its
        watchers.
        """
        now = self._clock()
        is_fresh = self._listed_at is not None and 0 <= now - self._listed_at < BUCKETS_FRESH_SECONDS
        if not is_fresh or not self._selection.has(Stream.WINDOW):
            self._own, listing = self._listing()
            found = (parse_bucket(bucket_id, item) for bucket_id, item in listing.items())
            self._buckets = list(self._dated([bucket for bucket in found if bucket is not None], now))
            self._listed_at = now
            self._select()
        return self._selection

    def states(self) -> tuple[BucketState, ...]:
        """Return every bucket of the last listing for display."""
        if self._states is None:
            self._states = states(self._selection, self._used_until)
        return self._states

    def forget(self) -> None:
        """Drop the listing, so that the next use renews it."""
        self._listed_at = None

    def refuse(self, bucket: Bucket) -> None:
        """Leave a bucket out for a while, because the server lists it without giving its events."""
        self._refused[bucket.bucket_id] = self._clock()
        self._select()

    def note_phone(self, bucket: Bucket) -> None:
        """Note that a bucket has the events of a phone."""
        self._phones.add(bucket.bucket_id)
        self._select()

    def note_use(self, bucket: Bucket, until_us: int) -> None:
        """Note until when the away watcher of a bucket saw the person."""
        if until_us > self._used_until.get(bucket.bucket_id, 0):
            self._used_until[bucket.bucket_id] = until_us
            self._states = None

    def _select(self) -> None:
        now = self._clock()
        self._refused = {name: at for name, at in self._refused.items() if 0 <= now - at < REFUSED_SECONDS}
        buckets = (
            dataclasses.replace(
                bucket,
                is_phone=bucket.is_phone or bucket.bucket_id in self._phones,
                is_refused=bucket.bucket_id in self._refused,
            )
            for bucket in self._buckets
        )
        self._selection = select(buckets, hostname=self._hostname, own_host=self._own[0], own_device=self._own[1])
        self._states = None

    # -- asking -----------------------------------------------------------------------------------------------

    def _listing(self) -> tuple[tuple[str, str], Mapping[str, Any]]:
        """Request the name and device id of the server's machine, and all buckets."""
        info = self._table("info")
        hostname, device = info.get("hostname"), info.get("device_id")
        if not isinstance(hostname, str):
            raise unexpected_response()
        listing = self._table("buckets/")
        if len(listing) > MOST_BUCKETS:
            raise unexpected_response()
        return (hostname, device if isinstance(device, str) else ""), listing

    def _table(self, path: str) -> dict[str, Any]:
        try:
            answer = self._client.get(path)
        except AWNotFoundError as error:  # every ActivityWatch server has these paths
            raise unexpected_response() from error
        if not isinstance(answer, dict):
            raise unexpected_response()
        return answer

    def _dated(self, buckets: list[Bucket], now: float) -> Iterator[Bucket]:
        """Yield the buckets with the end of their newest event.

        A server that reports it for one reports it for all with events.
        """
        has_ends = any(bucket.last_us is not None for bucket in buckets)
        for bucket in buckets:
            if has_ends or bucket.stream is None or bucket.is_copy or not is_askable(bucket.bucket_id):
                yield bucket
            else:
                yield dataclasses.replace(bucket, last_us=self._newest_us(bucket, now))

    def _newest_us(self, bucket: Bucket, now: float) -> int | None:
        asked_at, newest = self._newest.get(bucket.bucket_id, (None, None))
        if asked_at is not None and 0 <= now - asked_at < BUCKETS_FRESH_SECONDS:
            return newest
        try:
            items = self._client.get(events_path(bucket), {"limit": "1"})
        except AWNotFoundError:  # deleted since it was listed
            items = []
        if not isinstance(items, list):
            raise unexpected_response()
        event = parse_raw(items[0]) if items else None
        if event is not None and bucket.stream is Stream.WINDOW and is_phone_event(event):
            self._phones.add(bucket.bucket_id)
        newest = None if event is None else event.end_us
        self._newest[bucket.bucket_id] = (now, newest)
        return newest


def events_path(bucket: Bucket) -> str:
    """Return the path of a bucket's events."""
    return f"buckets/{quote(bucket.bucket_id, safe='')}/events"


def reaches(bucket: Bucket, start_us: int) -> bool:
    """Whether a bucket may have events from `start_us` on; an empty bucket may get its first."""
    return bucket.last_us is None or bucket.last_us + LATE_US >= start_us


def may_wake(bucket: Bucket, machine: Machine, newest_us: int) -> bool:
    """Whether a bucket may get events again.

    It must be the newest bucket of its machine and stream, with an event in the week before `newest_us`.
    """
    assert bucket.stream is not None
    return bucket is machine.of(bucket.stream)[0] and bucket.span_us[1] >= newest_us - DORMANT_US


def is_used_lately(machine: Machine, newest_us: int) -> bool:
    """Whether a machine had windows in the week before `newest_us`."""
    return machine.last_us >= newest_us - DORMANT_US


def unexpected_response() -> AWProtocolError:
    """Return the error for a response of an unexpected shape."""
    return AWProtocolError(
        "The response of the ActivityWatch server has an unexpected shape.",
        "Check aw_host in config.toml, and the server's version.",
    )
