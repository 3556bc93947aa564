"""The record: one row per finalised bucket."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taskclf_tray.core.types import ROW_FIELDS, FeatureRow
from taskclf_tray.core.zones import known_zone

BUCKET_COLUMNS = (
    "user_id, start_us, end_us, time_zone, covered_seconds, config_id, decided_by, ui_label, core_label, "
    "smoothed_label, is_mixed, is_rejected, confidence, entropy_bits, settled, feature_row, prediction, checksum"
)
_FEATURE_ROW, _PREDICTION, _CHECKSUM = 15, 16, 17
"""Places of columns among these."""
_PLACES = ", ".join("?" * len(BUCKET_COLUMNS.split(", ")))
_INSERT = f"INSERT OR REPLACE INTO buckets ({BUCKET_COLUMNS}, change) VALUES ({_PLACES}, ?)"  # noqa: S608 - constants
_SELECT = f"SELECT {BUCKET_COLUMNS} FROM buckets WHERE user_id = ?"  # noqa: S608 - constants


_FAR_US = 1 << 62
_QUARTER_DAY_US = 21_600_000_000
_WORDS_PLACE = ROW_FIELDS.index("word_seconds")


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """A stored bucket: columns for queries and reports, and the packed feature row and prediction.

    `core_label`, `is_rejected`, `confidence` and `entropy_bits` describe the prediction before smoothing, or the rule
    that decided instead. `is_mixed`: the label on screen is the name of rejected minutes.
    """

    user_id: str
    start_us: int
    end_us: int
    time_zone: str
    covered_seconds: float
    config_id: str
    decided_by: str
    ui_label: str
    core_label: str
    smoothed_label: str
    is_mixed: bool
    is_rejected: bool
    confidence: float
    entropy_bits: float
    is_settled: bool
    feature_row: bytes
    """The packed row; `row` unpacks it."""
    prediction: str
    """The packed prediction; `WindowPrediction.of` unpacks it."""

    def row(self) -> FeatureRow:
        """Unpack the feature row, exactly."""
        return unpack_row(self.feature_row)

    def known_row(self) -> FeatureRow:
        """Unpack the row to predict or compare; a time zone that this computer does not know becomes UTC."""
        return unpack_known_row(self.feature_row)


def pack_row(row: FeatureRow) -> bytes:
    """Pack a feature row as compressed JSON (about 0.5 KB)."""
    return zlib.compress(json.dumps(row.pack(), separators=(",", ":")).encode(), 6)


def unpack_row(blob: bytes) -> FeatureRow:
    """Reverse `pack_row`, exactly."""
    return FeatureRow.unpack(json.loads(zlib.decompress(blob)))


def unpack_words(blob: bytes) -> Sequence[Sequence[int]]:
    """The pairs of `word_seconds` of a packed row, as lists: in half the time that the whole row takes."""
    values = json.loads(zlib.decompress(blob))
    words: Sequence[Sequence[int]] = values[_WORDS_PLACE] if len(values) > _WORDS_PLACE else ()
    return words


def unpack_known_row(blob: bytes) -> FeatureRow:
    """Unpack a row to predict or compare; a time zone that this computer does not know becomes UTC."""
    row = unpack_row(blob)
    name = known_zone(row.time_zone)
    return row if name == row.time_zone else replace(row, time_zone=name)


class BucketRepository:
    """Access to the table `buckets`; transactions belong to the caller."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._unreadable: set[tuple[str, int]] = set()

    def unreadable(self, user_id: str) -> list[int]:
        """Return the starts of the damaged buckets that were left out so far."""
        return sorted(start_us for user, start_us in self._unreadable if user == user_id)

    def settle(self, user_id: str, start_us: int) -> None:
        """Mark a bucket as final."""
        self._connection.execute(
            "UPDATE buckets SET settled = 1 WHERE user_id = ? AND start_us = ?", (user_id, start_us)
        )

    def put(self, records: Iterable[BucketRecord]) -> None:
        """Insert buckets, or replace those of the same user and start, under the next change number."""
        change = self.last_change() + 1
        kept = list(records)
        self._connection.executemany(_INSERT, ((*_values(record), change) for record in kept))
        if self._unreadable:
            self._unreadable.difference_update((record.user_id, record.start_us) for record in kept)

    def last_change(self) -> int:
        """Return the number of the newest change, 0 before the first; buckets set aside keep their number."""
        here, apart = (f"coalesce((SELECT max(change) FROM {table}), 0)" for table in ("buckets", "ahead_buckets"))  # noqa: S608
        return int(self._connection.execute(f"SELECT max({here}, {apart})").fetchone()[0])

    def changed_since(self, user_id: str, change: int) -> Iterator[BucketRecord]:
        """Yield the buckets of later changes than this one, in the order of the changes."""
        query = (
            f"SELECT {BUCKET_COLUMNS} FROM buckets INDEXED BY buckets_change "  # noqa: S608 - constants
            "WHERE change > ? AND user_id = ? ORDER BY change, start_us"
        )
        yield from self._sound(self._connection.execute(query, (change, user_id)))

    def between(self, user_id: str, start_us: int, end_us: int) -> list[BucketRecord]:
        """List the buckets that start in [start_us, end_us), in order of time."""
        return list(self.iterate(user_id, start_us, end_us))

    def iterate(self, user_id: str, start_us: int, end_us: int) -> Iterator[BucketRecord]:
        """Yield the buckets of `between` one at a time."""
        query = f"{_SELECT} AND start_us >= ? AND start_us < ? ORDER BY start_us"
        yield from self._sound(self._connection.execute(query, (user_id, start_us, end_us)))

    def _sound(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[BucketRecord]:
        """Yield the undamaged buckets; note and leave out the others."""
        for values in rows:
            if _is_sound(values):
                yield _record(values)
            elif isinstance(values[1], int):
                self._unreadable.add((str(values[0]), values[1]))

    def labelled_later(self, user_id: str, start_us: int, end_us: int) -> list[tuple[int, str, bool]]:
        """List the minutes with a prediction on screen whose label the person gave after they had ended.

        Counted are buckets that start in [start_us, end_us), that the model decided and did not reject, and that lie
        inside one label span in force: (end in µs, config id, whether the predicted core label is the person's).
        """
        query = (
            "SELECT b.end_us, b.config_id, b.core_label = s.label FROM label_spans s JOIN buckets b "
            "ON b.user_id = s.user_id AND b.start_us >= s.start_us AND b.start_us < s.end_us AND b.end_us <= s.end_us "
            "WHERE s.user_id = ? AND s.taken_by IS NULL AND s.undone_us IS NULL AND s.provenance != 'auto' "
            "AND s.end_us > ? AND s.start_us < ? AND b.start_us >= ? AND b.start_us < ? "
            "AND s.created_us >= b.end_us AND b.decided_by = 'model' AND NOT b.is_rejected ORDER BY b.start_us"
        )
        found = self._connection.execute(query, (user_id, start_us, end_us, start_us, end_us))
        return [(int(end), str(config_id), bool(is_right)) for end, config_id, is_right in found]

    def before(self, user_id: str, start_us: int, count: int) -> list[BucketRecord]:
        """List the last `count` buckets that start before `start_us`, in order of time."""
        query = f"{_SELECT} AND start_us < ? ORDER BY start_us DESC LIMIT ?"
        rows = self._connection.execute(query, (user_id, start_us, count)).fetchall()
        return list(self._sound(reversed(rows)))

    def has_any(self, user_id: str, start_us: int, end_us: int) -> bool:
        """Whether a bucket overlaps [start_us, end_us)."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM buckets WHERE user_id = ? AND start_us > ? AND start_us < ? AND end_us > ?)"
        )
        longest_us = 60_000_000  # so that the index on start_us leads there
        found = self._connection.execute(query, (user_id, start_us - longest_us, end_us, start_us)).fetchone()
        return bool(found[0])

    def run_start_us(self, user_id: str, start_us: int) -> int:
        """Return where the contiguous buckets before `start_us` begin, or their newest idle bucket.

        A smoother that uses the whole past needs no earlier bucket, because the idle rule is certain. Returns
        `start_us` when a gap precedes it.
        """
        query = (
            "SELECT start_us, end_us, decided_by FROM buckets WHERE user_id = ? AND start_us < ? ORDER BY start_us DESC"
        )
        for begin_us, end_us, decided_by in self._connection.execute(query, (user_id, start_us)):
            if end_us != start_us:
                break
            start_us = begin_us
            if decided_by == "idle_rule":
                break
        return start_us

    def first_unsettled_us(self, user_id: str) -> int | None:
        """Return the start of the oldest bucket that may still be revised, None when all are settled."""
        # left to itself SQLite walks the primary key from its beginning, past every settled bucket
        query = "SELECT min(start_us) FROM buckets INDEXED BY buckets_unsettled WHERE user_id = ? AND settled = 0"
        found = self._connection.execute(query, (user_id,)).fetchone()[0]
        return None if found is None else int(found)

    def reach(self, user_id: str) -> tuple[int, int] | None:
        """Return the start of the first and the end of the last bucket, None without any."""
        ends = [
            self._connection.execute(
                f"SELECT start_us, end_us FROM buckets WHERE user_id = ? ORDER BY start_us {order} LIMIT 1",  # noqa: S608
                (user_id,),
            ).fetchone()
            for order in ("ASC", "DESC")
        ]
        return None if ends[0] is None else (int(ends[0][0]), int(ends[1][1]))

    def time_zones(self, user_id: str) -> list[str]:
        """List the time zones of the record, sampled every six hours."""
        found: dict[str, None] = {}
        query = "SELECT start_us, time_zone FROM buckets WHERE user_id = ? AND start_us >= ? ORDER BY start_us LIMIT 1"
        row = self._connection.execute(query, (user_id, -_FAR_US)).fetchone()
        while row is not None:
            found[str(row[1])] = None
            row = self._connection.execute(query, (user_id, int(row[0]) + _QUARTER_DAY_US)).fetchone()
        return list(found)

    def count(self, user_id: str) -> int:
        """Count the buckets of the record."""
        return int(self._connection.execute("SELECT count(*) FROM buckets WHERE user_id = ?", (user_id,)).fetchone()[0])


def _values(record: BucketRecord) -> tuple[Any, ...]:
    values = (
        record.user_id, record.start_us, record.end_us, record.time_zone, record.covered_seconds, record.config_id,
        record.decided_by, record.ui_label, record.core_label, record.smoothed_label, int(record.is_mixed),
        int(record.is_rejected), record.confidence, record.entropy_bits, int(record.is_settled), record.feature_row,
        record.prediction,
    )  # fmt: skip
    return (*values, _checksum(values))


def _checksum(values: tuple[Any, ...]) -> int:
    """CRC-32 of all columns but `settled`, which changes on its own."""
    columns = (*values[:4], float(values[4]), *values[5:12], float(values[12]), float(values[13]))
    text = "\x1f".join([*map(str, columns), values[_PREDICTION]])
    return zlib.crc32(values[_FEATURE_ROW], zlib.crc32(text.encode("utf-8", "surrogatepass")))


def _is_sound(values: tuple[Any, ...]) -> bool:
    """Whether a bucket is undamaged. An old bucket without a checksum is parsed instead."""
    try:
        if values[_CHECKSUM] is not None:
            return bool(_checksum(values) == values[_CHECKSUM])
        json.loads(zlib.decompress(values[_FEATURE_ROW]))
        json.loads(values[_PREDICTION])
        "".join(map(str, values[:12])).encode()
        return all(isinstance(values[place], int | float) for place in (1, 2, 4, 12, 13))
    except (zlib.error, ValueError, TypeError, AttributeError):
        return False


def is_whole_row(row: Sequence[Any]) -> bool:
    """Whether a row as it is stored, columns in the order of the table, is undamaged."""
    return _is_sound((*row[:_CHECKSUM], row[_CHECKSUM + 1] if len(row) > _CHECKSUM + 1 else None))


def _record(values: tuple[Any, ...]) -> BucketRecord:
    return BucketRecord(
        *(*values[:10], bool(values[10]), bool(values[11]), *values[12:14], bool(values[14]), *values[15:17])
    )
