"""What of a title depends on the secret, and what does not: SECURITY.md says the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from taskclf_tray.adapters.titles import TitleHasher

SECURITY = Path(__file__).parents[2] / "SECURITY.md"
UNKEYED = {
    "title_char_count", "title_token_count", "title_unique_token_ratio", "title_digit_ratio", "title_separator_count",
}  # fmt: skip
TITLES = (
    "Quarterly report 2025 - report | draft 3 - Editor",
    "Re: 17 open points of the 4th meeting - budget, budget",
)


def test_with_another_secret_five_numbers_of_a_title_stay_and_nothing_else() -> None:
    one, other = TitleHasher("5ec4e7" * 10 + "5ec4"), TitleHasher("7e4c5e" * 10 + "7e4c")
    for title in TITLES:
        found, again = dataclasses.asdict(one.features(title)), dataclasses.asdict(other.features(title))
        same = {name for name in found if found[name] == again[name]} - {"is_call_title"}  # kept in no row
        assert same == UNKEYED


def test_the_page_says_so() -> None:
    said = " ".join(SECURITY.read_text().split())
    assert "Five numbers of a title are not keyed" in said
    assert "The secret lies in the same folder" in said
