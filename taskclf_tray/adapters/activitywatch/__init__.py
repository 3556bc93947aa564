"""ActivityWatch over its REST API: reads, never writes.

The app reads an `ActivityWatchSource`; the loop of the inference documents makes single calls. Each of the functions
opens its own connection, and raises AWConnectionError, AWTimeoutError, AWNotFoundError, AWAuthError, AWProtocolError,
and ConfigError for an invalid address.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import quote

from taskclf_tray.adapters.aw_buckets import is_phone_event, shown_name
from taskclf_tray.adapters.aw_http import AWClient
from taskclf_tray.adapters.aw_listing import (
    BucketListing,
    events_path,
    is_used_lately,
    may_wake,
    reaches,
    unexpected_response,
)
from taskclf_tray.adapters.base import ActivitySource, BucketState, SourceStatus, Stream
from taskclf_tray.adapters.cleaning import CLIP_NOISE_US, clip, thinned
from taskclf_tray.adapters.export import parse_aw_export
from taskclf_tray.adapters.follow import followed
from taskclf_tray.adapters.machines import Bucket, Selection
from taskclf_tray.adapters.normalise import Normaliser, is_sound
from taskclf_tray.adapters.raw import RawEvent, counted_damaged, parse_raw
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
    "fetch_aw_events",
    "fetch_aw_input_events",
    "find_input_bucket_id",
    "find_window_bucket_id",
    "parse_aw_export",
]

LONGEST_REQUEST: Final = timedelta(days=1)
"""A day of window events takes 70 ms; 30 days in one request 2.5 s and 14 MB."""

MOST_EVENTS: Final = 40_000
MOST_EVENTS_A_DAY: Final = 60_000
"""The most events of a read, plus more for each of its days (about 20,000), so that a read can end soon when asked."""

_TOO_MANY: Final = (
    "The ActivityWatch server has more events than watchers report.",
    "Find out which program writes them: all buckets are under Raw Data in ActivityWatch.",
)
_STREAM_NAMES: Final = {
    Stream.WINDOW: "windows",
    Stream.AWAY: "away",
    Stream.INPUT: "input",
    Stream.TAB: "browser tabs",
}
_NOTHING_GIVEN: Final = (
    "The ActivityWatch server lists windows, but does not give them.",
    "Restart ActivityWatch; reading then resumes.",
)
_NO_TITLES: Final = "0" * 64
"""The secret of reads that hash no title."""


class ActivityWatchSource(ActivitySource):
    """Reads one ActivityWatch server, one thread at a time.

    Every machine that reports to the server is read, and each minute uses the machine in use. A server on another
    machine is allowed over http; then window titles travel over the network in clear, and `status` says so.

    Args:
        host: an http or https address without a path.
        normaliser: cleans the events.
        api_key: sent with every request; see `AWClient`.
        timeout_seconds: limit for a request with its retries.
        hostname: read only the machine of this name.
        clock: monotonic seconds.

    Raises:
        ConfigError: `host` is not such an address.
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
        self._listing = BucketListing(self._client, hostname=hostname, clock=clock)
        self._damaged = 0
        self._left = 0
        """The number of events that the running read may still get."""
        self._skipped = 0

    def __repr__(self) -> str:
        return f"ActivityWatchSource({self._client.base_url!r})"

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        """Read cleaned events of [start, end), in requests of at most a day. Raises SourceError."""
        start, end = as_utc(start), as_utc(end)
        if start >= end:
            return SourceEvents(start, end)
        try:
            return self._read(start, end)
        except AWNotFoundError:  # a bucket was deleted or renamed since it was listed
            self._listing.forget()
            return self._read(start, end, is_second=True)

    def status(self) -> SourceStatus:
        """Report whether the server is reachable, its streams, and the end of its newest window event."""
        try:
            self._listing.forget()
            selection = self._listing.selection()
        except SourceError as error:
            return SourceStatus(self.name, reachable=False, streams=frozenset(), detail=str(error))
        return SourceStatus(
            name=self.name,
            reachable=True,
            streams=frozenset(stream for stream in Stream if selection.has(stream)),
            detail=self._detail(selection),
            newest_event=max(self._newest_windows(), default=None),
            buckets=self.buckets(),
        )

    def _newest_windows(self) -> Iterator[datetime]:
        for state in self.buckets():
            if state.stream is Stream.WINDOW and state.unread is None and state.newest is not None:
                yield state.newest

    def buckets(self) -> tuple[BucketState, ...]:
        """Return every bucket of the last listing."""
        return self._listing.states()

    def interrupt(self) -> None:
        """Let the request under way end."""
        self._client.interrupt()

    def close(self) -> None:
        """Close kept connections."""
        self._client.close()

    def _read(self, start: datetime, end: datetime, *, is_second: bool = False) -> SourceEvents:
        """`is_second`: a bucket that the server does not give right after listing it is left out."""
        asked = _whole_milliseconds(start, end)
        self._damaged = 0
        self._left = MOST_EVENTS + round(MOST_EVENTS_A_DAY * ((end - start) / timedelta(days=1)))
        selection = self._listing.selection()
        events: dict[str, list[RawEvent]] = {}
        for bucket in self._due(selection, to_us(asked[0]), events):
            try:
                events[bucket.bucket_id] = self._events(bucket, *asked)
            except AWNotFoundError:
                if not is_second:
                    raise
                self._listing.refuse(bucket)
        if is_second and selection.has(Stream.WINDOW) and not self._listing.selection().has(Stream.WINDOW):
            raise AWNotFoundError(*_NOTHING_GIVEN)
        keep_going, lookup = self._client.keep_going, self._normaliser.lookup
        raw = followed(selection, events, lookup, own_host=self._listing.own_host, keep_going=keep_going)
        read = self._normaliser.events(start, end, raw, are_sound=True, keep_going=keep_going)
        self._skipped = self._damaged
        return read

    def _due(self, selection: Selection, start_us: int, events: Mapping[str, Sequence[RawEvent]]) -> Iterator[Bucket]:
        """The buckets to ask, one after the other; `events`: what those before have answered.

        Windows first: whether a machine that was asleep is in use again, its windows tell; only then the rest is asked.
        """
        newest_us = selection.machines[0].last_us if selection.machines else 0
        for machine in selection.machines:
            windows = [b for b in machine.of(Stream.WINDOW) if reaches(b, start_us) or may_wake(b, machine, newest_us)]
            yield from windows
            is_awake = any(reaches(b, start_us) or events.get(b.bucket_id) for b in windows)
            for bucket in machine.buckets:
                if bucket.stream is Stream.WINDOW:
                    continue
                can_wake = is_awake and bucket.stream is not Stream.TAB and may_wake(bucket, machine, newest_us)
                if reaches(bucket, start_us) or can_wake:
                    yield bucket
        yield from (bucket for bucket in selection.loose if reaches(bucket, start_us))

    def _events(self, bucket: Bucket, start: datetime, end: datetime) -> list[RawEvent]:
        """A bucket's sound events, asked for in parts of at most a day."""
        found: list[RawEvent] = []
        for first, last in _days(start, end):
            found += self._request(bucket, first, last)
        found = _without_remainders(found, start)
        if bucket.stream is Stream.AWAY:
            present = max((event.end_us for event in found if event.data["status"] == "not-afk"), default=0)
            self._listing.note_use(bucket, present)
        assert bucket.stream is not None
        # events that a server does not clip may last for days
        found = thinned(bucket.stream, clip(found, to_us(start), to_us(end)))
        if bucket.stream is not Stream.WINDOW:
            return found
        of_desks = [event for event in found if not is_phone_event(event)]
        if found and not of_desks:
            self._listing.note_phone(bucket)
        return of_desks

    def _request(self, bucket: Bucket, start: datetime, end: datetime) -> list[RawEvent]:
        """The sound events of a part; the damaged ones are counted."""
        items = self._client.get(events_path(bucket), {"start": iso_z(start), "end": iso_z(end)})
        if not isinstance(items, list):
            raise unexpected_response()
        self._left -= len(items)
        if self._left < 0:
            raise AWProtocolError(*_TOO_MANY)
        assert bucket.stream is not None
        events = [parse_raw(item, browser=bucket.browser) for item in self._while_wanted(items)]
        sound = [event for event in events if event is not None and is_sound(bucket.stream, event)]
        self._damaged += len(events) - len(sound)
        return sound

    def _while_wanted(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items, until the program stops. Raises AWTimeoutError then."""
        for item in items:
            self._client.keep_going()
            yield item

    def _detail(self, selection: Selection) -> str:
        where = f"ActivityWatch answers at {self._client.base_url}"
        if not selection.has(Stream.WINDOW):
            sentence = (
                f"{where}, but no window watcher has written to it. Start aw-watcher-window (on Wayland: awatcher)."
            )
        else:
            sentence = f"{where} with {', '.join(_STREAM_NAMES[stream] for stream in Stream if selection.has(stream))}."
        machines = [
            shown_name(m.names[0]) for m in selection.machines if is_used_lately(m, selection.machines[0].last_us)
        ]
        if len(machines) > 1:
            sentence += f" {len(machines)} computers report to it ({', '.join(machines)}): the one in use is followed."
        if not self._client.is_loopback:
            sentence += " It is on another machine: window titles travel over the network."
        if self._skipped:
            sentence += f" {counted_damaged(self._skipped)} in the last read."
        return sentence


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
    """Drop events that ended as the request began, which the server gives without length."""
    start_us = to_us(start)
    return [e for e in events if e.start_us > start_us or e.end_us - start_us > CLIP_NOISE_US]


def find_window_bucket_id(aw_host: str) -> str:
    """Find the bucket of window events of the machine in use. Raises AWNotFoundError when there is none."""
    found = _find(aw_host, Stream.WINDOW)
    if found is None:
        raise AWNotFoundError(
            f"No window watcher has written to the ActivityWatch server at {aw_host}.",
            "Start aw-watcher-window (on Wayland: awatcher).",
        )
    return found


def find_input_bucket_id(aw_host: str) -> str | None:
    """Find the bucket of input events of the machine in use; None when there is none."""
    return _find(aw_host, Stream.INPUT)


def fetch_aw_events(aw_host: str, bucket_id: str, start: datetime, end: datetime, *, title_salt: str) -> list[AWEvent]:
    """Fetch cleaned window events.

    Args:
        aw_host: the address of the server.
        bucket_id: the bucket.
        start: aware start of the interval.
        end: aware end, exclusive.
        title_salt: the title secret of this installation, 64 hex characters.

    Returns:
        Events of [start, end) in order of time.

    Raises:
        IdentityError: the secret is not valid.
        SourceError: the server cannot be read (see above).
    """
    normaliser = Normaliser(title_salt)
    raw = {Stream.WINDOW: _request(aw_host, bucket_id, start, end)}
    return list(normaliser.events(as_utc(start), as_utc(end), raw).window)


def fetch_aw_input_events(aw_host: str, bucket_id: str, start: datetime, end: datetime) -> list[AWInputEvent]:
    """Fetch keyboard and mouse counts.

    Args:
        aw_host: the address of the server.
        bucket_id: the bucket.
        start: aware start of the interval.
        end: aware end, exclusive.

    Returns:
        Events of [start, end) in order of time.

    Raises:
        SourceError: the server cannot be read (see above).
    """
    raw = {Stream.INPUT: _request(aw_host, bucket_id, start, end)}
    return list(Normaliser(_NO_TITLES).events(as_utc(start), as_utc(end), raw).input)


def _find(aw_host: str, stream: Stream) -> str | None:
    with _client(aw_host) as client:
        selection = BucketListing(client, hostname=None, clock=time.monotonic).selection()
    for machine in selection.machines:
        for bucket in machine.of(stream):
            return bucket.bucket_id
    return None


def _request(aw_host: str, bucket_id: str, start: datetime, end: datetime) -> list[RawEvent]:
    with _client(aw_host) as client:
        path = f"buckets/{quote(bucket_id, safe='')}/events"
        items = client.get(path, {"start": iso_z(start), "end": iso_z(end)})
    if not isinstance(items, list):
        raise unexpected_response()
    return [event for event in map(parse_raw, items) if event is not None]


@contextmanager
def _client(aw_host: str) -> Iterator[AWClient]:
    client = AWClient(aw_host)
    try:
        yield client
    finally:
        client.close()
