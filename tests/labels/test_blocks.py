"""Blocks: hand-drawn cases, and the laws that hold for any minutes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.blocks import Block, Minute, ask_threshold, is_full, is_long_enough, split_blocks

MINUTE = 60_000_000
FLAT = (0.125,) * 8
NAMES = {"B": "Build", "W": "Write", "M": MIXED_UNKNOWN}


def minute(n: int, label: str = "Build", confidence: float = 0.9, probs: tuple[float, ...] = FLAT) -> Minute:
    return Minute(n * MINUTE, (n + 1) * MINUTE, label, confidence, probs)


def drawn(text: str) -> list[Minute]:
    """`BB.W` as minutes: a letter each, a dot is none."""
    return [minute(n, NAMES[letter]) for n, letter in enumerate(text) if letter != "."]


def shown(blocks: list[Block]) -> list[tuple[int, int, str]]:
    return [(block.start_us // MINUTE, block.minutes, block.label[0]) for block in blocks]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("B", [(0, 1, "B")]),
        ("BBW", [(0, 2, "B"), (2, 1, "W")]),
        ("BB.BB", [(0, 2, "B"), (3, 2, "B")]),
        ("B" * 30, [(0, 30, "B")]),
        ("B" * 31, [(0, 30, "B"), (30, 1, "B")]),
        ("W" + "B" * 65 + "M", [(0, 1, "W"), (1, 30, "B"), (31, 30, "B"), (61, 5, "B"), (66, 1, "M")]),
        ("B" * 29 + "." + "B" * 2, [(0, 29, "B"), (30, 2, "B")]),
    ],
)
def test_a_block_ends_at_another_label_a_gap_and_thirty_minutes(
    text: str, expected: list[tuple[int, int, str]]
) -> None:
    assert shown(split_blocks(drawn(text))) == expected


def test_a_block_says_its_lowest_minute_and_its_two_best_guesses() -> None:
    build, write = LABEL_SET_V1.index("Build"), LABEL_SET_V1.index("Write")

    def probs(b: float, w: float) -> tuple[float, ...]:
        return tuple({build: b, write: w}.get(i, (1 - b - w) / 6) for i in range(8))

    block = split_blocks(
        [
            minute(0, MIXED_UNKNOWN, 0.5, probs(0.2, 0.5)),
            minute(1, MIXED_UNKNOWN, 0.54, probs(0.54, 0.3)),
            minute(2, MIXED_UNKNOWN, 0.52, probs(0.52, 0.3)),
        ]
    )[0]
    assert (block.label, block.confidence, block.minutes) == (MIXED_UNKNOWN, 0.5, 3)
    assert (block.predicted_label, block.second_label) == ("Build", "Write")


def test_equal_guesses_go_to_the_lower_label_id() -> None:
    block = split_blocks([minute(0)])[0]
    assert (block.predicted_label, block.second_label) == ("BreakIdle", "Build")


def test_low_is_strictly_below_the_threshold_of_a_minute_the_model_decided() -> None:
    def low(confidence: float, threshold: float, *, is_askable: bool = True) -> bool:
        odd = Minute(MINUTE, 2 * MINUTE, "Build", confidence, FLAT, threshold, is_askable)
        return split_blocks([minute(0), odd])[0].is_low

    assert low(0.549, 0.55)
    assert not low(0.55, 0.55)
    assert low(0.6, 0.61)
    assert not low(0.1, 0.55, is_askable=False)


def test_the_threshold_is_never_below_the_default() -> None:
    assert [ask_threshold(limit) for limit in (None, 0.0, 0.4, 0.55, 0.8)] == [0.55, 0.55, 0.55, 0.55, 0.8]


def test_a_block_that_only_a_rule_decided_is_not_askable() -> None:
    away = [Minute(n * MINUTE, (n + 1) * MINUTE, "BreakIdle", 1.0, FLAT, 0.55, False) for n in range(6)]
    assert not split_blocks(away)[0].is_askable
    assert split_blocks([*away, minute(6, "BreakIdle")])[0].is_askable


def test_five_minutes_are_long_enough_and_thirty_are_full() -> None:
    lengths = {n: split_blocks(drawn("B" * n))[0] for n in (4, 5, 29, 30)}
    assert [is_long_enough(block) for block in lengths.values()] == [False, True, True, True]
    assert [is_full(block) for block in lengths.values()] == [False, False, False, True]


MINUTES = st.text("BBBBBBBBW.M", max_size=150).map(drawn)


@given(MINUTES)
def test_blocks_tile_the_minutes_and_are_as_long_as_they_may(minutes: list[Minute]) -> None:
    blocks = split_blocks(minutes)
    held = [m for b in blocks for m in minutes if b.start_us <= m.start_us < b.end_us]
    assert held == minutes
    assert sum(block.minutes for block in blocks) == len(minutes)
    for block in blocks:
        assert block.end_us - block.start_us == block.minutes * MINUTE <= 30 * MINUTE
        assert {m.label for m in minutes if block.start_us <= m.start_us < block.end_us} == {block.label}
    for before, after in pairwise(blocks):
        assert before.end_us <= after.start_us
        assert before.end_us < after.start_us or before.label != after.label or is_full(before)


@given(MINUTES, st.integers(0, 200))
def test_reading_on_from_the_start_of_any_block_changes_nothing(minutes: list[Minute], pick: int) -> None:
    blocks = split_blocks(minutes)
    if blocks:
        at = pick % len(blocks)
        rest = [m for m in minutes if m.start_us >= blocks[at].start_us]
        assert split_blocks(rest) == blocks[at:]
