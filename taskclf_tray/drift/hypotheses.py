"""The hypotheses of a drift check about one user: each is a table of day shares, an effect and its threshold.

Each is tested on the whole current window and on its last active days alone, because a change of two days ago fills
little of a week.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np

from taskclf_tray.drift.days import BoolArray, FloatArray, IntArray, UserDays
from taskclf_tray.drift.findings import CLOCK, Finding, Thresholds
from taskclf_tray.drift.report import NEW_BELOW_SHARE, DayKind, DriftTrigger
from taskclf_tray.drift.statistics import (
    LEAST_KS_DISTANCE,
    MOST_INDEPENDENT,
    Distance,
    Resampling,
    bin_of,
    day_shares,
    independent_a_day,
    ks_of_counts,
    onset,
    population_stability_index,
    quantile_edges,
)
from taskclf_tray.infer.categorical import Categorical

LEAST_REFERENCE_DAYS: Final = 3
LEAST_CURRENT_DAYS: Final = 2
RECENT_DAYS: Final = (3, 2)
LEAST_MISSING_CHANGE: Final = 0.25
LEAST_NEW_SHARE: Final = 0.1
"""The least share of an app or site that is not in the reference."""
_MOST_VALUES: Final = 30
"""The most values of a category with a cell of their own; the others share one."""
_KS_CELLS: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One user's active days in both windows."""

    reference: UserDays
    current: UserDays
    kind: DayKind

    @property
    def days(self) -> tuple[date, ...]:
        """The days of the reference, then the current ones."""
        return (*self.reference.days, *self.current.days)

    def looks(self) -> list[Pair]:
        """The windows to test: the whole current window, and its last active days."""
        count = len(self.current.days)
        recent = [replace(self, current=_last(self.current, days)) for days in RECENT_DAYS if days < count]
        return [self, *recent]

    def rows(self) -> tuple[IntArray, IntArray]:
        """(rows in the reference window, rows in the current window)."""
        return self.reference.rows, self.current.rows


def _last(days: UserDays, count: int) -> UserDays:
    dropped = len(days.days) - count
    kept = days.day_of >= dropped
    return UserDays(days.window, days.rows[kept], days.days[dropped:], days.day_of[kept] - dropped)


def findings(pair: Pair, thresholds: Thresholds, reject_label: str) -> Iterator[Finding]:
    """The findings of one window, with large and small effects."""
    for name in pair.reference.window.numbers:
        if name in pair.current.window.numbers:
            yield from _of_number(pair, name, thresholds)
    for name in pair.reference.window.categories:
        if name in pair.current.window.categories:
            yield _of_category(pair, name, thresholds)
    before, after = pair.reference.window, pair.current.window
    if before.labels is not None and after.labels is not None:
        yield _of_classes(pair, before.labels, after.labels, reject_label, thresholds)
        yield _of_rejects(pair, before.labels, after.labels, reject_label, thresholds)
    if before.entropy_bits is not None and after.entropy_bits is not None:
        yield from _of_entropy(pair, before.entropy_bits, after.entropy_bits, thresholds)


def _of_number(pair: Pair, name: str, thresholds: Thresholds) -> Iterator[Finding]:
    before, after = pair.reference.numbers(name), pair.current.numbers(name)
    known = np.isfinite(before), np.isfinite(after)
    yield _of_missing(pair, name, ~known[0], ~known[1])
    part = replace(pair, reference=_only(pair.reference, known[0]), current=_only(pair.current, known[1]))
    if len(part.reference.days) < LEAST_REFERENCE_DAYS or len(part.current.days) < LEAST_CURRENT_DAYS:
        return
    before, after = before[known[0]], after[known[1]]
    edges = quantile_edges(before)
    cells = len(edges) + 1
    table = _table(part, bin_of(before, edges), bin_of(after, edges), cells)
    counts = [np.bincount(bin_of(v, edges), minlength=cells).astype(float) for v in (before, after)]
    psi = population_stability_index(*counts)
    medians = float(np.median(before)), float(np.median(after))
    details = {"reference_median": medians[0], "current_median": medians[1]}
    independent = MOST_INDEPENDENT if name == CLOCK else _independent(part, before, after, medians[0])
    yield _finding(part, DriftTrigger.feature_psi, name, table, "sum", psi, thresholds.psi, details, independent)
    fine = quantile_edges(before, _KS_CELLS)
    steps = _table(part, bin_of(before, fine), bin_of(after, fine), len(fine) + 1).cumsum(axis=1)
    distance = ks_of_counts(*(np.bincount(bin_of(v, fine), minlength=len(fine) + 1) for v in (before, after)))
    yield _finding(part, DriftTrigger.feature_ks, name, steps, "max", distance, LEAST_KS_DISTANCE, details, independent)


def _of_missing(pair: Pair, name: str, before: BoolArray, after: BoolArray) -> Finding:
    table = _table(pair, before.astype(np.int64), after.astype(np.int64), 2)
    shares = float(before.mean()), float(after.mean())
    details = {"reference_share": shares[0], "current_share": shares[1]}
    effect = abs(shares[1] - shares[0])
    return _finding(pair, DriftTrigger.missingness, name, table, "sum", effect, LEAST_MISSING_CHANGE, details)


def _of_category(pair: Pair, name: str, thresholds: Thresholds) -> Finding:
    before, after = (side.window.categories[name] for side in (pair.reference, pair.current))
    table, names, shares = _value_shares(pair, before, after)
    change = shares[1] - shares[0]
    is_new = shares[0] < NEW_BELOW_SHARE
    needed = np.where(is_new, LEAST_NEW_SHARE, thresholds.class_shift)
    largest = int(np.argmax(np.abs(change) / needed))
    details = {
        "value": names[largest],
        "reference_share": float(shares[0][largest]),
        "current_share": float(shares[1][largest]),
    }
    effect, threshold = float(abs(change[largest])), float(needed[largest])
    return _finding(pair, DriftTrigger.category_shift, name, table, "max", effect, threshold, details)


