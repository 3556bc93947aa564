"""Label files: CSV with start_ts, end_ts, label, provenance, user_id, confidence; imported completely or not at all.

Times with an offset are unambiguous; without one they are read as UTC or as local time. Most spreadsheets and scripts
write local times without an offset, the taskclf tool writes UTC without one. So the import reports its assumption with
an example from the file, in both readings.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.plain_text import printable
from taskclf_tray.core.regular_files import TooLargeError, read_regular
from taskclf_tray.core.time import as_utc, zone
from taskclf_tray.core.types import LabelSpan
from taskclf_tray.labels.spans import checked_span, label_span
from taskclf_tray.store.labels import SpanRecord

CSV_COLUMNS: Final = ("start_ts", "end_ts", "label", "provenance", "user_id", "confidence")
MAX_FILE_BYTES: Final = 50 * 1024 * 1024
_NEEDED: Final = CSV_COLUMNS[:3]
_SHOWN_LINES: Final = 5
LOCAL_OPTION: Final = "--times local"
_UTC_HINT: Final = f"Times without an offset were read as UTC; with {LOCAL_OPTION} they are this computer's. Else: "


def read_label_csv(
    path: Path, *, user_id: str, adopt: bool = False, at: datetime, times: LabelTimes | None = None
) -> list[LabelSpan]:
    """Read the labels of a file, in its order, as this user's.

    Args:
        path: a CSV file in UTF-8; any order of columns, unknown columns are ignored; times in ISO 8601.
        user_id: the user of the labels.
        adopt: take over labels of other users instead of refusing them.
        at: the present.
        times: reads the times without an offset and counts them; they are UTC by default.

    Raises:
        LabelError: names the first bad lines; one bad line refuses the file.
    """
    times = LabelTimes() if times is None else times
    spans: list[LabelSpan] = []
    bad: list[str] = []
    for line, row in _rows(path):
        try:
            if isinstance(row, LabelError):
                raise row
            spans.append(_span(row, user_id, adopt, at, times))
        except LabelError as error:
            bad.append(f"line {line}: {error.title.removesuffix('.')}")
    if bad:
        raise _unusable(path, bad, hint=_UTC_HINT if times.was_read_as_future(at) else "")
    return spans


def label_csv(spans: Iterable[LabelSpan | SpanRecord]) -> str:
    """Return the text of a label file."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)  # ends lines with CR LF, so that a lone CR inside a cell is quoted too
    lines.writerow(CSV_COLUMNS)
    lines.writerows(_cells(span if isinstance(span, LabelSpan) else label_span(span)) for span in spans)
    return text.getvalue()


def write_label_csv(path: Path, spans: Iterable[LabelSpan | SpanRecord]) -> int:
    """Write labels to a file atomically; `read_label_csv` restores them. Returns their number.

    Raises LabelError when the file cannot be written.
    """
    written = list(spans)
    try:
        write_text_atomic(path, label_csv(written))
    except OSError as error:
        raise LabelError(f"{path} cannot be written ({error.strerror}).", "Choose another place.") from error
    return len(written)


def _cells(span: LabelSpan) -> tuple[str, ...]:
    return (
        as_utc(span.start_ts).isoformat(),
        as_utc(span.end_ts).isoformat(),
        span.label,
        span.provenance,
        span.user_id or "",
        "" if span.confidence is None else repr(span.confidence),
    )


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str] | LabelError]]:
    """Yield the non-empty rows, each with the number of its first line; an error for an unreadable one."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:  # where the next row begins is not known any more
            yield line, LabelError(f"no CSV from here on ({error})")
            return
        if header is None:
            header = _header(path, cells)
        elif any(cell.strip() for cell in cells):
            yield line, _named(header, cells)
        line = reader.line_num + 1
    if header is None:
        raise LabelError(f"{path.name} is empty.", f"Its first line must name the columns: {','.join(CSV_COLUMNS)}.")


def _text(path: Path) -> str:
    try:
        content = read_regular(path, MAX_FILE_BYTES)
    except TooLargeError as error:
        too_large = f"{path.name} is larger than {MAX_FILE_BYTES // 2**20} MiB."
        raise LabelError(too_large, "Split it into several files.") from error
    except OSError as error:
        raise LabelError(f"{path.name} cannot be opened ({error.strerror}).", "Check its name and place.") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LabelError(f"{path.name} is not UTF-8 (line {line}).", "Save it as “CSV UTF-8”.") from None


def _header(path: Path, cells: list[str]) -> list[str]:
    header = [cell.strip().casefold() for cell in cells]
    missing = [name for name in _NEEDED if name not in header]
    twice = [name for name in CSV_COLUMNS if header.count(name) > 1]
    if missing:
        what = f"{path.name} has no column {' and no column '.join(missing)} in its first line."
        raise LabelError(what, f"It must name the columns, with commas between: {','.join(CSV_COLUMNS)}.")
    if twice:
        raise LabelError(f"{path.name} has the column {twice[0]} twice.", "Leave one of them out.")
    return header


def _named(header: list[str], cells: list[str]) -> Mapping[str, str] | LabelError:
    if len(cells) != len(header):
        return LabelError(f"{len(cells)} cells under {len(header)} columns")
    return dict(zip(header, cells, strict=True))


def _span(row: Mapping[str, str], user_id: str, adopt: bool, at: datetime, times: LabelTimes) -> LabelSpan:
    """Parse a row. Raises LabelError with the mistake as its title."""
    if not adopt and row.get("user_id", "") not in ("", user_id):
        raise LabelError("it belongs to another user")
    span = LabelSpan(
        start_ts=times.read(row["start_ts"], "start_ts"),
        end_ts=times.read(row["end_ts"], "end_ts"),
        label=row["label"],
        provenance=_provenance(row.get("provenance", "")),
        user_id=user_id,
        confidence=_confidence(row.get("confidence", "")),
    )
    return checked_span(span, at)


def _provenance(text: str) -> str:
    """Keep the provenances of this program; map a machine's label to `auto` and every other one to `import`."""
    name = text.strip().casefold()
    if name in ("manual", "answer"):
        return name
    return "auto" if name.startswith(("auto", "weak")) else "import"


