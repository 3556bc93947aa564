"""What an export contains: read and unread buckets, as data and as a sentence for the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from taskclf_tray.adapters.aw_buckets import shown_name
from taskclf_tray.adapters.base import BucketState, Stream, Unread
from taskclf_tray.adapters.raw import counted_damaged
from taskclf_tray.core.time import from_us

_REASONS: Final = {
    Unread.PHONE: "a phone's activity, which is never work at a desk",
    Unread.COPY: "aw-sync's copy from another computer",
    Unread.OTHER_HOST: "of a computer that was not chosen",
    Unread.NO_WINDOWS: "away time of a computer without windows",
    Unread.BAD_NAME: "a damaged name",
    Unread.REFUSED: "a damaged name",
}
_KINDS: Final = {Stream.AWAY: "away time", Stream.INPUT: "keyboard and mouse counts", Stream.TAB: "browser tabs"}
_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The content of an export; names are safe to show.

    Attributes:
        file_name: name of the file.
        machines: the names of each machine that is read, the newest first.
        buckets: every bucket with events, read or not.
        damaged: number of damaged events.
        spans_us: start of the first and end of the last event, by stream that is read.
    """

    file_name: str
    machines: tuple[tuple[str, ...], ...]
    buckets: tuple[BucketState, ...]
    damaged: int
    spans_us: dict[Stream, tuple[int, int]]

    @property
    def has_windows(self) -> bool:
        """Whether there are windows, without which no bucket can be predicted."""
        return Stream.WINDOW in self.spans_us

    @property
    def left_out(self) -> list[BucketState]:
        """The unread buckets of windows, away time, input and tabs."""
        return [b for b in self.buckets if b.stream is not None and b.unread is not None]

    def facts(self) -> dict[str, Any]:
        """Return the report ready for JSON."""
        return {
            "file": self.file_name,
            "computers": [list(names) for names in self.machines],
            "read": [bucket.bucket_id for bucket in self.buckets if bucket.unread is None],
            "left_out": [{"bucket": b.bucket_id, "host": b.hostname, "reason": str(b.unread)} for b in self.left_out],
            "damaged": self.damaged,
        }

    def sentence(self) -> str:
        """Say what was read, what was left out and why, and how much was damaged; empty for an ordinary file."""
        parts = [part for part in (self._read(), self._left_out()) if part]
        sentence = f"{self.file_name}: {'; '.join(parts)}." if parts else ""
        return f"{sentence} {self.damage()}".strip()

    def damage(self) -> str:
        """`3 damaged events were skipped in export.json.`; empty when nothing was damaged."""
        return f"{counted_damaged(self.damaged)} in {self.file_name}." if self.damaged else ""

    def why_no_windows(self) -> str:
        """Say what the file has in place of windows, and of which time."""
        found = [f"{_KINDS[s]} of {_when(*span)}" for s, span in self.spans_us.items() if s in _KINDS]
        left_out = self._left_out()
        only = f", only {_and(found)}" if found else ""
        return f"{self.file_name} has no windows of a computer{only}{'; ' if left_out else ''}{left_out}"

    def _read(self) -> str:
        if len(self.machines) > 1:
            names = _and([_called(names) for names in self.machines])
            return f"{len(self.machines)} computers were read, {names}; each minute is that of the one in use"
        if self.machines and len(self.machines[0]) > 1:
            return f"one computer was read, {_called(self.machines[0])}"
        return f"{self.machines[0][0]} was read" if self.machines and self.left_out else ""

    def _left_out(self) -> str:
        reasons = dict.fromkeys(b.unread for b in self.left_out if b.unread is not None and b.unread in _REASONS)
        parts = []
        for reason in reasons:
            names = [b.bucket_id for b in self.left_out if b.unread is reason]
            were = "was" if len(names) == 1 else "were"
            parts.append(f"{_listed(names)} {were} left out ({_REASONS[reason]})")
        return "; ".join(parts)


def names_of(machines: Sequence[Sequence[str]]) -> str:
    """List the names to choose from."""
    return _listed([shown_name(name) for names in machines for name in names])


def _called(names: Sequence[str]) -> str:
    """`NEW-NAME (earlier OLD-NAME)`."""
    return names[0] if len(names) == 1 else f"{names[0]} (earlier {_listed(names[1:])})"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return _and([*names[:_MOST_NAMED], f"{more} more"] if more > 0 else list(names))


def _and(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""


def _when(start_us: int, end_us: int) -> str:
    """`2 March 2026, 09:00–10:00`, in the computer's local time."""
    start, end = from_us(start_us).astimezone(), from_us(end_us).astimezone()
    if start.date() == end.date():
        return f"{_day(start)}, {start:%H:%M}–{end:%H:%M}"
    return f"{_day(start)}, {start:%H:%M} – {_day(end)}, {end:%H:%M}"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
