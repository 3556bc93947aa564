"""The time zone this computer is set to, by a name that can be stored, and followed while the program runs.

What the computer's own clock shows is right. So the order is that of the C library: the variable TZ, then
/etc/localtime, else UTC. A zone without a name is given by its rules (`core.zones`); nothing here raises, and
`LocalZone.problem` says what could not be used.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from taskclf_tray.core.zones import UTC_NAME, posix_rules, zone
from taskclf_tray.system.zone_files import fixed_offset, is_iana, zone_name_of

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""The files are looked at this often at most; the variable TZ each time."""

_LOCALTIME: Final = "/etc/localtime"
_LONGEST_SHOWN: Final = 40
_Signature = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class LocalZone:
    """`name`: an IANA name, or rules in POSIX notation; `core.zones.zone` knows it.

    `source`: where it was found. `problem`: what is set and cannot be used, so that `name` stands in for it.
    """

    name: str
    source: str
    problem: str | None = None


class ZoneWatcher:
    """Finds the computer's zone, and finds it again when its setting has changed. Any thread may ask."""

    def __init__(self, environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> None:
        self._environ = environ
        self._root = root
        self._known: tuple[_Signature, LocalZone] | None = None
        self._look_at = 0.0

    def current(self) -> LocalZone:
        """The zone of now."""
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
    """Its name, as it is stored with each minute."""
    return _watcher.current().name


def local_time(moment: datetime) -> datetime:
    """A moment as the clock on the wall shows it. Raises OverflowError for one that no clock can show."""
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
    """Changes when another file becomes /etc/localtime, or it is written again."""
    path = root / _LOCALTIME.lstrip("/")
    parts: list[object] = []
    for follows in (False, True):
        try:
            status = path.stat(follow_symlinks=follows)
            parts.append((status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev))
        except OSError:
            parts.append(None)
    return tuple(parts)


def _shown(text: str) -> str:
    """What a setting holds, fit for a sentence."""
    cut = "".join(char if char.isprintable() else "�" for char in text[:_LONGEST_SHOWN])
    return cut + ("…" if len(text) > _LONGEST_SHOWN else "")
