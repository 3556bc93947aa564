"""ActivityWatch by single calls, as the inference documents' loop makes them; the app reads an `ActivityWatchSource`.

Every call opens a connection of its own. Raises AWConnectionError, AWTimeoutError, AWNotFoundError, AWAuthError,
AWProtocolError, and ConfigError for an address that is none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from urllib.parse import quote

from taskclf_tray.adapters.aw_http import AWClient
from taskclf_tray.adapters.aw_listing import BucketListing, strange_answer
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent, parse_raw
from taskclf_tray.core.errors import AWNotFoundError
from taskclf_tray.core.time import as_utc, iso_z
from taskclf_tray.core.types import AWEvent, AWInputEvent

_NO_TITLES: Final = "0" * 64
"""In place of a secret where no title is read."""


def find_window_bucket_id(aw_host: str) -> str:
    """The bucket with the windows of the machine in use. Raises AWNotFoundError when there is none."""
    found = _find(aw_host, Stream.WINDOW)
    if found is None:
        raise AWNotFoundError(
            f"No window watcher has written to the ActivityWatch server at {aw_host}.",
            "Start aw-watcher-window (on Wayland: awatcher).",
        )
    return found


def find_input_bucket_id(aw_host: str) -> str | None:
    """The bucket with keyboard and mouse of the machine in use; None when there is none."""
    return _find(aw_host, Stream.INPUT)


def fetch_aw_events(aw_host: str, bucket_id: str, start: datetime, end: datetime, *, title_salt: str) -> list[AWEvent]:
    """Cleaned window events of [start, end), in order of time; `title_salt` is the install's title secret."""
    normaliser = Normaliser(title_salt)
    raw = {Stream.WINDOW: _request(aw_host, bucket_id, start, end)}
    return list(normaliser.events(as_utc(start), as_utc(end), raw).window)


def fetch_aw_input_events(aw_host: str, bucket_id: str, start: datetime, end: datetime) -> list[AWInputEvent]:
    """Keyboard and mouse counts of [start, end), in order of time."""
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
        raise strange_answer()
    return [event for event in map(parse_raw, items) if event is not None]


@contextmanager
def _client(aw_host: str) -> Iterator[AWClient]:
    client = AWClient(aw_host)
    try:
        yield client
    finally:
        client.close()
