"""A day's report as a file."""

from __future__ import annotations

from pathlib import Path

from taskclf_tray.core.atomic import write_json_atomic
from taskclf_tray.report.daily import DailyReport


def export_report_json(report: DailyReport, path: Path) -> Path:
    """Write the report as JSON, whole or not at all. Returns `path`. Raises OSError."""
    write_json_atomic(Path(path), report.to_dict())
    return Path(path)
