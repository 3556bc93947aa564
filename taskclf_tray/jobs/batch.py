"""The process behind `infer batch`: `python -m taskclf_tray.jobs.batch REQUEST`, REQUEST as JSON.

It is a process of its own because it may load pandas and LightGBM, and needs memory in proportion to the rows. For what
it prints see `process.py`.
"""

from __future__ import annotations

if __name__ == "__main__":  # handlers of stop signals before any import
    from taskclf_tray.system.job_entry import start

    start("taskclf_tray.jobs.batch")

import dataclasses
import hashlib
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from taskclf_tray.adapters.export_report import ExportReport
from taskclf_tray.core.config import Config, load_config
from taskclf_tray.core.errors import ExportFormatError, SourceError, StoreError, TaxonomyError
from taskclf_tray.core.model_text import MAX_MODEL_BYTES
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.infer.batch import (
    BatchInferenceResult,
    cut_batch,
    run_batch,
    write_predictions_csv,
    write_segments_json,
)
from taskclf_tray.infer.pipeline import Model, PipelineConfig
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from taskclf_tray.jobs.process import serve
from taskclf_tray.labels.categories import KeptCategories
from taskclf_tray.models.bundle import MODEL_FILE
from taskclf_tray.models.resolve import MISSING_POLICY, ResolvedInferenceConfig, resolve_inference_config
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.batch_inputs import (
    PARQUET_SUFFIXES,
    check_host,
    export_rows,
    parquet_frame,
    recorded_rows,
    tell_export,
)

_FIRST_US: Final = -(2**61)
_LAST_US: Final = 2**61
_PAUSE_SECONDS: Final = 0.1
"""Between two words of progress."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What to run; times in microseconds since 1970 UTC, None for an open end; an `input` of None is the record.

    `host`: of an export with several machines the one that is meant; None for the one in use in each minute.
    """

    home: str
    input: str | None = None
    host: str | None = None
    model_dir: str | None = None
    taxonomy: str | None = None
    out_dir: str | None = None
    start_us: int | None = None
    end_us: int | None = None
    is_debug: bool = False


def run(request: BatchRequest, say: ProgressCallback) -> dict[str, Any]:
    """Predict, and write predictions.csv and segments.json. Returns what was done. Raises TaskclfError."""
    paths = HomePaths(Path(request.home))
    has_export = request.input is not None and Path(request.input).suffix.lower() not in PARQUET_SUFFIXES
    check_host(request.host, has_export=has_export)
    settings, _ = load_config(paths.config)
    resolved = resolve_inference_config(paths.models, model_dir_override=request.model_dir, with_starter=True)
    for warning in resolved.warnings:
        if warning != MISSING_POLICY:
            say({"event": "warning", "text": warning})
    config = PipelineConfig.from_resolved(
        resolved,
        taxonomy=_taxonomy(paths, request, say),
        smooth_window=settings.smooth_window,
        smoother=settings.smoother,
    )
    start_us = _FIRST_US if request.start_us is None else request.start_us
    end_us = _LAST_US if request.end_us is None else request.end_us
    report: ExportReport | None = None
    if request.input is None:
        features: Any = recorded_rows(paths, start_us, end_us, config)
    elif not has_export:
        features = parquet_frame(Path(request.input), config.schema_version)
        config = dataclasses.replace(config, model=quick_model(resolved))
    else:
        features, report = _export(paths, request, settings, config.bucket_seconds, say)
    try:
        result = run_batch(config, features, on_progress=_Progress(say))
    except ValueError as error:  # a table without a column, or with texts where numbers belong
        if not hasattr(features, "keys"):
            raise
        raise SourceError(
            f"The rows in {Path(str(request.input)).name} cannot be used: {error}.",
            f"They need the columns of feature schema {config.schema_version}.",
        ) from error
    if (request.start_us, request.end_us) != (None, None):
        result = cut_batch(result, start_us, end_us, config.bucket_seconds)
    if len(result.starts_us) == 0:
        raise SourceError("There is nothing in this range to predict.", "Choose another --from and --to.")
    outcome = {
        **_written(result, Path(request.out_dir or paths.outputs / "batch")),
        "model": resolved.model_version,
        "is_starter": resolved.origin == "starter",
    }
    return outcome if report is None else {**outcome, "export": report.facts()}


