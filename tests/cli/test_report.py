"""`taskclf-tray report`: where the hours went, as a table, JSON, CSV and a picture."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image

from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.buckets import BucketRecord
from tests.cli.records import NOW, RecordHome, clock_of, in_berlin, line
from tests.report.records import MINUTE
from tests.report.records import bucket as plain_bucket
from tests.ui.worker_home import USER

__all__ = ["in_berlin", "line"]

BERLIN = "Europe/Berlin"
MONDAY = datetime(2026, 3, 1, 23, tzinfo=UTC)
"""Midnight in Berlin, as the day begins that NOW lies in."""


def put(line: RecordHome, start: datetime, minutes: int, label: str = "Build", **more: Any) -> list[BucketRecord]:
    more = {"zone": BERLIN, "user": USER} | more
    records = [plain_bucket(start + number * MINUTE, label, **more) for number in range(minutes)]
    with line.database() as database, database.transaction():
        database.buckets.put(records)
    return records


def say(line: RecordHome, start: datetime, minutes: int, label: str) -> None:
    with line.database() as database:
        LabelStore(database, USER).add(start, start + minutes * MINUTE, label, at=NOW)


def a_day(line: RecordHome) -> None:
    """From 09:00 in Berlin: 90 min Build of which 20 are labelled Review, 30 min unsure, 40 min away in a meeting."""
    nine = MONDAY + timedelta(hours=9)
    put(line, nine, 90)
    put(line, nine + 90 * MINUTE, 30, "Mixed/Unknown")
    put(line, nine + 180 * MINUTE, 15, "Communicate")
    say(line, nine + 10 * MINUTE, 20, "Review")
    say(line, nine + 125 * MINUTE, 40, "Meet")


def test_a_day_as_a_table(line: RecordHome) -> None:
    a_day(line)
    code, out, err = line.call("report", "daily")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "Monday, 2 March 2026 (Europe/Berlin)",
        "",
        "Build                     1 h 10 min   52%  #################################",
        "Review                        20 min   15%  #########",
        "Communicate                   15 min   11%  #######",
        "Not sure                      30 min   22%  ##############",
        "Total                     2 h 15 min",
        "",
        "You labelled       20 min of it yourself",
        "Not on record      Meet 40 min: labelled by you",
        "Longest focus      Build, 1 h 00 min, 09:30–10:30",
        "Context switches   3",
        "Flap rate          0.015 changes of the model's answer a minute, 0.015 smoothed",
    ]


def test_json_csv_and_picture_say_the_same(line: RecordHome) -> None:
    a_day(line)
    report = line.json("report", "daily", "--day", "2026-03-02")
    assert report["core_label_seconds"] == {"Build": 4200.0, "Review": 1200.0, "Communicate": 900.0}
    out = line.call("report", "daily", "--csv")[1]
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["name"]: float(row["value"]) for row in rows if row["measure"] == "core_label_seconds"} == report[
        "core_label_seconds"
    ]
    path = line.home / "tray" / "out" / "report_2026-03-02.png"
    assert line.call("report", "daily", "--png") == (0, f"Written to {path}.\n", "")
    with Image.open(path) as picture:
        assert picture.width == 1280


@pytest.mark.parametrize("command", [("daily",), ("weekly",)])
def test_time_without_a_record_is_one_sentence(line: RecordHome, command: tuple[str, ...]) -> None:
    code, out, err = line.call("report", *command)
    assert (code, out.count("\n"), err) == (0, 1, "")
    assert out.startswith("Nothing is on record")
    assert line.json("report", *command)["covered_seconds"] == 0
    assert "No file was written" in line.refused("report", *command, "--png")
    assert not (line.home / "tray" / "out").exists()


def test_usage(line: RecordHome) -> None:
    for words in (["daily", "--day", "soon"], ["weekly", "--week", "2026-W54"], ["daily", "--json", "--csv"]):
        assert line.refused("report", *words, code=2)
    with clock_of("Asia/Tokyo", pytest.MonkeyPatch()):
        assert json.loads(line.call("report", "daily", "--json")[1])["date"] == "2026-03-02"
