"""Reports as CSV: one number a line, so that any number of days and labels have the same columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from taskclf_tray.labels.spans import printable
from taskclf_tray.report.daily import DailyReport

COLUMNS = ("date", "measure", "name", "value")
_LONGEST_NAME = 200
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet takes text that begins so for something to compute; some do with the wide forms of Japanese too."""


def csv_text(days: Iterable[DailyReport]) -> str:
    """Every number of these days; `name` is the label of a time and empty elsewhere."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for day in days:
        lines.writerows((day.date.isoformat(), kind, _safe(name), value) for kind, name, value in _measures(day))
    return out.getvalue()


def _safe(name: str) -> str:
    """The name as a spreadsheet can be given it: without control characters, and never a formula."""
    shown = printable(name, _LONGEST_NAME)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def _measures(day: DailyReport) -> Iterator[tuple[str, str, float]]:
    yield "covered_seconds", "", day.covered_seconds
    for measure in ("ui_label_seconds", "core_label_seconds", "labelled_away_seconds"):
        for name, seconds in getattr(day, measure).items():
            yield measure, name, seconds
    for measure in ("rejected_seconds", "labelled_seconds", "bucket_count", "context_switches"):
        yield measure, "", getattr(day, measure)
    if day.longest_focus is not None:
        yield "longest_focus_seconds", day.longest_focus.label, day.longest_focus.covered_seconds
    yield "flap_rate_raw", "", day.flap_rate_raw
    yield "flap_rate_smoothed", "", day.flap_rate_smoothed
