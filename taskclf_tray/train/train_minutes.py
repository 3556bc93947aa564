"""The labelled minutes an action of the training process works on, and the pipeline it is about.

Every step works on days that the step before has not seen: calibrators are chosen on later days than the model was
trained on, and the threshold is tuned on later days still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.config import load_config
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.strict_json import BadJsonError, read_json_object
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.labels.csv_files import LabelTimes
from taskclf_tray.models.draft_policy import found_store
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.models.resolve import MISSING_POLICY, ResolvedInferenceConfig, resolve_inference_config
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.batch_inputs import check_host, tell_export
from taskclf_tray.train.dataset import Dataset, Provenance
from taskclf_tray.train.dataset_sources import WeakRule, labelled_minutes
from taskclf_tray.train.train_request import MinutesRequest, TrainRequest

CALIBRATION_FILE: Final = "calibration.json"
"""Beside store.json: the days the calibrators were chosen on, and the reasons."""
WITHOUT: Final = "none"
"""The name that stands for no calibrator store."""
_FIRST_US: Final = -(2**61)
_LAST_US: Final = 2**61
_LABEL_LATER: Final = "Label some blocks on later days, or train with an earlier --to."


def minutes_of(
    request: MinutesRequest,
    paths: HomePaths,
    say: ProgressCallback,
    *,
    weak: WeakRule | None,
    provenance: Provenance = "real",
    at: datetime | None = None,
) -> Dataset:
    """Gather the labelled minutes the request means; warn of what its exports and label files leave open.

    Args:
        weak: the rule for minutes no person labelled; None for no rule.
        provenance: of the record and the exports.
        at: the present time, None for the clock of this computer; labels of later times are refused.

    Raises:
        SourceError: a host is named and no export.
        StoreError, ExportFormatError, IdentityError, LabelError: as `labelled_minutes`.
    """
    check_host(request.host, has_export=bool(request.inputs))
    times = LabelTimes(request.time_zone if request.times == "local" else None)
    found = labelled_minutes(
        paths,
        load_config(paths.config)[0],
        exports=[Path(name) for name in request.inputs],
        label_files=[Path(name) for name in request.label_files],
        adopt=request.adopt,
        times=times,
        start_us=_FIRST_US if request.start_us is None else request.start_us,
        end_us=_LAST_US if request.end_us is None else request.end_us,
        weak=weak,
        provenance=provenance,
        at=at,
        hostname=request.host,
        on_report=lambda report: tell_export(report, say),
    )
    note = times.note(request.time_zone) if request.times is None else None
    if note is not None:
        say({"event": "warning", "text": note})
    return found


def some_minutes_of(
    request: MinutesRequest, paths: HomePaths, say: ProgressCallback, *, weak: WeakRule | None
) -> Dataset:
    """`minutes_of`, and LabelError where a person labelled none of them."""
    found = minutes_of(request, paths, say, weak=weak)
    if not found.block_count:
        where = "in this range" if request.is_limited else "yet"
        raise LabelError(f"No recorded minute has a label {where}.", "Label some blocks, or name a file with --labels.")
    return found


def unseen_minutes(
    request: TrainRequest,
    paths: HomePaths,
    resolved: ResolvedInferenceConfig,
    say: ProgressCallback,
    *,
    with_calibrators: bool = False,
) -> Dataset:
    """The labelled minutes of days that neither the model nor (if asked) its calibrators have seen.

    Warns of minutes that are left out. Raises LabelError where none are left, and as `some_minutes_of`.
    """
    found = some_minutes_of(request, paths, say, weak=None)
    if resolved.origin == "starter":
        say({"event": "warning", "text": f"{paths.home} holds no model yet: this is about the starter model."})
    known = [("the model was trained on", learnt_until(resolved.metadata))]
    known += [("its calibrators were chosen on", calibrated_until(resolved))] if with_calibrators else []
    for words, last in known:
        if last is None:
            continue
        later = found.take(found.days > last.toordinal())
        if not len(later):
            raise LabelError(f"There is no labelled minute after {last}, the last day {words}.", _LABEL_LATER)
        if request.start_us is not None and len(later) < len(found):
            text = f"{len(found) - len(later)} minutes up to {last}, the last day {words}, are left out."
            say({"event": "warning", "text": text})
        found = later
    return found


def learnt_until(metadata: ModelMetadata) -> date | None:
    """The last day of the person that a model was trained on; None for a model of simulated people alone."""
    return None if metadata.data_provenance == "synthetic" else _date(metadata.train_date_to)


def calibrated_until(resolved: ResolvedInferenceConfig) -> date | None:
    """The last day the served calibrators were chosen on; None where it was not written down."""
    if resolved.calibrator_store_dir is None:
        return None
    try:
        return _date(read_json_object(resolved.calibrator_store_dir / CALIBRATION_FILE).get("date_to"))
    except BadJsonError:
        return None


def _date(word: object) -> date | None:
    try:
        return date.fromisoformat(word) if isinstance(word, str) else None
    except ValueError:
        return None


def models_own(dataset: Dataset) -> Dataset:
    """The minutes that the model decides. Raises LabelError where there are none."""
    own = dataset.take(dataset.is_models)
    if not len(own):
        raise LabelError("All labelled minutes here are decided by the idle rule.", "Label some blocks of work.")
    return own


def resolved_of(request: TrainRequest, paths: HomePaths, say: ProgressCallback) -> ResolvedInferenceConfig:
    """Resolve the bundle of the request, with its calibrators and threshold. Raises ModelResolutionError."""
    named = request.calibrator_store
    store = None if named is None or named == WITHOUT else found_store(paths.home, Path(named))
    resolved = resolve_inference_config(
        paths.models, model_dir_override=request.model_dir, calibrator_store_override=store, with_starter=True
    )
    if named == WITHOUT:
        resolved = replace(resolved, calibrator_store=None, calibrator_store_dir=None)
    for warning in resolved.warnings:
        if warning != MISSING_POLICY:
            say({"event": "warning", "text": warning})
    return resolved


def pipeline_of(resolved: ResolvedInferenceConfig, paths: HomePaths) -> PipelineConfig:
    """The pipeline as it is served, without categories, which change no core label."""
    settings, _ = load_config(paths.config)
    return PipelineConfig.from_resolved(
        resolved, taxonomy=None, smooth_window=settings.smooth_window, smoother=settings.smoother
    )


def extent(dataset: Dataset) -> dict[str, Any]:
    """Dates, minutes, days and blocks that a person labelled, JSON-ready."""
    said = dataset.labelled_by_person()
    first, last = said.date_range
    return {
        "date_from": first,
        "date_to": last,
        "minutes": len(said),
        "days": said.day_count,
        "blocks": said.block_count,
    }


def progress_of(say: ProgressCallback) -> Callable[[int, int], None]:
    """A callback that reports progress events."""
    return lambda done, total: say({"event": "progress", "done": done, "total": total})
