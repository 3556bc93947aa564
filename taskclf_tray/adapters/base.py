"""The interface of activity sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from taskclf_tray.core.types import SourceEvents


class Stream(StrEnum):
    """The four kinds of events of a source; only `WINDOW` is always present."""

    WINDOW = "currentwindow"
    AWAY = "afkstatus"
    INPUT = "os.hid.input"
    TAB = "web.tab.current"


class Unread(StrEnum):
    """The reason why a bucket is not read."""

    OTHER_TYPE = "other_type"
    """Its type is not used here (editors, stopwatches)."""
    PHONE = "phone"
    COPY = "copy"
    """aw-sync's copy of another machine's bucket."""
    OTHER_HOST = "other_host"
    """The person chose another machine."""
    NO_WINDOWS = "no_windows"
    """Away time of a machine that has no windows, and several machines it might belong to."""
    BAD_NAME = "bad_name"
    """Its id cannot be requested."""
    REFUSED = "refused"
    """The server lists it without giving its events, or its name (`..`) cannot be requested."""


@dataclass(frozen=True, slots=True)
class BucketState:
    """A bucket of a source for display, and whether it is read.

    Attributes:
        bucket_id: the id.
        kind: its type as the source names it.
        stream: its stream; None for a type that is not used.
        hostname: the host that it names.
        newest: end of the newest event.
        machine: newest name of its machine; empty for a bucket that goes with whichever machine is in use.
        is_newest: whether no other bucket of its machine and stream ends later.
        used_until: for away time, until when the person was seen.
        unread: the reason why it is not read; None when it is.
    """

    bucket_id: str
    kind: str
    stream: Stream | None
    hostname: str
    newest: datetime | None
    machine: str = ""
    is_newest: bool = True
    used_until: datetime | None = None
    unread: Unread | None = None


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The state of a source.

    `detail` is a sentence for the person, free of titles; `buckets` lists read and unread ones.
    """

    name: str
    reachable: bool
    streams: frozenset[Stream]
    detail: str
    newest_event: datetime | None = None
    buckets: tuple[BucketState, ...] = ()


def do_nothing() -> None:
    """Do nothing: the default for callbacks that may interrupt long work."""


class ActivitySource(ABC):
    """A source of cleaned events of any past time; every implementation passes `tests/support/source_contract.py`."""

    name: ClassVar[str]
    is_closed: ClassVar[bool] = False
    """Whether the source gets no more events (an export file), so that its buckets settle at once."""

    def now(self) -> datetime:
        """Return the source's own clock: the wall clock, or that of a simulated person."""
        return datetime.now(UTC)

    @abstractmethod
    def read(self, start: datetime, end: datetime) -> SourceEvents:
        """Read the events of [start, end), clipped and cleaned; nothing outside is requested.

        Reading again, or in parts, gives the same events (the newest may have grown). Raises SourceError.
        """

    @abstractmethod
    def status(self) -> SourceStatus:
        """Report whether the source is reachable, and what it has. Never raises SourceError."""

    def rest(self, since: datetime | None) -> None:  # noqa: B027 - most sources watch nothing themselves
        """Watch nothing, because the person wants no activity read since then; None: watch. Called about once a second.

        Raises StoreError.
        """

    def interrupt(self) -> None:  # noqa: B027 - most sources never wait
        """Make a running read end soon with SourceError, because the program stops; callable from any thread."""

    def buckets(self) -> tuple[BucketState, ...]:
        """Return the buckets known from the last read, without a request; empty for a source without buckets."""
        return ()

    def close(self) -> None:
        """Release the resources of the source, which is not used afterwards."""
        return
