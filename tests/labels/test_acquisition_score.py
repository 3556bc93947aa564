"""The laws of what an answer is worth, whatever the numbers."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskclf_tray.core.types import LABEL_SET_V1, CoreLabel
from taskclf_tray.labels.budget import acquisition_score

CONFIDENCES = st.floats(0.0, 1.0)
MINUTES = st.floats(0.0, 1440.0)
LABELS = st.sampled_from(LABEL_SET_V1)
COUNTS = st.dictionaries(LABELS, st.integers(0, 100_000))
BUILD, MEET = CoreLabel.BUILD.value, CoreLabel.MEET.value


@given(st.floats(), st.floats(), st.one_of(LABELS, st.text()), COUNTS)
def test_is_finite_and_never_negative_for_any_input(
    confidence: float, minutes: float, label: str, counts: dict[str, int]
) -> None:
    value = acquisition_score(confidence, minutes, label, counts)
    assert math.isfinite(value)
    assert value >= 0.0


@given(CONFIDENCES, CONFIDENCES, MINUTES, LABELS, COUNTS)
def test_the_less_sure_is_worth_at_least_as_much(
    one: float, other: float, minutes: float, label: str, counts: dict[str, int]
) -> None:
    low, high = sorted((one, other))
    assert acquisition_score(low, minutes, label, counts) >= acquisition_score(high, minutes, label, counts)


@given(CONFIDENCES, MINUTES, MINUTES, LABELS, COUNTS)
def test_the_longer_is_worth_at_least_as_much(
    confidence: float, one: float, other: float, label: str, counts: dict[str, int]
) -> None:
    short, long = sorted((one, other))
    assert acquisition_score(confidence, long, label, counts) >= acquisition_score(confidence, short, label, counts)


@given(CONFIDENCES, MINUTES, LABELS, LABELS, COUNTS)
def test_of_two_labels_the_rarer_is_worth_at_least_as_much(
    confidence: float, minutes: float, one: str, other: str, counts: dict[str, int]
) -> None:
    rare, common = sorted((one, other), key=lambda label: counts.get(label, 0))
    assert acquisition_score(confidence, minutes, rare, counts) >= acquisition_score(
        confidence, minutes, common, counts
    )


@given(st.floats(0.0, 0.99), st.floats(5.0, 30.0), LABELS, LABELS, COUNTS)
def test_an_answer_makes_its_own_label_worth_less_and_the_others_more(
    confidence: float, minutes: float, answered: str, other: str, counts: dict[str, int]
) -> None:
    assume(answered != other)
    after = {**counts, answered: counts.get(answered, 0) + 1}
    before_it, after_it = (acquisition_score(confidence, minutes, answered, labels) for labels in (counts, after))
    before_other, after_other = (acquisition_score(confidence, minutes, other, labels) for labels in (counts, after))
    assert after_it <= before_it
    assert after_other > before_other


@given(CONFIDENCES, MINUTES, LABELS, st.integers(0, 1000))
def test_without_labels_or_with_as_many_of_each_only_doubt_and_length_count(
    confidence: float, minutes: float, label: str, each: int
) -> None:
    counts = dict.fromkeys(LABEL_SET_V1, each)
    for labels in ({}, counts):
        assert acquisition_score(confidence, minutes, label, labels) == pytest.approx((1 - confidence) * minutes)


def test_a_sure_block_and_an_empty_one_are_worth_nothing() -> None:
    assert acquisition_score(1.0, 30, BUILD, {}) == 0.0
    assert acquisition_score(0.2, 0, BUILD, {}) == 0.0


def test_what_is_no_number_is_worth_nothing_and_what_is_out_of_range_its_nearest_end() -> None:
    for bad in (math.nan, math.inf, -math.inf):
        assert acquisition_score(bad, 10, BUILD, {}) == 0.0
        assert acquisition_score(0.5, bad, BUILD, {}) == 0.0
    assert acquisition_score(-sys.float_info.max, 10, BUILD, {}) == acquisition_score(0.0, 10, BUILD, {})
    assert acquisition_score(1.0 + 1e-12, 10, BUILD, {}) == 0.0
    assert acquisition_score(0.5, -1, BUILD, {}) == 0.0


def test_a_fairly_sure_block_of_a_rare_kind_goes_before_an_unsure_one_of_a_common_kind() -> None:
    counts = {BUILD: 12, MEET: 1}
    assert acquisition_score(0.65, 10, MEET, counts) > acquisition_score(0.35, 30, BUILD, counts)


def test_a_label_nobody_gave_and_one_that_is_not_ours_are_as_rare() -> None:
    assert acquisition_score(0.5, 10, MEET, {BUILD: 3}) == acquisition_score(0.5, 10, "Deep work", {BUILD: 3})
