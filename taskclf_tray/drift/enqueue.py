"""Queue the blocks a label would help with after a drift."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from taskclf_tray.drift.report import DriftReport
from taskclf_tray.labels.queue import DEFAULT_DRIFT_LABEL_LIMIT, ActiveLabelingQueue
from taskclf_tray.labels.queue_rows import frame_rows


def auto_enqueue_drift_labels(
    drift_report: DriftReport,
    cur_features_df: Any,
    queue_path: Path,
    *,
    cur_confidences: Sequence[float] | None = None,
    limit: int = DEFAULT_DRIFT_LABEL_LIMIT,
) -> int:
    """Queue the `limit` least confident buckets of those a drift report has an alert for; how many entries are new.

    Nothing without an alert; an alert that names no user is about all of them. Contiguous buckets are one entry, and
    the day's limit does not count them. Confidences are `cur_confidences`, else a column `confidence`; a bucket
    without one comes last. Raises LabelError for rows without a user, StoreError, and ValueError when lengths differ.
    """
    if not drift_report.alerts:
        return 0
    affected = {user for alert in drift_report.alerts for user in alert.affected_user_ids}
    is_about_all = not all(alert.affected_user_ids for alert in drift_report.alerts)
    rows = {(row.user_id, row.start_us): row for row in frame_rows(cur_features_df, cur_confidences)}
    theirs = [rows[key] for key in sorted(rows) if is_about_all or key[0] in affected]
    queue = ActiveLabelingQueue(queue_path)
    try:
        return queue.enqueue_drifted_rows(theirs, limit)
    finally:
        queue.close()
