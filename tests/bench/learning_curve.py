"""One person taught step by step: what is served on later days after so many labels, and what does without any.

A model is made by what Retrain calls, `make_challenger`: so what is measured is what the app serves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np

from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS, Transitions
from taskclf_tray.core.types import BREAK_IDLE_ID, LABEL_SET_V1, FeatureRow, LabelSpan
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.train import metrics
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.evaluate import Answers, answer, figures_of, runs_of
from taskclf_tray.train.fit import FitOptions
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.retrain import TrainingConfig, make_challenger
from taskclf_tray.train.train_model import learn_transitions, served
from taskclf_tray.train.weak import UNLABELLED, weak_or_unlabelled
from tests.bench.learning_people import Person, starter

USUAL: Final = FitOptions()
TARGET: Final = "200 min / 3 d"
TARGET_MINUTES: Final = 200
TARGET_DAYS: Final = 3

_B, _U, _C, _D, _M, _R, _V, _W = range(len(LABEL_SET_V1))
_BY_PROGRAM: Final[Mapping[str, int]] = {
    "editor": _U, "terminal": _U, "devtools": _U, "design": _U, "chat": _C, "email": _C, "meeting": _M, "docs": _W,
    "office": _W, "media": _B, "music_video": _B, "lockscreen": _B, "project_mgmt": _C, "utilities": _R,
}  # fmt: skip
_BY_DOMAIN: Final[Mapping[str, int]] = {
    "chat": _C, "email_web": _C, "code_hosting": _V, "design": _U, "productivity": _W, "news": _B, "social": _B,
    "video": _B,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One person under one model on the judged days; None where a model gives no probabilities."""

    persona: str
    seed: int
    watched: str
    model: str
    minutes_taught: int
    macro_f1: float
    accuracy: float
    smoothed_macro_f1: float
    smoothed_accuracy: float
    hmm_macro_f1: float
    hmm_accuracy: float
    flap_rate: float
    flap_rate_smoothed: float
    flap_rate_hmm: float
    flap_rate_true: float
    boundary_minutes: float
    boundary_minutes_hmm: float
    ece: float | None = None
    nll: float | None = None
    accuracy_at_60: float | None = None
    accuracy_at_80: float | None = None


@cache
def prior() -> Prior:
    """The shipped model, to begin with."""
    return Prior.starter()


def judged_minutes(person: Person) -> Dataset:
    """The judged days' minutes wholly of one kind of work, under what the person really did."""
    return from_rows(person.judged_rows, person.truth)


def taught_minutes(person: Person, spans: Sequence[LabelSpan]) -> Dataset:
    """The labelled minutes, weak ones and those without a label, up to the last labelled day."""
    last = max(span.end_ts for span in spans)
    rows = [row for day in person.taught if day[0].bucket_start_ts < last for row in day]
    return from_rows(rows, spans, weak=weak_or_unlabelled)


def learnt(
    person: Person,
    model: str,
    spans: Sequence[LabelSpan],
    exam: Dataset,
    options: FitOptions = USUAL,
    *,
    is_whole: bool = True,
) -> Cell | None:
    """What the app would serve after a retraining with these labels; None where they are too few for one.

    `is_whole`: with calibrators and head.
    """
    taught = taught_minutes(person, spans)
    try:
        made = make_challenger(taught, prior(), TrainingConfig(options=options))
    except LabelError:  # too few for the app: it trains nothing
        return None
    config = replace(served(made.model), **({"calibrator_store": made.store, "head": made.head} if is_whole else {}))
    return _cell(person, model, taught, config, exam, learn_transitions(taught.take(taught.labels != UNLABELLED)))


def as_shipped(person: Person, exam: Dataset) -> Cell:
    """The starter model, before any label."""
    return _cell(person, "starter", None, replace(starter(), reject_threshold=None), exam, None)


def _cell(
    person: Person,
    model: str,
    taught: Dataset | None,
    config: PipelineConfig,
    exam: Dataset,
    transitions: Transitions | None,
) -> Cell:
    voted = answer(config, exam)
    chained = answer(replace(config, transitions=transitions or BUILT_IN_TRANSITIONS), exam)
    figures = figures_of(exam, voted)
    return _filled(person, model, taught, exam, voted, chained.smoothed_ids, {
        "ece": figures.ece,
        "nll": figures.nll,
        "accuracy_at_60": figures.accuracy_at_60,
        "accuracy_at_80": figures.accuracy_at_80,
    })  # fmt: skip


def _filled(
    person: Person,
    model: str,
    taught: Dataset | None,
    exam: Dataset,
    answers: Answers,
    hmm_ids: metrics.IntArray,
    probable: Mapping[str, Any],
) -> Cell:
    figures = figures_of(exam, answers)
    smoothed, hmm = (metrics.confusion_counts(exam.labels, ids) for ids in (answers.smoothed_ids, hmm_ids))
    runs = runs_of(exam)
    return Cell(
        persona=person.persona,
        seed=person.seed,
        watched=person.watched,
        model=model,
        minutes_taught=0 if taught is None else int((~taught.is_weak).sum()),
        macro_f1=figures.macro_f1,
        accuracy=figures.accuracy,
        smoothed_macro_f1=metrics.macro_f1(smoothed),
        smoothed_accuracy=metrics.accuracy(smoothed),
        hmm_macro_f1=metrics.macro_f1(hmm),
        hmm_accuracy=metrics.accuracy(hmm),
        flap_rate=figures.flap_rate,
        flap_rate_smoothed=figures.flap_rate_smoothed,
        flap_rate_hmm=metrics.flap_rate(hmm_ids, runs),
        flap_rate_true=figures.flap_rate_true,
        boundary_minutes=figures.boundary.mean_minutes,
        boundary_minutes_hmm=metrics.boundary_error(exam.labels, hmm_ids, runs).mean_minutes,
        **probable,
    )


def by_rules(person: Person, exam: Dataset) -> Cell:
    """What the program in front is usually for; in the browser, the kind of site."""
    return _constant(person, "rules", exam, np.array([_rule(row) for row in exam.rows()]))


def _rule(row: FeatureRow) -> int:
    if row.is_browser:
        return _BY_DOMAIN.get(row.domain_category, _R)
    return _BY_PROGRAM.get(row.app_category, _U)


def by_majority(person: Person, exam: Dataset) -> Cell:
    """Always what was labelled for longest."""
    minutes: Counter[str] = Counter()
    for answered in person.answers:
        minutes[answered.span.label] += answered.minutes
    commonest = LABEL_SET_V1.index(minutes.most_common(1)[0][0])
    return _constant(person, "majority", exam, np.full(len(exam), commonest))


def _constant(person: Person, model: str, exam: Dataset, said: metrics.IntArray) -> Cell:
    """Labels without probabilities; the idle rule decides as ever, and nothing is smoothed."""
    ids = np.where(exam.is_models, said, BREAK_IDLE_ID)
    sure = np.ones(len(exam))
    answers = Answers(np.eye(len(LABEL_SET_V1))[ids], ids, np.zeros(len(exam), dtype=np.bool_), ids, sure)
    return _filled(person, model, None, exam, answers, ids, {})
