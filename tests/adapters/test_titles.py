"""Titles as numbers: the golden vectors, and nothing of a title or secret in sight."""

from __future__ import annotations

import dataclasses
import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.adapters.titles import TitleHasher, title_features
from taskclf_tray.core.config import Config
from taskclf_tray.core.errors import IdentityError
from taskclf_tray.core.time import from_us
from taskclf_tray.core.types import PROGRAM_BUCKETS, WORD_BUCKETS
from tests.support.processes import allowed

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "golden_titles.json").read_text("utf-8"))


@pytest.mark.parametrize("golden", GOLDEN["titles"], ids=[str(k) for k in range(len(GOLDEN["titles"]))])
def test_golden(golden: dict[str, Any]) -> None:
    seen = title_features(golden["title"], GOLDEN["secret"])
    assert {
        "title": golden["title"],
        "hash": seen.window_title_hash,
        "bucket": seen.window_title_bucket,
        "token_sketch": {str(number): share for number, share in seen.title_token_sketch},
        "char3_sketch": {str(number): share for number, share in seen.title_char3_sketch},
        "char_count": seen.title_char_count,
        "token_count": seen.title_token_count,
        "unique_token_ratio": seen.title_unique_token_ratio,
        "digit_ratio": seen.title_digit_ratio,
        "separator_count": seen.title_separator_count,
    } == golden


@pytest.mark.parametrize("secret", ["", "abc", "g" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_a_bad_secret_asks(secret: str) -> None:
    with pytest.raises(IdentityError) as caught:
        TitleHasher(secret)
    assert caught.value.next_step
    assert not secret.strip() or secret not in str(caught.value)


def test_without_personal_words_an_event_has_none_and_is_the_same_else() -> None:
    raw = {Stream.WINDOW: [RawEvent(0, 60_000_000, {"app": "firefox", "title": "Quarterly report"}, 1)]}
    with_words, without = (
        Normaliser.by_settings("0" * 64, Config(personal_words=are_kept)).events(from_us(0), from_us(60_000_000), raw)
        for are_kept in (True, False)
    )
    assert len(with_words.window[0].word_buckets) == 3
    assert without.window == (dataclasses.replace(with_words.window[0], word_buckets=()),)


def test_words_are_salted_buckets_of_any_script_each_once() -> None:
    hasher = TitleHasher("0" * 64)
    seen = hasher.features("Größe 12 — größe 7 отчёт x")
    assert len(seen.word_buckets) == 3  # größe, a number, отчёт; a single letter is no word
    assert list(seen.word_buckets) == sorted(seen.word_buckets)
    assert hasher.features("ОТЧЁТ_99_größe").word_buckets == seen.word_buckets
    assert all(0 <= bucket < WORD_BUCKETS for bucket in seen.word_buckets)
    assert TitleHasher("1" * 64).features("Größe 12 отчёт").word_buckets != seen.word_buckets
    assert hasher.features("").word_buckets == ()
    assert (
        len(hasher.features(" ".join(f"a{chr(98 + k % 24)}{chr(98 + k // 24)}" for k in range(99))).word_buckets) <= 32
    )


def test_a_program_has_a_salted_bucket_behind_the_words() -> None:
    one, other = TitleHasher("0" * 64), TitleHasher("1" * 64)
    found = {name: one.program_bucket(name) for name in ("code", "org.mozilla.firefox", "unknown.größe")}
    assert len(set(found.values())) == 3
    assert all(WORD_BUCKETS <= bucket < WORD_BUCKETS + PROGRAM_BUCKETS for bucket in found.values())
    assert found == {name: one.program_bucket(name) for name in found}
    assert found != {name: other.program_bucket(name) for name in found}


def test_another_secret_gives_other_numbers() -> None:
    one, other = title_features("main.py - project", "0" * 64), title_features("main.py - project", "1" * 64)
    assert one.window_title_hash != other.window_title_hash
    assert one.title_char3_sketch != other.title_char3_sketch


def test_repr_and_memory_hold_no_title() -> None:
    hasher = TitleHasher("ab" * 32)
    hasher.features("poisoned words here")
    assert "ab" * 4 not in repr(hasher)
    assert not any("poisoned" in str(key) for key in [*hasher._bins, *hasher._features])
    with pytest.raises(TypeError):
        pickle.dumps(hasher)


def test_the_caches_are_bounded_and_do_not_change_answers() -> None:
    hasher = TitleHasher("0" * 64)
    first = hasher.features("a title seen first")
    for k in range(1000):
        hasher.features(f"title {k} {chr(0x4E00 + k)}{chr(0x5E00 + k)}{chr(0x6E00 + k)} x{k}y")
    assert len(hasher._features) <= 256
    assert len(hasher._bins) <= 4096
    assert hasher.features("a title seen first") == first


@pytest.mark.parametrize("title", ["\ud800", "a\x00b", "a" + "\u0301\u0316" * 32_768, "\ufdfa" * 65_536, "‮" * 9])
def test_hostile_titles_are_quick(title: str) -> None:
    began = time.perf_counter()
    seen = title_features(title, "0" * 64)
    assert time.perf_counter() - began < allowed(1.0)
    assert len(seen.window_title_hash) == 12
