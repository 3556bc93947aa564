"""Which minutes a label speaks about: the rule itself against the vectorised one, and what it costs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan
from taskclf_tray.train.dataset_sources import NO_LABEL, project_labels

START = datetime(2026, 3, 2, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
SECOND_US = 1_000_000


def spans_of(triples: Sequence[tuple[int, int, int]]) -> list[LabelSpan]:
    """Spans from (start second, length in seconds, label id)."""
    made = []
    for start_s, length_s, label in triples:
        start = START + timedelta(seconds=start_s)
        made.append(LabelSpan(start, start + timedelta(seconds=length_s), LABEL_SET_V1[label]))
    return made


def minutes(numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    starts = START_US + np.array(numbers, dtype=np.int64) * 60 * SECOND_US
    return starts, starts + 60 * SECOND_US


def one_by_one(number: int, triples: Sequence[tuple[int, int, int]]) -> int:
    """The rule as it is written."""
    start, end = number * 60, number * 60 + 60
    touching = {label for a, length, label in triples if a < end and a + length > start}
    holding = {label for a, length, label in triples if a <= start and end <= a + length}
    return holding.pop() if holding and len(touching) == 1 else NO_LABEL


TRIPLES = st.lists(st.tuples(st.integers(-90, 900), st.integers(1, 400), st.integers(0, 7)), max_size=12)


@given(TRIPLES, st.lists(st.integers(-1, 15), max_size=20))
def test_as_the_rule_says(triples: list[tuple[int, int, int]], numbers: list[int]) -> None:
    found = project_labels(*minutes(numbers), spans_of(triples))
    assert found.tolist() == [one_by_one(number, triples) for number in numbers]


def test_border_minutes_belong_to_nobody() -> None:
    # 00:30–05:30 Build, 05:30–08:00 Debug: minutes 1–4 and 6–7
    found = project_labels(*minutes(range(9)), spans_of([(30, 300, 1), (330, 150, 3)]))
    assert found.tolist() == [-1, 1, 1, 1, 1, -1, 3, 3, -1]


def test_two_that_contradict_each_other_drop_and_two_that_agree_do_not() -> None:
    assert project_labels(*minutes(range(3)), spans_of([(0, 180, 1), (60, 61, 3)])).tolist() == [1, -1, -1]
    assert project_labels(*minutes(range(3)), spans_of([(0, 180, 1), (60, 61, 1)])).tolist() == [1, 1, 1]


def test_a_minute_that_two_spans_share_is_wholly_inside_none() -> None:
    assert project_labels(*minutes([0]), spans_of([(0, 30, 1), (30, 30, 1)])).tolist() == [NO_LABEL]


def calls(buckets: int, spans: int) -> int:
    """How many Python and C functions a projection calls; a collection of garbage may add a few."""
    asked = minutes(range(buckets))
    given_spans = spans_of([(k * 1200, 900, k % 8) for k in range(spans)])
    count = 0

    def see(*event: object) -> None:
        nonlocal count
        count += event[1] in ("call", "c_call")

    sys.setprofile(see)
    try:
        project_labels(*asked, given_spans)
    finally:
        sys.setprofile(None)
    return count


def test_the_work_grows_with_the_spans_and_no_loop_runs_over_buckets() -> None:
    few = calls(4_000, 200)
    assert calls(40_000, 200) < 1.05 * few
    assert calls(40_000, 2_000) < 10.5 * few
