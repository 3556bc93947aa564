"""The files of a single local day: its segments, its report, its line of telemetry (contract, section 11)."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from taskclf_tray.core.atomic import json_text, write_bytes_atomic
from taskclf_tray.core.private_files import make_private_folder
from taskclf_tray.core.regular_files import Links, TooLargeError, read_regular
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.record.predictions_csv import appending, last_line
from taskclf_tray.record.timeline import Timeline, segments_text
from taskclf_tray.report.daily import daily_report
from taskclf_tray.report.days import Day
from taskclf_tray.report.telemetry import DayTelemetry, line_date, telemetry_name, with_line
from taskclf_tray.store.buckets import BucketRecord

_MAX_TELEMETRY_BYTES = 64 << 20
_DATE = r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))"
_REPORT = re.compile(rf"report_{_DATE}\.json", re.ASCII)
_DATED = re.compile(rf"(?:report|segments)_{_DATE}\.(?:json|png)", re.ASCII)


def write_report(out_dir: Path, day: Day, taxonomy: TaxonomyConfig | None) -> None:
    """Write report_<date>.json, and its picture, where their content has changed. Raises OSError.

    An empty day has a report only if it had one before. The picture is drawn only where the process has loaded Pillow
    for its icon: loading it would cost a terminal app 8 MiB.
    """
    path = out_dir / f"report_{day.date.isoformat()}.json"
    if not day and not path.exists():
        return
    report = daily_report(day, taxonomy)
    write_if_new(path, json_text(report.to_dict()).encode())
    if "PIL.Image" in sys.modules:
        with suppress(ImportError):  # a Pillow without letters
            from taskclf_tray.report.picture import picture_png

            write_if_new(path.with_suffix(".png"), picture_png([day], report, taxonomy))


def reported_days(out_dir: Path) -> list[date]:
    """The dates that have a report. Raises OSError."""
    found = (_REPORT.fullmatch(path.name) for path in out_dir.iterdir())
    return sorted(date.fromisoformat(match[1]) for match in found if match is not None)


def dated_files(out_dir: Path) -> list[tuple[Path, date]]:
    """The reports, pictures and segments of single days, with their dates. Raises OSError."""
    found = ((path, _DATED.fullmatch(path.name)) for path in out_dir.iterdir())
    return [(path, date.fromisoformat(match[1])) for path, match in found if match is not None]


def write_day_segments(out_dir: Path, day: date, records: Sequence[BucketRecord], bucket_seconds: int) -> None:
    """Write segments_<date>.json where its content has changed. Raises OSError."""
    timeline = Timeline(bucket_seconds)
    for record in records:
        timeline.put(record)
    write_if_new(out_dir / f"segments_{day.isoformat()}.json", segments_text(timeline.lines()).encode())


def write_telemetry(out_dir: Path, user_id: str, telemetry: DayTelemetry) -> None:
    """Write the day's line into the user's file, in place of an older line of the day. Raises OSError."""
    path = out_dir / "telemetry" / telemetry_name(user_id)
    make_private_folder(path.parent)
    line = json.dumps({"user_id": user_id, **telemetry.to_dict()}, ensure_ascii=False, allow_nan=False)
    newest = line_date(last_line(path))
    if newest is not None and newest < telemetry.date:
        with appending(path) as file:
            file.write(line.encode() + b"\n")
    else:
        known = read_telemetry(path).decode(errors="replace")
        write_if_new(path, with_line(known, line).encode())


def read_telemetry(path: Path) -> bytes:
    """Read a user's telemetry, one line a day; empty where there is none. Raises OSError."""
    with suppress(FileNotFoundError):
        return read_regular(path, _MAX_TELEMETRY_BYTES, Links.NONE)
    return b""


def write_if_new(path: Path, data: bytes) -> None:
    """Replace the file atomically, unless it has this content. Raises OSError."""
    with suppress(FileNotFoundError, TooLargeError):
        if read_regular(path, len(data), Links.NONE) == data:
            return
    write_bytes_atomic(path, data, links=Links.NONE)
