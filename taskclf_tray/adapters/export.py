"""Export files of ActivityWatch: the JSON of `/api/0/export`, or of the export of one bucket."""

from __future__ import annotations

import dataclasses
import json
import logging
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

from taskclf_tray.adapters.aw_buckets import is_phone_event, parse_bucket, shown_name, states
from taskclf_tray.adapters.base import ActivitySource, BucketState, SourceStatus, Stream
from taskclf_tray.adapters.cleaning import MOST_BUCKETS, holds_too_many_values, thinned, too_many_minutes
from taskclf_tray.adapters.export_report import ExportReport, names_of
from taskclf_tray.adapters.follow import followed
from taskclf_tray.adapters.machines import Bucket, Selection, select
from taskclf_tray.adapters.normalise import Normaliser, is_sound
from taskclf_tray.adapters.raw import RawEvent, counted_damaged, parse_raw
from taskclf_tray.core.defaults import DEFAULT_GAP_FILL_SECONDS, SETTLE_SECONDS
from taskclf_tray.core.errors import ExportFormatError
from taskclf_tray.core.regular_files import TooLargeError, read_regular
from taskclf_tray.core.time import as_utc, from_us, to_us
from taskclf_tray.core.types import AWAwayEvent, AWEvent, AWInputEvent, AWTabEvent, SourceEvents

log = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 512 * 1024 * 1024
_NOT_JSON: Final = object()
_start = attrgetter("start_us")


class TimeOrder:
    """Events in order of start, for reading by interval: hundreds of pauses cause as many reads."""

    def __init__(self, events: Sequence[RawEvent]) -> None:
        self._events = sorted(events, key=_start)
        self._longest_us = max((event.duration_us for event in events), default=0)

    def touching(self, start_us: int, end_us: int) -> list[RawEvent]:
        """Return the events that touch [start, end]."""
        first = bisect_left(self._events, start_us - self._longest_us, key=_start)
        last = bisect_right(self._events, end_us, key=_start)
        return [event for event in self._events[first:last] if event.end_us >= start_us]


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A bucket with its sound events in order of time."""

    bucket: Bucket
    events: list[RawEvent]


class ExportSource(ActivitySource):
    """Reads an export file; it can get no more events, so its buckets settle at once.

    Every machine in the file is read, and each minute uses the machine in use; with `hostname` only the machine of
    exactly this name. The whole file stays in memory, titles included, until `close`. Raises ExportFormatError.
    """

    name: ClassVar[str] = "export"
    is_closed: ClassVar[bool] = True

    def __init__(self, path: Path, normaliser: Normaliser, *, hostname: str | None = None) -> None:
        self._path = path
        self._normaliser = normaliser
        parsed, damaged = _parse(_load(path))
        if len(parsed) > MOST_BUCKETS:
            raise _unreadable(path, f"holds {len(parsed)} buckets, more than all computers of a person have")
        events = {one.bucket.bucket_id: one.events for one in parsed if one.events}
        if not events:
            passed_over = f" ({counted_damaged(damaged)})" if damaged else ""
            raise _unreadable(path, f"holds no window, away, input or tab events{passed_over}")
        selection = select([one.bucket for one in parsed], hostname=hostname)
        if hostname is not None and not selection.machines:
            _refuse_host(path, hostname, [one.bucket for one in parsed])
        read = {bucket.bucket_id: events[bucket.bucket_id] for bucket in selection.read if bucket.bucket_id in events}
        minutes = too_many_minutes(read[b.bucket_id] for b in selection.read if b.bucket_id in read and _unfolds(b))
        if minutes:
            raise _unreadable(path, f"claims {minutes:,} minutes, more than so few events can mean")
        raw = followed(selection, _numbered(selection, read), normaliser.lookup)
        self._raw = {stream: TimeOrder(listed) for stream, listed in raw.items() if listed}
        spans = {stream: _span(listed) for stream, listed in raw.items() if listed}
        whole = spans.values() or [_span(listed) for listed in events.values()]
        self._first_us, self._last_us = min(start for start, _ in whole), max(end for _, end in whole)
        self.report = ExportReport(
            file_name=shown_name(path.name),
            machines=tuple(tuple(map(shown_name, m.names)) for m in selection.machines if m.last_us >= 0),
            buckets=tuple(state for state in states(selection) if state.newest is not None),
            damaged=damaged,
            spans_us=spans,
        )

    def __repr__(self) -> str:
        return f"ExportSource({self._path.name!r})"

    @property
    def span(self) -> tuple[datetime, datetime]:
        """From the first event's start to just after the last one's end, so that `read` of it gives every event."""
        return from_us(self._first_us), from_us(self._last_us + 1)

    def now(self) -> datetime:
        """Return the end of the newest event plus 330 s: by then every bucket with an event has settled."""
        return from_us(self._last_us) + timedelta(seconds=SETTLE_SECONDS)

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        """Cleaned events of [start, end)."""
        start, end = as_utc(start), as_utc(end)
        near = {stream: events.touching(to_us(start), to_us(end)) for stream, events in self._raw.items()}
        return self._normaliser.events(start, end, near, are_sound=True)

    def status(self) -> SourceStatus:
        """Describe the content of the file."""
        newest = self.report.spans_us.get(Stream.WINDOW)
        return SourceStatus(
            name=self.name,
            reachable=True,
            streams=frozenset(self._raw),
            detail=f"Reading the export {self.report.file_name}. {self.report.sentence()}".rstrip(),
            newest_event=None if newest is None else from_us(newest[1]),
            buckets=self.report.buckets,
        )

    def buckets(self) -> tuple[BucketState, ...]:
        """Return every bucket of the file that has events."""
        return self.report.buckets

    def close(self) -> None:
        """Drop the file's events."""
        self._raw = {}


