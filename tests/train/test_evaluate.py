"""Evaluation: the answers are those of the served pipeline, and every figure counts what it says."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.calibration import CalibratorStore, IdentityCalibrator, TemperatureCalibrator
from taskclf_tray.infer.forest import Forest
from taskclf_tray.infer.pipeline import LABELS_AND_MIXED, PipelineConfig, decide_rows, finish
from taskclf_tray.store.buckets import pack_row
from taskclf_tray.train.dataset import Dataset, LabelledBucket
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.evaluate import REJECTED_ID, WITH_INTERVAL, Answers, answer, evaluate, write_evaluation
from taskclf_tray.train.fit import FitOptions, fit
from taskclf_tray.train.weak import weak_label
from tests.support.labelled import BUILD, DEBUG, MEET, USER, row, simulated_days
from tests.support.labelled import line as bare_line

BREAK = LABEL_SET_V1.index("BreakIdle")
OTHER = "22222222-0000-4000-8000-000000000002"


PACKED = pack_row(row(0))


def line(minute: int, label: int = BUILD, **more: Any) -> LabelledBucket:
    """A line whose row is never looked into, but hashed."""
    return bare_line(minute, label, packed=PACKED, **more)


@functools.cache
def days() -> Dataset:
    return from_rows(*simulated_days(), weak=weak_label)


@functools.cache
def config() -> PipelineConfig:
    model = fit(days(), options=FitOptions(rounds=8))
    store = CalibratorStore(IdentityCalibrator(), {USER: TemperatureCalibrator(2.5)})
    return PipelineConfig(
        model=Forest.from_text(model.text),
        time_basis="local",
        cat_encoders=model.cat_encoders,
        calibrator_store=store,
        reject_threshold=0.5,
        per_user_reject_thresholds={USER: 0.4},
    )


def answers_of(labels: np.ndarray, *, confidence: float = 0.9, is_rejected: np.ndarray | None = None) -> Answers:
    probs = np.full((len(labels), 8), (1 - confidence) / 7)
    probs[np.arange(len(labels)), labels] = confidence
    rejected = np.zeros(len(labels), dtype=np.bool_) if is_rejected is None else is_rejected
    return Answers(probs, labels, rejected, np.where(rejected, REJECTED_ID, labels), np.full(len(labels), confidence))


def test_the_answers_are_those_a_running_app_gives() -> None:
    """Minute by minute, as the online loop decides and smooths; personal calibrator and threshold included."""
    found = answer(config(), days())
    rows = days().rows()
    served = finish(decide_rows(config(), rows), resolver_of=lambda _: None)
    assert np.array_equal(found.probs, np.array([one.core_probs for one in served]))
    assert found.label_ids.tolist() == [one.core_label_id for one in served]
    assert found.is_rejected.tolist() == [one.is_rejected for one in served]
    assert [LABELS_AND_MIXED[k] for k in found.smoothed_ids.tolist()] == [one.smoothed_label_name for one in served]
    assert [LABELS_AND_MIXED[k] for k in found.raw_ids.tolist()] == [one.raw_label for one in served]
    assert found.confidences.tolist() == [one.confidence for one in served]
    assert found.is_rejected.any()
    idle = np.array([row.decided_by == "idle_rule" for row in rows])
    assert idle.any()
    assert set(found.label_ids[idle].tolist()) == {BREAK}


def test_the_personal_calibrator_is_what_is_judged() -> None:
    shared = dataclasses.replace(config(), calibrator_store=CalibratorStore(IdentityCalibrator()))
    own, common = evaluate(days(), answer(config(), days())), evaluate(days(), answer(shared, days()))
    assert own.figures.nll != common.figures.nll
    assert np.array_equal(own.confusion, common.confusion)


def test_every_minute_counts_for_labels_and_the_models_own_for_probabilities() -> None:
    lines = [line(k, BREAK, is_models=False) for k in range(10)] + [line(k, BUILD) for k in range(10, 30)]
    dataset = Dataset.of(lines)
    said = dataset.labels.copy()
    said[10:15] = DEBUG
    rejected = np.arange(30) >= 25
    answers = answers_of(said, is_rejected=rejected)
    answers.confidences[:10] = 1.0
    figures = evaluate(dataset, answers, resamples=0).figures
    assert (figures.minutes, figures.model_minutes, figures.days, figures.blocks) == (30, 20, 1, 2)
    assert figures.accuracy == pytest.approx(25 / 30)
    assert figures.accuracy_at_60 == pytest.approx(15 / 20)
    assert figures.ece == pytest.approx(0.9 - 0.75)
    assert figures.reject_rate == pytest.approx(5 / 20)
    assert figures.accepted_accuracy == pytest.approx(10 / 15)


def test_changes_are_counted_within_runs() -> None:
    # minute 10, in which the work changes, is nobody's; nor are minutes 21 and 22, and that is a gap
    lines = [*(line(k, BUILD) for k in range(10)), *(line(k, MEET) for k in range(11, 21)), line(23, DEBUG)]
    dataset = Dataset.of(lines)
    said = dataset.labels.copy()
    said[10:12] = BUILD  # the change is answered two minutes late
    figures = evaluate(dataset, answers_of(said), resamples=0).figures
    assert figures.boundary.changes == 1
    assert figures.boundary.mean_minutes == 2.0
    assert figures.flap_rate == figures.flap_rate_true == pytest.approx(1 / 21)


def test_weak_labels_are_not_judged_on() -> None:
    dataset = Dataset.of([line(0), line(1, DEBUG), line(2, MEET, is_weak=True)])
    evaluation = evaluate(dataset, answers_of(np.array([BUILD, DEBUG, BUILD])))
    assert evaluation.figures.minutes == 2
    assert evaluation.figures.macro_f1 == 1.0
    assert evaluation.classes[MEET].support == 0


def test_people_are_judged_each_and_new_ones_apart() -> None:
    dataset = Dataset.of([line(k, BUILD, user_id=user) for user in (USER, OTHER) for k in range(10)])
    answers = answers_of(np.where(dataset.user_ids == USER, BUILD, DEBUG))
    evaluation = evaluate(dataset, answers, seen_users={USER}, resamples=0)
    assert {user: f.accuracy for user, f in evaluation.users.items()} == {USER: 1.0, OTHER: 0.0}
    assert evaluation.seen is not None
    assert evaluation.unseen is not None
    assert (evaluation.seen.accuracy, evaluation.unseen.accuracy) == (1.0, 0.0)
    assert evaluate(dataset, answers, resamples=0).unseen is None
    assert evaluate(dataset, answers, seen_users={USER, OTHER}, resamples=0).unseen is None


def test_intervals_are_those_of_days() -> None:
    evaluation = evaluate(days(), answer(config(), days()), resamples=40)
    assert set(evaluation.intervals) == set(WITH_INTERVAL)
    for name, interval in evaluation.intervals.items():
        assert interval is not None
        assert interval.low <= getattr(evaluation.figures, name) + 0.1
        assert interval.low <= interval.high
    assert evaluation.intervals["ece"].low < evaluation.intervals["ece"].high
    one_day = days().take(days().days == days().days.min())
    assert set(evaluate(one_day, answer(config(), one_day)).intervals.values()) == {None}


def test_no_minutes_at_all_are_no_figures_and_no_error(tmp_path: Path) -> None:
    evaluation = evaluate(Dataset.of([]), answers_of(np.empty(0, dtype=np.int64)))
    assert evaluation.to_dict()["macro_f1"] is None
    assert evaluation.bundle_metrics()["macro_f1"] == 0.0
    assert len(write_evaluation(evaluation, tmp_path)) == 4


def test_as_many_answers_as_minutes() -> None:
    with pytest.raises(ValueError, match="1 answers for 2 labelled minutes"):
        evaluate(Dataset.of([line(0), line(1)]), answers_of(np.array([BUILD])))


def test_the_files_hold_it_all(tmp_path: Path) -> None:
    evaluation = evaluate(days(), answer(config(), days()), resamples=20)
    files = write_evaluation(evaluation, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "confusion.png", "evaluation.json", "reliability.png", "risk_coverage.png",
    ]  # fmt: skip
    told = json.loads(files["evaluation"].read_text())
    assert told == evaluation.to_dict()
    assert told["macro_f1"] == evaluation.figures.macro_f1
    assert told["risk_coverage"][-1]["coverage"] == 1.0
    assert len(told["classes"]) == 8
    assert USER in told["users"]
    for name in ("confusion", "reliability", "risk_coverage"):
        with Image.open(files[name]) as picture:
            assert picture.width > 600
            assert len(picture.convert("L").getcolors(256) or []) > 5
