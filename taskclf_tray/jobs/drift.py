"""The process behind the daily drift check: `python -m taskclf_tray.jobs.drift REQUEST`, REQUEST as JSON.

It compares the last seven local days of the record with the seven before, under the predictions of the model that is
served now: stored predictions of another model or threshold would look like a change of the person. It writes a report
and nothing else. For what it prints see `process.py`.
"""

from __future__ import annotations

if __name__ == "__main__":  # handlers of stop signals before any import
    from taskclf_tray.system.job_entry import start

    start("taskclf_tray.jobs.drift")

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from taskclf_tray.core.config import load_config
from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.core.time import local_date as date_in_zone
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.drift.check import run_drift_check
from taskclf_tray.drift.days import CATEGORIES, NUMBERS
from taskclf_tray.drift.report import DriftReport, write_drift_report
from taskclf_tray.infer.batch import run_batch
from taskclf_tray.infer.batch_result import BatchInferenceResult
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.jobs.process import serve
from taskclf_tray.labels.blocks import Block, is_long_enough, split_blocks, to_minute
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.models.resolve import ModelResolutionError, resolve_inference_config
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths

REFERENCE_DAYS: Final = 7
CURRENT_DAYS: Final = 7
REPORTS_KEPT: Final = 60
_WIDEST_OFFSET: Final = timedelta(hours=16)
"""More than any zone has ever been away from UTC."""
_REPORT: Final = re.compile(r"drift_\d{4}-\d\d-\d\d\.json")
_TEXTS: Final = ("user_id", "time_zone", "decided_by", *CATEGORIES)


@dataclass(frozen=True, slots=True)
class DriftRequest:
    """What to check.

    Args:
        home: the folder of the home.
        last_day: the last of the 14 local days, ISO 8601.
        models_dir, model_dir: where the app serves another model than the home's own choice.
        most_blocks: the most blocks to return that a label would help with.
        niceness: added to the nice value of the process.
    """

    home: str
    last_day: str
    models_dir: str | None = None
    model_dir: str | None = None
    most_blocks: int = 0
    niceness: int = 0
    is_debug: bool = False


@dataclass(frozen=True, slots=True)
class Days:
    """One of the two windows, as recorded."""

    records: Sequence[BucketRecord]
    rows: Sequence[FeatureRow]
    answers: BatchInferenceResult | None
    """The predictions of the model in use; None without one."""


def run(request: DriftRequest, say: ProgressCallback) -> dict[str, Any]:
    """Check and write the report. Returns its path and the blocks to ask about. Raises TaskclfError."""
    paths = HomePaths(Path(request.home))
    last = date.fromisoformat(request.last_day)
    records = read_days(paths, last - timedelta(days=REFERENCE_DAYS + CURRENT_DAYS - 1), last)
    split = last - timedelta(days=CURRENT_DAYS - 1)
    config = _config(paths, request, say)
    reference = _days([r for r in records if local_date(r) < split], config)
    current = _days([r for r in records if local_date(r) >= split], config)
    report = compare(reference, current)
    path = write_report(paths, last, report)
    asked = least_sure(current.records, report, request.most_blocks) if report.alerts else []
    return {"report": str(path), "blocks": [asdict(block) for block in asked]}


def read_days(paths: HomePaths, first: date, last: date) -> list[BucketRecord]:
    """The buckets of these local days, each in its own zone. Raises StoreError, IdentityError."""
    if not paths.database.exists():
        raise StoreError(f"There is no record in {paths.home} yet.", "Start the app first.")
    user_id = load_or_create_identity(paths.home).user_id
    start_us = to_us(datetime.combine(first, time(), UTC) - _WIDEST_OFFSET)
    end_us = to_us(datetime.combine(last + timedelta(days=1), time(), UTC) + _WIDEST_OFFSET)
    with closing(Database(paths.database, read_only=True)) as database, database.reading():
        near = database.buckets.iterate(user_id, start_us, end_us)
        return [record for record in near if first <= local_date(record) <= last]


def local_date(record: BucketRecord) -> date:
    """The local date when the bucket began, in its own zone."""
    return date_in_zone(from_us(record.start_us), record.time_zone)


def compare(reference: Days, current: Days) -> DriftReport:
    """The drift check over two windows; without a model it is about the features alone."""
    before, after = reference.answers, current.answers
    return run_drift_check(
        columns(reference.rows),
        columns(current.rows),
        [] if before is None else before.raw_labels,
        [] if after is None else after.raw_labels,
        ref_probs=None if before is None else before.core_probs,
        cur_probs=None if after is None else after.core_probs,
        cur_confidences=None if after is None else after.confidences.tolist(),
    )


def columns(rows: Sequence[FeatureRow]) -> dict[str, Any]:
    """The compared columns of the rows, as a frame: numbers with NaN where they are missing, and texts."""
    starts = np.array([to_us(row.bucket_start_ts) for row in rows], dtype=np.int64)
    frame: dict[str, Any] = {"bucket_start_ts": starts.astype("datetime64[us]")}
    frame |= {name: [getattr(row, name) for row in rows] for name in _TEXTS}
    frame |= {name: np.array([getattr(row, name) for row in rows], dtype=np.float64) for name in NUMBERS}
    return frame


def least_sure(records: Iterable[BucketRecord], report: DriftReport, most: int) -> list[Block]:
    """The least confident blocks since the drift began: at least 5 min each, at most `most`."""
    since = report.headline.since if report.headline is not None else None
    lately = (record for record in records if since is None or local_date(record) >= since)
    minutes = (to_minute(WindowPrediction.of(record)) for record in lately)
    blocks = split_blocks(minute for minute in minutes if minute is not None)
    askable = [block for block in blocks if block.is_askable and is_long_enough(block)]
    return sorted(askable, key=lambda block: (block.confidence, block.start_us))[:most]


def write_report(paths: HomePaths, last: date, report: DriftReport) -> Path:
    """Write `drift_<date>.json`; this one and the newest 60 are kept. Raises StoreError."""
    path = paths.drift / f"drift_{last.isoformat()}.json"
    try:
        write_drift_report(report, path)
        reports = sorted(found for found in paths.drift.iterdir() if _REPORT.fullmatch(found.name))
        for old in reports[:-REPORTS_KEPT]:
            if old != path:
                old.unlink()
    except OSError as error:
        raise StoreError(
            f"The report cannot be written to {paths.drift} ({error.strerror or type(error).__name__}).",
            "Check the permissions of the folder and the free space on its disk.",
        ) from error
    return path


def _config(paths: HomePaths, request: DriftRequest, say: ProgressCallback) -> PipelineConfig | None:
    """The pipeline that is served now; None when no model can be."""
    settings, _ = load_config(paths.config)
    models_dir = paths.models if request.models_dir is None else Path(request.models_dir)
    try:
        resolved = resolve_inference_config(models_dir, model_dir_override=request.model_dir)
    except ModelResolutionError as error:
        say({"event": "warning", "text": f"No model can be served, so only your activity is compared. {error.title}"})
        return None
    return PipelineConfig.from_resolved(resolved, taxonomy=None, smooth_window=settings.smooth_window)


def _days(records: Sequence[BucketRecord], config: PipelineConfig | None) -> Days:
    rows = [record.known_row() for record in records]
    return Days(records, rows, None if config is None else run_batch(config, rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 when done, 1 after a reported error."""
    return serve(lambda request, say: run(DriftRequest(**request), say), arguments, what="drift check")
