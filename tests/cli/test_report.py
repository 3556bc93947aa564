"""`taskclf-tray report`: where the hours went, as a table, JSON, CSV and a picture."""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig, TaxonomyReject
from taskclf_tray.infer.taxonomy_file import save_taxonomy
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.record.outputs import OutputWriter
from tests.support.cli_records import BERLIN, MONDAY, NOW, RecordHome, clock_of, in_berlin, line, put
from tests.support.report_records import MINUTE
from tests.support.worker_home import USER

__all__ = ["in_berlin", "line"]


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


@pytest.mark.parametrize(
    "words",
    [
        ["daily", "--day", "soon"],
        ["daily", "--day", "0001-01-01"],
        ["daily", "--week", "2026-W10"],
        ["weekly", "--week", "2026-W54"],
        ["weekly", "--week", "2026-10"],
        ["weekly", "--week", "0001-W01"],
        ["weekly", "--week", "9999-W52"],
        ["weekly", "--week", "2026-W10", "--day", "today"],
        ["daily", "--json", "--csv"],
        ["weekly", "--png", "--csv", "--json"],
        ["monthly"],
        [],
    ],
)
def test_wrong_usage_is_2_with_a_sentence(line: RecordHome, words: list[str]) -> None:
    assert line.refused("report", *words, code=2).strip()


def test_the_first_and_the_last_day_there_can_be(line: RecordHome) -> None:
    for day in ("1970-01-01", "2199-12-31"):
        for command in ("daily", "weekly"):
            assert line.json("report", command, "--day", day)["covered_seconds"] == 0


def test_without_a_home_it_says_how_to_get_one(line: RecordHome) -> None:
    line.home = line.home / "elsewhere"
    assert "Start the app there first" in line.refused("report", "daily")


# -- which day, which week ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2025-10-26", 25), ("2026-03-02", 24)])
def test_a_day_of_the_clock_change_is_whole(line: RecordHome, day: str, hours: int) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(BERLIN)).astimezone(UTC)
    line.now = midnight + timedelta(days=3)
    put(line, midnight - timedelta(hours=1), 60 * (hours + 2))
    assert line.json("report", "daily", "--day", day)["covered_seconds"] == hours * 3600
    assert f"{hours} h 00 min" in line.call("report", "daily", "--day", day)[1]


def test_the_dates_of_a_traveller_are_those_of_the_places(line: RecordHome) -> None:
    put(line, MONDAY, 60, zone="Asia/Tokyo")  # Monday 08:00 in Tokyo
    put(line, MONDAY + timedelta(hours=26), 60, zone="Pacific/Honolulu")  # Monday 15:00 in Honolulu
    report = line.json("report", "daily", "--day", "2026-03-02")
    assert (report["covered_seconds"], report["time_zones"]) == (7200, ["Asia/Tokyo", "Pacific/Honolulu"])
    out = line.call("report", "daily", "--day", "2026-03-02")[1]
    assert out.startswith("Monday, 2 March 2026 (Asia/Tokyo, Pacific/Honolulu)")
    with clock_of("America/Los_Angeles", pytest.MonkeyPatch()):
        assert line.json("report", "daily", "--day", "2026-03-02") == report


def test_any_day_of_the_past_is_there(line: RecordHome) -> None:
    put(line, MONDAY - timedelta(days=399), 30)
    put(line, MONDAY - timedelta(days=1), 10, "Meet")
    assert line.json("report", "daily", "--day", "2025-01-27")["core_label_seconds"] == {"Build": 1800}
    assert line.json("report", "daily", "--day", "yesterday")["core_label_seconds"] == {"Meet": 600}
    assert line.json("report", "weekly", "--week", "2025-W05")["covered_seconds"] == 1800
    assert line.call("report", "daily", "--day", "2031-01-01") == (
        0,
        "Nothing is on record of Wednesday, 1 January 2031.\n",
        "",
    )


def test_a_week_beside_the_one_before(line: RecordHome) -> None:
    """It is Monday: what is compared is a Monday with a Monday."""
    put(line, MONDAY - timedelta(days=7), 30)
    put(line, MONDAY - timedelta(days=3), 600)
    put(line, MONDAY, 90)
    report = line.json("report", "weekly")
    assert (report["week"], report["start_date"], report["end_date"]) == ("2026-W10", "2026-03-02", "2026-03-08")
    assert [day["covered_seconds"] for day in report["days"]] == [5400, 0, 0, 0, 0, 0, 0]
    assert (report["before"]["covered_seconds"], report["before"]["end_date"]) == (1800, "2026-02-23")
    out = line.call("report", "weekly", "--day", "2026-03-08")[1]
    assert "Recorded           1 h 00 min more than Mon of the week before" in out.splitlines()
    assert line.json("report", "weekly", "--week", "2026-W09")["before"] is None
    assert [line.json("report", "weekly", "--week", week)["week"] for week in ("10", "last", "this")] == [
        "2026-W10", "2026-W09", "2026-W10",
    ]  # fmt: skip
    assert line.json("report", "daily", "--day", "friday")["covered_seconds"] == 36000


