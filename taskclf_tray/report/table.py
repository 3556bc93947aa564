"""Reports as text for a terminal of 80 columns, with bars in plain characters, and as CSV.

The CSV has one number per line, so that any number of days and labels has the same columns.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date

from taskclf_tray.core.plain_text import printable
from taskclf_tray.core.time import seconds_to_us
from taskclf_tray.core.zones import stored_zone
from taskclf_tray.report.bucket_parts import apportion_minutes, duration
from taskclf_tray.report.daily import DailyReport, FocusBlock
from taskclf_tray.report.weekly import WeeklyReport

_NAME = 24
_TIME = 11
_BAR = 33
_DAY = 6
_WEEK_NAME = 20
_CHANGE = 9
Name = str | None
"""A shown label; None for rejected time where it stands apart."""
NOT_SURE = "Not sure"
TOTAL = "Total"
COLUMNS = ("date", "measure", "name", "value")
_LONGEST_NAME = 200
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The first characters of spreadsheet formulas, including the full-width forms that some accept."""


def day_name(day: date) -> str:
    """`Monday, 2 March 2026`."""
    return f"{day:%A}, {day.day} {day:%B %Y}"


def daily_lines(report: DailyReport) -> Iterator[str]:
    """Yield the lines of a day's report that is not empty."""
    zones = ", ".join(printable(name) for name in report.time_zones)
    yield f"{day_name(report.date)} ({zones})" if zones else day_name(report.date)
    if report.bucket_count:
        yield ""
        if set(report.ui_label_seconds) != set(report.core_label_seconds):
            yield from _bars(report.ui_label_seconds, report)
            yield ""
        yield from _bars(report.core_label_seconds, report)
    yield ""
    yield from _facts(report)


def weekly_lines(report: WeeklyReport) -> Iterator[str]:
    """Yield the lines of a report of several days: one column per day, in hours and minutes."""
    first, last = report.days[0].date, report.days[-1].date
    name = "" if report.week is None else f"{report.week}: "
    yield f"{name}{day_name(first)} to {day_name(last)}"
    yield ""
    yield from _columns(report, lambda part: part.ui_label_seconds)
    if set(report.ui_label_seconds) != set(report.core_label_seconds):
        yield ""
        yield from _columns(report, lambda part: part.core_label_seconds)
    yield ""
    if report.before is not None:
        yield f"Recorded           {versus(report)}"
    yield from _facts(report)


def parts_us(seconds: Mapping[str, float], report: DailyReport | WeeklyReport) -> dict[Name, int]:
    """Return the times of a report in microseconds, with the time outside its labels as a part of its own."""
    parts: dict[Name, int] = {name: seconds_to_us(value) for name, value in seconds.items()}
    if report.rejected_seconds and not report.is_rejected_included:
        parts[None] = seconds_to_us(report.rejected_seconds)
    return parts


def focus_text(focus: FocusBlock, *, with_day: bool) -> str:
    """Return `Build, 1 h 00 min, 09:30–10:30` in local time; `with_day`: `Mon 09:30–10:30`."""
    start, end = (moment.astimezone(stored_zone(focus.time_zone)) for moment in (focus.start_ts, focus.end_ts))
    day = f"{start:%a} " if with_day else ""
    return f"{printable(focus.label)}, {_time(focus.covered_seconds)}, {day}{start:%H:%M}–{end:%H:%M}"


def versus(report: WeeklyReport) -> str:
    """Return `1 h 20 min more than Mon–Wed of the week before`, for a report with one before."""
    before = report.before
    assert before is not None
    minutes = [round(seconds / 60) for seconds in (report.covered_seconds, before.covered_seconds)]
    change = minutes[0] - minutes[1]
    if len(before.days) == len(report.days):
        days = "the week before"
    elif len(before.days) == 1:
        days = f"{before.days[0].date:%a} of the week before"
    else:
        days = f"{before.days[0].date:%a}–{before.days[-1].date:%a} of the week before"
    if not change:
        return f"as much as {days}"
    return f"{duration(abs(change))} {'more' if change > 0 else 'less'} than {days}"


def fitted(name: str, width: int) -> str:
    """Cut or pad the name to `width` columns; a category's name comes from a file and may hold anything."""
    name = printable(name, 60)
    if _width(name) > width:
        while _width(name) > width - 1:
            name = name[:-1]
        name += "…"
    return name + " " * (width - _width(name))


