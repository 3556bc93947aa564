"""ActivityWatch over its REST API: reads, never writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import quote

from taskclf_tray.adapters.aw_buckets import Bucket, choose, parse_bucket
from taskclf_tray.adapters.aw_http import AWClient
from taskclf_tray.adapters.base import ActivitySource, SourceStatus, Stream
from taskclf_tray.adapters.cleaning import CLIP_NOISE_US
from taskclf_tray.adapters.export import parse_aw_export
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent, parse_raw
from taskclf_tray.core.defaults import DEFAULT_AW_HOST, DEFAULT_AW_TIMEOUT_SECONDS
from taskclf_tray.core.errors import AWConnectionError, AWNotFoundError, AWProtocolError, AWTimeoutError, SourceError
from taskclf_tray.core.time import as_utc, from_us, iso_z, to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent, SourceEvents

__all__ = [
    "AWAwayEvent",
    "AWConnectionError",
    "AWEvent",
    "AWInputEvent",
    "AWNotFoundError",
    "AWTabEvent",
    "AWTimeoutError",
    "ActivityWatchSource",
    "parse_aw_export",
]

LONGEST_REQUEST: Final = timedelta(days=1)
"""A day of window events takes 70 ms; 30 days in one request 2.5 s and 14 MB."""

BUCKETS_FRESH_SECONDS: Final = 60.0
"""How long a choice of buckets holds: listing them is the expensive call on older servers."""

_STREAM_NAMES: Final = {
    Stream.WINDOW: "windows",
    Stream.AWAY: "away",
    Stream.INPUT: "input",
    Stream.TAB: "browser tabs",
}


class ActivityWatchSource(ActivitySource):
    """Reads one ActivityWatch server, one thread at a time.

    `hostname`: whose buckets to read; without it, that of the server's machine. A server on another machine is allowed
    over http; then window titles travel over the network in clear, and `status` says so. A read takes at most
    `timeout_seconds` a request. Raises ConfigError for an address that is none.
    """

    name: ClassVar[str] = "activitywatch"

    def __init__(
        self,
        host: str = DEFAULT_AW_HOST,
        *,
        normaliser: Normaliser,
        api_key: str | None = None,
        timeout_seconds: float = DEFAULT_AW_TIMEOUT_SECONDS,
        hostname: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = AWClient(host, api_key=api_key, timeout_seconds=timeout_seconds)
        self._normaliser = normaliser
        self._hostname = hostname
        self._clock = clock
        self._buckets: dict[Stream, Bucket] = {}
        self._chosen_at: float | None = None
        self._passed_over = 0

    def __repr__(self) -> str:
        return f"ActivityWatchSource({self._client.base_url!r})"

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        """Cleaned events of [start, end), asked for in parts of at most a day. Raises SourceError."""
        start, end = as_utc(start), as_utc(end)
        if start >= end:
            return SourceEvents(start, end)
        try:
            return self._read(start, end)
        except AWNotFoundError:  # a bucket was deleted or renamed since it was chosen
            self._chosen_at = None
            return self._read(start, end)

    def status(self) -> SourceStatus:
        """Whether the server answers, which streams it has, and when its newest window event ended."""
        try:
            self._chosen_at = None
            buckets = self._choose()
            newest = self._newest(buckets.get(Stream.WINDOW))
        except SourceError as error:
            return SourceStatus(self.name, reachable=False, streams=frozenset(), detail=str(error))
        return SourceStatus(self.name, True, frozenset(buckets), self._detail(buckets), newest)

    def interrupt(self) -> None:
        """Let the request under way end."""
        self._client.interrupt()

    def close(self) -> None:
        """Close kept connections."""
        self._client.close()

    def _read(self, start: datetime, end: datetime) -> SourceEvents:
        asked = _whole_milliseconds(start, end)
        raw: dict[Stream, list[RawEvent]] = {}
        damaged = 0
        for stream, bucket in self._choose().items():
            raw[stream] = []
            for first, last in _days(*asked):
                sound, bad = self._request(bucket, first, last)
                raw[stream] += sound
                damaged += bad
        events = self._normaliser.events(start, end, {s: _without_remainders(e, asked[0]) for s, e in raw.items()})
        self._passed_over = damaged + self._normaliser.passed_over
        return events

    def _request(self, bucket: Bucket, start: datetime, end: datetime) -> tuple[list[RawEvent], int]:
        """Sound events of a part, and how many were damaged."""
        path = f"buckets/{quote(bucket.bucket_id, safe='')}/events"
        items = self._client.get(path, {"start": iso_z(start), "end": iso_z(end)})
        if not isinstance(items, list):
            raise _strange()
        events = [parse_raw(item) for item in items]
        sound = [event for event in events if event is not None]
        return sound, len(events) - len(sound)

    def _choose(self) -> dict[Stream, Bucket]:
        """The bucket of each stream, listed anew when the last choice is a minute old or has no windows: at login the
        server is there before its watchers."""
        now = self._clock()
        is_fresh = self._chosen_at is not None and 0 <= now - self._chosen_at < BUCKETS_FRESH_SECONDS
        if not is_fresh or Stream.WINDOW not in self._buckets:
            hostname, listing = self._listing()
            found = (parse_bucket(name, item) for name, item in listing.items())
            self._buckets = choose([bucket for bucket in found if bucket is not None], hostname)
            self._chosen_at = now
        return self._buckets

    def _listing(self) -> tuple[str, dict[str, Any]]:
        """Whose buckets to prefer, and all buckets."""
        try:
            hostname = self._hostname or _text(self._client.get("info"), "hostname")
            listing = self._client.get("buckets/")
        except AWNotFoundError as error:  # every ActivityWatch server has these two
            raise _strange() from error
        if not isinstance(listing, dict):
            raise _strange()
        return hostname, listing

    def _newest(self, bucket: Bucket | None) -> datetime | None:
        if bucket is None:
            return None
        items = self._client.get(f"buckets/{quote(bucket.bucket_id, safe='')}/events", {"limit": "1"})
        event = parse_raw(items[0]) if isinstance(items, list) and items else None
        return None if event is None else from_us(event.end_us)

    def _detail(self, buckets: dict[Stream, Bucket]) -> str:
        where = f"ActivityWatch answers at {self._client.base_url}"
        if Stream.WINDOW not in buckets:
            said = f"{where}, but no window watcher has written to it. Start aw-watcher-window (on Wayland: awatcher)."
        else:
            said = f"{where} with {', '.join(_STREAM_NAMES[stream] for stream in Stream if stream in buckets)}."
        if not self._client.is_loopback:
            said += " It is on another machine: window titles travel over the network."
        if self._passed_over:
            said += f" {self._passed_over} damaged events were passed over in the last read."
        return said


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        upto = min(start + LONGEST_REQUEST, end)
        yield start, upto
        start = upto


def _whole_milliseconds(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The longest stretch of whole milliseconds inside [start, end): servers keep no finer times, and not even a
    part of a millisecond before `start` may be asked for."""
    return from_us(-(-to_us(start) // 1000) * 1000), from_us(to_us(end) // 1000 * 1000)


def _without_remainders(events: list[RawEvent], start: datetime) -> list[RawEvent]:
    """Without what is left of an event that ended as the request began: the server gives it with no length."""
    start_us = to_us(start)
    return [e for e in events if e.start_us > start_us or e.end_us - start_us > CLIP_NOISE_US]


def _text(item: Any, key: str) -> str:
    if not isinstance(item, dict) or not isinstance(item.get(key), str):
        raise _strange()
    return str(item[key])


def _strange() -> AWProtocolError:
    return AWProtocolError(
        "The ActivityWatch server's answer has a shape it should not have.",
        "Check aw_host in config.toml, and the server's version.",
    )
