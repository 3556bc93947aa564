"""The actions of the training process: train a model, choose calibrators, tune the threshold, evaluate.

Results appear whole or not at all, with a note of the days they come from. No action changes what is served, except
for a threshold that the person asked to write, and for the first model of an empty home when it is better than the
starter model.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from taskclf_tray.core.atomic import write_json_atomic
from taskclf_tray.core.config import load_config
from taskclf_tray.core.errors import CalibratorError, PolicyValidationError
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.infer.calibrator_files import save_calibrator_store
from taskclf_tray.infer.calibrators import IdentityCalibrator
from taskclf_tray.models.bundle import copy_starter, starter_bundle
from taskclf_tray.models.registry import bundle_at, holds_a_bundle
from taskclf_tray.models.resolve import ModelResolutionError, resolve_inference_config
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.comparison import ModelComparison
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.evaluate import answer, evaluate, write_evaluation
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.gates import champion_gate
from taskclf_tray.train.splits import later_days
from taskclf_tray.train.train_minutes import (
    CALIBRATION_FILE,
    calibrated_until,
    extent,
    models_own,
    pipeline_of,
    progress_of,
    resolved_of,
    some_minutes_of,
    unseen_minutes,
)
from taskclf_tray.train.train_policy import (
    check_nothing_switches,
    keep_what_is_served,
    served_bundle_id,
    write_threshold,
)
from taskclf_tray.train.train_request import TrainRequest
from taskclf_tray.train.tune import tune_reject
from taskclf_tray.train.weak import weak_or_unlabelled

if TYPE_CHECKING:
    from taskclf_tray.train.calibrate import Calibration
    from taskclf_tray.train.train_model import JudgedModel

_CALIBRATING_SHARE: Final = 0.5
"""The share of the days after training to calibrate on, unless the request limits the days; the rest are for tuning."""
WRITING: Final = {"event": "writing"}
Outcome = dict[str, Any]


# -- a model --------------------------------------------------------------------------------------------------


def train(request: TrainRequest, say: ProgressCallback) -> Outcome:
    """Train and judge a model, and write its bundle. What is served stays, or gives way to a better one where it is the
    starter model of an empty home. Raises TaskclfError, OSError.
    """
    paths = HomePaths(Path(request.home))
    base_dir = Path(request.out_dir) if request.out_dir else paths.models
    is_ours = base_dir.resolve() == paths.models.resolve()
    if is_ours:
        check_nothing_switches(paths.models)
    prior, minutes = _prior(paths, request), some_minutes_of(request, paths, say, weak=weak_or_unlabelled)
    # LightGBM: 1.5 s of CPU, for this action alone
    from taskclf_tray.train.train_model import DEFAULT_OPTIONS, train_and_judge

    judged = train_and_judge(
        minutes,
        prior=prior,
        options=dataclasses.replace(
            DEFAULT_OPTIONS, schema_version=request.schema_version, rounds=request.rounds, seed=request.seed
        ),
        progress=progress_of(say),
    )
    say(WRITING)
    against_starter = _keep_what_is_better(paths, judged) if is_ours else None
    figures = judged.evaluation.figures
    metrics = {**judged.evaluation.bundle_metrics(), **_judgement(judged)}
    folder = judged.model.save(base_dir, metrics, judged.evaluation.confusion.tolist(), git_commit="unknown")
    return {
        "model": folder.name,
        "folder": str(folder),
        "schema_version": judged.model.schema.version,
        "seed": request.seed,
        "rounds": judged.model.best_iteration - (0 if prior is None else prior.rounds),
        "prior": None if prior is None else prior.name,
        "data_provenance": judged.model.metadata().data_provenance,
        "dataset_hash": judged.model.dataset_hash,
        "trained": {**extent(judged.training), "weak_minutes": _weak_minutes(judged.training)},
        "judged": {**_judgement(judged), **figures.to_dict()},
        "served": served_bundle_id(paths.models) if is_ours else None,
        "against_starter": against_starter,
    }


def _keep_what_is_better(paths: HomePaths, judged: JudgedModel) -> str | None:
    """Keep the new bundle from being served by merely appearing, where something better would have been.

    What is served stays. In a home without any bundle that is the starter model, unless the new model is clearly better
    on the days left out; returns the sentence about that, None where something is served.
    """
    if holds_a_bundle(paths.models):
        keep_what_is_served(paths.models)
        return None
    starter = pipeline_of(resolve_inference_config(paths.models, model_dir_override=starter_bundle()), paths)
    others = evaluate(judged.held_out, answer(starter, judged.held_out), resamples=0)
    gate = champion_gate(ModelComparison(judged.evaluation, others, is_personal=False))
    if not gate.holds:
        copy_starter(paths.models)
        keep_what_is_served(paths.models)
    return gate.words


def _weak_minutes(dataset: Dataset) -> int:
    """Count the minutes with a weak label."""
    return int((dataset.is_weak & (dataset.labels >= 0)).sum())


def _prior(paths: HomePaths, request: TrainRequest) -> Prior | None:
    """The prior of the request; by default the starter model, if the schemas agree. Raises ModelError."""
    match request.prior:
        case "none":
            return None
        case None | "starter":
            starter = Prior.starter()
            fits = starter.schema is SCHEMAS[request.schema_version]
            return starter if fits or request.prior is not None else None
        case name:
            return Prior.load(bundle_at(paths.models, name))


def _judgement(judged: JudgedModel) -> Outcome:
    first, last = judged.evaluation.date_range
    return {
        "judged_on": "each day left out" if judged.is_crossed else "later days",
        "judged_from": first,
        "judged_to": last,
    }


# -- calibrators ----------------------------------------------------------------------------------------------


def choose_calibrators(request: TrainRequest, say: ProgressCallback) -> Outcome:
    """Choose calibrators on days after those the model was trained on, and write a store bound to it."""
    paths = HomePaths(Path(request.home))
    resolved = resolved_of(request, paths, say)
    later = models_own(unseen_minutes(request, paths, resolved, say))
    if not request.is_limited and later.day_count > 1:
        later = later.take(later_days(later, 1 - _CALIBRATING_SHARE).training)
    # scikit-learn: 1.2 s of CPU, for this action alone
    from taskclf_tray.train.calibrate import calibrate

    bare = dataclasses.replace(resolved, calibrator=IdentityCalibrator(), calibrator_store=None)
    found = calibrate(
        answer(pipeline_of(bare, paths), later, progress_of(say)).probs,
        later.labels,
        days=later.days,
        block_ids=later.block_ids,
        user_ids=later.user_ids.tolist(),
        model_bundle_id=resolved.bundle_id,
        model_schema_hash=resolved.metadata.schema_hash,
        created_at=datetime.now(UTC).isoformat(),
    )
    notes = {**extent(later), "dataset_hash": later.dataset_hash, **found.to_dict()}
    say(WRITING)
    folder = _write_store(found, notes, _store_dir(request, paths, resolved.bundle_id))
    return {
        "model": resolved.bundle_id,
        "store": str(folder),
        "method": found.global_choice.method,
        "reason": found.global_choice.reason,
        "personal": list(found.store.user_ids),
        **notes,
        "is_served": _is_served(paths, folder),
        "is_served_later": resolved.origin == "starter" and folder.is_relative_to(paths.artifacts),
    }


def _store_dir(request: TrainRequest, paths: HomePaths, bundle_id: str) -> Path:
    """A new folder, since what a policy names never changes. Raises CalibratorError for one that is not empty."""
    now = datetime.now(UTC)
    usual = paths.artifacts / "calibrators" / f"{bundle_id}_{now:%Y-%m-%d_%H%M%S}"
    folder = Path(request.out_dir) if request.out_dir else usual
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CalibratorError(f"There is something in {folder} already.", "Choose another --out-dir.")
    return folder


def _write_store(found: Calibration, notes: Mapping[str, Any], folder: Path) -> Path:
    """Write the store so that its folder appears whole."""
    hidden = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        save_calibrator_store(found.store, hidden)
        write_json_atomic(hidden / CALIBRATION_FILE, notes)
        hidden.rename(folder)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return folder


def _is_served(paths: HomePaths, folder: Path) -> bool:
    try:
        store = resolve_inference_config(paths.models).calibrator_store_dir
    except ModelResolutionError:  # the model lies elsewhere, and the home has none
        return False
    return store is not None and store.resolve() == folder.resolve()


# -- the threshold --------------------------------------------------------------------------------------------


def tune(request: TrainRequest, say: ProgressCallback) -> Outcome:
    """Find the threshold that keeps the target, on days after those of model and calibrators; write it if asked."""
    paths = HomePaths(Path(request.home))
    resolved = resolved_of(request, paths, say)
    if request.is_to_be_written and resolved.origin == "starter":
        raise PolicyValidationError(
            f"{paths.home} holds no model yet, so there is none to write a threshold for.",
            "Start the app there once, which brings the starter model; or leave --write out.",
        )
    later = models_own(unseen_minutes(request, paths, resolved, say, with_calibrators=True))
    answers = answer(pipeline_of(resolved, paths), later, progress_of(say))
    target = request.target_accuracy or load_config(paths.config)[0].target_accuracy
    tuned = tune_reject(answers.probs, later.labels, later.block_ids, target_accuracy=target)
    is_written = request.is_to_be_written and tuned.threshold is not None
    if is_written:
        say(WRITING)
        is_named = request.calibrator_store is not None
        write_threshold(paths.models, resolved, tuned, later.user_ids.tolist(), with_calibrators=is_named)
    return {
        "model": resolved.bundle_id,
        "calibrators": None if resolved.calibrator_store_dir is None else str(resolved.calibrator_store_dir),
        **tuned.to_dict(),
        **extent(later),
        "threshold_before": resolved.reject_threshold,
        "written": str(paths.policy) if is_written else None,
    }


# -- judging --------------------------------------------------------------------------------------------------


def judge(request: TrainRequest, say: ProgressCallback) -> Outcome:
    """Evaluate a bundle on days it was not trained on; write evaluation.json and the pictures."""
    paths = HomePaths(Path(request.home))
    resolved = resolved_of(request, paths, say)
    later = unseen_minutes(request, paths, resolved, say)
    if (known := calibrated_until(resolved)) is not None and (later.days <= known.toordinal()).any():
        text = f"Calibrators were chosen on days up to {known}: the calibration error of these days looks too good."
        say({"event": "warning", "text": text})
    answers = answer(pipeline_of(resolved, paths), later, progress_of(say))
    is_seen = resolved.metadata.data_provenance != "synthetic"
    evaluation = evaluate(later, answers, seen_users=set(later.user_ids.tolist()) if is_seen else ())
    folder = Path(request.out_dir) if request.out_dir else paths.artifacts / "evaluation" / resolved.bundle_id
    say(WRITING)
    files = write_evaluation(evaluation, folder)
    return {
        "model": resolved.bundle_id,
        "reject_threshold": resolved.reject_threshold,
        "files": {name: str(path) for name, path in files.items()},
        **evaluation.to_dict(),
    }


ACTIONS: Final[Mapping[str, Callable[[TrainRequest, ProgressCallback], Outcome]]] = {
    "lgbm": train,
    "calibrate": choose_calibrators,
    "tune-reject": tune,
    "evaluate": judge,
}
