"""Splits: laws that hold for whatever was labelled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskclf_tray.core.errors import LabelError
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.splits import (
    MAX_FOLDS,
    MIN_DAYS_BY_TIME,
    folds_by_day,
    later_days,
    needs_cross_fit,
    split_by_time,
)
from tests.support.labelled import line


def of_days(minutes_each: list[int], user_id: str = "a", weak_each: int = 0, step_days: int = 1) -> list[object]:
    """For each day so many labelled minutes from 09:00, in blocks of 7, then weak ones."""
    lines = []
    for day, count in enumerate(minutes_each):
        nine = day * step_days * 1440 + 540
        lines += [line(nine + k, k // 7 % 8, user_id=user_id) for k in range(count)]
        lines += [line(nine + 400 + k, 0, user_id=user_id, is_weak=True, weight=0.2) for k in range(weak_each)]
    return lines


DAYS = st.lists(st.integers(1, 40), min_size=3, max_size=20)
USERS = st.lists(st.tuples(DAYS, st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=3)


def dataset_of(users: list[tuple[list[int], int, int]]) -> Dataset:
    return Dataset.of(
        made for k, (days, weak, step) in enumerate(users) for made in of_days(days, f"user-{k}", weak, step)
    )


def day_keys(dataset: Dataset, places: np.ndarray) -> set[tuple[str, int]]:
    return {*zip(dataset.user_ids[places].tolist(), dataset.days[places].tolist(), strict=True)}


@given(USERS)
def test_three_parts_of_every_labelled_minute_each_user_in_order_of_time(
    users: list[tuple[list[int], int, int]],
) -> None:
    dataset = dataset_of(users)
    split = split_by_time(dataset)
    parts = (split.training, split.tuning, split.test)
    said = np.flatnonzero(~dataset.is_weak)
    assert sorted(place for part in parts for place in part.tolist() if not dataset.is_weak[place]) == said.tolist()
    assert not dataset.is_weak[split.tuning].any()
    assert not dataset.is_weak[split.test].any()
    for user in np.unique(dataset.user_ids):
        days = [dataset.days[part[dataset.user_ids[part] == user]] for part in parts]
        assert all(len(each) for each in days)
        assert days[0].max() < days[1].min() <= days[1].max() < days[2].min()
    blocks = [set(dataset.block_ids[part].tolist()) for part in parts]
    assert not blocks[0] & blocks[1] | blocks[1] & blocks[2] | blocks[0] & blocks[2]
    assert all(np.all(np.diff(part) > 0) for part in parts)


@given(st.integers(20, 60), st.integers(5, 30))
def test_the_shares_are_70_15_15_as_near_as_days_allow(days: int, minutes: int) -> None:
    dataset = Dataset.of(of_days([minutes] * days))
    split = split_by_time(dataset)
    shares = [len(part) / len(dataset) for part in (split.training, split.tuning, split.test)]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=1.01 / days)


@given(USERS)
def test_crossing_leaves_every_day_out_once_and_never_learns_from_it(users: list[tuple[list[int], int, int]]) -> None:
    dataset = dataset_of(users)
    folds = folds_by_day(dataset)
    assert 2 <= len(folds) <= MAX_FOLDS
    held = sorted(place for fold in folds for place in fold.held_out.tolist())
    assert held == np.flatnonzero(~dataset.is_weak).tolist()
    for fold in folds:
        assert len(fold.training)
        assert not day_keys(dataset, fold.training) & day_keys(dataset, fold.held_out)
        said = fold.training[~dataset.is_weak[fold.training]]
        assert len(said) + len(fold.held_out) == len(held)
        for user in np.unique(dataset.user_ids):
            assert (dataset.user_ids[said] == user).any()
            assert (dataset.user_ids[fold.held_out] == user).any()


@given(USERS, st.floats(0.05, 0.6))
def test_later_days_are_later(users: list[tuple[list[int], int, int]], share: float) -> None:
    dataset = dataset_of(users)
    fold = later_days(dataset, share)
    for user in np.unique(dataset.user_ids):
        learnt = fold.training[dataset.user_ids[fold.training] == user]
        held = fold.held_out[dataset.user_ids[fold.held_out] == user]
        assert dataset.days[learnt].max() < dataset.days[held].min()


@given(DAYS)
def test_eight_days_are_enough_for_parts_by_time(days: list[int]) -> None:
    assume(len(days) >= 2)
    dataset = Dataset.of(of_days(days, weak_each=2))
    assert needs_cross_fit(dataset) == (len(days) < MIN_DAYS_BY_TIME)


def test_days_with_weak_labels_only_are_no_labelled_days() -> None:
    weak_days = [line(1440 * day, 0, is_weak=True) for day in range(20)]
    dataset = Dataset.of([*of_days([9, 9]), *weak_days])
    assert needs_cross_fit(dataset)
    assert dataset.day_count == 2


def test_too_few_days_are_counted() -> None:
    one_day = Dataset.of(of_days([30]))
    with pytest.raises(LabelError) as error:
        folds_by_day(one_day)
    assert str(error.value) == (
        "There are labels on 1 day; on at least 2 they are needed. Label some blocks on another day and try again."
    )
    with pytest.raises(LabelError, match="There are labels on 2 days; on at least 3 they are needed"):
        split_by_time(Dataset.of(of_days([30, 30])))
