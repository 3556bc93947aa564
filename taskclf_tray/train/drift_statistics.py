"""The statistics of a drift check: how far two windows are apart, and how far apart a person's own days are.

*How far*: the population stability index, and the two-sample Kolmogorov–Smirnov distance. *How sure*: days are the
blocks. Each day is a line of shares; what the days of one window differ by among themselves is resampled, day by
day, into pairs of windows between which there is nothing but that, and the p-value is how often such a pair lies as
far apart as the two real ones, in units of its own spread (a studentised block bootstrap with the null imposed:
Davison & Hinkley, Bootstrap Methods and their Application, 1997, ch. 4). The p-values of all questions of a check go
through Benjamini & Hochberg (J. R. Stat. Soc. B 57, 1995), which scipy holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Distance = Literal["sum", "max"]

QUANTILE_BINS: Final = 10
RESAMPLES: Final = 1999
_ATOM_SHARE: Final = 0.05
"""A value that so many rows of the reference have is a bin of its own."""
_LEAST_SHARE: Final = 1e-3
"""In place of an empty bin's share, so that the index stays finite."""
_INDEPENDENT_A_DAY: Final = 30
"""How many independent observations a day holds at best: no day's shares are known better than from so many."""


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
    answer = stats.ks_2samp(reference, current, method="asymp")
    return float(answer.statistic), float(answer.pvalue)


def adjusted(p_values: FloatArray) -> FloatArray:
    """Benjamini–Hochberg: each is the smallest false-discovery rate at which it would be a discovery."""
    if len(p_values) == 0:
        return p_values
    return np.asarray(stats.false_discovery_control(p_values), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Resampling:
    """How often each day's residual is drawn into each pair of windows: (RESAMPLES, days), as shares of the window."""

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

    def p_value(self, shares: FloatArray, distance: Distance) -> float:
        """How likely windows lie this far apart when nothing but the days' own differences is at work.

        `shares`: (days, cells), the reference's days first. "sum" weighs all cells (for PSI), "max" takes the one
        that stands out most (for cumulated shares: KS).
        """
        first, n, m = self.reference_days, self.reference_days, self.current_days
        means = shares[:first].mean(axis=0), shares[first:].mean(axis=0)
        residuals = np.concatenate([shares[:first] - means[0], shares[first:] - means[1]])
        degrees = max(1, n + m - 2)
        floor = _floor(shares)
        observed = _distance(means[1] - means[0], (residuals**2).sum(axis=0) / degrees + floor, floor, distance)
        residuals *= np.sqrt((n + m) / degrees)
        drawn = self.reference @ residuals, self.current @ residuals
        squares = (n * self.reference + m * self.current) @ residuals**2
        within = np.maximum(0.0, squares - n * drawn[0] ** 2 - m * drawn[1] ** 2) / degrees
        null = _distance(drawn[1] - drawn[0], within + floor, floor, distance)
        return float((1 + np.count_nonzero(null >= observed)) / (RESAMPLES + 1))


def _floor(shares: FloatArray) -> FloatArray:
    mean = np.clip(shares.mean(axis=0), _LEAST_SHARE, 1 - _LEAST_SHARE)
    return np.asarray(mean * (1 - mean) / _INDEPENDENT_A_DAY, dtype=np.float64)


def _distance(between: FloatArray, variance: FloatArray, floor: FloatArray, distance: Distance) -> FloatArray:
    if distance == "max":
        return np.asarray((between**2 / variance).max(axis=-1))
    return np.asarray((between**2 / floor).sum(axis=-1) / (variance / floor).sum(axis=-1))


def day_shares(cells: IntArray, day_of: IntArray, days: int, cell_count: int) -> FloatArray:
    """(days, cells) shares of each day's rows; a day without rows has zeros."""
    counts = np.bincount(day_of * cell_count + cells, minlength=days * cell_count).reshape(days, cell_count)
    return np.asarray(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)), dtype=np.float64)


def onset(shares: FloatArray, first: int) -> int:
    """The day (line of `shares`, at least `first`) from which on the days differ most from all before it."""
    count = len(shares)

    def apart(split: int) -> float:
        between = shares[split:].mean(axis=0) - shares[:split].mean(axis=0)
        return float(split * (count - split) / count * (between**2).sum())

    return max(range(first, count), key=apart)
