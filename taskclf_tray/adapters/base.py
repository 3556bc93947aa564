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


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What a source can say about itself; `detail` is a sentence for the person, free of titles."""

    name: str
    reachable: bool
    streams: frozenset[Stream]
    detail: str
    newest_event: datetime | None = None


class ActivitySource(ABC):
    """Reads cleaned events of any past time; every implementation passes `tests/adapters/contract.py`."""

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

    def close(self) -> None:
        """Free what the source holds; it is not used afterwards."""
        return
