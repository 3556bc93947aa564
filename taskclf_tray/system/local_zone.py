"""The time zone this computer is set to, by a name that can be stored, and followed while the program runs.

What the computer's own clock shows is right. So the order is that of the C library: the variable TZ, then
/etc/localtime, else UTC. A zone without a name is given by its rules (`core.zones`). Which zone a file of the tz
database holds is known by the name that a link to it bears, or by what it says. Nothing here raises, and
`LocalZone.problem` says what could not be used.
"""

from __future__ import annotations

import functools
import importlib.resources
import io
import logging
import os
import struct
import sys
import time
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from taskclf_tray.core.file_watch import file_stamp
from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.zones import UTC_NAME, posix_rules, zone

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""The files are looked at this often at most; the variable TZ each time."""

_LOCALTIME: Final = "/etc/localtime"
_LONGEST_SHOWN: Final = 40
_Signature = tuple[object, ...]
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


@dataclass(frozen=True, slots=True)
class LocalZone:
    """A time zone. `name`: an IANA name, or rules in POSIX notation, for `core.zones.zone`.

    `source`: where it was found. `problem`: which setting cannot be used, so that `name` stands in for it.
    """

    name: str
    source: str
    problem: str | None = None


class ZoneWatcher:
    """Finds the zone of the computer, again when its setting has changed. Thread-safe."""

    def __init__(self, environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> None:
        self._environ = environ
        self._root = root
        self._known: tuple[_Signature, LocalZone] | None = None
        self._look_at = 0.0

    def current(self) -> LocalZone:
        """The zone that is set now."""
        known, now, variable = self._known, time.monotonic(), self._environ.get("TZ")
        if known is not None and known[0][0] == variable and now < self._look_at:
            return known[1]
        self._look_at = now + LOOK_SECONDS
        signature = (variable, *_signature(self._root))
        if known is not None and known[0] == signature and sys.platform != "win32":
            return known[1]
        found = find_local_zone(self._environ, self._root)
        if hasattr(time, "tzset"):
            time.tzset()  # the C library, which stamps the lines of the log, keeps its first answer too
        if known is not None and known[1] != found:
            log.info("The time zone is now %s; it was %s.", found.name, known[1].name)
        self._known = (signature, found)
        return found


_watcher: Final = ZoneWatcher()


def local_zone() -> LocalZone:
    """The zone this computer is set to now."""
    return _watcher.current()


def local_zone_name() -> str:
    """The name of the zone, as it is stored with each minute."""
    return _watcher.current().name


def local_time(moment: datetime) -> datetime:
    """Convert a moment to local time. Raises OverflowError for one that no clock can show."""
    return moment.astimezone(zone(local_zone_name()))


def find_local_zone(environ: Mapping[str, str], root: Path = Path("/")) -> LocalZone:
    """The zone that is set now. Never raises."""
    variable = environ.get("TZ")
    if variable is not None:
        return _of_variable(variable, root)
    if sys.platform == "win32":
        return _of_windows()
    return _of_file(root / _LOCALTIME.lstrip("/"), _LOCALTIME)


def _of_variable(value: str, root: Path) -> LocalZone:
    source, text = "the variable TZ", value.removeprefix(":")
    if not text:
        return LocalZone(UTC_NAME, source)
    if text == "localtime":
        text = _LOCALTIME
    if text.startswith("/"):
        return _of_file(root / text.lstrip("/"), text)
    name = text if is_iana(text) else posix_rules(text)
    if name is not None:
        return LocalZone(name, source)
    return LocalZone(UTC_NAME, source, f"TZ is set to “{_shown(value)}”, which is no time zone.")


def _of_file(path: Path, source: str) -> LocalZone:
    try:
        return LocalZone(zone_name_of(path), source)
    except FileNotFoundError:
        if source == _LOCALTIME and not path.is_symlink():
            return LocalZone(UTC_NAME, "there is no /etc/localtime")  # so it is where nobody has set a zone
        return LocalZone(UTC_NAME, source, f"{_shown(source)} leads to no file.")
    except (OSError, ValueError):
        return LocalZone(UTC_NAME, source, f"{_shown(source)} cannot be read as a time zone.")


def _of_windows() -> LocalZone:
    import tzlocal  # reads the registry, and knows what Windows' zones are called everywhere else

    source = "the settings of Windows"
    try:
        name = str(tzlocal.reload_localzone())
        if is_iana(name):
            return LocalZone(name, source)
        problem = f"Windows is set to “{_shown(name)}”, a time zone that is not known here."
    except (LookupError, ValueError, OSError):
        problem = "The time zone of Windows has no name that is known here."
    return LocalZone(fixed_offset(datetime.now(UTC).astimezone().utcoffset()), source, problem)


def _signature(root: Path) -> _Signature:
    """Changes when another file becomes /etc/localtime, or when it is written again."""
    path = root / _LOCALTIME.lstrip("/")
    return file_stamp(path, follow_links=False), file_stamp(path)


def _shown(text: str) -> str:
    """The value of a setting, short and printable."""
    cut = "".join(char if char.isprintable() else "�" for char in text[:_LONGEST_SHOWN])
    return cut + ("…" if len(text) > _LONGEST_SHOWN else "")


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
    """The names in a chain of links, nearest first: the part after `zoneinfo/`."""
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
    """The name of this zone: the one in /etc/timezone if it matches; else one with the same file, or the same times.

    The file may be of an older edition than the zones known here, so at last equal times in recent years are enough.
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
    """Sort key: UTC first; then the names of zone1970.tab, one for each region; then `Area/City` before old short
    names.
    """
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
    """The rules in the footer, which hold after the last change in the file; None in version 1."""
    if data[4:5] < b"2":
        return None
    return posix_rules(data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii", errors="replace"))
