"""The personal head: the forest alone without words, context inside a run, and the same bits in any company."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.core.types import WordSeconds
from taskclf_tray.infer.head import CONTEXT_BUCKETS, PersonalHead, WordScores, context_rows
from tests.support.events import WORDS
from tests.support.parity_settings import HEADS

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
words = st.dictionaries(st.sampled_from(WORDS), st.integers(1, 60), max_size=5).map(
    lambda found: tuple(sorted(found.items()))
)


def answer(head: PersonalHead, minutes: list[WordSeconds], runs: list[int], forest: np.ndarray) -> np.ndarray:
    scores = head.scores(minutes)
    return head.blend(forest, head.logits(scores, np.array(runs)), scores.has_words)


def forest_of(count: int) -> np.ndarray:
    return np.random.default_rng(count).dirichlet(np.ones(8), count)


@given(st.lists(words, min_size=1, max_size=30), st.integers(0, 30), st.sampled_from(HEADS))
def test_a_minute_has_the_same_scores_in_any_company(minutes: list[WordSeconds], cut: int, head: PersonalHead) -> None:
    whole = head.scores(minutes)
    parts = WordScores.joined([head.scores(minutes[:cut]), head.scores(minutes[cut:])])
    alone = WordScores.joined([head.scores([minute]) for minute in minutes])
    for other in (parts, alone):
        assert other.own.tobytes() == whole.own.tobytes()
        assert other.context.tobytes() == whole.context.tobytes()
        assert other.has_words.tolist() == whole.has_words.tolist()


@given(st.lists(st.tuples(words, st.booleans()), min_size=1, max_size=25), st.sampled_from(HEADS))
def test_probabilities_sum_to_one_and_minutes_without_words_are_the_forests(
    script: list[tuple[WordSeconds, bool]], head: PersonalHead
) -> None:
    minutes, runs = [minute for minute, _ in script], np.cumsum([is_new for _, is_new in script]).tolist()
    forest = forest_of(len(minutes))
    probs = answer(head, minutes, runs, forest)
    assert np.allclose(probs.sum(axis=1), 1.0, atol=1e-12)
    assert (probs >= 0).all()
    for minute, said, own in zip(minutes, probs, forest, strict=True):
        assert bool(minute) or said.tobytes() == own.tobytes()


def test_the_context_is_the_mean_of_five_neighbours_on_either_side_of_one_run() -> None:
    head = PersonalHead(
        buckets=np.array([3]),
        idf=np.ones(1),
        own=np.zeros((1, 8)),
        context=np.eye(8)[:1],
        bias=np.zeros(8),
        head_power=1.0,
        forest_power=0.0,
    )
    minutes: list[WordSeconds] = [((4095, 9),)] * 13
    minutes[6] = ((3, 60),)
    flat = np.full((13, 8), 1 / 8)
    probs = answer(head, minutes, [0] * 13, flat)
    reached = np.flatnonzero(probs[:, 0] > 1 / 8 + 1e-12).tolist()
    assert reached == [*range(6 - CONTEXT_BUCKETS, 6), *range(7, 7 + CONTEXT_BUCKETS)]
    logits = np.log(probs[5]) - np.log(probs[5, 1])
    assert logits[0] == pytest.approx(1 / 10)  # one of five before and five after
    cut = answer(head, minutes, [0] * 6 + [1] * 7, flat)
    assert np.flatnonzero(cut[:, 0] > 1 / 8 + 1e-12).tolist() == [*range(7, 7 + CONTEXT_BUCKETS)]


def test_the_weights_are_those_of_a_normalised_minute() -> None:
    head = replace(HEADS[0], head_power=1.0, forest_power=0.0)
    first, second = (int(bucket) for bucket in head.buckets[:2])
    probs = answer(head, [((first, 36), (second, 4))], [0], forest_of(1))[0]
    values = head.idf[:2] * np.sqrt([36, 4])
    logits = head.bias + (values / np.linalg.norm(values)) @ head.own[:2]
    assert np.log(probs) - np.log(probs[0]) == pytest.approx(logits - logits[0])


def test_a_head_that_knows_no_word_still_answers() -> None:
    empty = replace(
        HEADS[0], buckets=np.zeros(0, dtype=np.int64), idf=np.zeros(0), own=np.zeros((0, 8)), context=np.zeros((0, 8))
    )
    probs = answer(empty, [((3, 60),), ()], [0, 0], forest_of(2))
    assert probs.shape == (2, 8)
    assert np.isfinite(probs).all()
    assert answer(empty, [], [], forest_of(0)).shape == (0, 8)


@pytest.mark.parametrize(
    ("minutes", "count"), [([0], 0), ([0, 1], 1), ([0, 2], 0), ([0, 1, 3, 4], 1), (list(range(9)), CONTEXT_BUCKETS)]
)
def test_the_rows_that_a_new_one_is_context_for(minutes: list[int], count: int) -> None:
    assert context_rows([NOON + minute * MINUTE for minute in minutes], MINUTE) == count
