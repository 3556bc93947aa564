"""Figures by hand, and the laws they obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.train import metrics
from taskclf_tray.train.metrics import Interval, ReliabilityBin, confusion_counts

INTS = np.int64
NONE = np.empty(0, dtype=INTS)


def ints(*values: int) -> metrics.IntArray:
    return np.array(values, dtype=INTS)


def test_a_perfect_model_scores_one_however_few_classes_occur() -> None:
    y = ints(1, 1, 2, 4, 4, 7)
    counts = confusion_counts(y, y)
    assert metrics.macro_f1(counts) == metrics.weighted_f1(counts) == metrics.accuracy(counts) == 1.0


def test_f1_by_hand() -> None:
    counts = confusion_counts(ints(0, 0, 0, 1, 1, 2), ints(0, 0, 1, 1, 1, 3))
    # classes 0: p 2/2 r 2/3; 1: p 2/3 r 2/2; 2: never said; 3: said, never true
    assert metrics.macro_f1(counts) == pytest.approx((0.8 + 0.8 + 0 + 0) / 4)
    assert metrics.weighted_f1(counts) == pytest.approx((3 * 0.8 + 2 * 0.8 + 0) / 6)
    assert metrics.accuracy(counts) == pytest.approx(4 / 6)
    figures = metrics.class_figures(counts)
    assert [f.label for f in figures] == list(LABEL_SET_V1)
    assert (figures[0].precision, figures[0].recall) == (1.0, pytest.approx(2 / 3))
    assert (figures[2].precision, figures[2].recall, figures[2].f1, figures[2].support) == (None, 0.0, 0.0, 1)
    assert (figures[3].precision, figures[3].recall, figures[3].predicted) == (0.0, None, 1)
    assert (figures[5].precision, figures[5].recall, figures[5].f1) == (None, None, None)


def test_ece_by_hand() -> None:
    confidence = np.array([0.5, 0.5, 0.9, 0.9])
    bins = metrics.reliability_bins(confidence, np.array([True, False, True, True]), bins=2)
    assert bins == (ReliabilityBin(0.5, 0.5, 2), ReliabilityBin(0.9, 1.0, 2))
    assert metrics.calibration_error(bins) == pytest.approx(0.05)


def test_bins_hold_the_same_mass() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(1000) ** 8
    bins = metrics.reliability_bins(confidence, rng.random(1000) < confidence)
    assert len(bins) == 15
    assert {part.minutes for part in bins} == {66, 67}
    assert metrics.calibration_error(bins) < 0.05


def test_a_calibrated_model_has_a_small_error_and_an_overconfident_one_a_large() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 1.0, 20_000)
    right = rng.random(len(confidence)) < confidence
    assert metrics.calibration_error(metrics.reliability_bins(confidence, right)) < 0.02
    sharper = np.minimum(1.0, confidence + 0.2)
    assert metrics.calibration_error(metrics.reliability_bins(sharper, right)) > 0.12


def test_proper_scores_by_hand() -> None:
    probs = np.zeros((2, 8))
    probs[0, 0], probs[1, 1], probs[1, 2] = 1.0, 0.5, 0.5
    assert metrics.brier(probs, ints(0, 1)) == pytest.approx((0 + 0.5) / 2)
    assert metrics.nll(probs, ints(0, 1)) == pytest.approx(math.log(2) / 2)
    assert metrics.nll(probs, ints(5, 5)) == pytest.approx(-math.log(1e-12))


def test_risk_coverage_by_hand() -> None:
    risks = metrics.risk_coverage(np.array([0.2, 0.9, 0.8, 0.7]), np.array([False, True, True, False]))
    assert risks.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert metrics.aurc(risks) == pytest.approx((1 / 3 + 1 / 2) / 4)
    assert metrics.accuracy_at(risks, 0.5) == 1.0
    assert metrics.accuracy_at(risks, 0.6) == pytest.approx(2 / 3)
    assert metrics.accuracy_at(risks, 1.0) == 0.5


@given(st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40), st.randoms())
@settings(max_examples=60)
def test_no_figure_depends_on_the_order_of_rows(rows: list[tuple[float, bool]], random: object) -> None:
    def figures(pairs: list[tuple[float, bool]]) -> tuple[float, ...]:
        confidence, right = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
        risks = metrics.risk_coverage(confidence, right)
        bins = metrics.reliability_bins(confidence, right)
        return metrics.calibration_error(bins), metrics.aurc(risks), metrics.accuracy_at(risks, 0.6)

    assert figures(rows) == pytest.approx(figures(sorted(rows)))


def test_flaps_are_counted_inside_runs() -> None:
    labels, blocks = ints(1, 1, 2, 3, 3, 3), ints(0, 0, 0, 1, 1, 1)
    assert metrics.flap_rate(labels, blocks) == pytest.approx(1 / 6)
    # runs may be told apart by any numbers, their rows interleaved with another's
    assert metrics.flap_rate(ints(1, 3, 1, 3, 2, 3), ints(7, 4, 7, 4, 7, 4)) == pytest.approx(1 / 6)


def test_boundary_error_by_hand() -> None:
    y = ints(*[1] * 6 + [2] * 6, *[3] * 12 + [4] * 12, *[5] * 5)
    said = ints(*[1] * 8 + [2] * 4, *[3] * 24, *[5, 6, 5, 5, 5])
    blocks = ints(*[0] * 12, *[1] * 24, *[2] * 5)
    found = metrics.boundary_error(y, said, blocks)
    # two minutes late; never (the flap in the next run does not count)
    assert (found.changes, found.missed, found.mean_minutes) == (2, 1, pytest.approx((2 + 10) / 2))
    assert metrics.boundary_error(y, y, blocks) == metrics.BoundaryError(2, 0, 0.0)
    early = ints(*[1] * 5 + [2] * 7, *[3] * 15 + [4] * 9, *[5] * 5)
    assert metrics.boundary_error(y, early, blocks).mean_minutes == pytest.approx((1 + 3) / 2)


def test_no_minutes_are_no_figures() -> None:
    empty = confusion_counts(NONE, NONE)
    none, no_probs = np.empty(0), np.empty((0, 8))
    no_risk = metrics.risk_coverage(none, none.astype(np.bool_))
    figures = [
        metrics.macro_f1(empty),
        metrics.weighted_f1(empty),
        metrics.accuracy(empty),
        metrics.calibration_error(metrics.reliability_bins(none, none.astype(np.bool_))),
        metrics.brier(no_probs, NONE),
        metrics.nll(no_probs, NONE),
        metrics.aurc(no_risk),
        metrics.accuracy_at(no_risk, 0.6),
        metrics.flap_rate(NONE, NONE),
        metrics.boundary_error(NONE, NONE, NONE).mean_minutes,
    ]
    assert all(math.isnan(figure) for figure in figures)
    assert metrics.day_intervals(lambda rows: [float(len(rows))], NONE) == (None,)


def test_intervals_are_seeded_and_draw_whole_days() -> None:
    days = np.repeat(np.arange(6), 50)
    values = np.repeat([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], 50)

    def figures(rows: metrics.IntArray) -> list[float]:
        return [float(values[rows].mean()), float("nan")]

    mean, unknown = metrics.day_intervals(figures, days, seed=3)
    assert metrics.day_intervals(figures, days, seed=3) == (mean, unknown)
    assert unknown is None
    # 300 minutes, but six draws of a coin
    assert mean == Interval(pytest.approx(1 / 6, abs=0.17), pytest.approx(5 / 6, abs=0.17))
    assert metrics.day_intervals(figures, np.zeros(300, dtype=INTS)) == (None, None)


def test_intervals_of_many_days_cover_the_truth() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(100):
        levels = rng.beta(8, 2, size=15)
        values = (rng.random((15, 20)) < levels[:, None]).ravel()
        (interval,) = metrics.day_intervals(
            lambda rows, values=values: [float(values[rows].mean())],
            np.repeat(np.arange(15), 20),
            resamples=200,
            seed=seed,
        )
        assert interval is not None
        covered += interval.low <= 0.8 <= interval.high
    assert covered >= 85
