"""One retraining: from the labelled record to a promoted model, or a refused one with the reasons."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from taskclf_tray.core.atomic import write_json_atomic
from taskclf_tray.core.config import load_config
from taskclf_tray.core.errors import StoreError, TaskclfError
from taskclf_tray.core.private_files import make_private_folder
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.smoothing import SMOOTHING_KEY, smoothing_entry
from taskclf_tray.core.time import from_us, local_date, to_us
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.labels.learning import (
    LabelState,
    LastTraining,
    Reinference,
    load_reinference,
    save_last_training,
    save_learnt,
    save_reinference,
)
from taskclf_tray.models.bundle import read_metadata, starter_bundle
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.models.promotion import is_personal, promote, served_now
from taskclf_tray.models.resolve import ResolvedInferenceConfig, resolve_inference_config
from taskclf_tray.models.retention import TRAINING_FILE, clear_staging, keep_rejected, remove_replaced, staging_dir
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.system.stop_signals import install
from taskclf_tray.train.comparison import MIN_CLASS_MINUTES, ModelComparison
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.evaluate import Evaluation, evaluate, write_evaluation
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.gates import (
    Verdict,
    bundle_gate,
    judge,
    often_wrong,
    unlabelled_breaks,
)
from taskclf_tray.train.metrics import ClassFigures
from taskclf_tray.train.retrain import (
    Challenger,
    TrainingConfig,
    compare_with_champion,
    known_days,
    make_challenger,
)
from taskclf_tray.train.splits import look_back
from taskclf_tray.train.train_minutes import minutes_of
from taskclf_tray.train.train_model import learn_transitions
from taskclf_tray.train.train_request import RetrainRequest
from taskclf_tray.train.tune import RejectThresholdResult
from taskclf_tray.train.weak import weak_or_unlabelled

Facts = dict[str, Any]
_RECOGNISED: Final = 0.5
"""The least recall of a label that counts as recognised."""
_WORTH_TELLING: Final = 0.05
_MOST_LINES: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """A challenger, its evaluation, and the comparison with the model in use.

    `champion`: what is served; None where nothing is, and the comparison is with the starter model.
    """

    dataset: Dataset
    challenger: Challenger
    evaluation: Evaluation
    champion: ResolvedInferenceConfig | None
    comparison: ModelComparison
    is_fair: bool

    def verdict(self, staged: Path) -> Verdict:
        """The outcome of the gates; `staged` is the bundle of the challenger."""
        return judge(
            self.evaluation,
            self.comparison,
            leaked=self.challenger.leaked,
            idle_minutes=unlabelled_breaks(self.dataset, self.challenger.held_out),
            bundle=bundle_gate(staged),
            is_news=self.champion is None or _identity(self.champion.metadata) != _identity(read_metadata(staged)),
        )

    def facts(self) -> Facts:
        """JSON-ready."""
        challenger = self.challenger
        return {
            "labelled_minutes": int(np.count_nonzero(~self.dataset.is_weak)),
            "labelled_blocks": self.dataset.block_count,
            "labelled_days": self.dataset.day_count,
            "previous_model": None if self.champion is None else self.champion.bundle_id,
            "reject_threshold": challenger.reject_threshold,
            "tuned_reject": challenger.tuned.to_dict(),
            "judged_on": "each day left out" if challenger.is_cross_fit else "later days",
            "macro_f1": self.comparison.macro_f1.challenger,
            "previous_macro_f1": self.comparison.macro_f1.champion,
            "accuracy": self.comparison.accuracy.challenger,
            "previous_accuracy": self.comparison.accuracy.champion,
        }


def _identity(metadata: ModelMetadata) -> tuple[str | None, str]:
    """What makes it another model: its trees, or the labels that its head and calibrators were fitted on."""
    return metadata.sha256, metadata.dataset_hash


class Retraining:
    """One training, from the record to the outcome. The caller holds the training lock."""

    def __init__(self, request: RetrainRequest, paths: HomePaths, say: ProgressCallback) -> None:
        settings, _ = load_config(paths.config)
        self._settings = settings
        self._request = request
        self._paths = paths
        self._say = say
        self._models = paths.models if request.models_dir is None else Path(request.models_dir)
        self._user_id = load_or_create_identity(paths.home).user_id
        self._now_us = to_us(datetime.now(UTC)) if request.now_us is None else request.now_us
        self._target = settings.target_accuracy if request.target_accuracy is None else request.target_accuracy
        self._window = settings.smooth_window if request.smooth_window is None else request.smooth_window
        self._smoother = request.smoother or settings.smoother

    def run(self) -> Facts:
        """Train, judge, and promote or refuse. Raises TaskclfError, OSError."""
        clear_staging(self._models)
        try:
            trial = self._trial(served_now(self._models))
            staged = self._staged(trial)
            verdict = trial.verdict(staged)
            self._describe(trial, verdict, staged)
            facts = {**trial.facts(), "notes": list(verdict.notes)}
            ending = self._promote(trial, staged) if verdict.is_accepted else self._refuse(trial, verdict, staged)
            return {**ending, **facts}
        finally:
            clear_staging(self._models)

    # -- making and judging -----------------------------------------------------------------------------------

    def _trial(self, champion: ResolvedInferenceConfig | None) -> _Trial:
        dataset = self._dataset()
        recipe = TrainingConfig(
            target_accuracy=self._target,
            smooth_window=self._window,
            smoother=self._smoother,
            created_at=datetime.now(UTC).isoformat(),
        )
        challenger = make_challenger(dataset, Prior.starter(), recipe, self._progress)
        evaluation = evaluate(challenger.held_out, challenger.answers)
        rival = champion or resolve_inference_config(self._models, model_dir_override=starter_bundle())
        is_own = is_personal(rival)
        known = known_days(challenger.held_out, rival.metadata, is_personal=is_own)
        config = PipelineConfig.from_resolved(rival, taxonomy=None, smooth_window=self._window, smoother=self._smoother)
        has_learnt = is_own or config.head is not None  # the head of answers is personal, whatever the forest is
        comparison, is_fair = compare_with_champion(challenger, evaluation, config, known, is_personal=has_learnt)
        return _Trial(dataset, challenger, evaluation, champion, comparison, is_fair)

    def _dataset(self) -> Dataset:
        """The labelled minutes that count: those looked back at, or with an export all of them.

        Raises StoreError, ExportFormatError, LabelError.
        """
        request = self._request
        everything = minutes_of(
            request,
            self._paths,
            self._say,
            weak=weak_or_unlabelled,
            provenance="synthetic" if request.is_synthetic else "real",
            at=from_us(self._now_us),
        )
        today = local_date(from_us(self._now_us), request.time_zone)
        dataset = everything if request.inputs else look_back(everything, today)
        said, blocks, days = np.count_nonzero(~dataset.is_weak), dataset.block_count, dataset.day_count
        self._step(f"Training on {said} labelled minutes in {blocks} blocks on {days} days.")
        return dataset

    def _staged(self, trial: _Trial) -> Path:
        """Write the bundle into the staging folder, as it would be served."""
        make_private_folder(staging_dir(self._models))
        staged = trial.challenger.model.save(
            staging_dir(self._models),
            trial.evaluation.bundle_metrics(),
            trial.evaluation.confusion.tolist(),
            reject_threshold=trial.challenger.reject_threshold,
        )
        write_evaluation(trial.evaluation, staged)
        return staged

    def _describe(self, trial: _Trial, verdict: Verdict, staged: Path) -> None:
        """Write down how the challenger was judged, and log it."""
        challenger, comparison = trial.challenger, trial.comparison
        description = {
            "calibration": challenger.calibration.to_dict(),
            "tuned_reject": challenger.tuned.to_dict(),
            "reject_threshold": challenger.reject_threshold,
            "is_cross_fit": challenger.is_cross_fit,
            "verdict": verdict.to_dict(),
            "champion": comparison.champion.to_dict(),
        }
        write_json_atomic(staged / TRAINING_FILE, description)
        self._step(judged_words(comparison, challenger.is_cross_fit))
        self._step(sureness(challenger.tuned))
        for note in (*verdict.advice, *verdict.notes):
            self._step(note)

    # -- how it ends ------------------------------------------------------------------------------------------

    def _promote(self, trial: _Trial, staged: Path) -> Facts:
        """Switch to the challenger. From here on stop signals are ignored, so the switch is reported."""
        install(signal.SIG_IGN)
        challenger, learnt = trial.challenger, learn_transitions(trial.dataset)
        sentences = promoted(trial.comparison, trial.evaluation.figures.accuracy, challenger.tuned)
        with _Record(self._paths, self._user_id) as record:
            before = load_reinference(record.database, self._user_id)
            record.reinfer(Reinference(staged.name))
            try:
                bundle = promote(
                    self._models,
                    staged,
                    challenger.store,
                    reject_threshold=challenger.reject_threshold,
                    replaces=None if trial.champion is None else trial.champion.bundle_id,
                    head=challenger.head,
                    labelled_minutes=int(np.count_nonzero(~trial.dataset.is_weak)),
                    notes={"tuned_reject": challenger.tuned.to_dict(), SMOOTHING_KEY: smoothing_entry(learnt)},
                )
            except BaseException:
                record.reinfer(before)
                raise
            with contextlib.suppress(StoreError):  # it is in use: that a note of it is missing must not deny it
                record.learn_again()
                record.remember(LastTraining(self._now_us, "promoted", bundle.name, tuple(sentences)))
        self._step(f"Promoted {bundle.name}. {' '.join(sentences)}")
        with contextlib.suppress(OSError, TaskclfError):
            for name in remove_replaced(self._models):
                self._step(f"Removed {name}, which was replaced long ago.")
        return {"outcome": "promoted", "model": bundle.name, "folder": str(bundle), "sentences": sentences}

    def _refuse(self, trial: _Trial, verdict: Verdict, staged: Path) -> Facts:
        sentences = refused(verdict, is_fair=trial.is_fair)
        kept = keep_rejected(self._models, staged, {"run": staged.name, "sentences": sentences, **verdict.to_dict()})
        with _Record(self._paths, self._user_id) as record:
            record.remember(LastTraining(self._now_us, "refused", kept.name, tuple(sentences)))
        self._step(f"Refused {kept.name}. {' '.join(sentences)}")
        return {"outcome": "refused", "model": kept.name, "folder": str(kept), "sentences": sentences}

    # -- telling ----------------------------------------------------------------------------------------------

    def _progress(self, done: int, total: int) -> None:
        self._say({"event": "progress", "done": done, "total": total})

    def _step(self, sentence: str) -> None:
        self._say({"event": "step", "text": sentence})


class _Record:
    """The database, open for what a training writes down."""

    def __init__(self, paths: HomePaths, user_id: str) -> None:
        self.database = Database(paths.database)
        self._user_id = user_id

    def __enter__(self) -> _Record:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def remember(self, last: LastTraining) -> None:
        save_last_training(self.database, self._user_id, last)

    def learn_again(self) -> None:
        """Let the app fit the new head to all labels: it has not learnt the days it was judged on, nor labels since."""
        save_learnt(self.database, self._user_id, LabelState())

    def reinfer(self, reinference: Reinference | None) -> None:
        save_reinference(self.database, self._user_id, reinference)


# -- words --------------------------------------------------------------------------------------------------


def changes(comparison: ModelComparison | None) -> list[str]:
    """Lines like `Debug is now recognised: recall 0.31 → 0.68`, the greatest change first, losses included."""
    if comparison is None:
        return []
    pairs = [
        (new, old)
        for new, old in zip(comparison.challenger.classes, comparison.champion.classes, strict=True)
        if new.support >= MIN_CLASS_MINUTES and abs(_recall(new) - _recall(old)) >= _WORTH_TELLING
    ]
    pairs.sort(key=lambda pair: -abs(_recall(pair[0]) - _recall(pair[1])))
    return [_change(new, old) for new, old in pairs[:_MOST_LINES]]


def _change(new: ClassFigures, old: ClassFigures) -> str:
    before, after = _recall(old), _recall(new)
    figures = f"recall {before:.2f} → {after:.2f}"
    if before < _RECOGNISED <= after:
        return f"{new.label} is now recognised: {figures}"
    if after < _RECOGNISED <= before:
        return f"{new.label} is hardly recognised any more: {figures}"
    return f"{new.label} is recognised {'better' if after > before else 'less'}: {figures}"


def _recall(figures: ClassFigures) -> float:
    return figures.recall or 0.0


def promoted(comparison: ModelComparison | None, accuracy: float, tuned: RejectThresholdResult) -> list[str]:
    """The sentences for a new model in use."""
    told = changes(comparison)
    if not told:
        told = [f"On days it had not seen {accuracy:.0%} of the labelled minutes are right"]
    bad = [] if comparison is None else often_wrong(comparison.challenger)
    if bad:
        told.append(f"It is still often wrong at {' and '.join(bad[:2])}: more labels of these would help")
    return [f"{line}." for line in told] + [sureness(tuned)]


def sureness(tuned: RejectThresholdResult) -> str:
    """What is promised of the labels shown, whether that is proven, and what an easier target would show."""
    target, estimate = f"{tuned.target_accuracy:.0%}", tuned.estimate
    if tuned.threshold is not None:
        told = (
            f"With the threshold {tuned.threshold:.2f} at least {target} of the labels shown are right "
            f"({tuned.confidence:.0%} sure); {tuned.coverage:.0%} of the minutes get one."
        )
    elif estimate is not None:
        told = (
            f"With the threshold {estimate.threshold:.2f} about {target} of the labels shown are right, estimated from "
            f"your labels so far; {estimate.coverage:.0%} of the minutes get one. {tuned.reason}"
        )
    else:
        told = f"At no threshold {target} of the labels are right yet, so none is shown. {tuned.reason}"
    easier = tuned.easier
    if easier is None:
        return told
    return (
        f"{told} If {easier.target_accuracy:.0%} right is enough for you, {easier.coverage:.0%} of the minutes get a "
        f"label: write target_accuracy = {easier.target_accuracy:g} into config.toml and train again."
    )


def refused(verdict: Verdict, *, is_fair: bool) -> list[str]:
    """The sentences for a refused model. `is_fair`: the model in use was not trained on the days either."""
    sentences = list(verdict.reasons)
    if not is_fair and any(gate.name == "champion" and not gate.holds for gate in verdict.gates):
        sentences.append("The model in use was trained on these days. Label blocks from now on for a fair comparison.")
    return sentences


def judged_words(comparison: ModelComparison, is_cross_fit: bool) -> str:
    """One line for the log."""
    figures, accuracy, macro_f1 = comparison.challenger.figures, comparison.accuracy, comparison.macro_f1
    how = "each day left out once" if is_cross_fit else "the last days"
    where = f"{figures.minutes} labelled minutes of {figures.days} days ({how})"
    return (
        f"Judged on {where}: {accuracy.challenger:.0%} right, macro F1 {macro_f1.challenger:.2f}; "
        f"what is served {accuracy.champion:.0%} and {macro_f1.champion:.2f} on the same minutes."
    )
