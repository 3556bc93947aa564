"""The files beside the record: each settled bucket once, whole lines, the segments of the local day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.errors import StoreError
from taskclf_tray.infer.batch import CSV_COLUMNS, read_segments_json
from taskclf_tray.infer.smooth import merge_short_segments, segmentize
from tests.support.outputs_rig import Desk
from tests.support.worker_home import MORNING, recorded

MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def test_each_settled_bucket_is_one_line_however_often_it_is_written(desk: Desk) -> None:
    added = desk.write()
    for number in range(40):
        desk.clock.advance(47)
        if number == 20:
            desk.writer = desk.new_writer()  # a restart
        added += desk.write()
    head, *lines = desk.lines()
    assert tuple(head) == CSV_COLUMNS
    assert lines == desk.settled()
    assert added == len(lines) > 60
    assert lines[0][0].endswith("+00:00")
    assert len(json.loads(lines[0][5])) == 8
    assert desk.write() == 0


def test_segments_are_those_of_the_whole_day_at_any_time(desk: Desk) -> None:
    for _ in range(25):
        desk.write()
        record = recorded(desk.database)
        whole = segmentize([p.bucket_start_ts for p in record], [p.smoothed_label_name for p in record], 60)
        assert read_segments_json(desk.out / "segments.json") == merge_short_segments(whole)
        desk.clock.advance(95)


def test_segments_are_written_only_when_they_change(desk: Desk) -> None:
    desk.write()
    seen = (desk.out / "segments.json").stat()
    desk.clock.advance(1)
    desk.write()
    now = (desk.out / "segments.json").stat()
    assert (now.st_ino, now.st_mtime_ns) == (seen.st_ino, seen.st_mtime_ns)


@pytest.mark.parametrize("restart", [False, True])
def test_a_day_that_is_over_has_a_file_of_its_own(desk: Desk, restart: bool) -> None:
    desk.write()
    desk.clock.set(MORNING + timedelta(hours=9))
    desk.write()
    closed = desk.out / "segments_2026-03-02.json"
    desk.clock.set(MORNING.replace(hour=0) + timedelta(days=1, minutes=5))
    desk.write()
    assert not closed.exists()  # its last minutes may still be revised
    if restart:
        desk.writer = desk.new_writer()
    desk.clock.advance(600)
    desk.write()
    segments = read_segments_json(closed)
    assert segments
    assert {segment.start_ts.date().isoformat() for segment in segments} == {"2026-03-02"}
    assert read_segments_json(desk.out / "segments.json") == []


@pytest.mark.parametrize("lost", [1, 20, 200, 2000])
def test_what_a_crash_tore_off_is_written_again_and_nothing_twice(desk: Desk, lost: int) -> None:
    desk.write()
    path = desk.out / "predictions.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    assert desk.write() >= 1
    assert path.read_bytes() == whole


@pytest.mark.parametrize("note", [b"# my own note\n", b"\xff\x00\xfe\n", b"\n"])
def test_a_line_of_somebody_else_at_the_end_costs_nothing(desk: Desk, note: bytes) -> None:
    desk.write()
    path = desk.out / "predictions.csv"
    path.write_bytes(path.read_bytes() + note)
    desk.clock.advance(900)
    added = desk.write()
    ours = [line for line in path.read_bytes().splitlines() if line.startswith(b"2026-")]
    assert added > 5
    assert len(ours) == len(set(ours)) == len(desk.settled())


def test_each_folder_has_everything(desk: Desk, tmp_path: Path) -> None:
    desk.write()
    desk.clock.advance(600)
    other = tmp_path / "other"
    desk.writer = desk.new_writer(other)
    desk.write()
    assert desk.lines(other)[1:] == desk.settled()
    desk.writer = desk.new_writer()
    desk.write()
    assert desk.lines()[1:] == desk.settled()
    (desk.out / "predictions.csv").unlink()
    desk.write()
    assert desk.lines()[1:] == desk.settled()


def test_a_folder_that_cannot_be_written_is_one_sentence(desk: Desk) -> None:
    desk.out.write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        desk.write()
    assert caught.value.next_step
    desk.out.unlink()
    assert desk.write() > 0
