"""`taskclf-tray labels`: add, now, list, undo, delete, export, import, and what none of them takes."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.csv_files import MAX_FILE_BYTES
from taskclf_tray.simulation.person import ManualClock
from tests.support.cli_records import NOW, RecordHome, clock_of, in_berlin, line, put
from tests.support.homes import CommandLine
from tests.support.sample_rows import HOME
from tests.support.worker_home import MORNING, USER, pipeline_config, recorded, recorder_of, simulated_source

__all__ = ["in_berlin", "line"]

OUTSIDE_IT, OUTSIDE_BOTH = (
    f"{they} outside recorded time: for training {count} only together with an export of that time "
    "(`taskclf-tray train retrain --input EXPORT.json`).\n"
    for they, count in (("It lies", "it counts"), ("All 2 lie", "they count"))
)
BUILD = ("labels", "add", "--start", "14:05", "--end", "14:25", "Build")
HOSTILE = [
    "Bui\x1b[2Jld",
    "Build\nMeet",
    "\u202edliuB",
    "'; DROP TABLE label_spans; --",
    "x" * 100_000,
    "Mixed/Unknown",
    "",
]


# -- labelling ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("14:05", "14:25"),
        ("2026-03-02 14:05", "2026-03-02T14:25"),
        ("2026-03-02T14:05:00+01:00", "2026-03-02T13:25Z"),
        ("2026-03-02T08:05-05:00", "14:25"),
        ("2:05pm", "2:25 PM"),
        ("monday 14:05", "2.3.2026 2:25 pm"),
    ],
)
def test_add_takes_times_as_they_are_typed(line: RecordHome, start: str, end: str) -> None:
    code, out, err = line.call("labels", "add", "--start", start, "--end", end, "build")
    assert (code, out, err) == (0, "2026-03-02 14:05–14:25 (20 min) is Build.\n", "")
    assert line.said() == [("03-02 14:05", "03-02 14:25", "Build")]


def test_add_lies_over_what_was_there(line: RecordHome) -> None:
    line.call(*BUILD)
    facts = line.json("labels", "add", "--start", "14:10", "--end", "14:15", "Meet", "--confidence", "0.75")
    assert facts == {"start": "2026-03-02T13:10:00+00:00", "end": "2026-03-02T13:15:00+00:00", "label": "Meet"}
    assert [label for _, _, label in line.said()] == ["Build", "Meet", "Build"]
    middle = line.json("labels", "list")["labels"][1]
    assert (middle["confidence"], middle["provenance"], middle["is_growing"]) == (0.75, "manual", False)


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("14:25", "14:05", "does not come after the start, 2026-03-02 14:25. HH:MM means today"),
        ("14:05", "14:05", "does not come after"),
        ("14:05", "14:45", "would end in the future, at 2026-03-02 14:45"),
    ],
)
def test_add_refuses_a_stretch_that_cannot_be(line: RecordHome, start: str, end: str, says: str) -> None:
    assert says in line.refused("labels", "add", "--start", start, "--end", end, "Build")
    assert line.said() == []


@pytest.mark.parametrize("label", HOSTILE)
def test_a_label_that_is_none_is_wrong_usage_and_names_the_eight(line: RecordHome, label: str) -> None:
    said = line.refused(*BUILD[:-1], label, code=2)
    assert all(name in said for name in LABEL_SET_V1)
    assert len(said) < 600
    assert all(char.isprintable() or char == "\n" for char in said)
    assert line.said() == []


@pytest.mark.parametrize(
    "time",
    ["25:00", "14:60", "noon", "\x1b[2J", "2026-02-30 10:00", "99999-01-01", "0001-01-01T00:00+14:00", "", "1" * 5000],
)
def test_a_time_that_is_none_is_wrong_usage(line: RecordHome, time: str) -> None:
    said = line.refused("labels", "add", "--start", time, "--end", "14:25", "Build", code=2)
    assert "argument --start: " in said
    assert "is not understood; write 14:05" in said
    assert all(char.isprintable() or char == "\n" for char in said)


@pytest.mark.parametrize("confidence", ["1.5", "-0.1", "nan", "inf", "sure"])
def test_a_confidence_out_of_range_is_wrong_usage(line: RecordHome, confidence: str) -> None:
    assert "usage:" in line.refused(*BUILD, f"--confidence={confidence}", code=2)


def test_a_time_that_came_twice_asks_which(line: RecordHome) -> None:
    line.now = datetime(2026, 10, 25, 12, tzinfo=UTC)
    words = ("labels", "add", "--end", "2026-10-25 03:30", "Build", "--start")
    said = line.refused(*words, "2026-10-25 02:30", code=2)
    assert "came twice" in said
    assert "2026-10-25T02:30+02:00 or 2026-10-25T02:30+01:00" in said
    assert "(60 min)" in line.call(*words, "2026-10-25T02:30+01:00")[1]
    assert "(120 min)" in line.call(*words, "2026-10-25T02:30+02:00")[1]


def test_a_time_that_never_came_is_refused(line: RecordHome) -> None:
    line.now = datetime(2026, 3, 29, 12, tzinfo=UTC)
    said = line.refused("labels", "add", "--start", "2026-03-29 02:30", "--end", "03:30", "Build", code=2)
    assert "02:30 did not come on 2026-03-29" in said
    assert "(60 min)" in line.call("labels", "add", "--start", "01:30", "--end", "03:30", "Build")[1]


def test_days_are_those_of_this_machine(line: RecordHome, monkeypatch: pytest.MonkeyPatch) -> None:
    line.call("labels", "add", "--start", "2026-03-01T23:30+01:00", "--end", "2026-03-02T00:30+01:00", "Write")
    assert len(line.json("labels", "list", "--day", "2026-03-01")["labels"]) == 1
    with clock_of("Pacific/Auckland", monkeypatch):
        assert line.json("labels", "list", "--day", "2026-03-01")["labels"] == []
        assert (
            "2026-03-02 11:30–12:30   60 min  Write         you"
            in line.call("labels", "list", "--day", "2026-03-02")[1]
        )


# -- the current block ----------------------------------------------------------------------------------------


def test_now_labels_the_block_of_a_recorded_person(line: RecordHome) -> None:
    clock = ManualClock(MORNING + timedelta(hours=2, minutes=7))
    with line.database() as database:
        recorder = recorder_of(database, simulated_source(clock), pipeline_config(with_taxonomy=False))
        while not recorder.step(clock.now()).is_caught_up:
            pass
        minutes = recorded(database)
        apps = [record.row().app_id for record in database.buckets.between(USER, 0, 1 << 62)]
    line.now = clock.now()
    expected = run_start(minutes, apps, line.now)
    facts = line.json("labels", "now", "Write")
    assert (facts["start"], facts["end"]) == (expected.isoformat(), line.now.isoformat())
    span = line.json("labels", "list")["labels"][-1]
    assert (span["label"], span["is_growing"], span["start"]) == ("Write", True, expected.isoformat())
    assert line.call("labels", "list")[1].endswith("Write         you, still open\n")
    assert "Undone: Write" in line.call("labels", "undo")[1]
    assert line.said() == []


def run_start(minutes: list[WindowPrediction], apps: list[str], now: datetime) -> datetime:
    """Where the last minutes of one label in one app begin, cut at their half hours."""
    last = minutes[-1]
    start = last.bucket_start_ts
    for minute, app in zip(reversed(minutes[:-1]), reversed(apps[:-1]), strict=True):
        if minute.bucket_end_ts != start or minute.ui_label != last.ui_label or app != apps[-1]:
            break
        start = minute.bucket_start_ts
    while now - start > timedelta(minutes=30):
        start += timedelta(minutes=30)
    return start


def test_now_without_a_record_says_how_to_name_the_times(line: RecordHome) -> None:
    said = line.refused("labels", "now", "debug")
    assert "There is no current block" in said
    assert "taskclf-tray labels add --start 14:05 --end 14:25 Debug" in said


# -- list, undo, delete ---------------------------------------------------------------------------------------


def test_list(line: RecordHome) -> None:
    assert "no label of today yet" in line.call("labels", "list")[1]
    line.call(*BUILD)
    line.call("labels", "add", "--start", "2026-03-01 23:50", "--end", "00:10", "ReadResearch", "--confidence", "1")
    code, out, err = line.call("labels", "list")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "2026-03-01 23:50–00:10   20 min  ReadResearch  you, 100% sure",
        "2026-03-02 14:05–14:25   20 min  Build         you",
    ]
    assert max(map(len, out.splitlines())) <= 80
    assert len(line.call("labels", "list", "--day", "yesterday")[1].splitlines()) == 1
    assert "no label in this time" in line.call("labels", "list", "--to", "2026-02-28")[1]
    assert line.json("labels", "list", "--from", "00:10", "--to", "today") == {
        "from": "2026-03-01T23:10:00+00:00",
        "to": "2026-03-02T23:00:00+00:00",
        "labels": line.json("labels", "list", "--from", "12:00")["labels"],
    }
    assert "--day does not go with" in line.refused("labels", "list", "--day", "today", "--to", "today", code=2)
    assert "is not understood" in line.refused("labels", "list", "--day", "2026-13-01", code=2)


def test_undo_goes_back_step_by_step(line: RecordHome) -> None:
    line.call(*BUILD)
    line.call("labels", "add", "--start", "14:00", "--end", "14:30", "Meet")
    line.call("labels", "delete", "--start", "14:00", "--end", "14:10")
    assert line.call("labels", "undo")[1] == "Undone: the deletion of Meet in 2026-03-02 14:00–14:10.\n"
    assert line.json("labels", "undo") == {
        "undone": "label",
        "label": "Meet",
        "start": "2026-03-02T13:00:00+00:00",
        "end": "2026-03-02T13:30:00+00:00",
    }
    assert line.said() == [("03-02 14:05", "03-02 14:25", "Build")]
    line.now += timedelta(days=1, seconds=1)
    assert "There is nothing to undo. A label" in line.refused("labels", "undo")


def test_delete(line: RecordHome) -> None:
    words = ("labels", "delete", "--start", "14:10", "--end", "14:15")
    assert line.call(*words)[:2] == (0, "There was no label in 2026-03-02 14:10–14:15.\n")
    line.call(*BUILD)
    assert line.json(*words)["deleted"] is True
    assert [(start, end) for start, end, _ in line.said()] == [
        ("03-02 14:05", "03-02 14:10"),
        ("03-02 14:15", "03-02 14:25"),
    ]
    assert "does not come after" in line.refused("labels", "delete", "--start", "14:15", "--end", "14:10")


# -- files ----------------------------------------------------------------------------------------------------


def test_export_and_import_give_back_the_same(line: RecordHome, tmp_path: Path) -> None:
    line.call(*BUILD)
    line.call("labels", "add", "--start", "13:00", "--end", "13:30", "Meet", "--confidence", "0.1")
    code, out, err = line.call("labels", "export")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["label"], row["user_id"], row["confidence"]) for row in rows] == [
        ("Meet", USER, "0.1"), ("Build", USER, ""),
    ]  # fmt: skip
    file = tmp_path / "my labels.csv"
    assert line.call("labels", "export", "--out", str(file))[1] == f"2 labels written to {file}.\n"
    before = line.said()
    line.call("labels", "delete", "--start", "2026-03-01 00:00", "--end", "14:30")
    assert line.call("labels", "import", str(file))[1] == f"2 labels imported.\n{OUTSIDE_BOTH}"
    assert line.said() == before
    assert line.json("labels", "export")["labels"] == line.json("labels", "list")["labels"]
    assert line.json("labels", "export", "--out", str(file)) == {"file": str(file), "labels": 2}
    assert line.call("labels", "undo")[1].startswith("Undone: the import of labels in 2026-03-02 13:00–14:25")
    assert "cannot be written" in line.refused("labels", "export", "--out", str(tmp_path))


def test_import_takes_a_file_whole_or_not_at_all(line: RecordHome, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    good = "2026-03-02T13:05Z,2026-03-02T13:25Z,Build\n"
    file.write_text(
        "start_ts,end_ts,label\n" + good + "\n2026-03-02T13:05Z,soon,Build\n" + good.replace("Build", "Bu\x1bld")
    )
    said = line.refused("labels", "import", str(file))
    assert "line 4: end_ts “soon”" in said
    assert "line 5: “Bu�ld” is not one of the eight labels" in said
    assert "Nothing was imported" in said
    assert line.said() == []
    file.write_text("start_ts,end_ts,label\n" + good)
    assert line.call("labels", "import", str(file))[1] == f"1 label imported.\n{OUTSIDE_IT}"
    assert "from" not in line.call("labels", "list")[1]
    assert line.call("labels", "list")[1].endswith("Build         a file\n")


def test_labels_of_others_are_adopted_only_when_that_is_said(line: RecordHome, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    row = "2026-03-02T13:05Z,2026-03-02T13:25Z,{},somebody\n"
    file.write_text("start_ts,end_ts,label,user_id\n" + row.format("Build"))
    assert "With --adopt they become your labels" in line.refused("labels", "import", str(file))
    assert line.json("labels", "import", str(file), "--adopt") == {
        "file": str(file),
        "labels": 1,
        "already_there": 0,
        "outside_record": 1,
        "notes": [],
    }
    assert line.said() == [("03-02 14:05", "03-02 14:25", "Build")]
    file.write_text("start_ts,end_ts,label,user_id\n" + row.format("Nothing"))
    assert "--adopt" not in line.refused("labels", "import", str(file))


FIELD_CASE = "start_ts,end_ts,label\n2026-03-02T12:30:00,2026-03-02T12:50:00,Build\n"


def test_what_times_without_an_offset_mean_is_said_or_told(line: RecordHome, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(FIELD_CASE)
    note = (
        "2 times have no offset: 2026-03-02T12:30:00 was read as 12:30 UTC, that is 13:30 here; "
        "use --times local if the file means local time."
    )
    assert note in line.call("labels", "import", str(file))[1].splitlines()
    assert line.said() == [("03-02 13:30", "03-02 13:50", "Build")]
    assert "nothing has changed" in line.call("labels", "import", str(file), "--times", "utc")[1]
    assert line.json("labels", "import", str(file))["notes"] == [note]
    assert line.json("labels", "import", str(file), "--times", "local")["notes"] == []
    assert line.said() == [("03-02 12:30", "03-02 12:50", "Build"), ("03-02 13:30", "03-02 13:50", "Build")]
    assert "invalid choice" in line.refused("labels", "import", str(file), "--times", "moon", code=2)


def test_an_import_says_what_was_there_and_what_lies_outside_the_record(line: RecordHome, tmp_path: Path) -> None:
    line.call(*BUILD)
    put(line, NOW - timedelta(minutes=20), 5)
    file = tmp_path / "labels.csv"
    rows = ["2026-03-02T13:05Z,2026-03-02T13:25Z,Build,manual", "2026-03-02T13:25Z,2026-03-02T13:29Z,Meet,"]
    rows += ["2026-03-01T13:25Z,2026-03-01T13:29Z,Meet,"]
    file.write_text("\n".join(["start_ts,end_ts,label,provenance", *rows, ""]))
    assert line.call("labels", "import", str(file))[1].splitlines() == [
        "2 labels imported; 1 label was there already.",
        "2 of the 3 lie outside recorded time: for training they count only together with an export of that time "
        "(`taskclf-tray train retrain --input EXPORT.json`).",
    ]
    again = line.call("labels", "import", str(file))[1].splitlines()
    assert again[0] == "3 labels were there already: nothing has changed."
    facts = line.json("labels", "import", str(file))
    assert (facts["labels"], facts["already_there"], facts["outside_record"]) == (3, 3, 2)
    assert line.call("labels", "undo")[1].startswith("Undone: the import")  # one step, however often it was said


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"\x00" * 1000, b'"open', b"a,b\n" * 10])
def test_files_that_are_no_labels(line: RecordHome, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "labels.csv"
    if content is not None:
        file.write_bytes(content)
    assert line.refused("labels", "import", str(file)).count("\n") == 1
    assert "cannot be opened" in line.refused("labels", "import", str(tmp_path))


def test_a_huge_file_is_refused_before_it_is_parsed(line: RecordHome, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with file.open("wb") as huge:
        huge.truncate(MAX_FILE_BYTES * 20)
    assert "is larger than 50 MiB" in line.refused("labels", "import", str(file))


# -- homes ----------------------------------------------------------------------------------------------------

EVERY = [
    BUILD,
    ("labels", "now", "Build"),
    ("labels", "list"),
    ("labels", "undo"),
    ("labels", "delete", "--start", "14:05", "--end", "14:25"),
    ("labels", "export"),
    ("queue", "list"),
    ("queue", "answer", "abcd", "Build"),
    ("queue", "skip", "abcd"),
    ("queue", "asking", "off"),
    ("queue", "export"),
    ("queue", "import", "queue.json"),
]


def test_a_home_without_a_record_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = CommandLine(tmp_path / "home", capsys)
    before = sorted(line.home.rglob("*"))
    for words in EVERY:
        said = line.refused(*words)
        assert "There is no record in" in said
        assert "taskclf-tray run" in said
    assert sorted(line.home.rglob("*")) == before
    line.home = tmp_path / "nowhere"
    for words in EVERY:
        line.refused(*words)
    assert not line.home.exists()


def test_a_secret_that_is_gone_is_not_invented(line: RecordHome) -> None:
    shutil.copytree(HOME / "models", line.home / "models")
    secret = line.home / "data" / "processed" / ".title_secret"
    secret.unlink()
    assert "secret" in line.refused("labels", "list")
    assert not secret.exists()


def test_a_damaged_database_is_a_sentence(line: RecordHome) -> None:
    (line.home / "tray" / "tray.db").write_bytes(b"no database" * 1000)
    file = line.home / "labels.csv"
    file.write_text("start_ts,end_ts,label\n2026-03-02T13:05Z,2026-03-02T13:25Z,Build\n")
    for words in [*EVERY, ("labels", "import", str(file))]:
        assert "is damaged" in line.refused(*words)


def test_whoever_reads_may_go_away(line: RecordHome) -> None:
    rows = "".join(
        f"{start.isoformat()},{(start + timedelta(seconds=30)).isoformat()},Build\n"
        for start in (NOW - timedelta(minutes=n + 1) for n in range(3000))
    )
    file = line.home / "labels.csv"
    file.write_text(f"start_ts,end_ts,label\n{rows}")
    line.call("labels", "import", str(file))
    command = [sys.executable, "-m", "taskclf_tray", "labels", "export", "--home", str(line.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(120) in (0, 1)


def test_a_label_before_all_calendars_can_be_listed_and_deleted(
    line: RecordHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("start_ts,end_ts,label\n0001-01-01T00:00Z,0001-01-01T01:00Z,Build\n")
    line.call("labels", "import", str(file))
    with clock_of("America/New_York", monkeypatch):
        code, out, err = line.call("labels", "list", "--to", "today")
        assert (code, err) == (0, "")
        assert "01-01 00:00–01:00   60 min  Build         a file" in out
        assert line.call("labels", "undo")[0] == 0
