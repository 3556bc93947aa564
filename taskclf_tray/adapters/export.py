"""An ActivityWatch export file: the JSON of `/api/0/export`, or of one bucket's export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from taskclf_tray.adapters.aw_buckets import Bucket, choose, parse_bucket
from taskclf_tray.adapters.base import ActivitySource, SourceStatus, Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent, parse_raw
from taskclf_tray.core.defaults import DEFAULT_GAP_FILL_SECONDS, SETTLE_SECONDS
from taskclf_tray.core.errors import ExportFormatError
from taskclf_tray.core.time import as_utc, from_us
from taskclf_tray.core.types import SourceEvents

MAX_FILE_BYTES: Final = 512 * 1024 * 1024
_NOT_JSON: Final = object()


@dataclass(frozen=True, slots=True)
class _Parsed:
    raw: dict[Stream, list[RawEvent]]
    damaged: int


class ExportSource(ActivitySource):
    """Reads an export file; nothing more can come, so its buckets settle at once.

    The whole file is held in memory, titles included, until `close`. Of several buckets of one type the one of
    `hostname` counts, else the one with the newest event. Raises ExportFormatError.
    """

    name: ClassVar[str] = "export"
    is_closed: ClassVar[bool] = True

    def __init__(self, path: Path, normaliser: Normaliser, *, hostname: str | None = None) -> None:
        self._path = path
        self._normaliser = normaliser
        parsed = _parse(_load(path), hostname)
        self._raw: dict[Stream, list[RawEvent]] = parsed.raw
        self._damaged = parsed.damaged
        ends = [event.end_us for events in self._raw.values() for event in events]
        if not ends:
            raise _unreadable(path, "holds no window, away, input or tab events")
        self._first_us = min(event.start_us for events in self._raw.values() for event in events)
        self._last_us = max(ends)

    def __repr__(self) -> str:
        return f"ExportSource({self._path.name!r})"

    @property
    def span(self) -> tuple[datetime, datetime]:
        """From the first event's start to just after the last one's end: `read` of it gives everything."""
        return from_us(self._first_us), from_us(self._last_us + 1)

    def now(self) -> datetime:
        """The end of the newest event plus 330 s: by then every bucket with an event in it has settled."""
        return from_us(self._last_us) + timedelta(seconds=SETTLE_SECONDS)

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        """Cleaned events of [start, end)."""
        return self._normaliser.events(as_utc(start), as_utc(end), self._raw)

    def status(self) -> SourceStatus:
        """What the file holds."""
        streams = frozenset(stream for stream, events in self._raw.items() if events)
        newest = max((event.end_us for event in self._raw.get(Stream.WINDOW, ())), default=None)
        detail = f"Reading the export {self._path.name}."
        if self._damaged:
            detail += f" {self._damaged} damaged events are passed over."
        return SourceStatus(self.name, True, streams, detail, None if newest is None else from_us(newest))

    def close(self) -> None:
        """Forget the file's events."""
        self._raw = {}


def parse_aw_export(
    path: Path | str, *, title_salt: str, fill_gap_seconds: float = DEFAULT_GAP_FILL_SECONDS
) -> SourceEvents:
    """Every event of an export file, cleaned; `title_salt` is the install's title secret.

    Raises ExportFormatError for a file that is no export, IdentityError for a bad secret.
    """
    source = ExportSource(Path(path), Normaliser(title_salt, fill_gap_seconds=fill_gap_seconds))
    return source.read(*source.span)


def _load(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _unreadable(path, f"is larger than {MAX_FILE_BYTES // 2**20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, f"cannot be opened ({error.strerror})") from error
    value = _parsed_json(content)
    if value is _NOT_JSON:  # raised here, for the parser's own error holds the whole text
        raise _unreadable(path, "is not JSON, or was cut short")
    if not isinstance(value, Mapping):
        raise _unreadable(path, "is JSON, but no ActivityWatch export")
    return value if "buckets" in value else _single(value, path)


def _single(value: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """A lone bucket as an export of one."""
    if "events" not in value or "type" not in value:
        raise _unreadable(path, "is JSON, but no ActivityWatch export")
    return {"buckets": {str(value.get("id", "bucket")): value}}


def _parse(export: Mapping[str, Any], hostname: str | None) -> _Parsed:
    listing = export["buckets"]
    if not isinstance(listing, Mapping):
        return _Parsed({}, 0)
    events: dict[str, list[RawEvent]] = {}
    found: list[Bucket] = []
    damaged = 0
    for name, item in listing.items():
        bucket = parse_bucket(name, item)
        if bucket is None or not isinstance(item.get("events"), list):
            continue
        events[name], bad = _events(item["events"])
        newest = max((event.end_us for event in events[name]), default=0)
        found.append(Bucket(name, bucket.stream, bucket.hostname, newest))
        damaged += bad
    chosen = choose(found, hostname)
    return _Parsed({stream: events[bucket.bucket_id] for stream, bucket in chosen.items()}, damaged)


def _events(items: list[Any]) -> tuple[list[RawEvent], int]:
    """Sound events in order of time, those without an id numbered from 1 in that order; and how many were damaged."""
    read = [parse_raw(item) for item in items]
    sound = [event for event in reversed(read) if event is not None]  # newest first in the file
    sound.sort(key=lambda event: event.start_us)
    numbered = [
        event if event.event_id else RawEvent(event.start_us, event.duration_us, event.data, position)
        for position, event in enumerate(sound, 1)
    ]
    return numbered, len(read) - len(sound)


def _parsed_json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _unreadable(path: Path, why: str) -> ExportFormatError:
    return ExportFormatError(
        f"The export file {path.name} {why}.", "Export again in ActivityWatch: Raw Data → Export all buckets as JSON."
    )
