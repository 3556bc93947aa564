"""Reading the rows of a damaged database page by page, past everything that SQLite refuses to go through.

A page that leads to others may be damaged while those are whole, and in a table WITHOUT ROWID it also holds rows. Every
page is therefore looked at by itself, and a row is recognised by its columns. Free pages are passed over, so that
nothing deleted comes back. The format: https://sqlite.org/fileformat2.html
"""

from __future__ import annotations

import contextlib
import mmap
import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.store.repack import PAGE_BYTES

Value: TypeAlias = int | float | str | bytes | None
_INTERIOR_INDEX, _LEAF_INDEX, _LEAF_TABLE = 0x02, 0x0A, 0x0D
_HEADER_BYTES: Final = 100
_WAL_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_SIZES: Final = (0, 1, 2, 3, 4, 6, 8, 8)
_LETTERS: Final = "niiiiiirii--"
"""The kind of a value by its serial type: null, integer, real; above these b for bytes and t for text."""
_KINDS: Final = {"INTEGER": "i", "REAL": "ri", "TEXT": "t", "BLOB": "b"}
_MOST_CELLS: Final = 4096


class _BadCellError(Exception):
    """A cell, or the row in it, is damaged."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the rows of a table look like on a page.

    `kinds`: the letters that each column allows. `id_column`: the column that is the rowid, -1 for none.
    `fewest_columns`: of a row from before columns were added.
    """

    table: str
    is_without_rowid: bool
    kinds: tuple[str, ...]
    id_column: int
    fewest_columns: int

    def fits(self, letters: str, *, is_without_rowid: bool) -> bool:
        """Whether a row whose values have these kinds (see `_LETTERS`) may be one of this table."""
        if is_without_rowid != self.is_without_rowid or not self.fewest_columns <= len(letters) <= len(self.kinds):
            return False
        return all(letter in kinds for letter, kinds in zip(letters, self.kinds, strict=False))


def shapes_of(connection: sqlite3.Connection) -> list[Shape]:
    """The tables of a sound, empty database of the current version; primary keys must stand first in them."""
    found = []
    tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for name, sql in tables.fetchall():
        columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
        is_without_rowid = sql.rstrip().endswith("WITHOUT ROWID")
        id_column = -1 if is_without_rowid else next((c[0] for c in columns if c[5] and c[2] == "INTEGER"), -1)
        may_be_null = tuple(not c[3] and (not c[5] or c[0] == id_column) for c in columns)
        fewest = len(columns)
        while fewest and may_be_null[fewest - 1]:
            fewest -= 1
        kinds = tuple(_KINDS[c[2]] + ("n" if null else "") for c, null in zip(columns, may_be_null, strict=True))
        found.append(Shape(name, is_without_rowid, kinds, id_column, max(fewest, 2)))
    return found