# -- files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["daily", "weekly"])
def test_the_ending_of_a_file_says_what_is_written(line: RecordHome, command: str, tmp_path: Path) -> None:
    a_day(line)
    for name in ("a.json", "a.CSV", "a.png", "a.txt", "deep/er/a.csv"):
        made = f"; the folder {tmp_path / 'deep'} was made for it" if "/" in name else ""
        assert line.call("report", command, "--out", str(tmp_path / name)) == (
            0,
            f"Written to {tmp_path / name}{made}.\n",
            "",
        )
    assert json.loads((tmp_path / "a.json").read_text()) == line.json("report", command)
    assert (tmp_path / "a.CSV").read_text() == line.call("report", command, "--csv")[1]
    assert (tmp_path / "a.txt").read_text() == line.call("report", command)[1]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert line.call("report", command, "--json", "--out", str(tmp_path / "b"))[0] == 0
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a.json").read_bytes()


def test_a_file_that_is_replaced_and_an_ending_that_is_none_are_said(line: RecordHome, tmp_path: Path) -> None:
    a_day(line)
    out = tmp_path / "day.csv"
    out.write_text("mine")
    assert line.call("report", "daily", "--out", str(out))[1] == (
        f"Written to {out}, in place of the file that was there.\n"
    )
    for name, option in (("day.pdf", None), ("day.json", "--csv"), ("day.png", "--json")):
        words = ["report", "daily", "--out", str(tmp_path / name), *([option] if option else [])]
        said = line.refused(*words, code=2)
        assert "ending says what is written" in said or "does not go with a file that ends in" in said
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["day.csv"]
    assert "it is a folder. Name a file in it" in line.refused("report", "daily", "--csv", "--out", str(tmp_path))
    os.mkfifo(tmp_path / "pipe.csv")
    said = line.refused("report", "daily", "--out", str(tmp_path / "pipe.csv"))
    assert "it is no ordinary file. Leave --out away to print." in said
    assert (tmp_path / "pipe.csv").is_fifo()


def test_a_file_that_cannot_be_written_is_named(line: RecordHome, tmp_path: Path) -> None:
    a_day(line)
    (tmp_path / "file").write_text("")
    assert "cannot be read or written" in line.refused("report", "daily", "--out", str(tmp_path / "file" / "a.csv"))


def test_what_the_app_wrote_is_what_the_command_says(line: RecordHome) -> None:
    a_day(line)
    with line.database() as database:
        OutputWriter(database, USER, line.home / "tray" / "out").write(NOW, BERLIN, is_last=True)
    written = json.loads((line.home / "tray" / "out" / "report_2026-03-02.json").read_text())
    assert line.json("report", "daily") == written


# -- categories -----------------------------------------------------------------------------------------------


def test_the_categories_of_the_home_name_the_persons_labels(line: RecordHome) -> None:
    a_day(line)
    taxonomy = line.home / "configs" / "user_taxonomy.yaml"
    config = TaxonomyConfig(
        buckets=(TaxonomyBucket(name="=1+1", core_labels=("Review",)),),
        reject=TaxonomyReject(include_rejected_in_reports=True),
    )
    save_taxonomy(config, taxonomy)
    report = line.json("report", "daily")
    assert report["ui_label_seconds"]["=1+1"] == 1200
    assert (report["is_rejected_included"], report["ui_label_seconds"][MIXED_UNKNOWN]) == (True, 1800)
    assert "'=1+1" in line.call("report", "daily", "--csv")[1]
    assert "Not sure" not in line.call("report", "daily")[1]
    taxonomy.write_text("buckets: 7")
    code, out, err = line.call("report", "daily")
    assert (code, "Review" in out, err.startswith("taskclf-tray: Taxonomy user_taxonomy.yaml")) == (0, True, True)


@pytest.mark.parametrize("words", [[], ["daily"], ["weekly"]])
def test_help_says_what_each_option_does(line: RecordHome, words: list[str]) -> None:
    code, out, err = line.call("report", *words, "--help")
    assert (code, err) == (0, "")
    for option in ("--day", "--json", "--csv", "--png", "--out") if words else ("daily", "weekly"):
        assert option in out
