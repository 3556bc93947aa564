"""predictions.csv: one line per settled bucket, appended once (contract, section 11); and appending to any file.

What a crash or a full disk left half-written at the end of such a file is cut off.
"""

from __future__ import annotations

import contextlib
import csv
import json
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
    """The file, made when missing, at the end of its last whole line; on the disk when the block has ended.

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
    """Append every settled bucket later than the last one in the file; returns how many. Raises OSError, StoreError.

    How far the file has come is read from the file itself. So a crash at any point, a disk that was full and a
    folder that was gone for a while or came back as it had been all end in the same file: complete, nothing twice.
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
    """Where the first line that is missing may begin."""
    found = line_start_us(last_line(path))
    return _latest_us(path) if found is None else found + 1


def _latest_us(path: Path) -> int:
    """As `_done_us` when the last line is none of ours (or the header, or missing): the whole file is read."""
    try:
        with open_regular(path, links=Links.NONE) as file:
            return max((found + 1 for line in file if (found := line_start_us(line)) is not None), default=0)
    except FileNotFoundError:
        return 0


def line_start_us(line: bytes) -> int | None:
    """Where the minute of a line begins; None for a line that is none of ours."""
    try:
        return to_us(parse_time(line.partition(b",")[0].decode("ascii")))
    except ValueError:
        return None


class _Encoded:
    """What csv.writer needs of a file, over bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, words: str) -> int:
        return self._file.write(words.encode("utf-8", errors="replace"))


def _line(record: BucketRecord) -> list[str]:
    answer = WindowPrediction.unpack(json.loads(record.prediction))
    return prediction_line(
        answer.bucket_start_ts,
        answer.smoothed_label_name,
        answer.confidence,
        answer.is_rejected,
        answer.mapped_label_name,
        answer.core_probs,
    )
