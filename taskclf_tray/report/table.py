"""Reports as text for a terminal of 80 columns, with bars in plain characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime

from taskclf_tray.core.time import seconds_to_us, zone
from taskclf_tray.labels.spans import printable
from taskclf_tray.report.daily import DailyReport, FocusBlock
from taskclf_tray.report.minutes import duration, whole_minutes
from taskclf_tray.report.weekly import WeeklyReport

_NAME = 24
_TIME = 11
_BAR = 33
_DAY = 6
_WEEK_NAME = 24
NOT_SURE = "Not sure"
TOTAL = "Total"


def day_name(day: date) -> str:
    """`Monday, 2 March 2026`."""
    return f"{day:%A}, {day.day} {day:%B %Y}"


def daily_lines(report: DailyReport) -> Iterator[str]:
    """The report of a day with something in it."""
    zones = ", ".join(report.time_zones)
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
    """The report of several days: a column each, in hours and minutes."""
    first, last = report.days[0].date, report.days[-1].date
    name = "" if report.week is None else f"{report.week}: "
    yield f"{name}{day_name(first)} to {day_name(last)}"
    yield ""
    yield from _columns(report, [day.ui_label_seconds for day in report.days], report.ui_label_seconds)
    if set(report.ui_label_seconds) != set(report.core_label_seconds):
        yield ""
        yield from _columns(report, [day.core_label_seconds for day in report.days], report.core_label_seconds)
    yield ""
    yield from _facts(report)


def fitted(name: str, width: int) -> str:
    """The name in so many columns, cut or filled; of a category it comes from a file and may hold anything."""
    name = printable(name, 60)
    if _width(name) > width:
        while _width(name) > width - 1:
            name = name[:-1]
        name += "…"
    return name + " " * (width - _width(name))


# -- a day ----------------------------------------------------------------------------------------------------


def _bars(seconds: Mapping[str, float], report: DailyReport) -> Iterator[str]:
    parts_us = _parts_us(seconds, report)
    minutes, total_us = whole_minutes(parts_us), sum(parts_us.values())
    longest_us = max(parts_us.values(), default=0)
    for name, part_us in parts_us.items():
        share = f"{part_us / total_us:.0%}" if total_us else "0%"
        bar = "#" * (round(_BAR * part_us / longest_us) if longest_us else 0)
        shown = duration(minutes[name]) if minutes[name] or not part_us else "<1 min"
        yield f"{fitted(name, _NAME)} {shown:>{_TIME}} {share:>5}  {bar}".rstrip()
    yield f"{TOTAL:<{_NAME}} {duration(sum(minutes.values())):>{_TIME}}"


def _parts_us(seconds: Mapping[str, float], report: DailyReport | WeeklyReport) -> dict[str, int]:
    """With what is not among the labels as a part of its own."""
    parts_us = {name: seconds_to_us(value) for name, value in seconds.items()}
    if report.rejected_seconds and not report.is_rejected_included:
        parts_us[NOT_SURE] = parts_us.get(NOT_SURE, 0) + seconds_to_us(report.rejected_seconds)
    return parts_us


# -- several days -----------------------------------------------------------------------------------------------


def _columns(report: WeeklyReport, seconds: list[Mapping[str, float]], total: Mapping[str, float]) -> Iterator[str]:
    heads = "".join(f"{day.date:%a}".rjust(_DAY) for day in report.days)
    yield f"{'':<{_WEEK_NAME}}{heads}{TOTAL:>8}"
    days = [whole_minutes(_parts_us(part, day)) for part, day in zip(seconds, report.days, strict=True)]
    whole = whole_minutes(_parts_us(total, report))
    for name in whole:
        cells = "".join(_cell(day.get(name, 0)).rjust(_DAY) for day in days)
        yield f"{fitted(name, _WEEK_NAME)}{cells}{_cell(whole[name]):>8}"
    cells = "".join(_cell(sum(day.values())).rjust(_DAY) for day in days)
    yield f"{TOTAL:<{_WEEK_NAME}}{cells}{_cell(sum(whole.values())):>8}"


def _cell(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}" if minutes else "-"


# -- both -------------------------------------------------------------------------------------------------------


def _facts(report: DailyReport | WeeklyReport) -> Iterator[str]:
    if report.labelled_seconds:
        yield f"You labelled       {_time(report.labelled_seconds)} of it yourself"
    if report.labelled_away_seconds:
        away = ", ".join(f"{label} {_time(seconds)}" for label, seconds in report.labelled_away_seconds.items())
        yield f"Not on record      {away}: labelled by you"
    if report.longest_focus is not None:
        yield f"Longest focus      {_focus(report.longest_focus, with_day=isinstance(report, WeeklyReport))}"
    if report.bucket_count:
        yield f"Context switches   {report.context_switches}"
        yield (
            f"Flap rate          {report.flap_rate_raw:.3f} changes of the model's answer a minute, "
            f"{report.flap_rate_smoothed:.3f} smoothed"
        )


def _focus(focus: FocusBlock, *, with_day: bool) -> str:
    start, end = (_local(moment, focus) for moment in (focus.start_ts, focus.end_ts))
    day = f"{start:%a} " if with_day else ""
    return f"{focus.label}, {_time(focus.covered_seconds)}, {day}{start:%H:%M}–{end:%H:%M}"


def _local(moment: datetime, focus: FocusBlock) -> datetime:
    return moment.astimezone(zone(focus.time_zone))


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return duration(minutes) if minutes else "<1 min"


def _width(name: Iterable[str]) -> int:
    """Columns of a terminal."""
    return sum(_columns_of(character) for character in name)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
