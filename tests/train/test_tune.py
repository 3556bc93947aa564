"""The reject threshold: what it promises holds for blocks of minutes that are right or wrong together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from taskclf_tray.train.tune import Evidence, thresholds, tune_reject

TARGET = 0.9
REPEATS = 400

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def probs_of(confidence: FloatArray) -> FloatArray:
    """Rows that say label 0 with the given probability."""
    rest = np.repeat(((1 - confidence) / 7)[:, None], 7, axis=1)
    return np.hstack([confidence[:, None], rest])


def blocks(
    rng: np.random.Generator, count: int, accuracy_of: dict[float, float], *, minutes: tuple[int, int] = (3, 15)
) -> tuple[FloatArray, IntArray, IntArray]:
    """Stretches of one confidence each, nearly all of whose minutes are right or wrong together."""
    block = np.repeat(np.arange(count), rng.integers(minutes[0], minutes[1] + 1, size=count))
    levels = rng.choice(list(accuracy_of), size=count)
    chance = np.array([accuracy_of[level] for level in levels])
    together, alone = rng.random(count)[block], rng.random(len(block))
    draw = np.where(rng.random(len(block)) < 0.9, together, alone)
    return probs_of(levels[block]), np.where(draw < chance[block], 0, 1), block


def right(count: int, minutes: int = 15, confidence: float = 0.95) -> tuple[FloatArray, IntArray, IntArray]:
    """Stretches without a mistake."""
    size = count * minutes
    return probs_of(np.full(size, confidence)), np.zeros(size, dtype=np.int64), np.repeat(np.arange(count), minutes)


def test_perfect_answers_are_accepted_as_they_are() -> None:
    tuned = tune_reject(*right(60))
    assert tuned.threshold == 0.0
    assert tuned.coverage == 1.0
    assert tuned.accuracy == 1.0
    assert TARGET <= tuned.lower_bound < 1.0
    assert tuned.reason == ""


def test_few_blocks_prove_nothing_even_without_a_mistake() -> None:
    tuned = tune_reject(*right(25))
    assert tuned.threshold is None
    assert "25 labelled blocks are too few" in tuned.reason
    # many minutes of the same few blocks are no more evidence
    assert tune_reject(*right(25, minutes=400)).threshold is None


def test_uncertain_minutes_are_rejected_where_they_are_wrong() -> None:
    rng = np.random.default_rng(3)
    tuned = tune_reject(*blocks(rng, 300, {0.95: 0.98, 0.85: 0.97, 0.6: 0.5}))
    assert tuned.threshold is not None
    assert 0.6 < tuned.threshold <= 0.85
    assert tuned.coverage == pytest.approx(2 / 3, abs=0.1)
    assert tuned.accuracy is not None
    assert tuned.accuracy >= tuned.lower_bound >= TARGET


def test_bad_answers_prove_nothing_and_the_reason_says_so() -> None:
    rng = np.random.default_rng(4)
    tuned = tune_reject(*blocks(rng, 300, {0.95: 0.7}))
    assert tuned.threshold is None
    assert "are right, and 90% are wanted" in tuned.reason
    assert tune_reject(*right(60, confidence=0.7)).threshold == 0.0  # less sure than right
    nearly = tune_reject(*blocks(rng, 60, {0.95: 0.93}))
    assert nearly.threshold is None
    assert "not yet 95% sure" in nearly.reason


@pytest.mark.parametrize(
    ("levels", "threshold"),
    [
        ({0.75: 1.0}, 0.13),
        ({0.75: 0.0, 0.85: 1.0}, 0.76),
        ({0.56: 0.0, 0.95: 1.0}, 0.57),  # however much is rejected
        ({0.75: 0.5, 0.97: 0.85}, None),
    ],
)
def test_while_nothing_is_proven_the_lowest_threshold_that_kept_the_target_is_served(
    levels: dict[float, float], threshold: float | None
) -> None:
    parts = [right(9, confidence=level) for level in levels]
    probs, block = np.vstack([part[0] for part in parts]), np.repeat(np.arange(9 * len(parts)), 15)
    y = np.concatenate([(np.arange(135) >= round(135 * share)).astype(np.int64) for share in levels.values()])
    tuned = tune_reject(probs, y, block)
    assert tuned.threshold is None
    assert (None if tuned.estimate is None else tuned.estimate.threshold) == threshold
    assert tuned.served_threshold == (1.0 if threshold is None else threshold)
    if tuned.estimate is not None:
        accepted = probs.max(axis=1) >= tuned.served_threshold
        assert tuned.served_coverage == pytest.approx(accepted.mean())
        assert tuned.estimate.accuracy >= TARGET


def test_few_blocks_are_no_estimate_and_long_blocks_count_as_fifteen_minutes() -> None:
    assert tune_reject(*right(1, minutes=200)).estimate is None
    assert tune_reject(*right(3)).estimate is None
    assert tune_reject(*right(4)).estimate is not None
    lengths = [300, *[15] * 9]
    block = np.repeat(np.arange(10), lengths)
    one_wrong = (block == 9).astype(np.int64)  # 97 % of the minutes are right, and nine blocks of ten
    assert tune_reject(probs_of(np.full(len(block), 0.95)), one_wrong, block).estimate is None


def test_an_easier_target_is_offered_where_little_is_left() -> None:
    rng = np.random.default_rng(21)
    tuned = tune_reject(*blocks(rng, 200, {0.97: 0.97, 0.8: 0.84, 0.79: 0.84, 0.78: 0.84, 0.77: 0.84, 0.5: 0.2}))
    assert tuned.served_coverage < 0.2
    assert tuned.easier is not None
    assert tuned.easier.target_accuracy == 0.8
    assert tuned.easier.coverage > 0.5
    assert tuned.to_dict()["easier"]["threshold"] < tuned.to_dict()["served_threshold"]
    assert tune_reject(*right(60)).easier is None


def test_nothing_to_tune_on() -> None:
    empty = tune_reject(np.empty((0, 8)), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert empty.threshold is None
    assert empty.coverage == 0.0
    assert empty.to_dict()["accuracy"] is None


@pytest.mark.parametrize("arguments", [{"target_accuracy": 1.0}, {"confidence": 0.0}])
def test_targets_that_cannot_be(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        tune_reject(*right(2), **arguments)
    with pytest.raises(ValueError, match="labels"):
        tune_reject(probs_of(np.ones(3)), np.zeros(2, dtype=np.int64), np.zeros(3, dtype=np.int64))


def test_the_order_is_fixed_by_the_target_and_by_how_sure_the_model_is() -> None:
    sure = np.ones(10)
    assert thresholds(0.9, sure)[:3] == [0.9, 0.89, 0.88]
    assert thresholds(0.925, sure)[:2] == [0.925, 0.92]
    assert thresholds(0.9, sure)[-2:] == [0.13, 0.0]
    assert all(a > b for a, b in pairwise(thresholds(0.9, sure)))
    unsure = np.repeat([0.3, 0.52], [70, 30])
    assert thresholds(0.9, unsure)[:3] == [0.52, 0.51, 0.5]
    assert thresholds(0.9, np.zeros(0))[0] == 0.9


def test_a_model_that_is_less_sure_than_it_is_right_gets_its_proof() -> None:
    tuned = tune_reject(*right(60, confidence=0.48))
    assert tuned.threshold is not None
    assert tuned.threshold < 0.48
    assert tuned.coverage == 1.0


def test_the_p_value_rises_with_the_target() -> None:
    rng = np.random.default_rng(5)
    probs, y, block = blocks(rng, 100, {0.95: 0.95})
    evidence = Evidence.of(np.ones(len(y), dtype=np.bool_), probs.argmax(axis=1) != y, block)
    values = [evidence.p_value(target) for target in np.linspace(0.01, 0.99, 99)]
    assert all(a <= b + 1e-12 for a, b in pairwise(values))
    assert evidence.p_value(evidence.lower_bound(0.95)) == pytest.approx(0.05, abs=1e-4)


def true_accuracy(accuracy_of: dict[float, float], threshold: float) -> float:
    """Every level is as frequent as another."""
    accepted = [accuracy for level, accuracy in accuracy_of.items() if level >= threshold]
    return float(np.mean(accepted))


@pytest.mark.parametrize(
    "accuracy_of",
    [
        {0.95: 0.895},
        {0.97: 0.96, 0.8: 0.83},
        {0.95: 0.895, 0.85: 0.89, 0.75: 0.88, 0.6: 0.8},
        {0.99: 0.88, 0.7: 0.91},
    ],
)
@pytest.mark.parametrize("count", [40, 150])
def test_the_guarantee_holds(accuracy_of: dict[float, float], count: int) -> None:
    """A threshold whose true accuracy is below the target is chosen in at most 5 % of data sets (here: far below)."""
    rng = np.random.default_rng([count, *(round(1000 * level) for level in accuracy_of)])
    broken = 0
    for _ in range(REPEATS):
        tuned = tune_reject(*blocks(rng, count, accuracy_of))
        broken += tuned.threshold is not None and true_accuracy(accuracy_of, tuned.threshold) < TARGET
    assert broken <= 0.05 * REPEATS


def test_the_lower_bound_holds() -> None:
    rng = np.random.default_rng(11)
    missed = 0
    for _ in range(REPEATS):
        probs, y, block = blocks(rng, 80, {0.95: 0.93})
        evidence = Evidence.of(np.ones(len(y), dtype=np.bool_), probs.argmax(axis=1) != y, block)
        missed += evidence.lower_bound(0.95) > 0.93
    assert missed <= 0.05 * REPEATS


def test_counting_minutes_as_independent_breaks_the_promise() -> None:
    """The exact binomial bound per minute, in the same search, is wrong several times as often as it says."""
    rng = np.random.default_rng(12)
    broken = 0
    for _ in range(REPEATS):
        _, y, _ = blocks(rng, 150, {0.95: 0.895})
        wrong = int((y != 0).sum())
        broken += stats.binom.cdf(wrong, len(y), 1 - TARGET) <= 0.05
    assert broken > 0.15 * REPEATS


def test_longer_blocks_count_as_fifteen_minutes() -> None:
    """Where long blocks are worse, the promise is about blocks weighed so."""
    rng = np.random.default_rng(13)
    broken = 0
    for _ in range(REPEATS // 4):
        short = blocks(rng, 100, {0.95: 0.96}, minutes=(15, 15))
        long = blocks(rng, 100, {0.95: 0.82}, minutes=(60, 60))
        parts = [np.concatenate([a, b]) for a, b in zip(short, long, strict=True)]
        parts[2][len(short[2]) :] += 1000
        broken += tune_reject(*parts).threshold is not None
    assert broken <= 0.05 * REPEATS / 4


def test_enough_good_blocks_do_qualify() -> None:
    """The bound is not only safe: 120 blocks of about ten minutes, 98 % right, nearly always give a threshold."""
    rng = np.random.default_rng(14)
    found = [tune_reject(*blocks(rng, 120, {0.97: 0.99, 0.9: 0.97}, minutes=(8, 15))) for _ in range(100)]
    assert sum(tuned.threshold is not None for tuned in found) >= 85


def test_the_same_input_gives_the_same_answer_in_any_order() -> None:
    rng = np.random.default_rng(15)
    probs, y, block = blocks(rng, 200, {0.95: 0.98, 0.7: 0.9})
    order = rng.permutation(len(y))
    assert tune_reject(probs, y, block) == tune_reject(probs[order], y[order], block[order])
