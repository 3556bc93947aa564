"""Evaluate a pipeline on minutes that a person labelled.

The predictions come from the pipeline that is served (`infer.batch.run_batch` with a `PipelineConfig`): encoding,
personal calibrators, thresholds, the idle rule and smoothing are those of a running app. Two models are compared by
predicting the same dataset twice.

Which minutes count: accuracy, F1, the confusion matrix and label changes are over every labelled minute, so those of
the idle rule count for BreakIdle. Calibration error, Brier score, risk and coverage are over the minutes the model
decides, because the certainty of the idle rule is not the model's. The most probable label counts as the prediction
also where it is rejected; the risk-coverage curve, the reject rate and the accuracy of accepted minutes show what
rejecting does. Smoothing and label changes are evaluated inside runs of labelled minutes. Weak labels never count.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from taskclf_tray.core.atomic import write_bytes_atomic, write_json_atomic
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.batch import OnProgress, run_batch
from taskclf_tray.infer.categorical import Categorical
from taskclf_tray.infer.head import CONTEXT_BUCKETS
from taskclf_tray.infer.pipeline import LABELS_AND_MIXED, PipelineConfig
from taskclf_tray.train import metrics
from taskclf_tray.train.batch_inputs import RecordedRows
from taskclf_tray.train.dataset import BoolArray, Dataset, IntArray
from taskclf_tray.train.metrics import BoundaryError, ClassFigures, FloatArray, Interval, ReliabilityBin

EVALUATION_FILE: Final = "evaluation.json"
REJECTED_ID: Final = len(LABEL_SET_V1)
"""What stands for `Mixed/Unknown` beside the eight label ids."""
CURVE_POINTS: Final = 101
WITH_INTERVAL: Final = ("macro_f1", "weighted_f1", "accuracy", "ece", "brier", "accuracy_at_60", "accuracy_at_80")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The predictions for the lines of a dataset, as arrays of N."""

    probs: FloatArray
    """(N, 8) calibrated probabilities; one-hot where the idle rule decides."""
    label_ids: IntArray
    """The most probable label, also where it is rejected."""
    is_rejected: BoolArray
    smoothed_ids: IntArray
    """After smoothing; `REJECTED_ID` for `Mixed/Unknown`."""
    confidences: FloatArray

    def take(self, which: IntArray | BoolArray) -> Answers:
        """The predictions of some lines (a mask, or positions)."""
        return Answers(
            self.probs[which],
            self.label_ids[which],
            self.is_rejected[which],
            self.smoothed_ids[which],
            self.confidences[which],
        )

    @classmethod
    def none(cls, count: int) -> Answers:
        """Empty predictions for `count` lines, to be `put`."""
        whole, share = np.zeros((2, count), dtype=np.int64), np.zeros((count, len(LABEL_SET_V1)))
        return cls(share, whole[0], np.zeros(count, dtype=np.bool_), whole[1], np.zeros(count))

    def put(self, which: IntArray, found: Answers) -> None:
        """Write the predictions of some lines into their places."""
        self.probs[which], self.label_ids[which] = found.probs, found.label_ids
        self.is_rejected[which], self.smoothed_ids[which] = found.is_rejected, found.smoothed_ids
        self.confidences[which] = found.confidences

    @property
    def raw_ids(self) -> IntArray:
        """(N,) label ids before smoothing, `REJECTED_ID` where rejected."""
        return np.where(self.is_rejected, REJECTED_ID, self.label_ids)


def answer(config: PipelineConfig, dataset: Dataset, on_progress: OnProgress | None = None) -> Answers:
    """Predict the rows of the dataset with this pipeline; rows are unpacked in chunks."""
    served = run_batch(config, RecordedRows(dataset.packed), on_progress=on_progress)
    smoothed = Categorical.of(served.smoothed_labels)
    return Answers(
        probs=served.core_probs,
        label_ids=served.core_probs.argmax(axis=1),
        is_rejected=served.is_rejected,
        smoothed_ids=smoothed.table(map(LABELS_AND_MIXED.index, smoothed.values), np.int64),
        confidences=served.confidences,
    )


