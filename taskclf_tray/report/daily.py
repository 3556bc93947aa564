"""The report of one local day, a pure function of its buckets (contract, section 11).

Time is added up from each bucket's covered seconds, never from merged segments, in whole microseconds, so that the
parts give the total exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.time import US_PER_SECOND, from_us, seconds_to_us
from taskclf_tray.core.types import CoreLabel
from taskclf_tray.store.buckets import BucketRecord


@dataclass(frozen=True, slots=True)
class FocusBlock:
    """A stretch of one kind of work over contiguous buckets, before short segments are merged."""

    label: str
    start_ts: datetime
    end_ts: datetime
    covered_seconds: float


@dataclass(frozen=True, slots=True)
class DailyReport:
    """One day in numbers.

    `core_label_seconds` by smoothed core label and `ui_label_seconds` by the label the person sees each add up to
    `covered_seconds`, less `rejected_seconds` unless `is_rejected_included`. Rejected is what the person sees under
    the mixed name. `context_switches` counts changes of smoothed label between contiguous buckets, a flap rate all
    changes divided by the buckets, before (`raw`) and after smoothing.
    """

    date: date
    time_zones: tuple[str, ...]
    bucket_count: int
    covered_seconds: float
    core_label_seconds: Mapping[str, float]
    ui_label_seconds: Mapping[str, float]
    rejected_seconds: float
    is_rejected_included: bool
    context_switches: int
    longest_focus: FocusBlock | None
    flap_rate_raw: float
    flap_rate_smoothed: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, labels with the most time first, times in ISO 8601."""
        focus = self.longest_focus
        return {
            "date": self.date.isoformat(),
            "time_zones": list(self.time_zones),
            "bucket_count": self.bucket_count,
            "covered_seconds": self.covered_seconds,
            "core_label_seconds": dict(self.core_label_seconds),
            "ui_label_seconds": dict(self.ui_label_seconds),
            "rejected_seconds": self.rejected_seconds,
            "is_rejected_included": self.is_rejected_included,
            "context_switches": self.context_switches,
            "longest_focus": None
            if focus is None
            else {
                "label": focus.label,
                "start_ts": focus.start_ts.isoformat(),
                "end_ts": focus.end_ts.isoformat(),
                "covered_seconds": focus.covered_seconds,
            },
            "flap_rate_raw": self.flap_rate_raw,
            "flap_rate_smoothed": self.flap_rate_smoothed,
        }


def daily_report(day: date, records: Sequence[BucketRecord], *, include_rejected: bool = False) -> DailyReport:
    """The report of a day's buckets, which are in order of time.

    `include_rejected`: the taxonomy's `include_rejected_in_reports`, of the taxonomy in force now.
    """
    core_us: Counter[str] = Counter()
    ui_us: Counter[str] = Counter()
    rejected_us = 0
    for record in records:
        covered_us = _covered_us(record)
        if record.is_mixed:
            rejected_us += covered_us
        if include_rejected or not record.is_mixed:
            core_us[record.smoothed_label] += covered_us
            ui_us[record.ui_label] += covered_us
    smoothed = [record.smoothed_label for record in records]
    return DailyReport(
        date=day,
        time_zones=tuple(dict.fromkeys(record.time_zone for record in records)),
        bucket_count=len(records),
        covered_seconds=sum(map(_covered_us, records)) / US_PER_SECOND,
        core_label_seconds=_in_seconds(core_us),
        ui_label_seconds=_in_seconds(ui_us),
        rejected_seconds=rejected_us / US_PER_SECOND,
        is_rejected_included=include_rejected,
        context_switches=sum(_follows(b, a) and a.smoothed_label != b.smoothed_label for a, b in pairwise(records)),
        longest_focus=_longest_focus(records),
        flap_rate_raw=_flap_rate([MIXED_UNKNOWN if r.is_rejected else r.core_label for r in records]),
        flap_rate_smoothed=_flap_rate(smoothed),
    )


def _covered_us(record: BucketRecord) -> int:
    return seconds_to_us(record.covered_seconds)


def _in_seconds(totals_us: Counter[str]) -> dict[str, float]:
    """Most first; of equal ones the first in the alphabet."""
    ordered = sorted(totals_us.items(), key=lambda item: (-item[1], item[0]))
    return {label: total_us / US_PER_SECOND for label, total_us in ordered}


def _follows(later: BucketRecord, earlier: BucketRecord) -> bool:
    return later.start_us == earlier.end_us


def _longest_focus(records: Sequence[BucketRecord]) -> FocusBlock | None:
    """The run of one kind of work with the most covered seconds; of equal ones the first. Breaks are no work."""
    best: FocusBlock | None = None
    for run in _runs(records):
        seconds = sum(map(_covered_us, run)) / US_PER_SECOND
        label = run[0].smoothed_label
        if label in (CoreLabel.BREAK_IDLE, MIXED_UNKNOWN) or (best is not None and seconds <= best.covered_seconds):
            continue
        best = FocusBlock(label, from_us(run[0].start_us), from_us(run[-1].end_us), seconds)
    return best


def _runs(records: Sequence[BucketRecord]) -> Iterator[list[BucketRecord]]:
    run: list[BucketRecord] = []
    for record in records:
        if run and not (_follows(record, run[-1]) and record.smoothed_label == run[-1].smoothed_label):
            yield run
            run = []
        run.append(record)
    if run:
        yield run


def _flap_rate(labels: Sequence[str]) -> float:
    """Changes of label divided by buckets, unrounded (contract, section 7); 0.0 without buckets."""
    return sum(a != b for a, b in pairwise(labels)) / len(labels) if labels else 0.0
