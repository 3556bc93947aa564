"""The report of one local day, a pure function of its buckets and the person's labels (contract, section 11).

Time is the sum of the buckets' covered seconds, never of merged segments. The sum runs in whole microseconds, so the
labels add up to the total exactly. Within a labelled span each second counts for that label, else for the prediction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from taskclf_tray.core.atomic import write_json_atomic
from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, MIXED_UNKNOWN
from taskclf_tray.core.time import US_PER_SECOND, from_us, zone
from taskclf_tray.core.types import CoreLabel
from taskclf_tray.infer.smooth import Segment, flap_rate
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.report.bucket_parts import BucketPart, bucket_parts, runs
from taskclf_tray.report.days import Day
from taskclf_tray.system.local_zone import local_zone_name


@dataclass(frozen=True, slots=True)
class FocusBlock:
    """An uninterrupted run of one label; short segments are not merged into it."""

    label: str
    start_ts: datetime
    end_ts: datetime
    time_zone: str
    covered_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields ready for JSON, times in ISO 8601."""
        return {
            "label": self.label,
            "start_ts": self.start_ts.isoformat(),
            "end_ts": self.end_ts.isoformat(),
            "time_zone": self.time_zone,
            "covered_seconds": self.covered_seconds,
        }


@dataclass(frozen=True, slots=True)
class DailyReport:
    """The totals of one day.

    `core_label_seconds` and `ui_label_seconds` (the labels on screen) each add up to `covered_seconds`, less
    `rejected_seconds` unless `is_rejected_included`. Rejected time is shown under the mixed name; labelled time is
    never rejected. `labelled_seconds` is the covered time with a label of the person. Labelled time without buckets is
    not covered time; `labelled_away_seconds` holds it by core label.

    `context_switches` and `longest_focus` describe the person's day, so labels of the person count: a switch is a
    change of core label without a gap. The flap rates describe the model, so labels of the person do not count: label
    changes per bucket before (`raw`) and after smoothing.
    """

    date: date
    time_zones: tuple[str, ...]
    bucket_count: int
    covered_seconds: float
    core_label_seconds: Mapping[str, float]
    ui_label_seconds: Mapping[str, float]
    rejected_seconds: float
    is_rejected_included: bool
    labelled_seconds: float
    labelled_away_seconds: Mapping[str, float]
    context_switches: int
    longest_focus: FocusBlock | None
    flap_rate_raw: float
    flap_rate_smoothed: float

    def __bool__(self) -> bool:
        return bool(self.bucket_count or self.labelled_away_seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields ready for JSON, labels with the most time first."""
        return {
            "date": self.date.isoformat(),
            "time_zones": list(self.time_zones),
            "bucket_count": self.bucket_count,
            "covered_seconds": self.covered_seconds,
            "core_label_seconds": dict(self.core_label_seconds),
            "ui_label_seconds": dict(self.ui_label_seconds),
            "rejected_seconds": self.rejected_seconds,
            "is_rejected_included": self.is_rejected_included,
            "labelled_seconds": self.labelled_seconds,
            "labelled_away_seconds": dict(self.labelled_away_seconds),
            "context_switches": self.context_switches,
            "longest_focus": None if self.longest_focus is None else self.longest_focus.to_dict(),
            "flap_rate_raw": self.flap_rate_raw,
            "flap_rate_smoothed": self.flap_rate_smoothed,
        }


def daily_report(day: Day, taxonomy: TaxonomyConfig | None = None) -> DailyReport:
    """Build the report of a day.

    `taxonomy` is the current one: it names the labels, and decides whether rejected time counts.
    """
    parts = bucket_parts(day.records, day.spans, taxonomy, day.shown)
    includes_rejected = taxonomy is not None and taxonomy.include_rejected_in_reports
    shown = parts if includes_rejected else [part for part in parts if not part.is_mixed]
    found_runs = list(runs(parts))
    away_us: Counter[str] = Counter()
    for labelled in day.away:
        away_us[labelled.label] += labelled.end_us - labelled.start_us
    return DailyReport(
        date=day.date,
        time_zones=tuple(dict.fromkeys(record.time_zone for record in day.records)),
        bucket_count=len(day.records),
        covered_seconds=_seconds(parts),
        core_label_seconds=in_seconds(_added((part.core_label, part) for part in shown)),
        ui_label_seconds=in_seconds(_added((part.ui_label, part) for part in shown)),
        rejected_seconds=_seconds(part for part in parts if part.is_mixed),
        is_rejected_included=includes_rejected,
        labelled_seconds=_seconds(part for part in parts if part.is_own),
        labelled_away_seconds=in_seconds(away_us),
        context_switches=sum(_is_switch(before[-1], after[0]) for before, after in pairwise(found_runs)),
        longest_focus=_longest_focus(found_runs),
        flap_rate_raw=flap_rate([MIXED_UNKNOWN if r.is_rejected else r.core_label for r in day.records]),
        flap_rate_smoothed=flap_rate([record.smoothed_label for record in day.records]),
    )


def build_daily_report(
    segments: Sequence[Segment],
    *,
    bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
    raw_labels: Sequence[str] | None = None,
    smoothed_labels: Sequence[str] | None = None,
    time_zone: str | None = None,
) -> DailyReport:
    """Build the report of a day from segments alone, such as those of an `OnlinePredictor`.

    Args:
        segments: at least one segment; the day is the local one on which the first segment begins.
        bucket_seconds: length of a bucket in seconds.
        raw_labels: labels before smoothing, for the flap rate.
        smoothed_labels: labels after smoothing, for the flap rate.
        time_zone: IANA name; this machine's by default.

    Raises:
        ValueError: there is no segment.
    """
    if not segments:
        raise ValueError("there is no segment to report")
    zone_name = time_zone or local_zone_name()
    totals_us: Counter[str] = Counter()
    for segment in segments:
        totals_us[segment.label] += segment.bucket_count * bucket_seconds * US_PER_SECOND
    rejected_us = totals_us.pop(MIXED_UNKNOWN, 0)
    by_label = in_seconds(totals_us)
    count = sum(segment.bucket_count for segment in segments)
    return DailyReport(
        date=segments[0].start_ts.astimezone(zone(zone_name)).date(),
        time_zones=(zone_name,),
        bucket_count=count,
        covered_seconds=float(count * bucket_seconds),
        core_label_seconds=by_label,
        ui_label_seconds=dict(by_label),
        rejected_seconds=rejected_us / US_PER_SECOND,
        is_rejected_included=False,
        labelled_seconds=0.0,
        labelled_away_seconds={},
        context_switches=sum(a.end_ts == b.start_ts and a.label != b.label for a, b in pairwise(segments)),
        longest_focus=longest(_focus_of(segments, zone_name, bucket_seconds)),
        flap_rate_raw=flap_rate(raw_labels or ()),
        flap_rate_smoothed=flap_rate(smoothed_labels or ()),
    )


def _focus_of(segments: Sequence[Segment], zone_name: str, bucket_seconds: int) -> Iterator[FocusBlock]:
    for segment in segments:
        if segment.label not in (CoreLabel.BREAK_IDLE, MIXED_UNKNOWN):
            seconds = float(segment.bucket_count * bucket_seconds)
            yield FocusBlock(segment.label, segment.start_ts, segment.end_ts, zone_name, seconds)


def in_seconds(totals_us: Mapping[str, int]) -> dict[str, float]:
    """Convert totals to seconds, largest first, ties in alphabetical order."""
    ordered = sorted(totals_us.items(), key=lambda item: (-item[1], item[0]))
    return {label: total_us / US_PER_SECOND for label, total_us in ordered}


def longest(blocks: Iterable[FocusBlock]) -> FocusBlock | None:
    """Return the block with the most covered time, the first of equal ones."""
    return max(blocks, key=lambda block: block.covered_seconds, default=None)


def _added(parts: Iterable[tuple[str, BucketPart]]) -> Counter[str]:
    totals_us: Counter[str] = Counter()
    for label, part in parts:
        totals_us[label] += part.covered_us
    return totals_us


def _seconds(parts: Iterable[BucketPart]) -> float:
    return sum(part.covered_us for part in parts) / US_PER_SECOND


def _is_switch(before: BucketPart, after: BucketPart) -> bool:
    return before.end_us == after.start_us and before.core_label != after.core_label


def _longest_focus(found_runs: Iterable[Sequence[BucketPart]]) -> FocusBlock | None:
    """Find the longest focus; breaks and rejected time are not focus."""
    return longest(
        FocusBlock(
            run[0].core_label, from_us(run[0].start_us), from_us(run[-1].end_us), run[0].time_zone, _seconds(run)
        )
        for run in found_runs
        if run[0].core_label not in (CoreLabel.BREAK_IDLE, MIXED_UNKNOWN)
    )


def export_report_json(report: DailyReport, path: Path) -> Path:
    """Write the report as JSON atomically. Returns `path`. Raises OSError."""
    write_json_atomic(Path(path), report.to_dict())
    return Path(path)