class Salvage:
    """The rows of the database file at `path`, with what its write-ahead log adds. Raises OSError."""

    def __init__(self, path: Path) -> None:
        with open_regular(path) as file:
            self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
        size = int.from_bytes(self._file[16:18], "big")
        is_known = self._file[:16] == b"SQLite format 3\0" and size >= 512 and size & (size - 1) == 0
        self._page_bytes = size if is_known else PAGE_BYTES
        self._usable = self._page_bytes - (self._file[20] if is_known else 0)
        self._newer: dict[int, bytes] = {}
        with contextlib.suppress(FileNotFoundError), open_regular(path.with_name(f"{path.name}-wal")) as log:
            self._newer = _pages_of_log(log.read(), self._page_bytes)
        self._count = max([-(-len(self._file) // self._page_bytes), *self._newer])

    def rows(self, shapes: list[Shape]) -> Iterator[tuple[str, list[Value]]]:
        """Yield (table, row) for every row that is whole, in the order of the pages."""
        free = self._free_pages()
        known: dict[tuple[bool, str], Shape | None] = {}
        for number in range(1, self._count + 1):
            if number in free:
                continue
            for payload, is_without_rowid, row_id in self._payloads_of(number):
                with contextlib.suppress(_BadCellError, IndexError, UnicodeError):
                    serial_types, letters, at = _head(payload)
                    key = (is_without_rowid, letters)
                    if key not in known:
                        fitting = (each for each in shapes if each.fits(letters, is_without_rowid=is_without_rowid))
                        known[key] = next(fitting, None)
                    shape = known[key]
                    if shape is not None:
                        row = _values(payload, at, serial_types)
                        if shape.id_column >= 0:
                            row[shape.id_column] = row_id
                        yield shape.table, row

    def _page(self, number: int) -> bytes:
        if number in self._newer:
            return self._newer[number]
        return self._file[(number - 1) * self._page_bytes : number * self._page_bytes]

    def _free_pages(self) -> set[int]:
        """The pages of the free list, as far as it can be followed."""
        free: set[int] = set()
        trunk = int.from_bytes(self._page(1)[32:36], "big")
        while 0 < trunk <= self._count and trunk not in free:
            free.add(trunk)
            page = self._page(trunk)
            count = min(int.from_bytes(page[4:8], "big"), self._usable // 4 - 2)
            free.update(struct.unpack_from(f">{count}I", page, 8) if len(page) >= 8 + 4 * count else ())
            trunk = int.from_bytes(page[:4], "big")
        return free

    def _payloads_of(self, number: int) -> Iterator[tuple[bytes, bool, int]]:
        """Yield (row, whether it has no rowid, rowid) for each cell of a page that can be read."""
        page = self._page(number)
        head = _HEADER_BYTES if number == 1 else 0
        if len(page) < self._page_bytes or page[head] not in (_INTERIOR_INDEX, _LEAF_INDEX, _LEAF_TABLE):
            return
        kind = page[head]
        count = int.from_bytes(page[head + 3 : head + 5], "big")
        first = head + (12 if kind == _INTERIOR_INDEX else 8)
        if count > _MOST_CELLS or first + 2 * count > len(page):
            return
        for place in struct.unpack_from(f">{count}H", page, first):
            with contextlib.suppress(_BadCellError, IndexError):
                row_id = 0
                at = place + (4 if kind == _INTERIOR_INDEX else 0)
                size, at = _varint(page, at)
                if kind == _LEAF_TABLE:
                    row_id, at = _varint(page, at)
                yield self._payload(page, at, size, is_table=kind == _LEAF_TABLE), kind != _LEAF_TABLE, row_id

    def _payload(self, page: bytes, at: int, size: int, *, is_table: bool) -> bytes:
        """The bytes of a row, those on overflow pages included. Raises _BadCellError."""
        usable = self._usable
        most = usable - 35 if is_table else (usable - 12) * 64 // 255 - 23
        if size <= most:
            return _exactly(page[at : at + size], size)
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        local = local if local <= most else least
        parts, rest = [_exactly(page[at : at + local], local)], size - local
        following = int.from_bytes(page[at + local : at + local + 4], "big")
        while rest > 0:
            if not 1 < following <= self._count:
                raise _BadCellError
            more = self._page(following)
            parts.append(_exactly(more[4 : 4 + min(rest, usable - 4)], min(rest, usable - 4)))
            rest -= usable - 4
            following = int.from_bytes(more[:4], "big")
        return b"".join(parts)


def _exactly(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise _BadCellError
    return data


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Decode a variable-length integer; returns it and the place after it. Raises IndexError."""
    first = data[at]
    if first < 0x80:
        return first, at + 1
    value = first & 0x7F
    for length in range(1, 8):
        byte = data[at + length]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + length + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64) if value >> 63 else value, at + 9


def _head(payload: bytes) -> tuple[list[int], str, int]:
    """The serial types of a row, their letters, and where its values begin. Raises _BadCellError, IndexError."""
    head_size, at = _varint(payload, 0)
    serial_types = []
    while at < head_size:
        kind = payload[at]
        at += 1
        if kind >= 0x80:
            kind, at = _varint(payload, at - 1)
        serial_types.append(kind)
    if at != head_size:
        raise _BadCellError
    letters = "".join([_LETTERS[kind] if kind < 12 else "bt"[kind & 1] for kind in serial_types])
    return serial_types, letters, head_size


def _values(payload: bytes, at: int, serial_types: list[int]) -> list[Value]:
    """Decode the values of a row. Raises _BadCellError, UnicodeError."""
    row: list[Value] = []
    for kind in serial_types:
        if kind >= 12:
            end = at + ((kind - 12) >> 1)
            row.append(payload[at:end].decode() if kind & 1 else payload[at:end])
        elif kind in (8, 9):
            end = at
            row.append(kind - 8)
        elif kind == 0:
            end = at
            row.append(None)
        else:
            end = at + _SIZES[kind]
            row.append(_number(kind, payload[at:end]))
        at = end
    if at != len(payload):
        raise _BadCellError
    return row


def _number(kind: int, data: bytes) -> Value:
    if kind == 7:
        return float(struct.unpack(">d", data)[0]) if len(data) == 8 else 0.0
    return int.from_bytes(data, "big", signed=True)


def _pages_of_log(log: bytes, page_bytes: int) -> dict[int, bytes]:
    """The newest page of each number in the write-ahead log, up to its last commit."""
    pages: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    salt, at = log[16:24], _WAL_HEADER_BYTES
    while at + _FRAME_HEADER_BYTES + page_bytes <= len(log) and log[at + 8 : at + 16] == salt:
        number, size_after = struct.unpack_from(">II", log, at)
        pending[number] = log[at + _FRAME_HEADER_BYTES : at + _FRAME_HEADER_BYTES + page_bytes]
        if size_after:
            pages |= pending
            pending = {}
        at += _FRAME_HEADER_BYTES + page_bytes
    return pages
