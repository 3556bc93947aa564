"""Minutes nobody labelled: guessed from the model and from those beside them, and learnt from at little weight."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from taskclf_tray.core.time import from_us
from taskclf_tray.train import weak
from taskclf_tray.train.dataset import NO_LABEL, Dataset
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.fit import FitOptions, fit
from taskclf_tray.train.lgb_dataset import line_weights
from taskclf_tray.train.weak import (
    UNLABELLED,
    labelled_only,
    unlabelled_only,
    weak_label,
    weak_or_unlabelled,
    with_pseudo_labels,
)
from tests.support.fitted import digest
from tests.support.labelled import BUILD, DEBUG, MEET, line, row, simulated_days

QUICK = FitOptions(rounds=8)


@functools.cache
def days() -> Dataset:
    """Three simulated days of which every other hour is labelled."""
    rows, spans = simulated_days()
    return from_rows(rows, [s for s in spans if s.start_ts.hour % 2], weak=weak_or_unlabelled)


def unsure(count: int, label: int) -> np.ndarray:
    """Probabilities a little in favour of a label."""
    probs = np.full((count, 8), 0.12)
    probs[:, label] = 0.16
    return probs


def unsaid(minute: int) -> object:
    return line(minute, UNLABELLED, is_weak=True, weight=0.2)


def test_what_no_rule_labels_is_unsaid_where_a_model_decides() -> None:
    assert weak_or_unlabelled(row(0, decided_by="model", app_category="editor")) == UNLABELLED
    assert weak_or_unlabelled(row(0, decided_by="no_window", app_category="editor")) == NO_LABEL
    meeting = row(0, decided_by="model", app_category="meeting", app_foreground_time_ratio=1.0)
    assert weak_or_unlabelled(meeting) == weak_label(meeting) == MEET


def test_doubt_follows_the_labels_beside_it() -> None:
    said = [line(minute) for minute in (0, 1, 2, 6, 7, 8)]
    dataset = Dataset.of([*said, *(unsaid(minute) for minute in (3, 4, 5, 100, 101, 102))])
    guessed = with_pseudo_labels(dataset, unsure(6, DEBUG), 0.1)
    assert guessed.labels.tolist() == [BUILD] * 9 + [DEBUG] * 3
    assert guessed.weights[3:6].tolist() == [0.1] * 3
    assert guessed.is_weak.tolist() == [False] * 3 + [True] * 3 + [False] * 3 + [True] * 3


def test_certainty_stands_against_a_label_beside_it() -> None:
    dataset = Dataset.of([*(line(k) for k in range(3)), *(unsaid(k) for k in range(3, 9))])
    sure = np.full((6, 8), 0.001)
    sure[:, DEBUG] = 0.993
    assert with_pseudo_labels(dataset, sure, 0.1).labels.tolist() == [BUILD] * 3 + [DEBUG] * 6


def test_labels_stay_what_they_are() -> None:
    dataset = Dataset.of([line(0), line(1, DEBUG), line(2), unsaid(3)])
    guessed = with_pseudo_labels(dataset, unsure(1, MEET), 0.1)
    assert labelled_only(dataset).labels.tolist() == guessed.labels[:3].tolist() == [BUILD, DEBUG, BUILD]


def test_of_too_many_some_are_left_out_evenly() -> None:
    dataset = Dataset.of([line(0), *(unsaid(minute) for minute in range(1, 101))])
    minutes = with_pseudo_labels(dataset, unsure(100, DEBUG), 0.1, most=5).start_us // 60_000_000
    assert minutes.tolist() == [0, 1, 26, 51, 75, 100]


def test_of_too_many_labelled_minutes_some_are_left_out_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weak, "MAX_LABELLED", 5)
    dataset = Dataset.of([*(line(minute) for minute in range(101)), *(unsaid(minute) for minute in range(200, 203))])
    both = with_pseudo_labels(dataset, unsure(3, DEBUG), 0.1).start_us // 60_000_000
    assert both.tolist() == [0, 25, 50, 75, 100, 200, 201, 202]
    assert labelled_only(dataset).labels.tolist() == [BUILD] * 5


def test_guesses_are_learnt_from_and_the_bytes_are_the_same_again() -> None:
    model = fit(days(), options=QUICK)
    assert digest(fit(days(), options=QUICK)) == digest(model)
    assert digest(fit(days(), options=dataclasses.replace(QUICK, pseudo_label_weight=0.0))) != digest(model)
    alone = fit(labelled_only(days()), options=QUICK)
    assert digest(fit(days(), options=dataclasses.replace(QUICK, pseudo_label_weight=0.0))) == digest(alone)


def test_a_program_that_was_never_labelled_has_a_code() -> None:
    rows, spans = simulated_days()
    labelled = [s for s in spans if s.start_ts.hour % 2]
    open_minutes = {from_us(start) for start in unlabelled_only(days()).start_us.tolist()}
    new = [dataclasses.replace(r, app_id="new.app") if r.bucket_start_ts in open_minutes else r for r in rows]
    dataset = from_rows(new, labelled, weak=weak_or_unlabelled)
    assert "new.app" not in {r.app_id for r in labelled_only(dataset).rows()}
    assert "new.app" in fit(dataset, options=QUICK).cat_encoders["app_id"]


def test_both_models_count_towards_the_progress() -> None:
    said: list[tuple[int, int]] = []
    options = dataclasses.replace(QUICK, pseudo_label_rounds_per_block=0.1)
    fit(days(), options=options, progress=lambda done, total: said.append((done, total)))
    assert said[0][0] >= 1
    assert said[-1][0] == said[-1][1] > QUICK.rounds
    assert said == sorted(said)


def test_a_block_weighs_as_much_as_a_few_minutes() -> None:
    dataset = Dataset.of([*(line(k) for k in range(30)), *(line(k, DEBUG) for k in range(60, 63)), unsaid(90)])
    guessed = with_pseudo_labels(dataset, unsure(1, MEET), 0.1)
    free = line_weights(guessed, FitOptions(block_minutes=None))
    held = line_weights(guessed, FitOptions(block_minutes=2.0))
    assert free.mean() == pytest.approx(1.0)
    assert held[:30] == pytest.approx(free[:30] * 2 / 30)
    assert held[30:33] == pytest.approx(free[30:33] * 2 / 3)
    assert held[33] == free[33]
