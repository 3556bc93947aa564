"""What kind of site a browser tab shows. Only the category leaves this file, never the URL (contract, section 3).

The rule is "full host first, then the registered domain by the public-suffix list". That list costs 20 MiB of
memory to hold, and the table needs almost nothing of it: its entries of two labels (`github.com`) are registered
domains and no suffix rule lies below one, its longer entries (`docs.python.org`) are hosts. So a host's registered
domain is in the table exactly when its last two labels are an entry. A test proves this against the whole list.
"""

from __future__ import annotations

import csv
import functools
import ipaddress
from collections.abc import Mapping
from importlib import resources
from typing import Final
from urllib.parse import urlsplit

MAX_URL_CHARACTERS: Final = 8192
_WEB_SCHEMES: Final = frozenset({"http", "https"})


def domain_category(url: str | None, *, is_browser: bool) -> str:
    """The category of the site at `url`, the tab in front of a window of a program that is a browser or not.

    Not a browser: `non_browser`. A browser without a tab event (`url` None): `unknown`. Else the table's word for the
    full host, else for the registered domain; `other` for what it does not know, files and addresses among them.
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
    """The host of a web address, lower case and without a last dot; empty when there is none."""
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
