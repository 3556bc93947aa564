"""Beside the record, for people and other tools: predictions.csv and segments.json (contract, section 11)."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO

from taskclf_tray.core.atomic import write_json_atomic
from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.time import from_us, local_day_bounds, to_us, zone
from taskclf_tray.infer.batch import CSV_COLUMNS, prediction_line
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.smooth import merge_short_segments, segmentize
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database

_FAR_US = 1 << 62
_LONGEST_LINE = 65_536
_CLOSING_US = 600_000_000
"""A day counts as over when its last minutes have had time to be recorded and settled."""


class OutputWriter:
    """Writes what is settled and not yet written; a crash between file and mark repeats lines, never loses one.

    How far a file has come is kept in the database, for each folder by itself. The labels of the current day are held
    in memory, so that bringing the files up to date reads only what is new.
    """

    def __init__(self, database: Database, user_id: str, out_dir: Path, *, bucket_seconds: int = 60) -> None:
        self._database = database
        self._user_id = user_id
        self._out_dir = out_dir
        self._bucket_seconds = bucket_seconds
        folder = hashlib.sha256(str(out_dir.absolute()).encode(errors="surrogateescape")).hexdigest()[:12]
        self._mark, self._day_mark = f"csv_until_us:{folder}", f"segments_day:{folder}"
        self._day: tuple[date, str] | None = None
        self._labels: dict[int, str] = {}
        self._fixed_until_us = 0
        self._written: list[dict[str, Any]] | None = None

    def write(self, now: datetime, zone_name: str) -> int:
        """Bring both files up to date; returns how many buckets were added. Raises StoreError (disk, permissions)."""
        try:
            self._out_dir.mkdir(parents=True, exist_ok=True)
            added = self._append_predictions()
            self._write_segments(now, zone_name)
        except OSError as error:
            raise StoreError(
                f"The results cannot be written to {self._out_dir} ({error.strerror or type(error).__name__}).",
                "Recording goes on; the files are completed when the folder can be written again.",
            ) from error
        return added

    # -- predictions.csv --------------------------------------------------------------------------------------

    def _append_predictions(self) -> int:
        path = self._out_dir / "predictions.csv"
        with self._database.reading():
            done_us = int(self._database.state.get(self._mark) or 0) if path.exists() else 0
            open_from = self._database.buckets.first_unsettled_us(self._user_id)
            fresh = self._database.buckets.iterate(self._user_id, done_us, open_from or _FAR_US)
            first = next(fresh, None)
            if first is None:
                return 0
            count, last_us = 0, first.start_us
            with path.open("a+b") as file:
                lines = csv.writer(_Encoded(file), lineterminator="\n")
                if _without_torn_line(file) == 0:
                    lines.writerow(CSV_COLUMNS)
                record: BucketRecord | None = first
                while record is not None:
                    lines.writerow(_line(record))
                    count, last_us = count + 1, record.start_us
                    record = next(fresh, None)
                file.flush()
                os.fsync(file.fileno())
        with self._database.transaction():
            self._database.state.set(self._mark, str(last_us + 1))
        return count

    # -- segments.json ----------------------------------------------------------------------------------------

    def _write_segments(self, now: datetime, zone_name: str) -> None:
        self._close_day(now, zone_name)
        day = (now.astimezone(zone(zone_name)).date(), zone_name)
        if day != self._day:
            self._day, self._labels, self._fixed_until_us, self._written = day, {}, 0, None
        self._look_again(day)
        segments = self._merged(self._labels)
        if segments != self._written:
            write_json_atomic(self._out_dir / "segments.json", segments)
            self._written = segments

    def _look_again(self, day: tuple[date, str]) -> None:
        """Take in what is new of this day, and what was unsettled at the last look."""
        start_us, end_us = _bounds_us(day)
        with self._database.reading():
            open_from = self._database.buckets.first_unsettled_us(self._user_id)
            for record in self._database.buckets.iterate(self._user_id, max(start_us, self._fixed_until_us), end_us):
                self._labels[record.start_us] = _prediction(record).smoothed_label_name
        newest = max(self._labels, default=start_us)
        self._fixed_until_us = newest if open_from is None else min(newest, open_from)

    def _close_day(self, now: datetime, zone_name: str) -> None:
        """Write segments_<date>.json of the last day with a segments.json, once all of it is settled."""
        with self._database.reading():
            saved = self._database.state.get(self._day_mark)
        if saved is not None:
            word, _, name = saved.partition(" ")
            day = (date.fromisoformat(word), name)
            start_us, end_us = _bounds_us(day)
            if to_us(now) < end_us + _CLOSING_US:
                return
            with self._database.reading():
                labels = {
                    record.start_us: _prediction(record).smoothed_label_name
                    for record in self._database.buckets.iterate(self._user_id, start_us, end_us)
                }
            if labels:
                write_json_atomic(self._out_dir / f"segments_{word}.json", self._merged(labels))
        today = f"{now.astimezone(zone(zone_name)).date().isoformat()} {zone_name}"
        with self._database.transaction():
            self._database.state.set(self._day_mark, today)

    def _merged(self, labels: Mapping[int, str]) -> list[dict[str, Any]]:
        starts = sorted(labels)
        segments = segmentize([from_us(us) for us in starts], [labels[us] for us in starts], self._bucket_seconds)
        return [segment.to_dict() for segment in merge_short_segments(segments)]


def _bounds_us(day: tuple[date, str]) -> tuple[int, int]:
    noon = datetime.combine(day[0], time(12), zone(day[1]))
    start, end = local_day_bounds(noon, day[1])
    return to_us(start), to_us(end)


class _Encoded:
    """What csv.writer needs of a file, over bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, words: str) -> None:
        self._file.write(words.encode("utf-8", errors="replace"))


def _without_torn_line(file: BinaryIO) -> int:
    """Cut off a last line that a crash left unfinished (it is written again); the size that remains, in bytes."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _LONGEST_LINE)
    file.seek(start)
    tail = file.read()
    kept = start + tail.rfind(b"\n") + 1 if not tail.endswith(b"\n") else size
    if kept != size:
        file.truncate(kept)
    file.seek(0, os.SEEK_END)
    return kept


def _prediction(record: BucketRecord) -> WindowPrediction:
    return WindowPrediction.unpack(json.loads(record.prediction))


def _line(record: BucketRecord) -> list[str]:
    answer = _prediction(record)
    return prediction_line(
        answer.bucket_start_ts,
        answer.smoothed_label_name,
        answer.confidence,
        answer.is_rejected,
        answer.mapped_label_name,
        answer.core_probs,
    )
