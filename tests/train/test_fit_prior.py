"""The starter's trees under other vocabularies: the same answers, whatever the person's programs are called."""

from __future__ import annotations

import dataclasses
import functools
from importlib import resources
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starter_model import BUNDLE_NAME
from taskclf_tray.core.errors import ModelIncompatibleError
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.infer.encode import Encoder
from taskclf_tray.infer.forest import Forest
from taskclf_tray.train.fit import FitOptions, TrainedModel, fit
from taskclf_tray.train.fit_prior import Prior
from tests.support.examples import examples
from tests.support.fitted import days, digest
from tests.support.labelled import BUILD, DEBUG, MEET, simulated_days
from tests.support.sample_rows import BUNDLE

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

QUICK = FitOptions(rounds=3)


@functools.cache
def starter() -> Prior:
    with resources.as_file(resources.files("taskclf_tray") / "data" / "starter") as folder:
        return Prior.load(folder / BUNDLE_NAME)


@functools.cache
def continued() -> TrainedModel:
    return fit(days(), prior=starter(), options=QUICK)


def rows_with(apps: list[str]) -> list[FeatureRow]:
    rows, _ = simulated_days()
    return [dataclasses.replace(r, app_id=apps[k % len(apps)]) if k % 3 else r for k, r in enumerate(rows[:200])]


NAMES = st.text("abcXYZ._~0é", min_size=1, max_size=6)


@examples(15)
@given(st.lists(NAMES, min_size=1, max_size=90, unique=True), st.lists(NAMES, max_size=40, unique=True))
def test_under_any_vocabulary_the_trees_answer_the_same(apps: list[str], categories: list[str]) -> None:
    prior = starter()
    words = prior.words_with({"app_id": apps, "app_category": categories, "domain_category": []})
    rows = rows_with(apps)
    before = Forest.from_text(prior.text).predict_raw(Encoder("v3", prior.cat_encoders, "local").encode_rows(rows))
    matrix = Encoder("v3", words, "local").encode_rows(rows)
    assert np.array_equal(Forest.from_text(prior.under(words)).predict_raw(matrix), before)


def test_lightgbm_reads_it_too() -> None:
    prior = starter()
    words = prior.words_with({"app_id": [f"app{k}" for k in range(70)], "app_category": [], "domain_category": []})
    matrix = Encoder("v3", words, "local").encode_rows(rows_with(["app3", "app69"]))
    booster = lgb.Booster(model_str=prior.under(words))
    ours = Forest.from_text(prior.under(words)).predict(matrix)
    assert np.abs(booster.predict(matrix, num_threads=1) - ours).max() <= 1e-12


def test_a_model_that_begins_with_it_can_be_served() -> None:
    model = continued()
    ours = model.predict(days())
    theirs = lgb.Booster(model_str=model.text).predict(days().matrix(model.encoder), num_threads=1)
    assert np.abs(ours - theirs).max() <= 1e-12
    assert model.text.count("\nTree=") == starter().text.count("\nTree=") + 8 * QUICK.rounds
    assert model.provenance == "mixed"
    assert model.metadata().params["prior_model"] == BUNDLE_NAME


def test_it_is_the_same_bytes_again() -> None:
    assert digest(fit(days(), prior=starter(), options=QUICK)) == digest(continued())


def test_labels_nobody_gave_stay_as_the_starter_says() -> None:
    two = days().take((days().labels == BUILD) | (days().labels == DEBUG))
    meetings = days().take((days().labels == MEET) & days().is_models)
    said = fit(two, prior=starter(), options=QUICK).predict(meetings)
    assert len(meetings) > 20
    assert (said.argmax(axis=1) == MEET).mean() > 0.5


def test_only_a_verified_model_of_local_time_is_continued(tmp_path: Path) -> None:
    with pytest.raises(ModelIncompatibleError, match="cannot be continued"):
        Prior.load(BUNDLE)


def test_a_share_of_it_answers_so_many_times_less() -> None:
    prior, rows = starter(), rows_with(["app3"])
    matrix = Encoder("v3", prior.cat_encoders, "local").encode_rows(rows)
    whole, third = (
        Forest.from_text(text).predict_raw(matrix) for text in (prior.text, prior.under(prior.cat_encoders, 1 / 3))
    )
    assert np.abs(third - whole / 3).max() < 1e-12


def test_the_more_blocks_are_labelled_the_less_the_prior_says() -> None:
    often = dataclasses.replace(QUICK, prior_blocks=1e12)
    never = dataclasses.replace(QUICK, prior_blocks=1e-12)
    said = [fit(days(), prior=starter(), options=options).predict(days()) for options in (often, never)]
    shipped = Forest.from_text(starter().text).predict(days().matrix(Encoder("v3", starter().cat_encoders, "local")))
    assert np.abs(said[0] - shipped).mean() < np.abs(said[1] - shipped).mean()


def test_another_schema_is_refused() -> None:
    with pytest.raises(ModelIncompatibleError, match="is of schema v3 and cannot be continued in v2"):
        fit(days(), prior=starter(), options=dataclasses.replace(QUICK, schema_version="v2"))
