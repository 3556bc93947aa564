"""predictions.csv: one line per settled bucket, appended once (contract, section 11); and appending to any file.

A half-written end of such a file, from a crash or a full disk, is cut off.
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from taskclf_tray.core.regular_files import Links, open_regular
from taskclf_tray.core.time import parse_time, to_us
from taskclf_tray.infer.batch import CSV_COLUMNS, prediction_line
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database

PREDICTIONS_FILE = "predictions.csv"
_FAR_US = 1 << 62
_LONGEST_LINE = 65_536


@contextlib.contextmanager
def appending(path: Path) -> Iterator[BinaryIO]:
    """Open the file at the end of its last whole line, creating it when missing; synced when the block has ended.

    Raises OSError.
    """
    with open_regular(path, "ab", Links.NONE) as file:
        _cut_torn_line(file)
        yield file
        file.flush()
        os.fsync(file.fileno())


def last_line(path: Path) -> bytes:
    """The last whole line without its end; empty when there is none or no file. Raises OSError."""
    try:
        with open_regular(path, links=Links.NONE) as file:
            whole, _, _ = _tail(file)[1].rpartition(b"\n")
            return whole.rpartition(b"\n")[2]
    except FileNotFoundError:
        return b""


def _tail(file: BinaryIO) -> tuple[int, bytes]:
    """The end of the file, and where it begins."""
    start = max(0, file.seek(0, os.SEEK_END) - _LONGEST_LINE)
    file.seek(start)
    return start, file.read()


def _cut_torn_line(file: BinaryIO) -> None:
    start, tail = _tail(file)
    if tail and not tail.endswith(b"\n"):
        file.truncate(start + tail.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)


def append_predictions(path: Path, database: Database, user_id: str) -> int:
    """Append every settled bucket later than the last line; returns how many. Raises OSError, StoreError.

    The file itself says how far it has come. So a crash at any point, a full disk, and a folder that was gone or
    restored all end in the same file: complete, without duplicates.
    """
    done_us = _done_us(path)
    with database.reading():
        open_from = database.buckets.first_unsettled_us(user_id)
        fresh = database.buckets.iterate(user_id, done_us, _FAR_US if open_from is None else open_from)
        first = next(fresh, None)
        if first is None:
            return 0
        with appending(path) as file:
            lines = csv.writer(_Encoded(file), lineterminator="\n")
            if file.tell() == 0:
                lines.writerow(CSV_COLUMNS)
            lines.writerow(_line(first))
            count = 1
            for record in fresh:
                lines.writerow(_line(record))
                count += 1
    return count


def _done_us(path: Path) -> int:
    """Start of the first line that may be missing, in microseconds."""
    found = line_start_us(last_line(path))
    return _latest_us(path) if found is None else found + 1


def _latest_us(path: Path) -> int:
    """As `_done_us` when the last line is not a bucket (the header, or missing): reads the whole file."""
    try:
        with open_regular(path, links=Links.NONE) as file:
            return max((found + 1 for line in file if (found := line_start_us(line)) is not None), default=0)
    except FileNotFoundError:
        return 0


def line_start_us(line: bytes) -> int | None:
    """Start of the minute of a line, in microseconds; None for a line that is not a bucket."""
    try:
        return to_us(parse_time(line.partition(b",")[0].decode("ascii")))
    except ValueError:
        return None


class _Encoded:
    """The part of a text file that csv.writer uses, over bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, words: str) -> int:
        return self._file.write(words.encode("utf-8", errors="replace"))


def _line(record: BucketRecord) -> list[str]:
    answer = WindowPrediction.of(record)
    return prediction_line(
        answer.bucket_start_ts,
        answer.smoothed_label_name,
        answer.confidence,
        answer.is_rejected,
        answer.mapped_label_name,
        answer.core_probs,
    )
