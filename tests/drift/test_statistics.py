"""The statistics of a drift check, against numbers worked out by hand and against what is known of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from taskclf_tray.drift.statistics import (
    Resampling,
    adjusted,
    bin_of,
    day_shares,
    ks_of_values,
    ks_p_value,
    onset,
    population_stability_index,
    psi_of_values,
    quantile_edges,
)

RNG = np.random.default_rng(5)


def test_the_index_by_hand() -> None:
    before, after = np.array([50.0, 50.0]), np.array([80.0, 20.0])
    by_hand = 0.3 * math.log(0.8 / 0.5) + (-0.3) * math.log(0.2 / 0.5)
    assert population_stability_index(before, after) == pytest.approx(by_hand)
    assert population_stability_index(before, before) == 0.0
    assert math.isnan(population_stability_index(before, np.zeros(2)))


def test_values_out_of_range_count() -> None:
    """The outer bins are open: an index over closed ones would be 0 here."""
    here, far = RNG.normal(0, 1, 2000), RNG.normal(100, 1, 2000)
    assert psi_of_values(here, far) > 5
    assert psi_of_values(far, here) > 5
    assert psi_of_values(here, RNG.normal(0, 1, 2000)) < 0.05


@pytest.mark.parametrize("elsewhere", [3.0, 5.0])
def test_a_constant_feature_that_moves(elsewhere: float) -> None:
    """In either direction, although its quantiles are all one value."""
    constant = np.full(500, 4.0)
    assert psi_of_values(constant, constant) == 0.0
    assert psi_of_values(constant, np.full(500, elsewhere)) > 5


def test_ties_have_bins_of_their_own() -> None:
    """Most minutes have no key pressed; a quantile bin from 0 to 0 would be lost."""
    before = np.where(RNG.random(4000) < 0.7, 0.0, RNG.exponential(20, 4000))
    fewer_zeros = np.where(RNG.random(4000) < 0.3, 0.0, RNG.exponential(20, 4000))
    assert psi_of_values(before, before) == 0.0
    assert psi_of_values(before, fewer_zeros) > 0.5
    edges = quantile_edges(before)
    assert np.count_nonzero(bin_of(before, edges) == bin_of(np.zeros(1), edges)) == np.count_nonzero(before == 0)


def test_missing_values_are_left_out_and_nothing_is_nan_by_accident() -> None:
    values = np.array([1.0, np.nan, 2.0, np.inf, 3.0])
    assert psi_of_values(values, np.array([1.0, 2.0, 3.0])) == 0.0
    assert ks_of_values(values, np.array([1.0, 2.0, 3.0]))[0] == 0.0
    assert math.isnan(psi_of_values(np.full(3, np.nan), values))
    assert all(math.isnan(value) for value in ks_of_values(np.empty(0), values))
    assert len(quantile_edges(np.empty(0))) == 0


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    """By hand: the k-th smallest times m / k, and never more than a larger one's."""
    p_values = np.array([0.01, 0.04, 0.03, 0.5])
    assert adjusted(p_values).tolist() == pytest.approx([0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5])
    assert len(adjusted(np.empty(0))) == 0


@pytest.mark.parametrize("distance", ["sum", "max"])
@pytest.mark.parametrize(("reference_days", "current_days"), [(5, 5), (5, 3), (5, 2), (20, 8)])
def test_p_values_are_honest_when_days_only_differ_as_days_do(
    distance: str, reference_days: int, current_days: int
) -> None:
    resampling = Resampling.drawn(reference_days, current_days)
    rng = np.random.default_rng(11)
    p_values = [
        resampling.p_value(_days(rng, reference_days + current_days), distance)  # type: ignore[arg-type]
        for _ in range(300)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.11
    assert np.mean(np.array(p_values) <= 0.005) <= 0.03


def test_rows_of_a_day_are_no_proof_by_their_number() -> None:
    """Two weeks with other means by day: KS over rows is certain that they differ, the days say nothing."""
    rng = np.random.default_rng(3)
    values = [rng.normal(rng.normal(0, 0.5), 1, 480) for _ in range(10)]
    before, after = np.concatenate(values[:5]), np.concatenate(values[5:])
    assert ks_of_values(before, after)[1] < 1e-3
    edges = quantile_edges(before)
    shares = np.array(
        [day_shares(bin_of(v, edges), np.zeros(480, dtype=np.int64), 1, len(edges) + 1)[0] for v in values]
    )
    assert Resampling.drawn(5, 5).p_value(shares, "sum") > 0.05


def test_a_real_change_is_certain() -> None:
    shares = np.array([[0.9, 0.1], [0.85, 0.15], [0.92, 0.08], [0.4, 0.6], [0.35, 0.65]])
    assert Resampling.drawn(3, 2).p_value(shares, "sum") < 0.02
    assert Resampling.drawn(3, 2).p_value(shares, "max") < 0.02


def test_the_same_draws_each_time() -> None:
    one, two = Resampling.drawn(5, 3), Resampling.drawn(5, 3)
    assert one.reference.tobytes() == two.reference.tobytes()
    assert one.current.tobytes() == two.current.tobytes()


def test_where_a_change_began() -> None:
    shares = np.array([0.1, 0.12, 0.1, 0.11, 0.13, 0.1, 0.6, 0.62])[:, None]
    assert onset(shares, 3) == 6
    assert onset(np.concatenate([shares[:4], shares[6:]]), 4) == 4


def test_scipy_and_we_mean_the_same_distance() -> None:
    before, after = RNG.normal(0, 1, 300), RNG.normal(0.3, 1, 200)
    assert ks_of_values(before, after)[0] == stats.ks_2samp(before, after).statistic


@pytest.mark.parametrize("count", [500, 2000])
def test_scipy_and_we_mean_the_same_probability_of_a_distance(count: int) -> None:
    distances = np.linspace(0.005, 0.3, 60)
    expected = stats.kstwo.sf(distances, count)
    found = np.array([ks_p_value(distance, count) for distance in distances])
    assert found == pytest.approx(expected, abs=3e-4)
    is_small = expected < 0.02
    assert found[is_small] == pytest.approx(expected[is_small], rel=1e-12)


def test_scipy_and_we_adjust_alike() -> None:
    for p_values in (RNG.random(40), np.array([0.01, 0.01, 0.5, 1.0]), np.array([0.02])):
        assert adjusted(p_values) == pytest.approx(stats.false_discovery_control(p_values), rel=1e-12)


def _days(rng: np.random.Generator, count: int) -> np.ndarray:
    """Shares of four cells, a little different each day."""
    return rng.dirichlet([8.0, 6.0, 4.0, 2.0], size=count)
