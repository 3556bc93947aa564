"""Takes what is kept apart out of the files beside the record, which would else wait for the future to come."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from datetime import date
from pathlib import Path

from taskclf_tray.core.regular_files import Links, open_regular
from taskclf_tray.record.append_file import last_line
from taskclf_tray.record.day_files import dated_files, read_telemetry, write_if_new
from taskclf_tray.record.predictions_csv import PREDICTIONS_FILE, line_start_us
from taskclf_tray.report.days import read_day
from taskclf_tray.report.telemetry import line_date, telemetry_name
from taskclf_tray.store.database import Database


def leave_out_ahead(out_dir: Path, database: Database, user_id: str, today: date) -> None:
    """Cut the lines of minutes that are kept apart, and remove the files of days of which nothing else is on record.

    What comes back into the record is written again like any other change. Raises OSError, StoreError.
    """
    with database.reading():
        starts_us = database.ahead.starts_us(user_id)
    if not starts_us:
        return
    _cut_lines(out_dir / PREDICTIONS_FILE, starts_us)
    gone = {
        day
        for day in {day for _, day in dated_files(out_dir)} | set(_telemetry_days(out_dir, user_id))
        if day > today and not read_day(database, user_id, day)
    }
    for path, day in dated_files(out_dir):
        if day in gone:
            path.unlink(missing_ok=True)
    telemetry = out_dir / "telemetry" / telemetry_name(user_id)
    if gone and telemetry.exists():
        lines = read_telemetry(telemetry).splitlines(keepends=True)
        write_if_new(telemetry, b"".join(line for line in lines if line_date(line) not in gone))


def _cut_lines(path: Path, starts_us: Set[int]) -> None:
    """Cut the end of the file from where every line is of such a minute."""
    if line_start_us(last_line(path)) not in starts_us:
        return
    kept = position = 0
    with open_regular(path, "r+b", Links.NONE) as file:
        for line in file:
            position += len(line)
            if line_start_us(line) not in starts_us:
                kept = position
        file.truncate(kept)
        os.fsync(file.fileno())


def _telemetry_days(out_dir: Path, user_id: str) -> Iterator[date]:
    path = out_dir / "telemetry" / telemetry_name(user_id)
    for line in read_telemetry(path).splitlines():
        day = line_date(line)
        if day is not None:
            yield day