def answer_some(config: PipelineConfig, dataset: Dataset, places: IntArray) -> Answers:
    """Predict the lines at these positions, rising, among the minutes around them, as they are served."""
    near = np.union1d(places, dataset.neighbours(places, CONTEXT_BUCKETS)[1])
    return answer(config, dataset.take(near)).take(np.searchsorted(near, places))


@dataclass(frozen=True, slots=True)
class Figures:
    """The metrics of one set of minutes; NaN where there is nothing to count."""

    minutes: int
    model_minutes: int
    """Those of them that the model decides."""
    days: int
    blocks: int
    macro_f1: float
    weighted_f1: float
    accuracy: float
    ece: float
    """Expected calibration error over 15 bins of equal mass."""
    brier: float
    nll: float
    aurc: float
    accuracy_at_60: float
    """Among the most confident 60 % of the model's minutes."""
    accuracy_at_80: float
    reject_rate: float
    """Of the minutes the model decides."""
    accepted_accuracy: float
    """Among the minutes the model decides and does not reject."""
    flap_rate: float
    flap_rate_smoothed: float
    flap_rate_true: float
    """Of the true labels."""
    boundary: BoundaryError

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; None where there is nothing to count."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All metrics of some predictions; the head of this file says which minutes count."""

    figures: Figures
    classes: tuple[ClassFigures, ...]
    confusion: IntArray
    """(8, 8) minutes: a row per true label, a column per predicted one."""
    reliability: tuple[ReliabilityBin, ...]
    risk_coverage: tuple[tuple[float, float], ...]
    """(coverage, risk), coverage rising to 1."""
    intervals: Mapping[str, Interval | None]
    """Of each name in `WITH_INTERVAL`; None where there are too few days."""
    users: Mapping[str, Figures]
    seen: Figures | None
    """Of users the model was trained on, and …"""
    unseen: Figures | None
    """… of others; None where there are none, or it is not known who was seen."""
    date_range: tuple[str, str]
    dataset_hash: str
    by_block: IntArray
    """(B, 8, 8) the confusion matrix of each labelled block, and …"""
    block_days: IntArray
    """… (B,) a number of its user and local day."""
    sureness_by_block: FloatArray
    """(B, 3) of the minutes the model decides in it: their number, the sum of their confidences, and the right ones."""

    def bundle_metrics(self) -> dict[str, Any]:
        """The content of the bundle's metrics.json."""
        return {
            "macro_f1": _plain(self.figures.macro_f1) or 0.0,
            "weighted_f1": _plain(self.figures.weighted_f1) or 0.0,
            "confusion_matrix": self.confusion.tolist(),
            "label_names": list(LABEL_SET_V1),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "date_from": self.date_range[0],
            "date_to": self.date_range[1],
            "dataset_hash": self.dataset_hash,
            **self.figures.to_dict(),
            "intervals_95": {name: None if i is None else [i.low, i.high] for name, i in self.intervals.items()},
            "classes": [asdict(figures) for figures in self.classes],
            "label_names": list(LABEL_SET_V1),
            "confusion_matrix": self.confusion.tolist(),
            "reliability": [asdict(part) for part in self.reliability],
            "risk_coverage": [{"coverage": coverage, "risk": risk} for coverage, risk in self.risk_coverage],
            "seen_users": None if self.seen is None else self.seen.to_dict(),
            "unseen_users": None if self.unseen is None else self.unseen.to_dict(),
            "users": {user: figures.to_dict() for user, figures in self.users.items()},
        }


