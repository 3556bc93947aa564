"""The reference pages: every citation of the contract has its section, and the names are those the tests check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
NUMBERS = r"(\d+(?:(?:, | and |[–-])\d+)*)"
CITATION = re.compile(r"\bcontract,? \(?sections? " + NUMBERS, re.IGNORECASE)
BESIDE = re.compile(r"\bthe contract\b[^.]*\(sections? " + NUMBERS + r"\)", re.IGNORECASE)
WITHIN = re.compile(r"\bsections? " + NUMBERS, re.IGNORECASE)


def sections() -> set[int]:
    """The numbers of the contract's headings."""
    return {int(number) for number in re.findall(r"^## (\d+)\. \S", contract(), re.MULTILINE)}


def contract() -> str:
    return (REFERENCE / "contract.md").read_text(encoding="utf-8")


def numbers(cited: str) -> Iterator[int]:
    """`6–8 and 14` are 6, 7, 8 and 14."""
    for part in re.split(r", | and ", cited):
        first, _, last = part.replace("-", "–").partition("–")
        yield from range(int(first), int(last or first) + 1)


def citations() -> Iterator[tuple[str, int]]:
    """Every file that cites a section, with the number; a sentence may go over two lines."""
    files = [*(ROOT / "taskclf_tray").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *ROOT.glob("*.md")]
    for path in [*files, *(ROOT / "docs").rglob("*.md")]:
        text = " ".join(path.read_text(encoding="utf-8").split())
        patterns = (WITHIN,) if path == REFERENCE / "contract.md" else (CITATION, BESIDE)
        for cited in (match for pattern in patterns for match in pattern.findall(text)):
            yield from ((path.relative_to(ROOT).as_posix(), number) for number in numbers(cited))


def test_every_cited_section_of_the_contract_exists() -> None:
    found = set(citations())
    assert len(found) > 40
    assert {cited for cited in found if cited[1] not in sections()} == set()


def test_the_contract_is_numbered_without_a_gap() -> None:
    assert sections() == set(range(1, 15))


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("One prediction (contract, sections 6–8 and 14).", [6, 7, 8, 14]),
        ("Contract, section 9: real before synthetic", [9]),
        ("The numbers of the contract (section 13), each", [13]),
        ("Rows as the contract encodes them (section 5).", [5]),
        ("Guo et al., ICML 2017, section 4.2", []),
    ],
)
def test_a_citation_is_recognised(sentence: str, found: list[int]) -> None:
    cited = [match for pattern in (CITATION, BESIDE) for match in pattern.findall(sentence)]
    assert sorted({number for each in cited for number in numbers(each)}) == found


def test_the_page_of_names_is_the_table_that_is_tested() -> None:
    """`tests/docs/test_documents_api.py` compares that table with the code."""
    page = (REFERENCE / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^## ([\w.]+)\n\n```text\n(.*?)\n```$", page, re.MULTILINE | re.DOTALL)
    table = (ROOT / "tests" / "data" / "documents_api.txt").read_text(encoding="utf-8")
    tested = re.findall(r"^\[([\w.]+)\]\n(.*?)(?=\n\n|\n?\Z)", table, re.MULTILINE | re.DOTALL)
    assert len(tested) > 15
    assert shown == tested
