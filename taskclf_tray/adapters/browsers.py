"""The browser behind a tab bucket, the tabs that count while a browser is in front, and the category of their site.

Every browser with the web watcher writes to its own bucket, even while another program is in front, so a tab counts
only while its browser is in front. The names are those of aw-watcher-web's bucket ids and of aw-webui's own queries.
"""

from __future__ import annotations

import csv
import functools
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Final
from urllib.parse import urlsplit

from taskclf_tray.adapters.cleaning import subtract_intervals
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import Interval, flatten, intersect, union

_OF_APP_ID: Final = {
    "ai.perplexity.comet": "comet",
    "app.zen_browser.zen": "zen",
    "com.apple.Safari": "safari",
    "com.brave.Browser": "brave",
    "com.google.Chrome": "chrome",
    "com.kagi.kagimacOS": "orion",
    "com.microsoft.edgemac": "edge",
    "com.operasoftware.Opera": "opera",
    "com.vivaldi.Vivaldi": "vivaldi",
    "company.thebrowser.Browser": "arc",
    "company.thebrowser.dia": "dia",
    "io.github.nicothin.zen": "zen",
    "net.librewolf.LibreWolf": "librewolf",
    "net.naver.whale": "whale",
    "net.waterfox.waterfox": "waterfox",
    "one.ablaze.floorp": "floorp",
    "org.chromium.Chromium": "chrome",
    "org.mozilla.firefox": "firefox",
    "ru.yandex.desktop.yandex-browser": "yandex",
}
_SPELLINGS: Final = {
    "brave": "brave",
    "chrome": "chrome",
    "chromium": "chrome",
    "edge": "edge",
    "msedge": "edge",
    "firefox": "firefox",
    **{name: name for name in _OF_APP_ID.values()},
}
_REPORTS_AS: Final = {
    "arc": "chrome",
    "comet": "chrome",
    "dia": "chrome",
    "vivaldi": "chrome",
    "whale": "chrome",
    "floorp": "firefox",
    "librewolf": "firefox",
    "waterfox": "firefox",
    "zen": "firefox",
}
"""Browsers whose user agent is that of another: the web watcher may have named their bucket after it."""
_WORD: Final = re.compile(r"[a-z]+")
_LONGEST_ID: Final = 512
MINUTE_US: Final = 60_000_000
RECENT_US: Final = 300_000_000
"""How long an event counts for the minutes after it. Every read looks back further, so that a minute depends on the
same events wherever the polls are cut."""


def browser_of_app(app_id: str) -> str:
    """Return the name of a known browser by app id; for another program its app id, which no bucket has."""
    return _OF_APP_ID.get(app_id, app_id)


def browser_of_bucket(bucket_id: str, hostname: str = "", client: str = "", named: object = None) -> str:
    """Return the browser of a tab bucket, empty when unknown.

    `named`: the name in the bucket's data, which comes first. Then the id (`aw-watcher-web-firefox_laptop`, without the
    host's name, which may hold any word), then the client.
    """
    own = bucket_id[:_LONGEST_ID].lower().removesuffix(f"_{hostname.lower()}")
    for text in (named if isinstance(named, str) else "", own, client):
        found = next(_names_in(text), None)
        if found is not None:
            return found
    return ""


def _names_in(text: str) -> Iterator[str]:
    return (_SPELLINGS[word] for word in _WORD.findall(text[:_LONGEST_ID].lower()) if word in _SPELLINGS)


def passes_as(browser: str) -> str:
    """Return the browser whose user agent `browser` sends; empty when it sends its own."""
    return _REPORTS_AS.get(browser, "")


