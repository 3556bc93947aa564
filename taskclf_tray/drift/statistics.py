"""The statistics of a drift check: effect sizes between two windows, and p-values with days as the samples.

The effect sizes are the population stability index and the two-sample Kolmogorov–Smirnov distance. For the p-values
each day is a vector of shares. The deviations of the days from the mean of their window are resampled, day by day, into
pairs of windows without a difference; the p-value is how often such a pair is as far apart as the two real windows, in
units of its own spread (a studentised block bootstrap with the null imposed: Davison & Hinkley, Bootstrap Methods and
their Application, 1997, ch. 4). The p-values of all hypotheses of a check are
adjusted by Benjamini & Hochberg (J. R. Stat. Soc. B 57, 1995).

`scipy.stats` has most of this, but importing it takes 0.8 s of CPU in a job that runs daily; `scipy.special` takes 0.2.

`feature_drift_report` compares two windows row by row (contract, section 12).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from taskclf_tray.core.defaults import DEFAULT_KS_ALPHA, DEFAULT_PSI_THRESHOLD
from taskclf_tray.core.drift_measures import FeatureDriftReport, FeatureDriftResult
from taskclf_tray.core.frames import as_numbers, column_of

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Distance = Literal["sum", "max"]

QUANTILE_BINS: Final = 10
RESAMPLES: Final = 999
LEAST_KS_DISTANCE: Final = 0.2
_TAIL_DRAWS: Final = 50
"""The number of the largest draws that the tail is fitted to."""
_ATOM_SHARE: Final = 0.05
"""The share of the reference from which on a single value is a bin of its own."""
_DECIMALS: Final = 9
"""Smaller differences are rounding errors."""
_LEAST_SHARE: Final = 1e-3
"""In place of an empty bin's share, so that the index stays finite."""
_TAIL_SQUARE: Final = 2.2
"""From this count × distance² on, one side alone decides a KS p-value."""
MOST_INDEPENDENT: Final = 30
"""The most independent observations that a day counts for."""
_SAME: Final = (0.0, 0.0, 1.0)
"""The figures where a window has no value: nothing is known to have changed."""


def quantile_edges(reference: FloatArray, bins: int = QUANTILE_BINS) -> FloatArray:
    """Edges between the reference's quantile bins; the outer bins are open. A value shared by many has its own bin.

    Empty for a reference without values.
    """
    if len(reference) == 0:
        return np.empty(0)
    quantiles = np.unique(np.quantile(reference, np.arange(1, bins) / bins, method="inverted_cdf"))
    values, counts = np.unique(reference, return_counts=True)
    atoms = values[counts >= _ATOM_SHARE * len(reference)]
    return np.unique(np.concatenate([quantiles, atoms, np.nextafter(atoms, -np.inf)]))


def bin_of(values: FloatArray, edges: FloatArray) -> IntArray:
    """The bin of each value: bin k is (edges[k − 1], edges[k]], the first and the last are open."""
    return np.searchsorted(edges, values, side="left").astype(np.int64)


def population_stability_index(reference: FloatArray, current: FloatArray) -> float:
    """PSI of two lines of counts or shares over the same bins; NaN when one of them is empty."""
    if reference.sum() == 0 or current.sum() == 0:
        return float("nan")
    before, after = (np.maximum(line / line.sum(), _LEAST_SHARE) for line in (reference, current))
    before, after = before / before.sum(), after / after.sum()
    return float(((after - before) * np.log(after / before)).sum())


def psi_of_values(reference: FloatArray, current: FloatArray) -> float:
    """PSI of two samples over the reference's quantile bins; missing values are left out."""
    reference, current = reference[np.isfinite(reference)], current[np.isfinite(current)]
    edges = quantile_edges(reference)
    lines = [np.bincount(bin_of(values, edges), minlength=len(edges) + 1) for values in (reference, current)]
    return population_stability_index(lines[0].astype(np.float64), lines[1].astype(np.float64))


