"""Which zone a file of the tz database holds: by the name that a link to it bears, or by what it says."""

from __future__ import annotations

import functools
import importlib.resources
import io
import struct
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.zones import UTC_NAME, posix_rules, zone

_LINKS: Final = 8
_MAX_ZONE_BYTES: Final = 1 << 20
_PREFIXES: Final = ("posix/", "right/")
"""Folders with another edition of the same zones."""
_NO_NAMES: Final = frozenset({"Factory", "localtime", "posixrules"})
"""Files of the tz database that are zones, and whose names say nothing."""
_SINCE_1970: Final = tuple(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=10 * number) for number in range(2480))
"""Zones that show the same on all of these are one zone: so the tz database itself tells them apart."""
_RECENT: Final = _SINCE_1970[1827:]
"""From 2020 on."""


def is_iana(name: str) -> bool:
    """Whether this computer knows a zone of this name, one that means the same on every computer."""
    if name in _NO_NAMES:
        return False
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def zone_name_of(path: Path) -> str:
    """The name of the zone in a file, such as /etc/localtime; of one without a name, its rules in POSIX notation.

    Raises OSError for a file that cannot be read, and ValueError for one that holds no zone.
    """
    linked = next((name for name in _linked_names(path) if is_iana(name)), None)
    if linked is not None:
        return linked
    data = read_regular(path, _MAX_ZONE_BYTES)
    try:
        own = zoneinfo.ZoneInfo.from_file(io.BytesIO(data))
    except (ValueError, EOFError, IndexError, struct.error) as error:
        raise ValueError("the file holds no time zone") from error
    name = _best_name(own, data, path.with_name("timezone")) or _rules(data)
    return fixed_offset(datetime.now(own).utcoffset()) if name is None else name


def fixed_offset(offset: timedelta | None) -> str:
    """Rules for a clock that is always this far ahead of UTC: `<+0530>-05:30`."""
    minutes = round((offset or timedelta(0)) / timedelta(minutes=1))
    hours, rest = divmod(abs(minutes), 60)
    sign, inverse = ("-", "+") if minutes < 0 else ("+", "-")
    return f"<{sign}{hours:02}{rest:02}>{inverse}{hours:02}:{rest:02}"


def _linked_names(path: Path) -> Iterator[str]:
    """The names that a chain of links gives to its end, the nearest first: what stands after `zoneinfo/`."""
    for _ in range(_LINKS):
        try:
            target = path.readlink()
        except OSError:
            break
        path = path.parent / target
        _, found, name = path.as_posix().rpartition("/zoneinfo/")
        if found:
            yield next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)


def _best_name(own: zoneinfo.ZoneInfo, data: bytes, timezone_file: Path) -> str | None:
    """The zone that is this one: the one in /etc/timezone if it is; else one with the same file, or the same time.

    The file may be of an older edition than the zones known here, so at last the recent years are enough.
    """
    hint = _first_line(timezone_file)
    if hint is not None and is_iana(hint) and _is_same(zone(hint), own, _RECENT):
        return hint
    names = sorted(zoneinfo.available_timezones() - _NO_NAMES)
    same = [name for name in names if data in _files_of(name)]
    for moments in (_SINCE_1970, _RECENT):
        same = same or [name for name in names if _is_same(zoneinfo.ZoneInfo.no_cache(name), own, moments)]
    return min(same, key=_rank, default=None)


def _files_of(name: str) -> Iterator[bytes]:
    folders = (*map(Path, zoneinfo.TZPATH), importlib.resources.files("tzdata").joinpath("zoneinfo"))
    for folder in folders:
        with suppress(OSError):
            yield folder.joinpath(name).read_bytes()


def _is_same(one: zoneinfo.ZoneInfo, other: zoneinfo.ZoneInfo, moments: Sequence[datetime]) -> bool:
    pairs = ((moment.astimezone(one), moment.astimezone(other)) for moment in moments)
    return all(a.utcoffset() == b.utcoffset() and a.tzname() == b.tzname() for a, b in pairs)


def _rank(name: str) -> tuple[bool, bool, bool, int, str]:
    """UTC before all; then the names of zone1970.tab, one for each region; then `Area/City` before old short names."""
    return (name != UTC_NAME, name not in _canonical_names(), "/" not in name, len(name), name)


@functools.lru_cache(maxsize=1)
def _canonical_names() -> frozenset[str]:
    table = importlib.resources.files("tzdata").joinpath("zoneinfo", "zone1970.tab").read_text(encoding="utf-8")
    return frozenset(line.split("\t")[2] for line in table.splitlines() if line and not line.startswith("#"))


def _first_line(path: Path) -> str | None:
    try:
        lines = read_regular(path, _MAX_ZONE_BYTES).decode("ascii").split()
    except (OSError, ValueError):
        return None
    return lines[0] if lines else None


def _rules(data: bytes) -> str | None:
    """The rules in the footer, which say what holds after the last change in the file; version 1 has none."""
    if data[4:5] < b"2":
        return None
    return posix_rules(data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii", errors="replace"))
