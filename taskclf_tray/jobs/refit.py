"""The process that learns from an answer: `python -m taskclf_tray.jobs.refit REQUEST`, REQUEST as JSON.

It fits the personal head from the labels in force and writes its file; the app puts it in force. Labels and policy are
only read. For what it prints see `process.py`. Its answer: `outcome` is "fitted" or "off" (nothing is to be changed);
`head` is the policy's key, None where too few labels are left for one; `basis` is what it was fitted beside;
`threshold` holds the policy's keys of the reject threshold that follows from it, none beside a model of this person.
"""

from __future__ import annotations

if __name__ == "__main__":  # handlers of stop signals before any import
    from taskclf_tray.system.job_entry import start

    start("taskclf_tray.jobs.refit")

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from taskclf_tray.core.config import load_config
from taskclf_tray.core.errors import file_error
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.time import from_us, local_date
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.jobs.process import serve
from taskclf_tray.models.head_files import as_written, save_head
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.models.policy import TUNING_KEY
from taskclf_tray.models.promotion import HeadBasis, is_personal, may_learn, policy_to_learn_on
from taskclf_tray.models.resolve import Explicit, ResolvedInferenceConfig, advisory_threshold, build_config
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.dataset import Dataset, FloatArray
from taskclf_tray.train.dataset_sources import minutes_near_labels
from taskclf_tray.train.head import fit_head, refit_head
from taskclf_tray.train.splits import look_back
from taskclf_tray.train.tune import tune_reject

OFF: dict[str, Any] = {"outcome": "off"}


def run(request: dict[str, Any], _say: ProgressCallback) -> dict[str, Any]:
    """Fit the head and write its file. Raises TaskclfError."""
    paths = HomePaths(Path(request["home"]))
    models = Path(request["models_dir"])
    now = from_us(request["now_us"])
    try:
        policy = policy_to_learn_on(models)
        served = build_config(models, models.parent / policy.model_dir, "policy", policy, Explicit())
        if not may_learn(served):
            return OFF
        dataset = _labelled(paths, now, request["time_zone"])
        head, threshold = _fitted(dataset, served, load_config(paths.config)[0].target_accuracy)
        if _is_same(head, served.head):
            return OFF
        minutes = int(np.count_nonzero(~dataset.is_weak))
        entry = None if head is None else save_head(head, models.parent, fitted_at=now, labelled_minutes=minutes)
    except OSError as error:
        raise file_error(error) from error
    basis = asdict(HeadBasis.of(policy))
    return {
        "outcome": "fitted",
        "head": None if entry is None else entry.model_dump(),
        "basis": basis,
        "threshold": threshold,
    }


def _labelled(paths: HomePaths, now: datetime, time_zone: str) -> Dataset:
    user_id = load_or_create_identity(paths.home).user_id
    with closing(Database(paths.database, read_only=True)) as database:
        return look_back(minutes_near_labels(database, user_id), local_date(now, time_zone))


def _fitted(
    dataset: Dataset, served: ResolvedInferenceConfig, target_accuracy: float
) -> tuple[PersonalHead | None, dict[str, Any]]:
    """The head of these labels: beside a model of this person with the powers it had, else with powers of its own.

    A model of this person without labels in reach keeps its head, and its threshold in any case. Elsewhere the
    threshold is the one that keeps the target on minutes left out, as after a training.
    """
    if is_personal(served):
        former = served.head
        powers = None if former is None else (former.head_power, former.forest_power)
        return refit_head(dataset, powers) or former, {}
    fitted = fit_head(dataset, lambda minutes: _raw(served, minutes))
    if fitted is None:
        return None, {"reject_threshold": advisory_threshold(served.metadata), TUNING_KEY: None}
    labelled = fitted.labelled
    tuned = tune_reject(fitted.probs, labelled.labels, labelled.block_ids, target_accuracy=target_accuracy)
    return fitted.head, {"reject_threshold": tuned.served_threshold, TUNING_KEY: tuned.to_dict()}


def _raw(served: ResolvedInferenceConfig, minutes: Dataset) -> FloatArray:
    """(n, 8): what the model says alone, before calibration."""
    encoder = PipelineConfig.from_resolved(served, taxonomy=None).encoder
    return served.model.predict(minutes.matrix(encoder))


def _is_same(head: PersonalHead | None, served: PersonalHead | None) -> bool:
    """Whether the head in force has the same numbers, so that nothing would change."""
    if head is None or served is None:
        return head is served
    new = as_written(head)
    powers = (new.head_power, new.forest_power) == (served.head_power, served.forest_power)
    names = ("buckets", "idf", "own", "context", "bias")
    return powers and all(np.array_equal(getattr(new, name), getattr(served, name)) for name in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 when done, 1 after a reported error."""
    return serve(run, arguments, what="learning from an answer")
