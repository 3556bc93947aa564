"""Making a challenger: what it learns from, what it is judged on, and what is said of it."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from taskclf_tray.core.config import Config
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.train import retrain_run
from taskclf_tray.train.batch_inputs import export_rows
from taskclf_tray.train.comparison import ModelComparison
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.evaluate import evaluate
from taskclf_tray.train.fit import FitOptions, fit
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.gates import Gate, Verdict, judge
from taskclf_tray.train.head import HeadMinutes, refit_head
from taskclf_tray.train.retrain import (
    Challenger,
    TrainingConfig,
    compare_with_champion,
    known_days,
    make_challenger,
)
from taskclf_tray.train.splits import look_back
from taskclf_tray.train.tune import Estimate, RejectThresholdResult
from tests.support.judgements import FINE, changed, judged
from tests.support.labelled import BUILD, line
from tests.support.worked_days import FIRST, make_home, spans_of, write_export

QUICK = TrainingConfig(FitOptions(rounds=10))
MONDAY = FIRST.date()


@functools.cache
def worked(days: int) -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        paths = make_home(Path(folder) / "home")
        rows = export_rows(paths, write_export(Path(folder) / "export.json", range(days)), Config(), 60)
    return from_rows(rows, spans_of(range(days)))


@functools.cache
def challenger(days: int) -> Challenger:
    return make_challenger(worked(days), None, QUICK)


def on_days(*days: int) -> Dataset:
    return Dataset.of([line(1440 * day + k, BUILD) for day in days for k in range(3)])


def test_a_month_is_looked_back_and_further_for_eight_labelled_days() -> None:
    def found(*days: int) -> list[int]:
        dataset = look_back(on_days(*days), date(1970, 4, 11))  # the day of number 100
        return sorted({day - date(1970, 1, 1).toordinal() for day in dataset.days.tolist()})

    assert found(*range(60, 101)) == list(range(71, 101))
    assert found(*range(10), 90, 100) == [4, 5, 6, 7, 8, 9, 90, 100]
    assert found(3, 100) == [3, 100]
    assert found() == []


def test_few_days_are_each_judged_by_a_model_of_the_others() -> None:
    made = challenger(3)
    assert made.is_cross_fit
    assert not made.leaked
    assert len(made.held_out) == len(made.answers.label_ids) == len(worked(3))
    assert made.model.date_range == worked(3).date_range
    assert evaluate(made.held_out, made.answers, resamples=0).figures.macro_f1 > 0.4
    assert not made.answers.is_rejected[made.answers.confidences >= made.reject_threshold].any()
    assert made.answers.is_rejected[made.answers.confidences < made.reject_threshold].all()


def test_many_labelled_days_are_judged_on_the_last_ones() -> None:
    made = challenger(14)
    assert not made.is_cross_fit
    assert not made.leaked
    last_learnt = date.fromisoformat(made.model.date_range[1]).toordinal()
    assert made.held_out.days.min() == last_learnt + 1
    assert made.held_out.block_count >= 20


def test_the_same_minutes_make_the_same_challenger() -> None:
    one, other = challenger(3), make_challenger(worked(3), None, QUICK)
    assert one.model.text == other.model.text
    assert one.reject_threshold == other.reject_threshold
    assert np.array_equal(one.answers.probs, other.answers.probs)
    assert one.store.digest == other.store.digest


def test_progress_goes_up_to_its_end() -> None:
    seen: list[tuple[int, int]] = []
    make_challenger(worked(2), None, QUICK, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


def _metadata(
    first: str = "", last: str = "", provenance: Literal["real", "synthetic", "mixed"] = "real"
) -> ModelMetadata:
    return ModelMetadata(
        schema_version="v3",
        schema_hash="x",
        label_set=("a",),
        train_date_from=first,
        train_date_to=last,
        data_provenance=provenance,
    )


def test_what_a_model_was_trained_on_is_no_test_of_it() -> None:
    made = challenger(3)
    champion = made.model.metadata()
    known = known_days(made.held_out, champion, is_personal=True)
    assert known.all()
    until_tuesday = _metadata(str(MONDAY), str(MONDAY.replace(day=3)), "mixed")
    known = known_days(made.held_out, until_tuesday, is_personal=True)
    assert sorted(np.unique(made.held_out.days[~known])) == [MONDAY.replace(day=4).toordinal()]
    simulated = _metadata("2026-01-01", "2026-12-31", "synthetic")
    assert not known_days(made.held_out, simulated, is_personal=False).any()
    assert known_days(made.held_out, simulated, is_personal=True).all()
    assert not known_days(made.held_out, _metadata(), is_personal=True).any()


def test_a_duel_is_fought_on_days_neither_knows_while_there_are_enough() -> None:
    made = challenger(3)
    evaluation = evaluate(made.held_out, made.answers, resamples=0)
    config = _config(made)
    is_last = made.held_out.days == made.held_out.days.max()
    comparison, is_fair = compare_with_champion(made, evaluation, config, ~is_last)
    assert is_fair
    assert comparison.champion.figures.minutes == int(is_last.sum())
    comparison, is_fair = compare_with_champion(made, evaluation, config, np.ones(len(is_last), dtype=np.bool_))
    assert not is_fair
    assert comparison.challenger is evaluation
    assert compare_with_champion(made, evaluation, config, np.zeros(len(is_last), dtype=np.bool_))[1]


def _config(made: Challenger):  # type: ignore[no-untyped-def]
    from taskclf_tray.train.train_model import served

    return served(made.model)


# -- words --------------------------------------------------------------------------------------------------


def test_what_has_changed_is_told_by_recall() -> None:
    old = judged([[40, 4, 0, 0], [36, 8, 0, 0], [0, 0, 30, 0], [0, 0, 8, 22]])
    new = judged([[36, 8, 0, 0], [8, 36, 0, 0], [0, 0, 30, 0], [0, 0, 0, 30]])
    assert retrain_run.changes(ModelComparison(new, old)) == [
        "Debug is now recognised: recall 0.18 → 0.82",
        "BreakIdle is recognised better: recall 0.73 → 1.00",
        "Build is recognised less: recall 0.91 → 0.82",
    ]
    assert (
        retrain_run.changes(ModelComparison(old, new))[0] == "Debug is hardly recognised any more: recall 0.82 → 0.18"
    )
    assert retrain_run.changes(ModelComparison(new, new)) == retrain_run.changes(None) == []


def test_promises_are_told_with_what_is_proven() -> None:
    proven = RejectThresholdResult(0.6, 0.9, 0.95, 0.95, 0.91, 0.74, 900, 80)
    unproven = RejectThresholdResult(None, 0.9, 0.95, 0.9, 0.5, 0.3, 90, 8, "8 labelled blocks are too few.")
    fine = judged(FINE)
    sentences = retrain_run.promoted(ModelComparison(fine, fine), 0.87, proven)
    assert sentences[0] == "On days it had not seen 87% of the labelled minutes are right."
    assert "at least 90% of the labels shown are right (95% sure); 74% of the minutes get one." in sentences[1]
    assert retrain_run.promoted(None, 0.87, unproven)[1] == (
        "At no threshold 90% of the labels are right yet, so none is shown. 8 labelled blocks are too few."
    )
    little = dataclasses.replace(
        unproven, estimate=Estimate(0.9, 0.8, 0.91, 0.12), easier=Estimate(0.8, 0.6, 0.82, 0.45)
    )
    words = retrain_run.sureness(little)
    assert "about 90% of the labels shown are right, estimated from your labels so far; 12% of the minutes" in words
    assert "If 80% right is enough for you, 45% of the minutes get a label: write target_accuracy = 0.8" in words


def test_a_refusal_tells_the_gates_and_an_unfair_duel() -> None:
    verdict = judge(judged(changed(3, [4, 0, 0, 26])))
    assert retrain_run.refused(verdict, is_fair=True) == list(verdict.reasons)
    lost = Verdict((Gate("champion", False, "It lost."),))
    assert retrain_run.refused(lost, is_fair=False)[1].startswith("The model in use was trained on these days")


def test_every_held_out_minute_is_judged_with_a_head_that_has_not_seen_it() -> None:
    made = challenger(3)
    minutes = HeadMinutes.of(made.dataset)
    assert made.head is not None
    assert made.head.head_power > 0
    assert sorted(np.concatenate([places for places, _ in made.heads]).tolist()) == made.places.tolist()
    for places, head in made.heads:
        of_others = minutes.fit(~np.isin(minutes.places, places))
        assert head is not None
        assert of_others is not None
        assert np.array_equal(head.own, of_others.own)
        assert (head.head_power, head.forest_power) == pytest.approx(
            (made.head.head_power, made.head.forest_power), rel=1e-5
        )


def test_the_head_that_would_be_served_is_judged_on_the_last_days() -> None:
    made = challenger(14)
    assert [(places.tolist(), head) for places, head in made.heads] == [(made.places.tolist(), made.head)]


def test_a_head_that_has_learnt_the_held_out_labels_has_no_advantage() -> None:
    made = challenger(3)
    evaluation = evaluate(made.held_out, made.answers, resamples=0)
    known = np.zeros(len(made.held_out), dtype=np.bool_)
    powers = (0.8, 0.3)
    taught = refit_head(made.dataset, powers)
    assert taught is not None
    ignorant = replace(taught, own=np.zeros_like(taught.own), context=np.zeros_like(taught.context))
    results = [
        compare_with_champion(made, evaluation, replace(_config(made), head=head), known)[0].champion.figures
        for head in (taught, ignorant)
    ]
    assert results[0] == results[1]
    assert results[0].accuracy < 0.99


def test_the_trees_of_the_prior_alone_are_offered_where_they_are_better() -> None:
    """A prior that knows all days, which the training all but forgets and adds one round to; no words are recorded."""
    wordless = from_rows([replace(row, word_seconds=()) for row in worked(3).rows()], spans_of(range(3)))
    known = fit(wordless, options=FitOptions(rounds=60))
    prior = Prior(known.text, known.cat_encoders, known.schema, "real", "known")
    made = make_challenger(wordless, prior, TrainingConfig(FitOptions(rounds=1, prior_blocks=1e-9)))
    assert made.model.params["num_boost_round"] == 0
    assert made.model.best_iteration == prior.rounds
    assert made.head is None
    assert np.allclose(made.model.predict(wordless), known.predict(wordless))