def evaluate(
    dataset: Dataset,
    answers: Answers,
    *,
    seen_users: Collection[str] | None = None,
    resamples: int = metrics.RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Evaluate the predictions for these lines.

    Args:
        seen_users: the users the model was trained on; None where it is not known.
        resamples: draws of the bootstrap behind the intervals; 0 for no intervals.

    Raises:
        ValueError: there are not as many predictions as lines.
    """
    if len(dataset) != len(answers.label_ids):
        raise ValueError(f"{len(answers.label_ids)} answers for {len(dataset)} labelled minutes")
    said = np.flatnonzero(~dataset.is_weak)
    dataset, answers = dataset.take(said), answers.take(said)
    confusion = metrics.confusion_counts(dataset.labels, answers.label_ids)
    sure, is_right = answers.confidences[dataset.is_models], _is_right(dataset, answers)[dataset.is_models]
    figures = figures_of(dataset, answers)
    users = np.unique(dataset.user_ids).tolist()
    seen = None if seen_users is None else np.isin(dataset.user_ids, [u for u in users if u in seen_users])
    return Evaluation(
        figures=figures,
        classes=metrics.class_figures(confusion),
        confusion=confusion,
        reliability=metrics.reliability_bins(sure, is_right),
        risk_coverage=_curve(metrics.risk_coverage(sure, is_right)),
        intervals=_intervals(dataset, answers, resamples, seed),
        users={user: _part(dataset, answers, dataset.user_ids == user) for user in users},
        seen=None if seen is None or not seen.any() else _part(dataset, answers, seen),
        unseen=None if seen is None or seen.all() else _part(dataset, answers, ~seen),
        date_range=dataset.date_range,
        dataset_hash=dataset.dataset_hash,
        **_by_block(dataset, answers),
    )


def _by_block(dataset: Dataset, answers: Answers) -> dict[str, Any]:
    _, first, block = np.unique(dataset.block_ids, return_index=True, return_inverse=True)
    classes = len(LABEL_SET_V1)
    by_block = np.zeros((len(first), classes, classes), dtype=np.int64)
    np.add.at(by_block, (block, dataset.labels, answers.label_ids), 1)
    sure = np.stack([np.ones(len(dataset)), answers.confidences, _is_right(dataset, answers)], axis=1)
    sureness = np.zeros((len(first), 3))
    np.add.at(sureness, block[dataset.is_models], sure[dataset.is_models])
    return {"by_block": by_block, "block_days": _user_days(dataset)[first], "sureness_by_block": sureness}


def _user_days(dataset: Dataset) -> IntArray:
    """(N,) a number of each line's user and local day."""
    _, user = np.unique(dataset.user_ids, return_inverse=True)
    return np.asarray(user * 10_000_000 + dataset.days, dtype=np.int64)


def figures_of(dataset: Dataset, answers: Answers) -> Figures:
    """The metrics of all these minutes, weak or not."""
    confusion = metrics.confusion_counts(dataset.labels, answers.label_ids)
    of_model = np.flatnonzero(dataset.is_models)
    probs, y = answers.probs[of_model], dataset.labels[of_model]
    sure, is_right = answers.confidences[of_model], _is_right(dataset, answers)[of_model]
    accepted = ~answers.is_rejected[of_model]
    risks = metrics.risk_coverage(sure, is_right)
    runs = runs_of(dataset)
    return Figures(
        minutes=len(dataset),
        model_minutes=len(of_model),
        days=dataset.day_count,
        blocks=dataset.block_count,
        macro_f1=metrics.macro_f1(confusion),
        weighted_f1=metrics.weighted_f1(confusion),
        accuracy=metrics.accuracy(confusion),
        ece=metrics.calibration_error(metrics.reliability_bins(sure, is_right)),
        brier=metrics.brier(probs, y),
        nll=metrics.nll(probs, y),
        aurc=metrics.aurc(risks),
        accuracy_at_60=metrics.accuracy_at(risks, 0.6),
        accuracy_at_80=metrics.accuracy_at(risks, 0.8),
        reject_rate=float(1 - accepted.mean()) if len(accepted) else metrics.NAN,
        accepted_accuracy=float(is_right[accepted].mean()) if accepted.any() else metrics.NAN,
        flap_rate=metrics.flap_rate(answers.raw_ids, runs),
        flap_rate_smoothed=metrics.flap_rate(answers.smoothed_ids, runs),
        flap_rate_true=metrics.flap_rate(dataset.labels, runs),
        boundary=metrics.boundary_error(dataset.labels, answers.smoothed_ids, runs),
    )


def runs_of(dataset: Dataset) -> IntArray:
    """(N,) the number of the run of neighbouring labelled minutes that each line is in, whatever its label.

    One missing minute does not end a run: the minute in which one kind of work gives way to another has no label.
    """
    gaps_us, lengths_us = dataset.start_us[1:] - dataset.end_us[:-1], dataset.end_us[:-1] - dataset.start_us[:-1]
    opens = np.ones(len(dataset), dtype=np.bool_)
    opens[1:] = (dataset.user_ids[1:] != dataset.user_ids[:-1]) | (gaps_us > lengths_us)
    return np.asarray(np.cumsum(opens) - 1, dtype=np.int64)


def write_evaluation(evaluation: Evaluation, folder: Path) -> dict[str, Path]:
    """Write evaluation.json and the pictures; returns {"evaluation": path, name of the picture: path, …}.

    Raises OSError.
    """
    from taskclf_tray.train import plots  # matplotlib: 0.7 s of CPU, for who draws

    pictures = plots.pictures_of(evaluation)
    written = {"evaluation": folder / EVALUATION_FILE, **{name: folder / f"{name}.png" for name in pictures}}
    write_json_atomic(written["evaluation"], evaluation.to_dict())
    for name, png in pictures.items():
        write_bytes_atomic(written[name], png)
    return written


def _is_right(dataset: Dataset, answers: Answers) -> BoolArray:
    return np.asarray(answers.label_ids == dataset.labels)


def _part(dataset: Dataset, answers: Answers, which: BoolArray) -> Figures:
    return figures_of(dataset.take(which), answers.take(which))


def _curve(risks: FloatArray) -> tuple[tuple[float, float], ...]:
    """At most `CURVE_POINTS` points of a risk-coverage curve, the last at coverage 1."""
    if not len(risks):
        return ()
    at = np.unique(np.linspace(0, len(risks) - 1, min(CURVE_POINTS, len(risks))).round().astype(np.int64))
    return tuple(((k + 1) / len(risks), float(risks[k])) for k in at.tolist())


def _intervals(dataset: Dataset, answers: Answers, resamples: int, seed: int) -> dict[str, Interval | None]:
    if not resamples:
        return dict.fromkeys(WITH_INTERVAL)
    order = np.argsort(answers.confidences, kind="stable")  # once: what is nearly in order is quickly sorted
    dataset, answers = dataset.take(order), answers.take(order)
    y, said, sure = dataset.labels, answers.label_ids, answers.confidences
    is_right, is_models = _is_right(dataset, answers), dataset.is_models
    truth = np.eye(len(LABEL_SET_V1))[y]
    distance = ((answers.probs - truth) ** 2).sum(axis=1)

    def numbers(rows: IntArray) -> list[float]:
        rows = np.sort(rows)
        confusion = metrics.confusion_counts(y[rows], said[rows])
        own = rows[is_models[rows]]
        risks = metrics.risk_coverage(sure[own[::-1]], is_right[own[::-1]])
        return [
            metrics.macro_f1(confusion),
            metrics.weighted_f1(confusion),
            metrics.accuracy(confusion),
            metrics.calibration_error(metrics.reliability_bins(sure[own], is_right[own])),
            float(distance[own].mean()) if len(own) else metrics.NAN,
            metrics.accuracy_at(risks, 0.6),
            metrics.accuracy_at(risks, 0.8),
        ]

    found = metrics.day_intervals(numbers, _user_days(dataset), resamples=resamples, seed=seed)
    return dict(zip(WITH_INTERVAL, found, strict=True))


def _plain(value: Any) -> Any:
    """The value with None for every NaN, which is no JSON."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
