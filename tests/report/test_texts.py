"""Reports as a table and as CSV: what is said, in whole minutes that add up, and nothing a name could break."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig
from taskclf_tray.report.daily import DailyReport, daily_report
from taskclf_tray.report.days import Day
from taskclf_tray.report.table import NOT_SURE, csv_text, daily_lines, fitted, versus, weekly_lines
from taskclf_tray.report.weekly import days_before, week_name, week_of, weekly_report
from tests.support.hostile_texts import HOSTILE
from tests.support.report_records import MINUTE, bucket

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
MONDAY = NINE.date()
DAY = timedelta(days=1)


def report_of(count: int, *, days: int = 0, ui: str = "Coding", covered: float = 60.0) -> DailyReport:
    start = NINE + days * DAY
    records = [bucket(start + number * MINUTE, ui=ui, covered=covered) for number in range(count)]
    return daily_report(Day(start.date(), records))


# -- a week beside the one before -----------------------------------------------------------------------------


def test_a_week_begins_on_monday() -> None:
    assert [day.isoformat() for day in week_of(MONDAY)] == [f"2026-03-{n:02}" for n in range(2, 9)]
    assert week_of(MONDAY + 6 * DAY) == week_of(MONDAY) != week_of(MONDAY - DAY)
    assert (week_name(MONDAY), week_name(datetime(2027, 1, 3).date())) == ("2026-W10", "2026-W53")


@pytest.mark.parametrize(("today", "days"), [(-1, 0), (0, 1), (2, 3), (6, 7), (60, 7)])
def test_a_week_that_is_not_over_is_compared_as_far_as_it_has_come(today: int, days: int) -> None:
    before = days_before(week_of(MONDAY), MONDAY + today * DAY)
    assert before == week_of(MONDAY - 7 * DAY)[:days]


def test_the_change_against_the_week_before() -> None:
    days = [report_of(60 * n, days=n) for n in range(3)] + [report_of(0, days=n) for n in range(3, 7)]
    before = [report_of(90, days=-7), report_of(0, days=-6), report_of(30, days=-5, ui="Old name")]
    report = weekly_report(days, before)
    assert versus(report) == "1 h 00 min more than Mon–Wed of the week before"
    lines = list(weekly_lines(report))
    assert lines[:6] == [
        "2026-W10: Monday, 2 March 2026 to Sunday, 8 March 2026",
        "",
        "                       Mon   Tue   Wed   Thu   Fri   Sat   Sun   Total   Change",
        "Coding                   -  1:00  2:00     -     -     -     -    3:00    +1:30",
        "Old name                 -     -     -     -     -     -     -       -    -0:30",
        "Total                    -  1:00  2:00     -     -     -     -    3:00    +1:00",
    ]
    assert "Recorded           1 h 00 min more than Mon–Wed of the week before" in lines
    told = report.to_dict()
    assert (told["week"], len(told["days"])) == ("2026-W10", 7)
    assert (told["before"]["start_date"], told["before"]["covered_seconds"]) == ("2026-02-23", 7200.0)


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (60, [60], "as much as Mon of the week before"),
        (60, [60] + [0] * 6, "as much as the week before"),
        (30, [60] + [0] * 6, "30 min less than the week before"),
    ],
)
def test_how_the_change_is_said(now: int, before: list[int], words: str) -> None:
    week = [report_of(now), *(report_of(0, days=n) for n in range(1, 7))]
    earlier = [report_of(count, days=n - 7) for n, count in enumerate(before)]
    assert versus(weekly_report(week, earlier)) == words


def test_without_a_week_before_there_is_no_column_for_it() -> None:
    report = weekly_report([report_of(60)], [report_of(0, days=-7)])
    assert report.before is None
    assert "Change" not in "\n".join(weekly_lines(report))
    assert report.to_dict()["before"] is None
    assert report.week is None  # one day is no week
    with pytest.raises(ValueError, match="needs a day"):
        weekly_report([])


# -- numbers --------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(["A", "B", "C", MIXED_UNKNOWN]), st.integers(0, 60)), max_size=80))
@settings(max_examples=60)
def test_the_minutes_shown_add_up_to_the_total_shown(spec: list[tuple[str, int]]) -> None:
    records = [
        bucket(NINE + number * MINUTE, MIXED_UNKNOWN if ui == MIXED_UNKNOWN else "Build", ui=ui, covered=covered)
        for number, (ui, covered) in enumerate(spec)
    ]
    shown = tables(daily_lines(daily_report(Day(MONDAY, records))))
    assert bool(shown) == bool(records)
    for parts, total in shown:
        assert sum(parts) == total == (sum(covered for _, covered in spec) + 30) // 60


def tables(lines: Iterable[str]) -> list[tuple[list[int], int]]:
    """The minutes of the parts and of the total, of each table."""
    found, parts = [], []
    for line in lines:
        if line.startswith("Total "):
            found.append((parts, minutes_in(line)))
            parts = []
        elif re.search(r"min +\d+%", line):
            parts.append(minutes_in(line))
    return found


def minutes_in(line: str) -> int:
    match = re.search(r"(?:(\d+) h )?(?:(\d+) min|<1 min)", line)
    assert match, line
    return int(match[1] or 0) * 60 + int(match[2] or 0)


def test_a_category_called_not_sure_is_not_what_nobody_is_sure_of() -> None:
    records = [bucket(NINE, ui=NOT_SURE), bucket(NINE + MINUTE, MIXED_UNKNOWN)]
    lines = [line for line in daily_lines(daily_report(Day(MONDAY, records))) if line.startswith(NOT_SURE)]
    assert len(lines) == 3  # one of the category, and one below each table
    assert all("1 min" in line for line in lines)


# -- names ----------------------------------------------------------------------------------------------------


def hostile_report() -> DailyReport:
    records = [bucket(NINE + number * MINUTE, ui=name) for number, name in enumerate(HOSTILE)]
    taxonomy = TaxonomyConfig(
        buckets=tuple(TaxonomyBucket(name=name, core_labels=("Build",)) for name in HOSTILE if name.strip())
    )
    return daily_report(Day(MONDAY, records), taxonomy)


def test_no_name_breaks_or_steers_the_table() -> None:
    report = hostile_report()
    for lines in (list(daily_lines(report)), list(weekly_lines(weekly_report([report] * 7, [report] * 7)))):
        assert all(line.isprintable() and columns(line) <= 80 for line in lines)
        assert len(lines) < 60


def test_no_name_is_a_formula_in_a_spreadsheet_or_breaks_a_line() -> None:
    report = hostile_report()
    text = csv_text([report])
    rows = list(csv.DictReader(io.StringIO(text)))
    names = [row["name"] for row in rows if row["measure"] == "ui_label_seconds"]
    assert len(names) == len(HOSTILE)
    assert text.count("\n") == len(rows) + 1
    assert all(row["name"].isprintable() and len(row["name"]) <= 203 for row in rows)
    assert not any(re.match(r"\s*[=+\-@\t\r＝＋－＠]", row["name"]) for row in rows)
    assert "'=cmd|' /C calc'!A0" in names
    assert text.encode()
    assert {row["measure"] for row in rows} >= {"covered_seconds", "flap_rate_raw", "flap_rate_smoothed"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_has_its_columns_and_no_more(name: str) -> None:
    assert columns(fitted(name, 24)) == 24


def columns(text: str) -> int:
    """Counted anew, after Unicode's East Asian widths."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