def _export(
    paths: HomePaths, request: BatchRequest, settings: Config, bucket_seconds: int, say: ProgressCallback
) -> tuple[list[FeatureRow], ExportReport]:
    """The rows of an export, and what was read of it. Raises ExportFormatError for one without windows."""
    reports: list[ExportReport] = []
    rows = export_rows(
        paths, Path(str(request.input)), settings, bucket_seconds, hostname=request.host, on_report=reports.append
    )
    report = reports[0]
    if report.has_windows:
        tell_export(report, say)
    else:
        if report.damaged:
            say({"event": "warning", "text": report.damage()})
        raise ExportFormatError(
            f"{report.why_no_windows()}: there is nothing to predict.",
            "Check that aw-watcher-window has run, and export all buckets as JSON.",
        )
    return rows, report


def quick_model(resolved: ResolvedInferenceConfig) -> Model:
    """LightGBM for a model whose bytes are what was recorded; else, or without the library, our own evaluator.

    A damaged text kills the process that loads it with the library, so it only ever sees a text with its hash.
    """
    if not resolved.model.verified:
        return resolved.model
    try:  # 0.8 s of CPU, and not needed without it
        from taskclf_tray.train.lean_lightgbm import lgb
    except ImportError:
        return resolved.model
    text = read_regular(resolved.bundle_dir / MODEL_FILE, MAX_MODEL_BYTES)
    if hashlib.sha256(text).hexdigest() != resolved.model.sha256:
        return resolved.model
    booster: Model = lgb.Booster(model_str=text.decode())
    return booster


def _taxonomy(paths: HomePaths, request: BatchRequest, say: ProgressCallback) -> TaxonomyConfig | None:
    """The one named; else the home's, which may be wrong without stopping anything: then its last valid state."""
    if request.taxonomy is not None:
        return load_taxonomy(Path(request.taxonomy))
    if not paths.taxonomy.exists():
        return None
    try:
        return load_taxonomy(paths.taxonomy)
    except TaxonomyError as error:
        kept = _kept_taxonomy(paths)
        words = "The categories are not used." if kept is None else "The last valid categories are used."
        say({"event": "warning", "text": f"{words} {error}"})
        return kept


def _kept_taxonomy(paths: HomePaths) -> TaxonomyConfig | None:
    if not paths.database.exists():
        return None
    with closing(Database(paths.database, read_only=True)) as database:
        return KeptCategories(database).load()


def _written(result: BatchInferenceResult, out_dir: Path) -> dict[str, Any]:
    try:
        predictions = write_predictions_csv(
            {"bucket_start_ts": result.starts_us.astype("datetime64[us]")},
            result.smoothed_labels,
            out_dir / "predictions.csv",
            confidences=result.confidences,
            is_rejected=result.is_rejected,
            mapped_labels=result.mapped_labels,
            core_probs=result.core_probs,
        )
        segments = write_segments_json(result.segments, out_dir / "segments.json")
    except OSError as error:
        raise StoreError(
            f"Nothing can be written to {out_dir} ({error.strerror or type(error).__name__}).",
            "Choose another --out-dir.",
        ) from error
    return {
        "rows": len(result.starts_us),
        "segments": len(result.segments),
        "rejected": int(np.count_nonzero(result.is_rejected)),
        "predictions_csv": str(predictions),
        "segments_json": str(segments),
    }


class _Progress:
    """Reports progress, at most ten times a second."""

    def __init__(self, say: ProgressCallback) -> None:
        self._say = say
        self._said_at = -_PAUSE_SECONDS

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._said_at >= _PAUSE_SECONDS:
            self._said_at = now
            self._say({"event": "progress", "done": done, "total": total})


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 when done, 1 after a reported error."""
    return serve(lambda request, say: run(BatchRequest(**request), say), arguments, what="batch")
