"""`taskclf-tray report`: where the hours of a day or a week went, as text, JSON, CSV or a picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from taskclf_tray.cli import time_options
from taskclf_tray.cli.arguments import Commands, OutputPlace, UsageError, file_path
from taskclf_tray.cli.context import Record, opened, zone_name
from taskclf_tray.cli.output import add_action, add_actions, print_answer, print_json
from taskclf_tray.cli.time_options import WEEK_EXAMPLES, week_of
from taskclf_tray.core.atomic import json_text, write_bytes_atomic
from taskclf_tray.core.errors import StoreError
from taskclf_tray.labels.categories import Categories, categories_in_force
from taskclf_tray.report import weekly as weeks
from taskclf_tray.report.daily import DailyReport, daily_report
from taskclf_tray.report.days import Day, load_day
from taskclf_tray.report.table import csv_text, daily_lines, day_name, weekly_lines
from taskclf_tray.report.weekly import WeeklyReport
from taskclf_tray.system.console import complain

_FORMATS = ("json", "csv", "png")
_ENDINGS = {".json": "json", ".csv": "csv", ".png": "png", ".txt": "table", "": "table"}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    actions = add_actions(commands.add_parser("report", help="where the hours of a day or a week went"))
    daily = add_action(actions, "daily", handle_daily, "where the hours of a day went")
    daily.add_argument(
        "--day", type=time_options.local_date, metavar="DAY", help="a date, yesterday, or today (the default)"
    )
    _add_output(daily)
    weekly = add_action(actions, "weekly", handle_weekly, "where the hours of a week went, from Monday to Sunday")
    which = weekly.add_mutually_exclusive_group()
    which.add_argument(
        "--week", type=_week, metavar="WEEK", help="a week like 2026-W10 or 10, or last (default: this one)"
    )
    which.add_argument("--day", type=time_options.local_date, metavar="DAY", help="the week that holds this day")
    _add_output(weekly)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", action="store_true", help="every number in a line of its own")
    parser.add_argument("--png", action="store_true", help="a picture: a coloured band for each day")
    parser.add_argument(
        "--out",
        type=file_path,
        metavar="FILE",
        help="where to; its ending says what: .json, .csv, .png, .txt (default: printed; a picture goes to tray/out)",
    )


def _week(word: str) -> date:
    """Parse a week; returns its Monday. Raises ArgumentTypeError."""
    monday = week_of(word, time_options.date_today())
    if monday is None:
        raise argparse.ArgumentTypeError(f"a week is written like {WEEK_EXAMPLES}; the last is W52, in some years W53")
    return monday


# -- the two reports ------------------------------------------------------------------------------------------


def handle_daily(options: argparse.Namespace) -> int:
    """Print or write the report of a day."""
    kind = _kind(options)
    with opened(options, read_only=True) as record:
        answer = _Answer(kind, options, record)
        day = options.day or answer.today
        (report,) = answer.read([day])
    if not report and answer.is_for_eyes:
        return answer.nothing(f"Nothing is on record of {day_name(day)}.")
    match answer.kind:
        case "json":
            return answer.json(report.to_dict())
        case "csv":
            return answer.csv([report])
        case "png":
            return answer.picture(report, day.isoformat())
    return answer.text("".join(f"{line}\n" for line in daily_lines(report)))


def handle_weekly(options: argparse.Namespace) -> int:
    """Print or write the report of a week."""
    kind = _kind(options)
    with opened(options, read_only=True) as record:
        answer = _Answer(kind, options, record)
        dates = weeks.week_of(options.week or options.day or answer.today)
        before = answer.read(weeks.days_before(dates, answer.today))
        report = weeks.weekly_report(answer.read(dates), before)
    if not report and answer.is_for_eyes:
        return answer.nothing(f"Nothing is on record from {day_name(dates[0])} to {day_name(dates[-1])}.")
    match answer.kind:
        case "json":
            return answer.json(report.to_dict())
        case "csv":
            return answer.csv(report.days)
        case "png":
            return answer.picture(report, weeks.week_name(dates[0]))
    return answer.text("".join(f"{line}\n" for line in weekly_lines(report)))


class _Answer:
    """Reads the days of a report and prints or writes it in the format that is asked for."""

    def __init__(self, kind: str, options: argparse.Namespace, record: Record) -> None:
        self.kind = kind
        self.today = time_options.local(record.now).date()
        self._record = record
        self._categories = _categories_of(record)
        self._days: list[Day] = []
        self._out: Path | None = options.out

    def read(self, dates: Sequence[date]) -> list[DailyReport]:
        """Read the reports of some days. One day at a time is in memory; for a picture, all of the last call."""
        self._days, reports = [], []
        for day in dates:
            loaded = load_day(self._record.database, self._record.user_id, day, zone_name(), self._categories)
            reports.append(daily_report(loaded, self._categories.taxonomy))
            if self.kind == "png":
                self._days.append(loaded)
        return reports

    @property
    def is_for_eyes(self) -> bool:
        """Whether a person looks at the answer: an empty report is then a sentence."""
        return self.kind in ("table", "png")

    def nothing(self, sentence: str) -> int:
        """Say that nothing is on record. Raises StoreError where a file was to be written."""
        if self.kind == "png" or self._out is not None:
            raise StoreError(sentence, "No file was written.")
        return self.text(f"{sentence}\n")

    def json(self, facts: dict[str, Any]) -> int:
        if self._out is None:
            print_json(facts)
            return 0
        return self.text(json_text(facts))

    def csv(self, days: Sequence[DailyReport]) -> int:
        return self.text(csv_text(days))

    def text(self, text: str) -> int:
        """Write the text to the file, else print it."""
        if self._out is None:
            print_answer(text)
            return 0
        return self._write(self._out, text.encode())

    def picture(self, report: DailyReport | WeeklyReport, name: str) -> int:
        """Write the picture to the file, else beside the app's own reports."""
        # loads Pillow, 60 ms that no report in words has a use for
        from taskclf_tray.report.picture import picture_png

        path = self._record.paths.outputs / f"report_{name}.png" if self._out is None else self._out
        return self._write(path, picture_png(self._days, report, self._categories.taxonomy))

    def _write(self, path: Path, data: bytes) -> int:
        words = "" if self._out is None else OutputPlace(path).words
        write_bytes_atomic(path, data)
        print_answer(f"Written to {path}{words}.\n", is_done=True)
        return 0


