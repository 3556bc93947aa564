"""Sites by category: the contract's table, and a proof that it needs no suffix list at run time."""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path

import pytest
import tldextract

from taskclf_tray.adapters.browsers import domain_category

TEXT = (Path(__file__).parents[1] / "data" / "domain_registry.csv").read_text("utf-8")
TABLE = {row["domain"]: row["domain_category"] for row in csv.DictReader(TEXT.splitlines())}
EXTRACT = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def by_the_suffix_list(host: str) -> str:
    return TABLE.get(host) or TABLE.get(EXTRACT(host).top_domain_under_public_suffix) or "other"


def test_the_contracts_table_is_shipped_unchanged() -> None:
    assert (resources.files("taskclf_tray.adapters") / "data" / "domain_registry.csv").read_text("utf-8") == TEXT


def test_two_labels_are_a_registered_domain_and_more_are_a_host() -> None:
    for domain in TABLE:
        assert (EXTRACT(domain).top_domain_under_public_suffix == domain) == (domain.count(".") == 1)


def test_no_suffix_lies_below_a_table_entry() -> None:
    for suffix in EXTRACT.tlds:
        for labels in range(suffix.count(".") + 1):
            assert ".".join(suffix.split(".")[labels:]) not in TABLE


@pytest.mark.parametrize("domain", sorted(TABLE))
def test_answers_as_the_suffix_list_does(domain: str) -> None:
    for host in (domain, f"www.{domain}", f"a.b.{domain}", f"{domain}.co.uk", f"x{domain}", f"{domain}.example.org"):
        assert domain_category(f"https://{host}/path?q=1#x", is_browser=True) == by_the_suffix_list(host)


@pytest.mark.parametrize(
    ("url", "category"),
    [
        ("https://user:pw@NEWS.ycombinator.com.:443/item", "news"),
        ("http://localhost:3000/", "other"),
        ("http://10.0.0.1/", "other"),
        ("http://[::1]/", "other"),
        ("http://[bad/", "other"),
        ("http://github.com:notaport/", "code_hosting"),
        ("file:///home/x/github.com", "other"),
        ("about:blank", "other"),
        ("github.com", "other"),
        ("", "other"),
        ("https://" + "a" * 100_000, "other"),
        ("https://\udc80.com", "other"),
    ],
)
def test_odd_addresses(url: str, category: str) -> None:
    assert domain_category(url, is_browser=True) == category


def test_without_a_tab_or_a_browser() -> None:
    assert domain_category(None, is_browser=True) == "unknown"
    assert domain_category("https://github.com", is_browser=False) == "non_browser"