class ExportedEvents(list[AWEvent]):
    """The list of window events in order of time; `input`, `away` and `tab` hold the events of the other watchers."""

    __slots__ = ("_events",)

    def __init__(self, events: SourceEvents) -> None:
        super().__init__(events.window)
        self._events = events

    @property
    def start(self) -> datetime:
        """Start of the first event of any watcher."""
        return self._events.start

    @property
    def end(self) -> datetime:
        """End of the last event of any watcher."""
        return self._events.end

    @property
    def window(self) -> tuple[AWEvent, ...]:
        """The window events as a tuple."""
        return self._events.window

    @property
    def input(self) -> tuple[AWInputEvent, ...]:
        """Keyboard and mouse counts."""
        return self._events.input

    @property
    def away(self) -> tuple[AWAwayEvent, ...]:
        """Events of the away watcher."""
        return self._events.away

    @property
    def tab(self) -> tuple[AWTabEvent, ...]:
        """Browser tabs."""
        return self._events.tab

    @property
    def newest_end(self) -> datetime | None:
        """End of the newest window event, None when there is none."""
        return self._events.newest_end


def parse_aw_export(
    path: Path | str, *, title_salt: str, fill_gap_seconds: float = DEFAULT_GAP_FILL_SECONDS
) -> ExportedEvents:
    """Read and clean every event of an export file.

    Of several machines each minute uses the one in use then; phones are left out.

    Args:
        path: the export.
        title_salt: the title secret of this installation, 64 hex characters.
        fill_gap_seconds: gaps between window events up to this length are filled.

    Returns:
        The list of window events, with the other events in `input`, `away` and `tab`.

    Raises:
        ExportFormatError: the file is not an export, or is damaged.
        IdentityError: the secret is not valid.
    """
    source = ExportSource(Path(path), Normaliser(title_salt, fill_gap_seconds=fill_gap_seconds))
    if sentence := source.report.sentence():
        log.info("%s", sentence)
    return ExportedEvents(source.read(*source.span))


def _load(path: Path) -> Any:
    try:
        content = read_regular(path, MAX_FILE_BYTES)
    except TooLargeError as error:
        raise _unreadable(path, f"is larger than {MAX_FILE_BYTES // 2**20} MiB") from error
    except OSError as error:
        raise _unreadable(path, f"cannot be opened ({error.strerror})") from error
    if holds_too_many_values(content):
        raise _unreadable(path, "holds more lists or objects than an ActivityWatch export")
    value = _parsed_json(content)
    if value is _NOT_JSON:  # raised here, for the parser's own error holds the whole text
        raise _unreadable(path, "is not JSON, or was cut short")
    if not isinstance(value, Mapping):
        raise _unreadable(path, "is JSON, but not an ActivityWatch export")
    return value if "buckets" in value else _single(value, path)