def _kind(options: argparse.Namespace) -> str:
    """The format: the one asked for, else the one that the ending of the file names. Raises UsageError."""
    program = f"taskclf-tray report {options.action}"
    named = [kind for kind in _FORMATS if getattr(options, kind)]
    if len(named) > 1:
        words = " and ".join(f"--{kind}" for kind in named)
        raise UsageError(program, f"{words} do not go together.", "Ask for one of them.")
    ending = "" if options.out is None else options.out.suffix.casefold()
    meant = _ENDINGS.get(ending)
    if named and meant in _FORMATS and meant != named[0]:
        raise UsageError(program, f"--{named[0]} does not go with a file that ends in {ending}.", "Leave one out.")
    if not named and meant is None:
        known = "The ending says what is written: .json, .csv, .png, or .txt for the table."
        raise UsageError(program, f"a {ending} file is not what a report can be written as.", known)
    return named[0] if named else str(meant)


def _categories_of(record: Record) -> Categories:
    """The categories of the home; those of its last valid state while the file is broken, as in the app."""
    taxonomy, problem = categories_in_force(record.database, record.paths.taxonomy)
    if problem is not None:
        shown = "the core labels are shown" if taxonomy is None else "your last valid categories are shown"
        complain(f"taskclf-tray: {problem.title} Until it is corrected {shown}.")
    return Categories(record.database, taxonomy)
