"""A source that lies, drips and floods, and between that shows hostile windows; a minute is known by its number."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hostile_texts import ADDRESS, APP, TITLE, hostile
from tests.support.http_faults import Handler

MINUTE = timedelta(minutes=1)
EXCLUDED_APP = "KeePassXC"
EXCLUDED_WORD = "hush"
SLOW_PATTERN = r"(?:x+x+)+y"
_TITLES = hostile(TITLE)
_APPS = ("Code", "Firefox", "Slack", "Alacritty", "Thunderbird")
_KINDS = {"window": "currentwindow", "afk": "afkstatus", "input": "os.hid.input", "web-firefox": "web.tab.current"}
_HOST = "desk"
_TWINS = 1500
FAULTY_EVERY = 8
"""Every so many requests; a poll takes five."""
_HUGE_BYTES = 24 << 20


def is_excluded(minute: int) -> bool:
    """Whether everything in front in this minute since the epoch is excluded."""
    return minute % 5 in (2, 3)


def _front(minute: int) -> dict[str, Any]:
    """What is in front: an excluded program, an excluded title, or a window that attacks."""
    if minute % 5 == 2:
        return {"app": f"{EXCLUDED_APP} {APP}", "title": f"{TITLE} vault"}
    app = _APPS[minute // 7 % len(_APPS)]
    if minute % 5 == 3:
        return {"app": app, "title": f"{TITLE} {EXCLUDED_WORD}"}
    if minute % 5 == 4:
        return {"app": app, "title": f"{TITLE} " + "x" * 60}  # made for SLOW_PATTERN
    title = _TITLES[minute % len(_TITLES)]
    return {"app": app, "title": (title + " ") * (8000 // len(title)) if minute % 2 else title}


class HostileServer:
    """Answers requests for events by their times, every few of them with a fault; `faults` counts these by name."""

    def __init__(self, elsewhere: str, seed: int = 7) -> None:
        self.faults: dict[str, int] = {}
        self.is_hostile = False
        self._answered = 0
        self._elsewhere = elsewhere
        self._chance = Random(seed)

    def answer(self, handler: Handler) -> None:
        """One request."""
        path, query = urlsplit(handler.path).path, parse_qs(urlsplit(handler.path).query)
        self._answered += 1
        if self.is_hostile and self._answered % FAULTY_EVERY == 0:
            turn = self._answered // FAULTY_EVERY
            fault = (self._drip, self._surrogates, self._huge, self._redirect, self._broken)[turn % 5]
            self._count(fault.__name__)
            fault(handler)
            return
        handler.answer(200, json.dumps(self._body(path, query)).encode())

    def _count(self, name: str) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1

    def _body(self, path: str, query: Mapping[str, list[str]]) -> Any:
        if path == "/api/0/info":
            return {"hostname": _HOST, "version": "v0.14.0 (rust)", "device_id": "d"}
        if path == "/api/0/buckets/":
            return {f"aw-watcher-{name}_{_HOST}": self._listed(name, kind) for name, kind in _KINDS.items()}
        name = unquote(path).removeprefix("/api/0/buckets/aw-watcher-").partition(f"_{_HOST}")[0]
        if "start" not in query or "end" not in query:
            return []
        start, end = (datetime.fromisoformat(query[key][0]) for key in ("start", "end"))
        found = list(self._events(name, start, end))
        if self.is_hostile and name == "window" and self._chance.random() < 0.5:
            found += self._extra(start, end)
        found.sort(key=lambda event: str(event["timestamp"]), reverse=True)
        return found[: int(query["limit"][0])] if "limit" in query else found

    def _listed(self, name: str, kind: str) -> dict[str, Any]:
        bucket_id = f"aw-watcher-{name}_{_HOST}"
        return {"id": bucket_id, "type": kind, "hostname": _HOST, "client": "c", "data": {}, "last_updated": None}

    def _events(self, name: str, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        for minute in range(int(start.timestamp()) // 60, int(end.timestamp()) // 60 + 1):
            begin = max(start, datetime.fromtimestamp(60 * minute, start.tzinfo))
            until = min(end, datetime.fromtimestamp(60 * minute + 60, start.tzinfo))
            if begin < until:
                data = _data(name, minute)
                yield _event(minute, begin, (until - begin).total_seconds(), data)

    def _extra(self, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """An event of a year, and thousands of twins of a minute that may be recorded."""
        year = _event(1, start - 5 * MINUTE, 366 * 86400.0, {"app": "Code", "title": f"{TITLE} for a year"})
        minute = int(start.timestamp()) // 60
        if is_excluded(minute) or (end - start) < timedelta(seconds=1):
            return [year]
        self._count("twins")
        app = _front(minute)["app"]
        return [year, *(_event(n, start, 0.5, {"app": app, "title": f"{TITLE} {n}"}) for n in range(_TWINS))]

    # -- faults -----------------------------------------------------------------------------------------------

    def _drip(self, handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(30):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    def _huge(self, handler: Handler) -> None:
        handler.answer(200, b"[" + b"[]," * (_HUGE_BYTES // 3) + b"[]]")

    def _redirect(self, handler: Handler) -> None:
        handler.answer(302, b"", Location=self._elsewhere)

    def _broken(self, handler: Handler) -> None:
        handler.answer(200, self._chance.choice((b"{", b"null", b"\xff\xfe", b'{"a":NaN}', b"[[[[")))

    def _surrogates(self, handler: Handler) -> None:
        listed = {"\ud800": {"type": "currentwindow"}, "..": {"type": "currentwindow", "hostname": "\udfff"}}
        handler.answer(200, json.dumps(listed).encode())


def _data(name: str, minute: int) -> dict[str, Any]:
    if name == "afk":
        return {"status": "not-afk"}
    if name == "input":
        return {"presses": 40, "clicks": 3, "deltaX": 10, "deltaY": 10, "scrollX": 0, "scrollY": 5}
    if name == "web-firefox":
        return {"url": f"https://{ADDRESS}.example/{ADDRESS}", "title": TITLE, "audible": False, "incognito": False}
    return _front(minute)


def _event(number: int, start: datetime, seconds: float, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": number, "timestamp": start.isoformat(), "duration": seconds, "data": data}
