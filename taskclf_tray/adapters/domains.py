"""The category of the site in a browser tab. The URL never leaves this file, only its category (contract, section 3).

The rule is "full host first, then the registered domain by the public-suffix list". That list takes 20 MiB of memory,
and the table needs almost nothing of it: its entries of two labels (`github.com`) are registered domains without a
suffix rule below them, and its longer entries (`docs.python.org`) are hosts. So a host's registered domain is in the
table exactly when its last two labels are an entry. A test proves this against the whole list.
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
