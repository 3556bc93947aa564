"""The site of docs/: each page has its place in it, each link fits it. `make docs` builds it; no test needs MkDocs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.documents import ROOT, load
from tests.support.environments import pins

HOOKS = load("docs_hooks.py")
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def pages(nav: Any) -> Iterator[str]:
    """The files of a navigation, in their order."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from pages(entry)


def test_every_page_has_one_place_in_the_navigation() -> None:
    written = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    from_the_root = {page for page in HOOKS.ROOT_PAGES.values() if page != "index.md"}
    assert sorted(pages(SITE["nav"])) == sorted([*written, *from_the_root])


@pytest.mark.parametrize("source", HOOKS.ROOT_PAGES)
def test_the_pages_from_the_root_exist(source: str) -> None:
    assert (ROOT / source).is_file()


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("privacy.md", "[a](../SECURITY.md)", "[a](security.md)"),
        ("reference/contract.md", "[a](../../ARCHITECTURE.md#rooms)", "[a](../architecture.md#rooms)"),
        ("reference/contract.md", "[a](api.md)", "[a](api.md)"),
        ("architecture.md", "[a](docs/decisions/0001-a.md)", "[a](decisions/0001-a.md)"),
        ("findings.md", "[a](../README.md)", "[a](index.md)"),
        ("contributing.md", "![a](docs/pictures/tray.png)", "![a](pictures/tray.png)"),
        ("changelog.md", "[a](https://semver.org)", "[a](https://semver.org)"),
        ("tray.md", "[a](#the-menu)", "[a](#the-menu)"),
        ("contributing.md", "see [the code](taskclf_tray/app/text.py).", "see the code."),
        ("contributing.md", "`[a](LICENSE)`", "`[a](LICENSE)`"),
        ("contributing.md", "```\n[a](LICENSE)\n```", "```\n[a](LICENSE)\n```"),
    ],
)
def test_a_link_of_the_repository_fits_the_site(page: str, link: str, expected: str) -> None:
    assert HOOKS.site_links(link, page) == expected


def test_the_site_loads_nothing_from_elsewhere() -> None:
    assert SITE["theme"]["font"] is False
    assert not {"extra_css", "extra_javascript", "extra"} & set(SITE)


def test_mkdocs_is_pinned_apart_from_what_tests_and_application_need() -> None:
    assert "mkdocs-material" in pins("docs.txt")
    assert not [name for file in ("run.txt", "dev.txt") for name in pins(file) if name.startswith("mkdocs")]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^([a-z-]+):[^\n]*\n((?:\t[^\n]*\n)*)", makefile, re.MULTILINE))
    assert "docs" in recipes["docs"]
    assert not [name for name in ("run", "test", "check", "setup-run", "setup-test") if "docs" in recipes[name]]


def test_the_environment_of_the_site_is_left_out_of_the_repository() -> None:
    assert ".venv-docs/" in Path(ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
