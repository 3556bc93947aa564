"""Training on earlier days and judging on later ones, or on each left out; the answers are never those it learnt."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from taskclf_tray.core.config import Config
from taskclf_tray.core.errors import LabelError
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.dataset_sources import labelled_minutes
from taskclf_tray.train.fit import FitOptions
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.train_model import JudgedModel, Stages, train_and_judge
from tests.support.worked_days import LATER, make_home, write_export, write_labels

QUICK = FitOptions(rounds=12, early_stopping_rounds=4, params={"learning_rate": 0.3, "feature_fraction": 0.3})


@functools.cache
def ten_days(folder: Path) -> Dataset:
    home = make_home(folder / "home")
    export = write_export(folder / "export.json", range(10))
    labels = write_labels(folder / "labels.csv", range(10))
    return labelled_minutes(home, Config(), exports=[export], label_files=[labels], at=LATER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("days")


@functools.cache
def judged(folder: Path) -> JudgedModel:
    return train_and_judge(ten_days(folder), options=QUICK)


def test_later_days_judge_what_earlier_ones_taught(folder: Path) -> None:
    found = judged(folder)
    assert not found.is_crossed
    assert found.training.date_range == found.model.date_range == ("2026-03-02", "2026-03-08")
    assert found.evaluation.date_range == ("2026-03-09", "2026-03-11")
    assert found.evaluation.figures.minutes == 450
    assert 0.7 < found.evaluation.figures.accuracy < 1.0
    assert 1 <= found.model.best_iteration <= QUICK.rounds


def test_a_few_days_are_each_left_out(folder: Path) -> None:
    days = ten_days(folder)
    few = days.take(days.days < days.days.min() + 3)
    found = train_and_judge(few, options=QUICK)
    assert found.is_crossed
    assert found.training.dataset_hash == found.model.dataset_hash == few.dataset_hash
    assert found.evaluation.figures.minutes == len(few)
    assert 0.6 < found.evaluation.figures.accuracy < 1.0
    # what is judged is not what was learnt: the model itself knows its own days better
    assert found.model.predict(few).argmax(axis=1).tolist() != few.labels.tolist()


def test_few_blocks_are_enough_to_be_judged(folder: Path) -> None:
    days = ten_days(folder)
    first = np.unique(days.block_ids)[:10]
    second = np.unique(days.block_ids[days.days > days.days.min()])[:3]
    few = days.take(np.isin(days.block_ids, [*first[:8], *second]))
    found = train_and_judge(few, options=QUICK)
    assert found.is_crossed
    assert found.evaluation.figures.minutes == len(few)


def test_one_day_cannot_be_judged(folder: Path) -> None:
    days = ten_days(folder)
    with pytest.raises(LabelError, match="There are labels on 1 day"):
        train_and_judge(days.take(days.days == days.days.min()), options=QUICK)


def test_beginning_with_the_starter(folder: Path) -> None:
    prior = Prior.starter()
    found = train_and_judge(ten_days(folder), prior=prior, options=QUICK)
    assert prior.rounds < found.model.best_iteration <= prior.rounds + QUICK.rounds
    assert found.model.metadata().data_provenance == "mixed"
    assert found.evaluation.figures.accuracy > 0.7


def test_the_progress_of_several_trainings_is_one() -> None:
    told: list[tuple[int, int]] = []
    stages = Stages(lambda done, total: told.append((done, total)), 3, 10)
    for number, total in ((0, 10), (1, 5), (2, 10)):
        tell = stages.stage(number)
        assert tell is not None
        tell(total, total)
    assert told == [(10, 30), (20, 30), (30, 30)]
    assert Stages(None, 1, 1).stage(0) is None