def _of_classes(
    pair: Pair, before: Categorical, after: Categorical, reject_label: str, thresholds: Thresholds
) -> Finding:
    table, names, shares = _value_shares(pair, before, after)
    change = np.where([name == reject_label for name in names], 0.0, shares[1] - shares[0])
    largest = int(np.argmax(np.abs(change)))
    details = {"reference_share": float(shares[0][largest]), "current_share": float(shares[1][largest])}
    effect = float(abs(change[largest]))
    return _finding(
        pair, DriftTrigger.class_shift, names[largest], table, "max", effect, thresholds.class_shift, details
    )


def _of_rejects(
    pair: Pair, before: Categorical, after: Categorical, reject_label: str, thresholds: Thresholds
) -> Finding:
    flags = [
        texts.table((value == reject_label for value in texts.values), np.int64)[rows]
        for texts, rows in zip((before, after), pair.rows(), strict=True)
    ]
    table = _table(pair, flags[0], flags[1], 2)
    rates = float(flags[0].mean()), float(flags[1].mean())
    details = {"reference_rate": rates[0], "current_rate": rates[1]}
    return _finding(
        pair,
        DriftTrigger.reject_rate_increase,
        "is_rejected",
        table,
        "sum",
        rates[1] - rates[0],
        thresholds.reject_increase,
        details,
    )


def _of_entropy(pair: Pair, before: FloatArray, after: FloatArray, thresholds: Thresholds) -> Iterator[Finding]:
    known = [np.isfinite(values[rows]) for values, rows in zip((before, after), pair.rows(), strict=True)]
    part = replace(pair, reference=_only(pair.reference, known[0]), current=_only(pair.current, known[1]))
    if len(part.reference.days) < LEAST_REFERENCE_DAYS or len(part.current.days) < LEAST_CURRENT_DAYS:
        return
    sides = [
        (side, values[side.rows]) for side, values in zip((part.reference, part.current), (before, after), strict=True)
    ]
    means = [float(values.mean()) for _, values in sides]
    table = np.concatenate([_day_means(side, values) for side, values in sides])[:, None] / 3
    details = {"reference_bits": means[0], "current_bits": means[1]}
    ratio = means[1] / max(means[0], 1e-9)
    yield _finding(
        part, DriftTrigger.entropy_spike, "entropy", table, "sum", ratio, thresholds.entropy_multiplier, details
    )


def _finding(
    pair: Pair,
    trigger: DriftTrigger,
    feature: str,
    table: FloatArray,
    distance: Distance,
    effect: float,
    threshold: float,
    details: Mapping[str, Any],
    independent: float = MOST_INDEPENDENT,
) -> Finding:
    first = len(pair.reference.days)
    p_value = _resampling(first, len(pair.current.days)).p_value(table, distance, independent)
    return Finding(trigger, feature, effect, threshold, p_value, pair.days[onset(table, first)], details)


_DRAWN: dict[tuple[int, int], Resampling] = {}


def _resampling(reference_days: int, current_days: int) -> Resampling:
    key = reference_days, current_days
    if key not in _DRAWN:
        _DRAWN[key] = Resampling.drawn(*key)
    return _DRAWN[key]


def _table(pair: Pair, before: IntArray, after: IntArray, cells: int) -> FloatArray:
    return np.concatenate(
        [
            day_shares(values, side.day_of, len(side.days), cells)
            for side, values in ((pair.reference, before), (pair.current, after))
        ]
    )


def _value_shares(
    pair: Pair, before: Categorical, after: Categorical
) -> tuple[FloatArray, list[str], tuple[FloatArray, FloatArray]]:
    """(day shares, the values with a cell, their shares of the rows of the reference and of the current window)."""
    both = Categorical.joined([before, after])
    codes = both.codes[: len(before)][pair.reference.rows], both.codes[len(before) :][pair.current.rows]
    counts = [np.bincount(side, minlength=len(both.values)) for side in codes]
    names = np.array([str(value) for value in both.values])
    frequent = np.lexsort((names, -sum(side / max(1, side.sum()) for side in counts)))
    cell_of = np.full(len(both.values), _MOST_VALUES, dtype=np.int64)
    cell_of[frequent[:_MOST_VALUES]] = np.arange(min(_MOST_VALUES, len(frequent)))
    table = _table(pair, cell_of[codes[0]], cell_of[codes[1]], _MOST_VALUES + 1)
    kept = frequent[:_MOST_VALUES]
    shares = tuple(side[kept] / max(1, side.sum()) for side in counts)
    return table[:, : len(kept)], names[kept].tolist(), (shares[0], shares[1])


def _only(days: UserDays, kept: BoolArray) -> UserDays:
    """The rows that are kept, and the days that still have any."""
    left, day_of = np.unique(days.day_of[kept], return_inverse=True)
    return replace(days, rows=days.rows[kept], days=tuple(days.days[k] for k in left.tolist()), day_of=day_of)


def _independent(pair: Pair, before: FloatArray, after: FloatArray, middle: float) -> float:
    """`independent_a_day` over the days of both windows."""
    days = np.concatenate([pair.reference.day_of, pair.current.day_of + len(pair.reference.days)])
    return independent_a_day(np.concatenate([before, after]), days, middle)


def _day_means(days: UserDays, values: FloatArray) -> FloatArray:
    sums = np.bincount(days.day_of, weights=values, minlength=len(days.days))
    return np.asarray(sums / np.bincount(days.day_of, minlength=len(days.days)), dtype=np.float64)