def minutes_near(events: Iterable[RawEvent]) -> list[Interval]:
    """Return the whole minutes that an event touches, or that begin less than `RECENT_US` after an event ends."""
    return union(
        (event.start_us // MINUTE_US * MINUTE_US, -(-(event.end_us + RECENT_US) // MINUTE_US) * MINUTE_US)
        for event in events
    )


def tabs_in_front(
    tabs: Sequence[RawEvent], windows: Sequence[RawEvent], browser_of: Callable[[RawEvent], str]
) -> list[RawEvent]:
    """Return the tab events in order of time, without the time in which the tabs of another browser count.

    While a browser is in front, its own tabs count. Without a tab near that minute, those of the browser that it passes
    as count; without these, those of an unknown browser. Time without a browser in front stays unchanged.
    `browser_of`: the browser of a window event, empty for another program.
    """
    names = {tab.browser for tab in tabs}
    if names <= {""}:
        return sorted(tabs, key=_in_time)
    near = {name: minutes_near(tab for tab in tabs if tab.browser == name) for name in names}
    holes: dict[str, list[Interval]] = {name: [] for name in names}
    for browser, front in _fronts(windows, browser_of).items():
        other = passes_as(browser)
        own = near.get(browser, [])
        foreign = near.get(other, []) if other else []
        for name in names:
            holes[name] += _silent_times(name, browser, other, front, own, foreign)
    kept: list[RawEvent] = []
    for name in sorted(names):
        kept += subtract_intervals([tab for tab in tabs if tab.browser == name], union(holes[name]))
    return sorted(kept, key=_in_time)


def _in_time(tab: RawEvent) -> tuple[int, int]:
    return tab.start_us, tab.event_id


def _silent_times(
    name: str, browser: str, other: str, front: list[Interval], own: list[Interval], foreign: list[Interval]
) -> list[Interval]:
    """Return when `browser` is in front and the tabs of `name` do not count."""
    if name == browser:
        return []
    if name == "":
        return intersect(front, union([*own, *foreign]))
    return intersect(front, own) if name == other else front


def _fronts(windows: Sequence[RawEvent], browser_of: Callable[[RawEvent], str]) -> dict[str, list[Interval]]:
    """Return when each browser was in front."""
    named = [(event, browser_of(event)) for event in windows]
    browsing = [(event, name) for event, name in named if name]
    spans = [(event.start_us, event.end_us, event.event_id) for event, _ in browsing]
    fronts: dict[str, list[Interval]] = {}
    for start, end, index in flatten(spans):
        fronts.setdefault(browsing[index][1], []).append((start, end))
    return {name: union(times) for name, times in fronts.items()}


# -- the category of the site in a tab; the URL never leaves this file (contract, section 3) -------------------

# The rule is "full host first, then the registered domain by the public-suffix list". That list takes 20 MiB of memory,
# and the table needs almost nothing of it: its entries of two labels (`github.com`) are registered domains without a
# suffix rule below them, and its longer entries (`docs.python.org`) are hosts. So a host's registered domain is in the
# table exactly when its last two labels are an entry. A test proves this against the whole list.

MAX_URL_CHARACTERS: Final = 8192
_WEB_SCHEMES: Final = frozenset({"http", "https"})


def domain_category(url: str | None, *, is_browser: bool) -> str:
    """Return the category of a site.

    `non_browser` outside a browser; `unknown` for a browser without a tab event (`url` None). Otherwise the table's
    category of the full host, else of the registered domain; `other` for unknown sites, files and IP addresses.
    """
    if not is_browser:
        return "non_browser"
    if url is None:
        return "unknown"
    host = _host(url)
    if not host:
        return "other"
    table = _table()
    return table.get(host) or table.get(".".join(host.split(".")[-2:])) or "other"


def _host(url: str) -> str:
    """Return the host of a web address, lower case without a trailing dot; empty when there is none."""
    try:
        parts = urlsplit(url[:MAX_URL_CHARACTERS].strip())
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme not in _WEB_SCHEMES or _is_address(host):
        return ""
    return host.rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


@functools.cache
def _table() -> Mapping[str, str]:
    text = (resources.files("taskclf_tray.adapters") / "data" / "domain_registry.csv").read_text(encoding="utf-8")
    return {row["domain"]: row["domain_category"] for row in csv.DictReader(text.splitlines())}
