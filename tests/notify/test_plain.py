"""Cleaning of texts before any notification service sees them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.notify.base import escape_markup

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Deep Work — Build 87 %", "Deep Work — Build 87 %"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\u2066a\u2069 \u200fb\u061c", "a b"),
        ("line\r\nbreak\tand tab", "line break and tab"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("  spaces  ", "spaces"),
        ("", ""),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert plain_text(text, 100) == expected


def test_a_body_keeps_its_lines() -> None:
    assert plain_text("one\r\ntwo\rthree\n", 100, multiline=True) == "one\ntwo\nthree"


def test_the_cut_is_marked() -> None:
    assert plain_text("abcdef", 6) == "abcdef"
    assert plain_text("abcdefg", 6) == "abcde…"
    assert len(plain_text("x" * 65536, 120)) == 120


@given(ANY_TEXT, st.integers(2, 40), st.booleans())
def test_nothing_dangerous_survives(text: str, limit: int, multiline: bool) -> None:
    clean = plain_text(text, limit, multiline=multiline)
    assert len(clean) <= limit
    clean.encode("utf-8")
    assert not {unicodedata.category(one) for one in clean if one not in "\n\u200c\u200d"} & {"Cc", "Cf", "Cs"}
    assert multiline or "\n" not in clean
    assert plain_text(clean, limit, multiline=multiline) == clean


def test_markup_is_shown_as_it_is_written() -> None:
    assert escape_markup("<b>R&D</b>") == "&lt;b&gt;R&amp;D&lt;/b&gt;"
