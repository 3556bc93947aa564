"""Which browser a tab bucket belongs to, and whose tabs count while a browser is in front.

Every browser with the web watcher writes into a bucket of its own, also while another program is in front, so a tab
says something only while its browser is the one in front. The names are those of aw-watcher-web's bucket ids and of
aw-webui's own queries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

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


def browser_of_app(app_id: str) -> str:
    """The name of a known program that is a browser; of another one its app id, which no bucket bears."""
    return _OF_APP_ID.get(app_id, app_id)


def browser_of_bucket(bucket_id: str, hostname: str = "", client: str = "", named: object = None) -> str:
    """The browser a tab bucket belongs to, empty when nothing says it.

    `named`: what the bucket's own data say. Else the id says it (`aw-watcher-web-firefox_laptop`; the host's name at
    its end may hold any word), else the client.
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
    """The browser whose user agent `browser` sends, empty when it sends its own."""
    return _REPORTS_AS.get(browser, "")