def ks_of_values(reference: FloatArray, current: FloatArray) -> tuple[float, float]:
    """(distance, p-value as if rows were independent) of two samples; missing values are left out; NaN without any."""
    reference, current = reference[np.isfinite(reference)], current[np.isfinite(current)]
    if len(reference) == 0 or len(current) == 0:
        return float("nan"), float("nan")
    if len(reference) == len(current) == 1:
        return float(reference[0] != current[0]), 1.0
    before, after, everything = np.sort(reference), np.sort(current), np.concatenate([reference, current])
    shares = [np.searchsorted(values, everything, side="right") / len(values) for values in (before, after)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    return distance, ks_p_value(distance, round(len(before) * len(after) / (len(before) + len(after))))


def ks_p_value(distance: float, count: int) -> float:
    """The two-sided p-value of a KS distance over `count` independent observations, as `scipy.stats.kstwo.sf` has it.

    Up to about 0.025 it is twice the exact one-sided value (Smirnov, 1944), as scipy computes it. Above, it is
    Kolmogorov's limit with the first term of Pelz & Good (J. R. Stat. Soc. B 38, 1976), which is off by less than
    0.0003 from 500 observations on.
    """
    if count * distance**2 >= _TAIL_SQUARE:
        return min(1.0, 2 * float(special.smirnov(count, distance)))
    return float(special.kolmogorov(np.sqrt(count) * distance + 1 / (6 * np.sqrt(count))))


def ks_of_counts(reference: IntArray, current: IntArray) -> float:
    """The distance of two samples at the edges of bins that they share; a little less than over all values."""
    before, after = (np.cumsum(counts) / counts.sum() for counts in (reference, current))
    return float(np.abs(after - before).max())


def adjusted(p_values: FloatArray) -> FloatArray:
    """Benjamini–Hochberg adjustment: the smallest false-discovery rate at which each would be a discovery."""
    order = np.argsort(p_values)[::-1]
    rates = p_values[order] * (len(p_values) / np.arange(len(p_values), 0, -1))
    found = np.empty(len(p_values))
    found[order] = np.minimum(1.0, np.minimum.accumulate(rates))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Resampling:
    """(RESAMPLES, days): the share of each resampled window that each day's residual makes up."""

    reference_days: int
    current_days: int
    reference: FloatArray
    current: FloatArray

    @classmethod
    def drawn(cls, reference_days: int, current_days: int, seed: int = 0) -> Resampling:
        """The same draws for the same arguments."""
        rng = np.random.default_rng([seed, reference_days, current_days])
        count = reference_days + current_days
        even = np.full(count, 1 / count)
        return cls(
            reference_days,
            current_days,
            rng.multinomial(reference_days, even, size=RESAMPLES) / reference_days,
            rng.multinomial(current_days, even, size=RESAMPLES) / current_days,
        )

    def p_value(self, shares: FloatArray, distance: Distance, independent_a_day: float = MOST_INDEPENDENT) -> float:
        """The p-value of the hypothesis that the windows differ only as days differ among themselves.

        Args:
            shares: (days, cells), the days of the reference first.
            distance: "sum" over all cells (for PSI), or "max" of them (for cumulated shares: KS).
            independent_a_day: independent observations per day. Days that are more alike than these allow are alike by
                chance, so their differences are scaled up.
        """
        n, m = self.reference_days, self.current_days
        degrees = max(1, n + m - 2)
        means = shares[:n].mean(axis=0), shares[n:].mean(axis=0)
        mean = np.clip(shares.mean(axis=0), _LEAST_SHARE, 1 - _LEAST_SHARE)
        scale = np.sqrt(mean * (1 - mean) / independent_a_day)  # what chance alone does to a day's share
        change = ((means[1] - means[0]) / scale).round(_DECIMALS)
        residuals = (np.concatenate([shares[:n] - means[0], shares[n:] - means[1]]) / scale).round(_DECIMALS)
        cells = shares.shape[1]
        spread = (residuals**2).sum() / degrees
        if 0 < spread < cells:
            residuals *= np.sqrt(cells / spread)
        if distance == "sum":
            observed = change @ change / ((residuals**2).sum() / degrees + cells)
            null = self._sum_null(residuals * np.sqrt((n + m) / degrees), degrees, cells)
        else:
            observed = (change**2 / ((residuals**2).sum(axis=0) / degrees + 1)).max()
            null = self._max_null(residuals * np.sqrt((n + m) / degrees), degrees)
        return tail_probability(null, float(observed))

    def _max_null(self, residuals: FloatArray, degrees: int) -> FloatArray:
        n, m = self.reference_days, self.current_days
        before, after = self.reference @ residuals, self.current @ residuals
        squares = (n * self.reference + m * self.current) @ residuals**2
        within = np.maximum(0.0, squares - n * before**2 - m * after**2) / degrees
        return np.asarray(((after - before) ** 2 / (within + 1)).max(axis=1))

    def _sum_null(self, residuals: FloatArray, degrees: int, cells: int) -> FloatArray:
        """As `_max_null`, summed over the cells, from the products of days alone."""
        n, m = self.reference_days, self.current_days
        products = residuals @ residuals.T

        def squared(draws: FloatArray) -> FloatArray:
            return np.asarray(((draws @ products) * draws).sum(axis=1))

        squares = (n * self.reference + m * self.current) @ np.diag(products)
        within = np.maximum(0.0, squares - n * squared(self.reference) - m * squared(self.current)) / degrees
        return squared(self.current - self.reference) / (within + cells)


def tail_probability(null: FloatArray, observed: float) -> float:
    """The share of draws of the null distribution that are as large, extrapolated beyond the largest ones.

    The tail is a power law through the largest draws (Hill, Ann. Stat. 3, 1975), which is conservative for thinner
    tails. So a thousand draws tell one in a million from one in a thousand.
    """
    above = np.count_nonzero(null >= observed)
    if above > _TAIL_DRAWS:
        return float((1 + above) / (len(null) + 1))
    tail = np.sort(null)[-_TAIL_DRAWS - 1 :]
    if tail[0] <= 0 or tail[-1] <= tail[0]:
        return float((1 + above) / (len(null) + 1))
    exponent = 1 / np.log(tail[1:] / tail[0]).mean()
    return float((1 + _TAIL_DRAWS) / (len(null) + 1) * (observed / tail[0]) ** -exponent)


def independent_a_day(values: FloatArray, day_of: IntArray, middle: float) -> float:
    """Estimate the independent observations of a day by how often its values cross `middle`.

    Five hundred minutes of a session clock are one observation, or two with a long lunch.
    """
    is_above = values > middle
    crossings = np.count_nonzero((np.diff(is_above) != 0) & (np.diff(day_of) == 0))
    days = len(np.unique(day_of))
    return float(np.clip((crossings + days) / max(1, days), 1, MOST_INDEPENDENT))


def day_shares(cells: IntArray, day_of: IntArray, days: int, cell_count: int) -> FloatArray:
    """(days, cells): the share of each day's rows in each cell; zeros for a day without rows."""
    counts = np.bincount(day_of * cell_count + cells, minlength=days * cell_count).reshape(days, cell_count)
    return np.asarray(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)), dtype=np.float64)


