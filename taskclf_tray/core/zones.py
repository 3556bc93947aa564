"""Time zones by name: the tz database, and rules in POSIX notation such as `CET-1CEST,M3.5.0,M10.5.0/3`.

A computer whose zone has no name still has rules; the POSIX notation then serves as a name on every computer.
"""

from __future__ import annotations

import functools
import io
import re
import struct
from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UTC_NAME: Final = "UTC"
UPDATE_STEP: Final = "Update the time zone database: pip install --upgrade tzdata."

_OFFSET = r"[+-]?\d{1,2}(?::\d{2}){0,2}"
_NAME = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_DATE = r"(?:M\d{1,2}\.\d\.\d|J?\d{1,3})(?:/[+-]?\d{1,3}(?::\d{2}){0,2})?"
_RULES = re.compile(rf"{_NAME}{_OFFSET}(?P<summer>{_NAME}(?:{_OFFSET})?(?P<dates>,{_DATE},{_DATE})?)?", re.ASCII)
_USUAL_DATES: Final = ",M3.2.0,M11.1.0"
"""The dates that C libraries assume for a summer time without dates: those of the United States."""

_HEADER: Final = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
_BODY: Final = struct.pack(">lbb4s", 0, 0, 0, b"LMT\0")
"""A TZif file (RFC 8536) without transitions: the rules in its footer hold for all times."""

_unknown: set[str] = set()


@functools.lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Return the zone for an IANA name or rules in POSIX notation. Raises ValueError for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        rules = posix_rules(UTC_NAME + "0" if name == UTC_NAME else name)
        if rules is None:
            raise ValueError(f"unknown time zone {name!r}") from error
        return _zone_of_rules(rules, name)


def posix_rules(text: str) -> str | None:
    """Return the rules of a POSIX TZ string with the omitted dates filled in; None for anything else."""
    match = _RULES.fullmatch(text)
    if match is None:
        return None
    rules = text if match["summer"] is None or match["dates"] is not None else text + _USUAL_DATES
    try:
        _zone_of_rules(rules, rules)
    except ValueError:
        return None
    return rules


def _zone_of_rules(rules: str, name: str) -> ZoneInfo:
    part = _HEADER + _BODY
    return ZoneInfo.from_file(io.BytesIO(part + part + f"\n{rules}\n".encode("ascii")), key=name)


@functools.lru_cache(maxsize=64)
def known_zone(name: str) -> str:
    """Return the stored name, or UTC when this computer does not know the zone; `unknown_zones` then lists the name."""
    try:
        zone(name)
    except ValueError:
        _unknown.add(name)
        return UTC_NAME
    return name


def stored_zone(name: str) -> ZoneInfo:
    """Return the zone of a stored name, or UTC when this computer does not know it. Never raises."""
    return zone(known_zone(name))


def unknown_zones() -> tuple[str, ...]:
    """List the stored names that UTC replaced so far in this process or command, in alphabetical order."""
    return tuple(sorted(_unknown))


def forget_unknown_zones() -> None:
    """Clear the list of unknown zones."""
    known_zone.cache_clear()
    _unknown.clear()


def unknown_zones_note(names: Iterable[str]) -> str | None:
    """Tell the person which stored time zones this computer does not know;

    None without any. The remedy is `UPDATE_STEP`.
    """
    shown = ", ".join("“" + "".join(char if char.isprintable() else "�" for char in name[:40]) + "”" for name in names)
    if not shown:
        return None
    return f"Minutes recorded in the time zone {shown} are counted in UTC: this computer does not know it."
