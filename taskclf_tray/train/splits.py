"""Splits into training and held-out minutes: by time, by whole local days, never shuffled.

Neighbouring minutes resemble each other, and so do the blocks of one day, so a day is never in two parts. Blocks end
with their day, so no block is in two parts either. Weak labels are only for training.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from taskclf_tray.core.defaults import DEFAULT_LOOK_BACK_DAYS
from taskclf_tray.core.errors import LabelError
from taskclf_tray.train.dataset import Dataset, IntArray

SHARES: Final = (0.70, 0.15, 0.15)
MIN_DAYS_BY_TIME: Final = 8
"""With fewer labelled days the parts would be a day or nothing: cross-fit by day instead."""
MIN_DAYS: Final = 2
MAX_FOLDS: Final = 5
_LABEL_MORE: Final = "Label some blocks on another day and try again."


@dataclass(frozen=True, slots=True, eq=False)
class TimeSplit:
    """Positions in the dataset, rising. Each user's days of `tuning` come after those of `training`, before `test`."""

    training: IntArray
    tuning: IntArray
    test: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Positions in the dataset, rising: the training minutes, and the days left out for judging."""

    training: IntArray
    held_out: IntArray


def look_back(dataset: Dataset, today: date, days: int = DEFAULT_LOOK_BACK_DAYS) -> Dataset:
    """The last `days` days, and earlier ones until there are eight labelled days."""
    first = today.toordinal() - days + 1
    labelled = np.unique(dataset.days[~dataset.is_weak])
    if len(labelled[labelled >= first]) < MIN_DAYS_BY_TIME and len(labelled):
        first = min(first, int(labelled[-MIN_DAYS_BY_TIME:][0]))
    return dataset.take(dataset.days >= first)


def needs_cross_fit(dataset: Dataset) -> bool:
    """Whether some user has too few labelled days for parts by time."""
    return min((len(days) for days in _days_of(dataset).values()), default=0) < MIN_DAYS_BY_TIME


def split_by_time(dataset: Dataset, shares: tuple[float, float, float] = SHARES) -> TimeSplit:
    """Each user's labelled minutes in three parts of about these shares, cut between days; each has a day at least.

    Weak lines belong to the training where they lie before its end, else nowhere. Raises LabelError for a user with
    fewer than three labelled days.
    """
    training, tuning, test = (np.zeros(len(dataset), dtype=np.bool_) for _ in range(3))
    for user, days in _days_of(dataset, least=3).items():
        counts = list(days.values())
        first, second = _cuts(counts, shares)
        ordered = list(days)
        own = dataset.user_ids == user
        said = own & ~dataset.is_weak
        training |= own & (dataset.days < ordered[first])
        tuning |= said & (dataset.days >= ordered[first]) & (dataset.days < ordered[second])
        test |= said & (dataset.days >= ordered[second])
    return TimeSplit(np.flatnonzero(training), np.flatnonzero(tuning), np.flatnonzero(test))


def _cuts(counts: list[int], shares: tuple[float, float, float]) -> tuple[int, int]:
    """The positions of the first day of the second and of the third part: each as near its share as days allow."""
    before = np.concatenate([[0], np.cumsum(counts)]) / sum(counts)
    last = len(counts) - 1
    first = 1 + int(np.argmin(np.abs(before[1:last] - shares[0])))
    second = first + 1 + int(np.argmin(np.abs(before[first + 1 : last + 1] - (shares[0] + shares[1]))))
    return first, second


def folds_by_day(dataset: Dataset, most: int = MAX_FOLDS) -> list[Fold]:
    """Leave every labelled day out once, in at most `most` folds whose days lie apart in time.

    Weak lines of the days left out are not in the training either. Unlike scikit-learn's GroupKFold, which balances
    the sizes of the folds, each fold takes every k-th day of each user. Raises LabelError for a user with a single
    labelled day.
    """
    of_user = _days_of(dataset, least=MIN_DAYS)
    count = min(most, min(len(days) for days in of_user.values()))
    return [_fold(dataset, _every(of_user, k, count)) for k in range(count)]


def later_days(dataset: Dataset, share: float) -> Fold:
    """The last labelled days of each user, about this share of the minutes, left out. Raises LabelError below two."""
    held: list[tuple[str, int]] = []
    for user, days in _days_of(dataset, least=MIN_DAYS).items():
        before = np.concatenate([[0], np.cumsum(list(days.values()))]) / sum(days.values())
        first = 1 + int(np.argmin(np.abs(before[1 : len(days)] - (1.0 - share))))
        held += [(user, day) for day in list(days)[first:]]
    return _fold(dataset, held)


def _every(of_user: dict[str, dict[int, int]], k: int, count: int) -> list[tuple[str, int]]:
    return [(user, day) for user, days in of_user.items() for day in list(days)[k::count]]


def _fold(dataset: Dataset, left_out: list[tuple[str, int]]) -> Fold:
    is_out = np.zeros(len(dataset), dtype=np.bool_)
    for user, day in left_out:
        is_out |= (dataset.user_ids == user) & (dataset.days == day)
    return Fold(np.flatnonzero(~is_out), np.flatnonzero(is_out & ~dataset.is_weak))


def _days_of(dataset: Dataset, least: int = 0) -> dict[str, dict[int, int]]:
    """For each user the labelled days in order, with their minutes. Raises LabelError where there are too few."""
    said = ~dataset.is_weak
    found: dict[str, dict[int, int]] = {}
    for user in np.unique(dataset.user_ids[said]).tolist():
        days, counts = np.unique(dataset.days[said & (dataset.user_ids == user)], return_counts=True)
        found[user] = dict(zip(days.tolist(), counts.tolist(), strict=True))
    fewest = min((len(days) for days in found.values()), default=0)
    if fewest < least:
        raise LabelError(f"There are labels on {_days(fewest)}; on at least {least} they are needed.", _LABEL_MORE)
    return found


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
