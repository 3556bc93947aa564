"""Titles, addresses and names of programs that attack whoever shows them."""

from __future__ import annotations

import dataclasses
import sqlite3
import unicodedata
import zlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.report.picture import OTHERS
from taskclf_tray.simulation.person import SimulatedPerson

TITLE, ADDRESS, APP = "xqtitle7", "xqaddress7", "xqapp7"
"""What to look for: no hash and no word of ours holds it."""


def hostile(mark: str) -> tuple[str, ...]:
    """Texts that hold the mark and attack whoever shows, stores or runs them."""
    return (
        f"\"{mark}' OR 1=1; DROP TABLE label_spans; -- “{mark}”",
        f"<b>{mark}</b><img src=x onerror=alert(1)>&{mark};<a href='file:///{mark}'>",
        f"$(touch {mark}) `touch {mark}`; touch {mark} && touch {mark} | touch {mark}",
        f"\u202e{mark}\u2066\u2069\u200f{mark}\u202c",
        f"before\x00{mark}\x00after",
        f"\x1b]0;{mark}\x07\x1b[2J\x1b[31m{mark}\x9b2K",
        f"\ud800{mark}\udfff\ud83d",
        f"../../{mark}\r\n=cmd|{mark}\u2028{mark}\n\n",
        f"%s%n{{0}}{{{mark}}}%({mark})s\\u0000\\{mark}",
    )


def long(mark: str) -> str:
    """64 KB of it."""
    return (mark + " ") * (65_536 // (len(mark) + 1))


class HostilePerson(SimulatedPerson):
    """A simulated person whose windows attack; every tenth title and address has 64 KB. The programs' names stay in
    the names, so that different work still looks different."""

    apps = hostile(APP)

    def raw_events(self, start: datetime, end: datetime) -> dict[Stream, list[RawEvent]]:
        found = super().raw_events(start, end)
        return {
            stream: [
                dataclasses.replace(event, data=_attacking(event.data, event.event_id, self.apps)) for event in events
            ]
            for stream, events in found.items()
        }


def _attacking(data: Mapping[str, Any], number: int, apps: tuple[str, ...]) -> dict[str, Any]:
    titles, addresses = hostile(TITLE), hostile(ADDRESS)
    turned = dict(data)
    if "title" in data:
        turned["title"] = long(TITLE) if number % 10 == 0 else titles[number % len(titles)]
    if "url" in data:
        path = long(ADDRESS) if number % 10 == 5 else addresses[number % len(addresses)]
        turned["url"] = f"https://{ADDRESS}.example/{path}" if number % 2 else path
    if "app" in data:
        turned["app"] = f"{apps[len(data['app']) % len(apps)]} {data['app']}"
    return turned


def leaks(folder: Path, marks: tuple[str, ...] = (TITLE, ADDRESS)) -> list[str]:
    """The files below the folder that hold a mark, in their names, in any byte, or in a packed value."""
    wanted = [mark.encode(code) for mark in marks for code in ("utf-8", "utf-16-le")]
    found = []
    for path in sorted(folder.rglob("*")):
        content = str(path).encode() + (path.read_bytes() if path.is_file() else b"")
        content += unpacked(path) if path.suffix == ".db" else b""
        found += [path.name] if any(mark in content.lower() for mark in wanted) else []
    return found


def unpacked(path: Path) -> bytes:
    """Every compressed value in every table of a database."""
    values = bytearray()
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            for value in row:
                if isinstance(value, bytes):
                    values += zlib.decompress(value) + b"\n"
    connection.close()
    return bytes(values)


def is_plain(text: str) -> bool:
    return not any(unicodedata.category(character)[0] == "C" for character in text)


HOSTILE = (
    "<b>bold</b>&amp;", "=cmd|' /C calc'!A0", "\u202egnp.exe", "a\x00b\x1b[31mred\n\r\t", "x" * 10_000, "👩‍👩‍👧", " ",
    "会議", "Gespräche", "مكالمة", "Not sure", OTHERS, "%s{}$(rm)", "\ufeff\u200b\u2066", "é" * 80,
)  # fmt: skip
