"""The files beside the record, for people and other tools: predictions.csv, segments, reports, telemetry (contract,
section 11).

All of them follow the record and can be written again from it. When the folder is full, read-only or gone, recording
goes on, and the files are completed later.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Set
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.private_files import make_private_folder
from taskclf_tray.core.regular_files import Links, NotRegularError, follow_links, open_regular
from taskclf_tray.core.time import from_us
from taskclf_tray.core.time import local_date as date_in_zone
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.labels.categories import Categories
from taskclf_tray.record.day_files import (
    dated_files,
    read_telemetry,
    reported_days,
    write_day_segments,
    write_if_new,
    write_report,
    write_telemetry,
)
from taskclf_tray.record.predictions_csv import PREDICTIONS_FILE, append_predictions, last_line, line_start_us
from taskclf_tray.record.timeline import Timeline, segments_text
from taskclf_tray.report.days import dates_near, load_day, local_date, near_us, read_day
from taskclf_tray.report.telemetry import asks_on, day_telemetry, line_date, telemetry_name
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import LabelMark

_CLOSING = timedelta(minutes=10)
"""A day counts as over when its last minutes have had time to be recorded and settled."""
_DAY_US = timedelta(days=1) // timedelta(microseconds=1)
DAYS_A_WRITE = 7
"""The most days closed at a time: a folder that is new to a long record must not delay the worker."""


class OutputWriter:
    """Keeps the files of one folder up to date. Only what has changed in the record since the last call is read.

    The database keeps for each folder the last change seen, the categories of the reports, and the days that are not
    closed. A day is closed when it is over and settled. It is opened again when it changes, and all days are when the
    categories change.
    """

    def __init__(
        self,
        database: Database,
        user_id: str,
        out_dir: Path,
        *,
        bucket_seconds: int = 60,
        taxonomy: Callable[[], TaxonomyConfig | None] = lambda: None,
    ) -> None:
        """`taxonomy` returns the one in force."""
        self._database = database
        self._user_id = user_id
        self._out_dir = out_dir
        self._bucket_seconds = bucket_seconds
        self._taxonomy = taxonomy
        self._categories = Categories(database, None)
        self._categories_seen: str | None = None
        folder = hashlib.sha256(str(out_dir.absolute()).encode(errors="surrogateescape")).hexdigest()[:12]
        self._name = f"outputs:{folder}:{user_id}"
        self._seen: int | None = None
        self._labels_seen = LabelMark()
        self._days: set[date] = set()
        self._open_from_us: int | None = None
        self._today: date | None = None
        self._timeline = Timeline(bucket_seconds)
        self._written: str | None = None

    def write(
        self,
        now: datetime,
        zone_name: str,
        *,
        is_caught_up: bool = True,
        is_last: bool = False,
        max_days: int = DAYS_A_WRITE,
        has_telemetry: bool = False,
    ) -> int:
        """Update every file; returns how many lines predictions.csv got.

        `is_caught_up`: the record reaches up to now, so days that are over may be closed. `is_last`: also write the
        reports of open days, and with `has_telemetry` their telemetry. Raises StoreError (disk, permissions).
        """
        try:
            make_private_folder(follow_links(self._out_dir))
            if self._seen is None:
                leave_out_ahead(self._out_dir, self._database, self._user_id, date_in_zone(now, zone_name))
            added = append_predictions(self._out_dir / PREDICTIONS_FILE, self._database, self._user_id)
            self._follow(date_in_zone(now, zone_name))
            self._write_segments()
            if is_caught_up:
                self._close_days(now, zone_name, max_days)
            if is_last:
                self._write_open_reports(zone_name, max_days, has_telemetry)
        except NotRegularError as error:
            raise StoreError(
                f"{error.filename} cannot be written: {error.strerror}.",
                "Move it away; recording continues, and the file is written again.",
            ) from error
        except OSError as error:
            raise StoreError(
                f"The results cannot be written to {self._out_dir} ({error.strerror or type(error).__name__}).",
                "Recording continues; the files are completed when the folder can be written again.",
            ) from error
        return added

    def reload(self) -> None:
        """Read the state from the database again: minutes were kept apart, or have come back."""
        self._seen = self._today = None

    # -- the record -------------------------------------------------------------------------------------------

    def _follow(self, today: date) -> None:
        """Read what has changed in the record since the last call."""
        if self._seen is None:
            self._load()
        assert self._seen is not None
        known, is_whole = len(self._days), self._today == today
        is_named = self._follow_categories()
        self._follow_labels()
        with self._database.reading():
            newest = self._database.buckets.last_change()
            self._open_from_us = self._database.buckets.first_unsettled_us(self._user_id)
            for record in self._database.buckets.changed_since(self._user_id, self._seen):
                day = local_date(record)
                self._days.add(day)
                if day == today:
                    is_whole = is_whole and self._timeline.put(record)
        if not is_whole:
            self._start_day(today)
        self._timeline.settle(self._open_from_us)
        self._seen = newest
        if len(self._days) != known or not is_named:
            self._save()

    def _follow_categories(self) -> bool:
        """Open the reported days again when the categories have changed; returns whether they are the same."""
        taxonomy = self._taxonomy()
        digest = "" if taxonomy is None else taxonomy.digest
        if self._categories.taxonomy != taxonomy:
            self._categories = Categories(self._database, taxonomy)
        if digest == self._categories_seen:
            return True
        with self._database.reading():
            reach = self._database.buckets.reach(self._user_id)
        if reach is not None:
            first = dates_near(*reach)[0]
            self._days.update(day for day in reported_days(self._out_dir) if day >= first)
        self._categories_seen = digest
        return False

    def _follow_labels(self) -> None:
        """Open the days again whose labels the person has changed.

        Where the change is not known any more, every day with a report is looked at again. Imported labels may lie
        years before the record: the record's own days are enough.
        """
        with self._database.reading():
            mark = self._database.labels.mark(self._user_id)
            if mark == self._labels_seen:
                return
            changes = self._database.labels.changed_since(self._user_id, self._labels_seen)
            first_us, last_us = self._database.buckets.reach(self._user_id) or (0, 0)
        if changes is None:
            self._days.update(reported_days(self._out_dir))
        for change in changes or ():
            start_us, end_us = max(change.start_us, first_us - _DAY_US), min(change.end_us, last_us + _DAY_US)
            if start_us < end_us:
                self._days.update(dates_near(start_us, end_us))
        self._labels_seen = mark

    def _start_day(self, today: date) -> None:
        """Begin a day, or begin it again because a settled bucket has changed."""
        self._today, self._timeline = today, Timeline(self._bucket_seconds)
        for record in read_day(self._database, self._user_id, today):
            self._timeline.put(record)

    # -- files ------------------------------------------------------------------------------------------------

    def _write_segments(self) -> None:
        path, text = self._out_dir / "segments.json", segments_text(self._timeline.lines())
        if text != self._written or not path.exists():
            write_text_atomic(path, text, links=Links.NONE)
            self._written = text

    def _close_days(self, now: datetime, zone_name: str, max_days: int) -> None:
        """Write the files of days that are over and settled, oldest first."""
        until = date_in_zone(now - _CLOSING, zone_name)
        if self._open_from_us is not None:
            until = min(until, date_in_zone(from_us(self._open_from_us), zone_name))
        closed = {
            day for day in sorted(day for day in self._days if day < until)[:max_days] if self._close(day, zone_name)
        }
        if closed:
            self._days -= closed
            self._save()

    def _close(self, day: date, zone_name: str) -> bool:
        """Write one day's files; False when it is not settled after all (a day of two time zones)."""
        loaded = load_day(self._database, self._user_id, day, zone_name, self._categories)
        if not all(record.is_settled for record in loaded.records):
            return False
        write_report(self._out_dir, loaded, self._categories.taxonomy)
        if loaded.records:
            write_day_segments(self._out_dir, day, loaded.records, self._bucket_seconds)
            asks = asks_on(self._database, self._user_id, day, near_us(day)[0])
            write_telemetry(self._out_dir, self._user_id, day_telemetry(day, loaded.records, asks))
        return True

    def _write_open_reports(self, zone_name: str, max_days: int, has_telemetry: bool) -> None:
        for day in sorted(self._days)[-max_days:]:
            loaded = load_day(self._database, self._user_id, day, zone_name, self._categories)
            write_report(self._out_dir, loaded, self._categories.taxonomy)
            if has_telemetry and loaded.records:
                asks = asks_on(self._database, self._user_id, day, near_us(day)[0])
                write_telemetry(self._out_dir, self._user_id, day_telemetry(day, loaded.records, asks))

    # -- how far it has come ----------------------------------------------------------------------------------

    def _load(self) -> None:
        with self._database.reading():
            saved = self._database.state.get(self._name)
        state: dict[str, Any] = json.loads(saved) if saved else {"seen": 0, "days": ()}
        self._seen = int(state["seen"])
        self._days = {date.fromisoformat(day) for day in state["days"]}
        self._labels_seen = LabelMark(*state.get("labels", (0, 0)))
        self._categories_seen = state.get("categories")

    def _save(self) -> None:
        state = {
            "seen": self._seen,
            "days": sorted(day.isoformat() for day in self._days),
            "categories": self._categories_seen,
            "labels": [self._labels_seen.newest, self._labels_seen.in_force],
        }
        with self._database.transaction():
            self._database.state.set(self._name, json.dumps(state))


def leave_out_ahead(out_dir: Path, database: Database, user_id: str, today: date) -> None:
    """Cut the lines of minutes that are kept apart, and remove the files of days with no other record.

    Minutes that come back are written again like any other change. Raises OSError, StoreError.
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
    """Cut the file from where every line is of a minute that is kept apart."""
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
