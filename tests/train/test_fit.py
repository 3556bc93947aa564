"""Training: the same bytes from the same labels, eight classes always, and a bundle that can be served."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.encode import UNKNOWN_VALUE
from taskclf_tray.models.bundle import bundle_problem, load_model_bundle
from taskclf_tray.train.dataset import class_weights
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.fit import (
    FitOptions,
    TooFewLabelsError,
    TrainedModel,
    TrainingCancelledError,
    fit,
)
from taskclf_tray.train.splits import later_days
from taskclf_tray.train.weak import weak_label
from tests.support.fitted import days, digest
from tests.support.labelled import BUILD, DEBUG, simulated_days, span

QUICK = FitOptions(rounds=8)
ROOT = Path(__file__).parents[2]


@functools.cache
def quick_model() -> TrainedModel:
    return fit(days(), options=QUICK)


def test_the_same_labels_and_seed_give_the_same_bytes() -> None:
    rows, spans = simulated_days()
    backwards = from_rows(rows[::-1], spans[::-1], weak=weak_label)
    assert fit(backwards, options=QUICK).text == quick_model().text
    assert fit(days(), options=dataclasses.replace(QUICK, seed=8)).text != quick_model().text


def test_another_process_gives_the_same_bytes() -> None:
    code = "from tests.train.test_fit import digest, quick_model; print(digest(quick_model()))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == digest(quick_model())


@pytest.mark.parametrize("version", sorted(SCHEMAS))
def test_every_schema_can_be_trained_and_answers_as_lightgbm_does(version: str) -> None:
    model = fit(days(), options=dataclasses.replace(QUICK, schema_version=version))
    matrix = days().matrix(model.encoder)
    ours, theirs = model.predict(days()), lgb.Booster(model_str=model.text).predict(matrix, num_threads=1)
    assert ours.shape == (len(days()), 8)
    assert np.abs(ours - theirs).max() <= 1e-12
    assert np.abs(ours.sum(axis=1) - 1.0).max() <= 1e-12


def test_labels_nobody_gave_still_have_a_probability() -> None:
    two = days().take((days().labels == BUILD) | (days().labels == DEBUG))
    probabilities = fit(two, options=QUICK).predict(days())
    assert probabilities.shape == (len(days()), 8)
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    assert set(probabilities.argmax(axis=1).tolist()) <= {BUILD, DEBUG}


def test_it_learns() -> None:
    fold = later_days(days(), 0.34)
    model = fit(days().take(fold.training), options=FitOptions(rounds=40))
    later = days().take(fold.held_out)
    later = later.take(later.is_models)
    assert (model.predict(later).argmax(axis=1) == later.labels).mean() > 0.6


def test_growing_stops_where_later_days_gain_nothing() -> None:
    fold = later_days(days(), 0.34)
    later = days().take(fold.held_out)
    noise = dataclasses.replace(later, labels=np.random.default_rng(1).permutation(later.labels))
    options = FitOptions(rounds=60, early_stopping_rounds=3)
    model = fit(days().take(fold.training), validation=noise, options=options)
    assert model.best_iteration < 30
    assert model.text.count("\nTree=") == 8 * model.best_iteration


def test_a_value_met_seldom_has_no_code_and_the_unknown_one_is_learnt() -> None:
    rows, spans = simulated_days()
    rare = [dataclasses.replace(r, app_id="rare.app") if k in (40, 41, 42, 43) else r for k, r in enumerate(rows)]
    model = fit(from_rows(rare, spans), options=QUICK)
    words = model.cat_encoders["app_id"]
    assert "rare.app" not in words
    assert words == sorted(words)
    assert all(UNKNOWN_VALUE in found for found in model.cat_encoders.values())
    assert (
        "rare.app"
        in fit(
            from_rows(rare, spans), options=dataclasses.replace(QUICK, unknown_category_freq_threshold=4)
        ).cat_encoders["app_id"]
    )
    bare = fit(from_rows(rare, spans), options=dataclasses.replace(QUICK, unknown_category_mask_rate=0.0))
    assert bare.text != model.text


def test_rare_labels_weigh_more_but_by_the_root_only() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    weights = class_weights(labels, np.ones(100))
    assert weights[1] / weights[0] == pytest.approx(3.0)
    assert weights[2:].tolist() == [0.0] * 6


def test_older_minutes_can_weigh_less() -> None:
    recent = fit(days(), options=dataclasses.replace(QUICK, recency_half_life_days=1.0))
    assert recent.text != quick_model().text


def test_hour_and_weekday_teach_nothing_until_there_are_enough_days() -> None:
    soon = fit(days(), options=dataclasses.replace(FitOptions(rounds=20), clock_days=0))
    later = fit(days(), options=FitOptions(rounds=20))
    hour = list(later.schema.model_columns).index("hour_of_day")
    assert [_uses(model, hour) for model in (soon, later)] == [True, False]


def _uses(model: TrainedModel, column: int) -> bool:
    splits = (line.partition("=")[2] for line in model.text.split("\n") if line.startswith("split_feature="))
    return any(str(column) in line.split() for line in splits)


def test_the_bundle_is_whole_and_says_what_it_is_made_of(tmp_path: Path) -> None:
    model = quick_model()
    metrics = {"macro_f1": 0.5, "weighted_f1": 0.5, "confusion_matrix": [], "label_names": list(LABEL_SET_V1)}
    folder = model.save(tmp_path, metrics, np.zeros((8, 8), dtype=int).tolist(), reject_threshold=0.6, git_commit="abc")
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert bundle_problem(folder) is None
    forest, metadata, words = load_model_bundle(folder)
    assert forest.verified
    assert words == model.cat_encoders
    assert metadata.sha256 == digest(model)
    assert metadata.dataset_hash == days().dataset_hash
    assert (metadata.train_date_from, metadata.train_date_to) == ("2026-03-02", "2026-03-04")
    assert (metadata.time_basis, metadata.data_provenance, metadata.reject_threshold) == ("local", "real", 0.6)
    assert (metadata.unknown_category_freq_threshold, metadata.unknown_category_mask_rate) == (5, 0.05)
    assert metadata.params["seed"] == QUICK.seed
    assert metadata.label_set == LABEL_SET_V1


def test_how_far_it_is_is_said() -> None:
    said: list[tuple[int, int]] = []
    fit(days(), options=dataclasses.replace(QUICK, rounds=12), progress=lambda done, total: said.append((done, total)))
    assert said == [(5, 12), (10, 12), (12, 12)]


def test_it_can_be_stopped_between_rounds() -> None:
    asked = 0

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(TrainingCancelledError, match="was cancelled"):
        fit(days(), options=FitOptions(rounds=5_000), is_cancelled=is_cancelled)
    assert asked == 4


def test_too_few_labels_are_counted() -> None:
    rows, _ = simulated_days()
    start = rows[0].bucket_start_ts - span(0, 1).start_ts
    few = [
        dataclasses.replace(s, start_ts=s.start_ts + start, end_ts=s.end_ts + start)
        for s in (span(0, 9), span(9, 20, "Debug"))
    ]
    with pytest.raises(TooFewLabelsError) as error:
        fit(from_rows(rows, few, weak=weak_label))
    assert (error.value.found, error.value.needed) == (2, 10)
    assert str(error.value) == (
        "There are 2 labelled blocks; a model of your own needs at least 10. Label 8 more and train again."
    )


def test_one_label_alone_teaches_nothing() -> None:
    with pytest.raises(TooFewLabelsError, match="have the same label; at least 2 different ones"):
        fit(days().take((days().labels == BUILD) & ~days().is_weak))