def onset(shares: FloatArray, first: int) -> int:
    """The row of `shares`, at least `first`, from which on the days differ most from all days before."""
    count = len(shares)

    def apart(split: int) -> float:
        between = shares[split:].mean(axis=0) - shares[:split].mean(axis=0)
        return float(split * (count - split) / count * (between**2).sum())

    return max(range(first, count), key=apart)


def feature_drift_report(
    ref_df: Any,
    cur_df: Any,
    features: Sequence[str],
    *,
    psi_threshold: float = DEFAULT_PSI_THRESHOLD,
    ks_alpha: float = DEFAULT_KS_ALPHA,
) -> FeatureDriftReport:
    """Compute PSI (open outer bins) and KS distance of each feature; missing values are left out.

    A feature has drifted when its PSI is above the threshold, or when its KS distance is at least 0.2 and significant
    at the false-discovery rate `ks_alpha` over all features (Benjamini and Hochberg 1995). Rows are treated as
    independent, which minutes of one person are not: the daily check resamples days instead.

    Args:
        ref_df: the reference rows: a DataFrame, or a dict of columns.
        cur_df: the current rows, likewise.
        features: the numeric columns to compare.
        psi_threshold: population stability index, at least 0.
        ks_alpha: from 0 to 1.

    Raises:
        MissingColumnError: a feature is not a column.
        ValueError: a feature holds no numbers.
    """
    figures = [_figures(ref_df, cur_df, name) for name in features]
    p_values = adjusted(np.array([p_value for _, _, p_value in figures])).tolist()
    results = [
        FeatureDriftResult(name, psi, ks, p, psi > psi_threshold or (ks >= LEAST_KS_DISTANCE and found <= ks_alpha))
        for name, (psi, ks, p), found in zip(features, figures, p_values, strict=True)
    ]
    return FeatureDriftReport(results, [result.feature for result in results if result.is_drifted])


def _figures(ref_df: Any, cur_df: Any, name: str) -> tuple[float, float, float]:
    before, after = (np.array(as_numbers(column_of(frame, name), name), dtype=np.float64) for frame in (ref_df, cur_df))
    psi, (distance, p_value) = psi_of_values(before, after), ks_of_values(before, after)
    return (psi, distance, p_value) if np.isfinite([psi, distance, p_value]).all() else _SAME
