"""Where labelled minutes come from: the record, exports of the time before it, and files of labels."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.config import Config
from taskclf_tray.core.errors import ExportFormatError, LabelError, StoreError
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.dataset_sources import from_record, labelled_dataset, labelled_minutes
from taskclf_tray.train.weak import weak_label
from tests.support.labelled import MINUTE_US
from tests.support.stored_days import buckets_and_spans
from tests.support.worked_days import (
    BLOCK_MINUTES,
    BLOCKS_A_DAY,
    LATER,
    block_label,
    block_start,
    make_home,
    record_days,
    write_export,
    write_labels,
)
from tests.support.worker_home import USER

DAY_MINUTES = BLOCKS_A_DAY * BLOCK_MINUTES


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    """The record of two days, the first of them labelled."""
    home = make_home(tmp_path / "home")
    record_days(home, [0, 1], labelled=[0])
    return home


@pytest.fixture
def database(paths: HomePaths) -> Iterator[Database]:
    opened = Database(paths.database)
    yield opened
    opened.close()


def minutes_of(dataset: Dataset) -> dict[int, str]:
    labels = [LABEL_SET_V1[label] for label in dataset.labels.tolist()]
    return dict(zip(dataset.start_us.tolist(), labels, strict=True))


def truth_of(day: int) -> dict[int, str]:
    return {
        to_us(block_start(day, block)) + minute * MINUTE_US: block_label(day, block)
        for block in range(BLOCKS_A_DAY)
        for minute in range(BLOCK_MINUTES)
    }


def test_the_record_under_its_labels(database: Database) -> None:
    made = from_record(database, USER)
    assert minutes_of(made) == truth_of(0)
    assert not made.is_weak.any()
    assert made.day_count == 1
    assert len(from_record(database, "somebody-else")) == 0
    start_us = to_us(block_start(0, 3))
    assert len(from_record(database, USER, start_us=start_us, end_us=start_us + 5 * MINUTE_US)) == 5


def test_a_file_of_labels_speaks_of_the_record(paths: HomePaths, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "labels.csv", [1])
    assert minutes_of(labelled_minutes(paths, Config(), label_files=[labels], at=LATER)) == {
        **truth_of(0),
        **truth_of(1),
    }


def test_months_before_the_app_count(paths: HomePaths, tmp_path: Path) -> None:
    """The export holds a day the record has too: its minutes count once."""
    export = write_export(tmp_path / "export.json", [-2, -1, 0])
    labels = write_labels(tmp_path / "labels.csv", [-2, -1])
    made = labelled_minutes(paths, Config(), exports=[export], label_files=[labels], at=LATER)
    assert minutes_of(made) == {**truth_of(-2), **truth_of(-1), **truth_of(0)}
    assert made.day_count == 3
    first = to_us(block_start(-1, 0))
    later = labelled_minutes(paths, Config(), exports=[export], label_files=[labels], start_us=first, at=LATER)
    assert minutes_of(later) == {**truth_of(-1), **truth_of(0)}


def test_an_export_alone(tmp_path: Path) -> None:
    home = make_home(tmp_path / "new")
    export, labels = write_export(tmp_path / "export.json", [0]), write_labels(tmp_path / "labels.csv", [0])
    made = labelled_minutes(home, Config(), exports=[export], label_files=[labels], at=LATER)
    assert minutes_of(made) == truth_of(0)
    assert not home.database.exists()


def test_words_that_contradict_each_other_drop(paths: HomePaths, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    start = block_start(0, 0)
    labels.write_text(f"start_ts,end_ts,label\n{start.isoformat()},{(start + timedelta(minutes=3)).isoformat()},Meet\n")
    made = labelled_minutes(paths, Config(), label_files=[labels], at=LATER)
    assert len(made) == DAY_MINUTES - 3


def test_private_time_of_an_export_stays_out(paths: HomePaths, tmp_path: Path) -> None:
    export, labels = write_export(tmp_path / "export.json", [-1]), write_labels(tmp_path / "labels.csv", [-1])
    database = Database(paths.database)
    with database.transaction():
        database.blackouts.open("private", to_us(block_start(-1, 2)))
        database.blackouts.close("private", to_us(block_start(-1, 4)))
    database.close()
    made = labelled_minutes(paths, Config(), exports=[export], label_files=[labels], at=LATER)
    assert len(made) == 2 * DAY_MINUTES - 2 * BLOCK_MINUTES
    assert made.start_us[made.start_us < to_us(block_start(0, 0))].tolist() == [
        at for at in truth_of(-1) if not to_us(block_start(-1, 2)) <= at < to_us(block_start(-1, 4))
    ]


def test_what_is_not_there_or_damaged(paths: HomePaths, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no record in"):
        labelled_minutes(make_home(tmp_path / "new"), Config())
    torn = tmp_path / "torn.json"
    torn.write_text('{"buckets": {')
    with pytest.raises(ExportFormatError, match="not JSON"):
        labelled_minutes(paths, Config(), exports=[torn])
    other = tmp_path / "labels.csv"
    start = block_start(1, 0)
    end = start + timedelta(minutes=9)
    other.write_text(f"start_ts,end_ts,label,user_id\n{start.isoformat()},{end.isoformat()},Meet,nobody\n")
    with pytest.raises(LabelError, match="another user"):
        labelled_minutes(paths, Config(), label_files=[other], at=LATER)
    made = labelled_minutes(paths, Config(), label_files=[other], adopt=True, at=LATER)
    assert len(made) == DAY_MINUTES + 9


def calls(count: int, span_count: int) -> int:
    """How many Python functions labelling calls."""
    made = 0

    def see(*event: object) -> None:
        nonlocal made
        made += event[1] == "call"

    asked = buckets_and_spans(count, span_count)
    sys.setprofile(see)
    try:
        labelled_dataset(*asked, weak=weak_label)
    finally:
        sys.setprofile(None)
    return made


def test_the_work_grows_with_minutes_and_labels_and_not_with_their_product() -> None:
    few = calls(1_000, 50)
    assert calls(4_000, 200) < 4.2 * few
    assert calls(1_000, 200) < 2 * few
