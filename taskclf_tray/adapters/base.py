"""The seam of every activity source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from taskclf_tray.core.types import SourceEvents


class Stream(StrEnum):
    """The four kinds of events a source may have; only `WINDOW` is always there."""

    WINDOW = "currentwindow"
    AWAY = "afkstatus"
    INPUT = "os.hid.input"
    TAB = "web.tab.current"


class Unread(StrEnum):
    """Why a bucket is not read."""

    OTHER_TYPE = "other_type"
    """It holds nothing that is used here (editors, stopwatches)."""
    PHONE = "phone"
    COPY = "copy"
    """aw-sync's copy of another machine's bucket."""
    OTHER_HOST = "other_host"
    """The person chose another machine."""
    NO_WINDOWS = "no_windows"
    """Away time of a machine that has no windows, and several machines it might belong to."""
    BAD_NAME = "bad_name"
    """Its id cannot be asked for."""
    REFUSED = "refused"
    """The server lists it and does not give its events; for one called `..` nobody can ask."""


@dataclass(frozen=True, slots=True)
class BucketState:
    """A bucket of a source, and whether it is read. The texts are safe to show.

    `kind`: its type as the source names it; `machine`: the newest name of the machine it is counted to, empty for one
    that goes with whichever machine is in use. `is_newest`: whether no other bucket of its machine and stream goes on
    later. `used_until`: of away time, until when somebody was there as far as was read. `unread`: why it is not read,
    None when it is.
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
    """What a source can say about itself; `detail` is a sentence for the person, free of titles.

    `buckets`: every bucket the source lists, read or not.
    """

    name: str
    reachable: bool
    streams: frozenset[Stream]
    detail: str
    newest_event: datetime | None = None
    buckets: tuple[BucketState, ...] = ()


def always() -> None:
    """What work calls that nothing can end before it is done."""


class ActivitySource(ABC):
    """Reads cleaned events of any past time; every implementation passes `tests/support/source_contract.py`."""

    name: ClassVar[str]
    is_closed: ClassVar[bool] = False
    """Whether no event can come any more (an export file): such a source's buckets settle at once."""

    def now(self) -> datetime:
        """The source's own clock: the wall clock, or the clock of a simulated person."""
        return datetime.now(UTC)

    @abstractmethod
    def read(self, start: datetime, end: datetime) -> SourceEvents:
        """Everything known of [start, end), clipped to it and cleaned; nothing outside is asked for.

        Raises SourceError. Asking twice, or in pieces, gives the same events (the newest may have grown).
        """

    @abstractmethod
    def status(self) -> SourceStatus:
        """Whether the source answers, and what it has. Never raises SourceError."""

    def interrupt(self) -> None:  # noqa: B027 - most sources never wait
        """Let a read under way end soon, with SourceError: the program stops. May be called by any thread."""

    def buckets(self) -> tuple[BucketState, ...]:
        """What the last read knew of the source's buckets; asks for nothing. Empty for a source without buckets."""
        return ()

    def close(self) -> None:
        """Free what the source holds; it is not used afterwards."""
        return