def _single(value: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Wrap a single bucket as an export."""
    if "events" not in value or "type" not in value:
        raise _unreadable(path, "is JSON, but not an ActivityWatch export")
    return {"buckets": {str(value.get("id", "bucket")): value}}


def _parse(export: Mapping[str, Any]) -> tuple[list[_Parsed], int]:
    """Return the buckets of the four streams, and the number of their damaged events."""
    listing = export["buckets"]
    parsed: list[_Parsed] = []
    damaged = 0
    for bucket_id, item in listing.items() if isinstance(listing, Mapping) else ():
        bucket = parse_bucket(bucket_id, item)
        if bucket is None or bucket.stream is None or not isinstance(item.get("events"), list):
            continue
        sound = _sound_events(bucket, bucket.stream, item["events"])
        damaged += len(item["events"]) - len(sound)
        described, events = _described(bucket, sound)
        parsed.append(_Parsed(described, thinned(bucket.stream, events)))
    return parsed, damaged


def _sound_events(bucket: Bucket, stream: Stream, items: list[Any]) -> list[RawEvent]:
    """Return the sound events in order of time; the file has the newest first."""
    read = [parse_raw(item, browser=bucket.browser) for item in reversed(items)]
    sound = [event for event in read if event is not None and is_sound(stream, event)]
    sound.sort(key=lambda event: event.start_us)
    return sound


def _described(bucket: Bucket, events: list[RawEvent]) -> tuple[Bucket, list[RawEvent]]:
    """Complete the bucket from its events, and drop the events of phones."""
    first_us, last_us = _span(events) if events else (None, None)
    bucket = dataclasses.replace(bucket, first_us=first_us, last_us=last_us)
    if bucket.stream is not Stream.WINDOW or not events:
        return bucket, events
    of_desks = [event for event in events if not is_phone_event(event)]
    if not of_desks:
        return dataclasses.replace(bucket, is_phone=True), events
    named_exe = sum(event.data["app"].lower().endswith(".exe") for event in of_desks)
    return dataclasses.replace(bucket, shape="exe" if 2 * named_exe > len(of_desks) else "other"), of_desks


def _numbered(selection: Selection, events: Mapping[str, list[RawEvent]]) -> dict[str, list[RawEvent]]:
    """Number the events without an id in order of time, across the buckets of a stream."""
    numbered: dict[str, list[RawEvent]] = {}
    for stream in Stream:
        passed = 0
        buckets = [bucket for bucket in selection.read if bucket.stream is stream and bucket.bucket_id in events]
        for bucket in sorted(buckets, key=lambda bucket: bucket.span_us):
            listed = events[bucket.bucket_id]
            numbered[bucket.bucket_id] = [
                event if event.event_id else _with_id(event, passed + position)
                for position, event in enumerate(listed, 1)
            ]
            passed += len(listed)
    return numbered


def _with_id(event: RawEvent, event_id: int) -> RawEvent:
    return RawEvent(event.start_us, event.duration_us, event.data, event_id, event.browser)


def _unfolds(bucket: Bucket) -> bool:
    """Whether each minute of the bucket's events costs time; away time only ever forms intervals."""
    return bucket.stream is not Stream.AWAY


def _span(events: Sequence[RawEvent]) -> tuple[int, int]:
    starts = [event.start_us for event in events]
    return min(starts), max(start + event.duration_us for start, event in zip(starts, events, strict=True))


def _refuse_host(path: Path, hostname: str, buckets: Sequence[Bucket]) -> NoReturn:
    """Raise ExportFormatError with the names to choose from."""
    name = hostname.strip().casefold()
    if any(bucket.is_phone and bucket.hostname.strip().casefold() == name for bucket in buckets):
        raise ExportFormatError(
            f"{shown_name(hostname)} in {path.name} is a phone, which is never work at a desk.",
            "Name a computer with --host, or leave --host out.",
        )
    known = [machine.names for machine in select(buckets).machines]
    raise ExportFormatError(
        f"There are no windows of a computer called {shown_name(hostname)} in {path.name}.",
        f"Choose one of these with --host: {names_of(known)}." if known else "Leave --host out.",
    )


def _parsed_json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _unreadable(path: Path, why: str) -> ExportFormatError:
    return ExportFormatError(
        f"The export file {path.name} {why}.", "Export again in ActivityWatch: Raw Data → Export all buckets as JSON."
    )