def _confidence(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise LabelError(f"confidence “{printable(text)}” is not a number") from None


def _unusable(path: Path, bad: list[str], *, hint: str) -> LabelError:
    more = f"; and {len(bad) - _SHOWN_LINES} more" if len(bad) > _SHOWN_LINES else ""
    count = "a line" if len(bad) == 1 else f"{len(bad)} lines"
    return LabelError(
        f"{path.name} has {count} that cannot be used: {'; '.join(bad[:_SHOWN_LINES])}{more}.",
        f"Nothing was imported. {hint}Correct the file and import it again.",
    )


class LabelTimes:
    """Reads times, and counts those without an offset."""

    def __init__(self, zone_name: str | None = None) -> None:
        """Read times without an offset as local time in `zone_name`; None for UTC."""
        self._zone_name = zone_name
        self._example: tuple[str, datetime] | None = None
        self._latest: datetime | None = None
        self.without_offset = 0

    def read(self, text: str, column: str) -> datetime:
        """Parse a time in ISO 8601 to UTC. Raises LabelError, also for one that a local clock shows twice or never."""
        try:
            found = datetime.fromisoformat(text.strip())
            if found.tzinfo is not None:
                return found.astimezone(UTC)
            at = as_utc(found) if self._zone_name is None else _local(found, self._zone_name, column)
        except (ValueError, OverflowError):
            raise LabelError(f"{column} “{printable(text)}” is not an ISO 8601 time") from None
        self.without_offset += 1
        self._example = self._example or (printable(text.strip()), at)
        self._latest = at if self._latest is None else max(at, self._latest)
        return at

    def was_read_as_future(self, now: datetime) -> bool:
        """Whether a time without an offset lies after `now` only because it was read as UTC."""
        return self._zone_name is None and self._latest is not None and self._latest > now

    def note(self, here: str) -> str | None:
        """State the assumption, with an example in UTC and in the time zone `here`; None without any.

        `2 times have no offset: 2026-11-27T16:30:00 was read as 16:30 UTC, that is 17:30 here; use --times local …`
        """
        if self._zone_name is not None or self._example is None:
            return None
        text, at = self._example
        count = "One time has" if self.without_offset == 1 else f"{self.without_offset} times have"
        return (
            f"{count} no offset: {text} was read as {at:%H:%M} UTC, that is {_clock(at, here)} here; "
            f"use {LOCAL_OPTION} if the file means local time."
        )


def _clock(at: datetime, here: str) -> str:
    """Return the time in the zone, with the date when it differs."""
    try:
        local = at.astimezone(zone(here))
    except OverflowError:
        local = at
    return f"{local:%H:%M}" if local.date() == at.date() else f"{local:%Y-%m-%d %H:%M}"


def _local(naive: datetime, zone_name: str, column: str) -> datetime:
    """Return the instant at which the zone's clock shows this time.

    Raises LabelError when it shows it twice or never.
    """
    here = zone(zone_name)
    first, second = (naive.replace(tzinfo=here, fold=fold) for fold in (0, 1))
    at = first.astimezone(UTC)
    if at.astimezone(here).replace(tzinfo=None) != naive:
        raise LabelError(f"{column} {naive.isoformat()} did not come in {zone_name}: the clock was set forward over it")
    if first.utcoffset() != second.utcoffset():
        both = " or ".join(one.isoformat() for one in (first, second))
        raise LabelError(
            f"{column} {naive.isoformat()} came twice in {zone_name}, as the clock was set back: write {both}"
        )
    return at
