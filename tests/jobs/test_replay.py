"""A replay from end to end: what it writes, that no answer knows a later label, and what it refuses."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import random
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.core.types import LabelSpan
from taskclf_tray.jobs import replay
from taskclf_tray.jobs.replay import ReplayRequest
from taskclf_tray.jobs.replay_days import ReplayedLife
from taskclf_tray.jobs.train import Stoppable
from taskclf_tray.labels.csv_files import write_label_csv
from taskclf_tray.system.stop_signals import install, restore
from tests.support.disks import on_small_disk
from tests.support.worked_days import spans_of, write_export, write_labels

pytestmark = pytest.mark.usefixtures("undrawn_pictures")

DAYS = range(3)
BLOCKS = 8
"""Of each day, ten minutes long."""
ANSWERS = ("raw_label", "raw_confidence", "live_label", "final_label", "is_rejected")


def replayed(folder: Path, labels: Path, **more: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The figures, and the lines of predictions.csv."""
    request = ReplayRequest(
        inputs=(str(folder / "export.json"),), label_files=(str(labels),), home=str(folder / "home"),
        out_dir=str(folder / "out"), **more,
    )  # fmt: skip
    handlers = install(signal.default_int_handler)
    try:
        facts = replay.run(request, Stoppable(lambda _event: None))
    finally:
        restore(handlers)
    return facts, list(csv.DictReader((folder / "out" / "predictions.csv").read_text().splitlines()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of three days."""
    folder = tmp_path_factory.mktemp("replay")
    write_export(folder / "export.json", DAYS, BLOCKS, share=0.97)
    return folder


@pytest.fixture(scope="module")
def usual(folder: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    write_label_csv(folder / "labels.csv", spans_of(DAYS, BLOCKS))
    return replayed(folder, folder / "labels.csv")


def test_it_writes_what_it_found_and_nothing_else(
    folder: Path, usual: tuple[dict[str, Any], list[dict[str, str]]]
) -> None:
    facts, lines = usual
    out = folder / "out"
    assert sorted(p.name for p in out.iterdir()) == [
        "learning_curve.png",
        "predictions.csv",
        "replay.json",
        "replay.md",
    ]
    assert not (folder / "home").exists()
    written = json.loads((out / "replay.json").read_text())
    assert {key: json.loads(json.dumps(facts[key])) for key in written} == written
    assert len(lines) == facts["judged_minutes"] == 240
    assert [day["labelled_minutes"] for day in facts["days"]] == [80, 80, 80]
    assert [evening["outcome"] for evening in facts["evenings"]] == ["too_few_labels", "promoted"]
    assert [evening["labelled_minutes"] for evening in facts["evenings"]] == [80, 160]
    assert all(line["truth"] and line["target_accuracy"] == "0.9" for line in lines)
    right = sum(line["final_label"] == line["truth"] for line in lines)
    assert facts["accuracy"] == pytest.approx(right / len(lines))
    page = (out / "replay.md").read_text()
    assert "How well would it have known you?" in page
    assert "![Learning curve](learning_curve.png)" in page
    for file in out.iterdir():  # the titles of the export are `Build 3` and the like
        assert not any(f"Build {k}".encode() in file.read_bytes() for k in range(5))


def test_no_answer_of_a_day_knows_a_label_of_that_day_or_later(
    folder: Path, usual: tuple[dict[str, Any], list[dict[str, str]]]
) -> None:
    _, before = usual
    others = spans_of([0, 1], BLOCKS) + permuted(spans_of([2], BLOCKS))
    write_label_csv(folder / "other.csv", others[::-1])  # the order in the file does not matter either
    facts, after = replayed(folder, folder / "other.csv", from_day=3)
    assert (facts["judged_days"], facts["judged_minutes"]) == (1, 80)
    assert [[line[name] for name in ANSWERS] for line in before] == [[line[name] for name in ANSWERS] for line in after]
    assert [line["truth"] for line in before] != [line["truth"] for line in after]


def permuted(spans: list[LabelSpan]) -> list[LabelSpan]:
    labels = [span.label for span in spans]
    random.Random(1).shuffle(labels)
    return [dataclasses.replace(span, label=label) for span, label in zip(spans, labels, strict=True)]


def test_questions_are_answered_from_the_labels(
    folder: Path, usual: tuple[dict[str, Any], list[dict[str, str]]]
) -> None:
    """None on the first day, as ever, and then so few that the forest of the starter model stays in use."""
    facts, lines = replayed(folder, folder / "labels.csv", answers_per_day=2)
    of_all = usual[1]
    assert lines[:80] == of_all[:80]
    assert all(
        one["raw_confidence"] != other["raw_confidence"] for one, other in zip(lines[80:], of_all[80:], strict=True)
    )
    first, second = facts["evenings"]
    assert first["labelled_minutes"] == 0
    assert 5 <= second["labelled_minutes"] <= 60
    assert {evening["outcome"] for evening in facts["evenings"]} <= {"not_due", "too_few_labels"}


def test_an_answer_counts_from_the_next_minute_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What earlier minutes are counted with knows nothing of it, though the record is re-inferred."""
    write_export(tmp_path / "export.json", range(2), share=0.97)
    write_label_csv(tmp_path / "labels.csv", spans_of(range(2)))
    learnt: list[datetime] = []
    fitted = ReplayedLife._refit

    def refit(life: ReplayedLife, now: datetime) -> None:
        learnt.append(now)
        fitted(life, now)

    monkeypatch.setattr(ReplayedLife, "_refit", refit)
    taught = replayed(tmp_path, tmp_path / "labels.csv", answers_per_day=6)[1]
    monkeypatch.setattr(ReplayedLife, "_refit", lambda _life, _now: None)
    untaught = replayed(tmp_path, tmp_path / "labels.csv", answers_per_day=6)[1]
    assert learnt
    differ = [
        datetime.fromisoformat(one["bucket_start_ts"])
        for one, other in zip(taught, untaught, strict=True)
        if [one[name] for name in ANSWERS] != [other[name] for name in ANSWERS]
    ]
    assert differ
    assert learnt[0] - timedelta(minutes=2) <= differ[0]


def without_windows(folder: Path) -> None:
    export = json.loads((folder / "export.json").read_text())
    bucket = {"id": "a", "type": "afkstatus", "client": "aw-watcher-afk", "hostname": "here"}
    event = {"timestamp": "2026-03-02T08:00:00+00:00", "duration": 60, "data": {"status": "afk"}}
    export["buckets"] = {"a": {**bucket, "events": [event]}}
    (folder / "export.json").write_text(json.dumps(export))


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (without_windows, {}, "export.json has no windows of a computer"),
        (lambda folder: write_labels(folder / "labels.csv", [40]), {},
         "No recorded minute has a label: the export holds 2026-03-02 – 2026-03-03, the label file 2026-04-11 – "),
        (lambda folder: (folder / "labels.csv").write_text("start_ts,end_ts,label\n"), {},
         "No recorded minute has a label: the export holds 2026-03-02 – 2026-03-03, the label file none."),
        (lambda _folder: None, {"from_day": 3}, "There is no labelled minute from day 3 on; the export holds 2."),
        (lambda folder: (folder / "export.json").write_text("{"), {}, "The export file export.json is not JSON"),
        (lambda folder: (folder / "export.json").unlink(), {}, "The export file export.json cannot be opened"),
        (lambda folder: (folder / "labels.csv").unlink(), {}, "labels.csv cannot be opened"),
        (lambda folder: (folder / "out").write_text("a file"), {}, "cannot be read or written"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_said_and_leaves_nothing(
    tmp_path: Path, change: Callable[[Path], Any], options: dict[str, Any], sentence: str
) -> None:
    write_export(tmp_path / "export.json", range(2), 2)
    write_labels(tmp_path / "labels.csv", range(2))
    change(tmp_path)
    with pytest.raises(TaskclfError) as error:
        replayed(tmp_path, tmp_path / "labels.csv", **options)
    assert sentence in error.value.title
    assert error.value.next_step
    assert not (tmp_path / "out").is_dir() or not list((tmp_path / "out").iterdir())


def test_what_a_killed_replay_left_is_removed_a_day_later(tmp_path: Path) -> None:
    old, young = (tmp_path / "out" / f".replay-{name}" for name in ("old", "young"))
    for folder in (old, young):
        (folder / "home").mkdir(parents=True)
    os.utime(old, (0, 0))
    with pytest.raises(TaskclfError, match="cannot be opened"):
        replayed(tmp_path, tmp_path / "labels.csv")
    assert (old.exists(), young.exists()) == (False, True)


def replayed_on_a_full_disk(disk: Path) -> tuple[str, str, list[str]]:
    """The error, its next step, and what is left in the folder for the results."""
    request = ReplayRequest(
        inputs=(str(disk.parent / "export.json"),), label_files=(str(disk.parent / "labels.csv"),),
        home=str(disk.parent / "home"), out_dir=str(disk / "out"),
    )  # fmt: skip
    with pytest.raises(TaskclfError) as error:
        replay.run(request, Stoppable(lambda _event: None))
    return error.value.title, error.value.next_step, [path.name for path in (disk / "out").iterdir()]


@pytest.mark.parametrize("size", ["500k", "1100k"])  # too small for the model, and for the record
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, size: str) -> None:
    write_export(tmp_path / "export.json", [0], 2)
    write_labels(tmp_path / "labels.csv", [0])
    (tmp_path / "disk").mkdir()
    title, next_step, left = on_small_disk(size, tmp_path / "disk", replayed_on_a_full_disk)
    assert "full" in title
    assert "Free some space" in next_step
    assert left == []