# -- a day ----------------------------------------------------------------------------------------------------


def _bars(seconds: Mapping[str, float], report: DailyReport) -> Iterator[str]:
    parts = parts_us(seconds, report)
    minutes, total_us = apportion_minutes(parts), sum(parts.values())
    longest_us = max(parts.values(), default=0)
    for name, part_us in parts.items():
        share = f"{part_us / total_us:.0%}" if total_us else "0%"
        bar = "#" * (round(_BAR * part_us / longest_us) if longest_us else 0)
        shown = duration(minutes[name]) if minutes[name] or not part_us else "<1 min"
        yield f"{_shown(name, _NAME)} {shown:>{_TIME}} {share:>5}  {bar}".rstrip()
    yield f"{TOTAL:<{_NAME}} {duration(sum(minutes.values())):>{_TIME}}"


# -- several days -----------------------------------------------------------------------------------------------


def _columns(
    report: WeeklyReport, seconds_of: Callable[[DailyReport | WeeklyReport], Mapping[str, float]]
) -> Iterator[str]:
    """Return a column for each day, their sum, and the change against the week before."""
    days, total = [_minutes(day, seconds_of) for day in report.days], _minutes(report, seconds_of)
    before = None if report.before is None else _minutes(report.before, seconds_of)
    heads = "".join(f"{day.date:%a}".rjust(_DAY) for day in report.days)
    yield f"{'':<{_WEEK_NAME}}{heads}{TOTAL:>8}" + ("" if before is None else f"{'Change':>{_CHANGE}}")
    for name in sorted({**total, **(before or {})}, key=lambda name: name is None):
        cells = "".join(_cell(day.get(name, 0)).rjust(_DAY) for day in days)
        change = "" if before is None else f"{_signed(total.get(name, 0) - before.get(name, 0)):>{_CHANGE}}"
        yield f"{_shown(name, _WEEK_NAME)}{cells}{_cell(total.get(name, 0)):>8}{change}"
    cells = "".join(_cell(sum(day.values())).rjust(_DAY) for day in days)
    change = "" if before is None else f"{_signed(sum(total.values()) - sum(before.values())):>{_CHANGE}}"
    yield f"{TOTAL:<{_WEEK_NAME}}{cells}{_cell(sum(total.values())):>8}{change}"


def _minutes(
    report: DailyReport | WeeklyReport, seconds_of: Callable[[DailyReport | WeeklyReport], Mapping[str, float]]
) -> dict[Name, int]:
    return apportion_minutes(parts_us(seconds_of(report), report))


def _cell(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}" if minutes else "-"


def _signed(minutes: int) -> str:
    return f"{'+' if minutes > 0 else '-'}{_cell(abs(minutes))}" if minutes else "="


# -- both -------------------------------------------------------------------------------------------------------


def _facts(report: DailyReport | WeeklyReport) -> Iterator[str]:
    if report.labelled_seconds:
        yield f"You labelled       {_time(report.labelled_seconds)} of it yourself"
    if report.labelled_away_seconds:
        away = ", ".join(
            f"{printable(label)} {_time(seconds)}" for label, seconds in report.labelled_away_seconds.items()
        )
        yield f"Not on record      {away}: labelled by you"
    if report.longest_focus is not None:
        yield f"Longest focus      {focus_text(report.longest_focus, with_day=isinstance(report, WeeklyReport))}"
    if report.bucket_count:
        yield f"Context switches   {report.context_switches}"
        yield (
            f"Flap rate          {report.flap_rate_raw:.3f} changes of the model's answer a minute, "
            f"{report.flap_rate_smoothed:.3f} smoothed"
        )


def _shown(name: Name, width: int) -> str:
    return fitted(NOT_SURE if name is None else name, width)


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return duration(minutes) if minutes else "<1 min"


def _width(name: Iterable[str]) -> int:
    """Return the number of terminal columns."""
    return sum(_columns_of(character) for character in name)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def csv_text(days: Iterable[DailyReport]) -> str:
    """Return every number of these days; `name` is the label of a time and empty elsewhere."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for day in days:
        lines.writerows((day.date.isoformat(), kind, _safe(name), value) for kind, name, value in _measures(day))
    return out.getvalue()


def _safe(name: str) -> str:
    """Make a name safe for a spreadsheet: without control characters, and never a formula."""
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
