"""The report of several local days, day by day and in total; by default a week from Monday to Sunday."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from taskclf_tray.core.time import US_PER_SECOND, seconds_to_us
from taskclf_tray.report.daily import DailyReport, FocusBlock, in_seconds, longest

DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """The days and their totals, with the meaning of a `DailyReport`.

    Switches and flaps count inside the days, never over midnight. `before`: the same days a week earlier; for an
    unfinished week only as many days as have passed.
    """

    days: tuple[DailyReport, ...]
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
    before: WeeklyReport | None = None

    def __bool__(self) -> bool:
        return any(self.days)

    @property
    def week(self) -> str | None:
        """`2026-W10` when the days are exactly that week."""
        first = self.days[0].date
        return week_name(first) if tuple(day.date for day in self.days) == week_of(first) else None

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON; `end_date` is the last day."""
        before = None if self.before is None else self.before._totals()
        return {"week": self.week, **self._totals(), "before": before, "days": [day.to_dict() for day in self.days]}

    def _totals(self) -> dict[str, Any]:
        return {
            "start_date": self.days[0].date.isoformat(),
            "end_date": self.days[-1].date.isoformat(),
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


def week_of(day: date) -> tuple[date, ...]:
    """Return the seven days from Monday on of the week that contains a date."""
    monday = day - timedelta(days=day.weekday())
    return tuple(monday + timedelta(days=number) for number in range(DAYS_A_WEEK))


def days_before(week: Iterable[date], today: date) -> tuple[date, ...]:
    """Return the same days a week earlier, as far as the week has passed."""
    return tuple(day - timedelta(days=DAYS_A_WEEK) for day in week if day <= today and day.toordinal() > DAYS_A_WEEK)


def week_name(day: date) -> str:
    """Return `2026-W10`; the year is the one with most of the week (ISO 8601)."""
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"


def weekly_report(days: Sequence[DailyReport], before: Sequence[DailyReport] = ()) -> WeeklyReport:
    """Build the report of days in order of time, compared with the days `before`. Raises ValueError without any."""
    if not days:
        raise ValueError("a report needs a day")
    return WeeklyReport(
        days=tuple(days),
        bucket_count=sum(day.bucket_count for day in days),
        covered_seconds=_total(days, lambda day: day.covered_seconds),
        core_label_seconds=_totals(day.core_label_seconds for day in days),
        ui_label_seconds=_totals(day.ui_label_seconds for day in days),
        rejected_seconds=_total(days, lambda day: day.rejected_seconds),
        is_rejected_included=days[-1].is_rejected_included,
        labelled_seconds=_total(days, lambda day: day.labelled_seconds),
        labelled_away_seconds=_totals(day.labelled_away_seconds for day in days),
        context_switches=sum(day.context_switches for day in days),
        longest_focus=longest(day.longest_focus for day in days if day.longest_focus is not None),
        flap_rate_raw=_rate(days, lambda day: day.flap_rate_raw),
        flap_rate_smoothed=_rate(days, lambda day: day.flap_rate_smoothed),
        before=weekly_report(before) if any(before) else None,
    )


def _total(days: Sequence[DailyReport], seconds_of: Callable[[DailyReport], float]) -> float:
    return sum(seconds_to_us(seconds_of(day)) for day in days) / US_PER_SECOND


def _totals(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    totals_us: Counter[str] = Counter()
    for seconds in parts:
        totals_us.update({label: seconds_to_us(value) for label, value in seconds.items()})
    return in_seconds(totals_us)


def _rate(days: Sequence[DailyReport], rate_of: Callable[[DailyReport], float]) -> float:
    """Return the changes of all days divided by their buckets; rate × buckets is a whole number of changes."""
    buckets = sum(day.bucket_count for day in days)
    return sum(round(rate_of(day) * day.bucket_count) for day in days) / buckets if buckets else 0.0
