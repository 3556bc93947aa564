"""A folder that is full, read-only or gone: one sentence, the record goes on, the files are completed later."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.core.errors import StoreError
from taskclf_tray.infer.batch import CSV_COLUMNS, read_segments_json
from taskclf_tray.infer.smooth import merge_short_segments, segmentize
from taskclf_tray.report.telemetry import telemetry_name
from tests.support.disks import full_disk
from tests.support.outputs_rig import Desk
from tests.support.special_files import KINDS, mark, no_waiting, put
from tests.support.worker_home import MORNING, USER, recorded

CLOSING = MORNING.replace(hour=0) + timedelta(days=1, minutes=30)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def step(desk: Desk) -> None:
    while not desk.recorder.step(desk.clock.now()).is_caught_up:
        pass


def fails(desk: Desk) -> StoreError:
    with pytest.raises(StoreError, match="cannot be written") as caught:
        desk.writer.write(desk.clock.now(), "UTC")
    return caught.value


def check_complete(desk: Desk) -> None:
    """Everything the record holds is in the files, once."""
    assert tuple(desk.lines()[0]) == CSV_COLUMNS
    assert desk.lines()[1:] == desk.settled()
    today = [p for p in recorded(desk.database) if p.bucket_start_ts.date() == desk.clock.now().date()]
    segments = segmentize([p.bucket_start_ts for p in today], [p.smoothed_label_name for p in today], 60)
    assert read_segments_json(desk.out / "segments.json") == merge_short_segments(segments)


def check_closed(desk: Desk) -> None:
    """The day that is over has its three outputs."""
    report = json.loads((desk.out / "report_2026-03-02.json").read_text())
    day = [r for r in desk.database.buckets.between(USER, 0, 1 << 62) if r.start_us < int(CLOSING.timestamp() * 1e6)]
    assert report["covered_seconds"] == pytest.approx(sum(record.covered_seconds for record in day))
    assert read_segments_json(desk.out / "segments_2026-03-02.json")
    lines = (desk.out / "telemetry" / telemetry_name(USER)).read_text().splitlines()
    assert [json.loads(line)["date"] for line in lines] == ["2026-03-02"]


@pytest.mark.parametrize("room_bytes", [0, 1, 57, 300, 1_000, 5_000])
def test_a_full_disk(desk: Desk, room_bytes: int) -> None:
    """The line that did not fit is half there; later it is whole, and none is missing or there twice."""
    desk.write()
    path = desk.out / "predictions.csv"
    for _ in range(3):
        desk.clock.advance(3600)
        step(desk)
        before = desk.database.buckets.count(USER)
        with full_disk(path.stat().st_size + room_bytes):
            assert "File too large" in fails(desk).title
        desk.clock.advance(600)
        step(desk)
        assert desk.database.buckets.count(USER) > before
    desk.write()
    check_complete(desk)


def test_a_disk_that_is_full_at_midnight(desk: Desk) -> None:
    desk.clock.set(MORNING + timedelta(hours=9))
    desk.write()
    desk.clock.set(CLOSING)
    step(desk)
    with full_disk(10):
        fails(desk)
    desk.clock.advance(60)
    desk.write()
    check_complete(desk)
    check_closed(desk)


def test_a_folder_on_a_read_only_disk(desk: Desk, tmp_path: Path) -> None:
    """`/sys` takes no new file, not even from root."""
    writable = tmp_path / "disk"
    writable.mkdir()
    desk.out.symlink_to("/sys/kernel")
    desk.clock.set(MORNING + timedelta(hours=9))
    for _ in range(3):
        step(desk)
        assert fails(desk).next_step
        desk.clock.advance(600)
    desk.out.unlink()
    desk.out.symlink_to(writable)
    desk.clock.set(CLOSING)
    desk.write()
    check_complete(desk)
    check_closed(desk)


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_folder_that_vanishes(desk: Desk, tmp_path: Path, comes_back: bool) -> None:
    """A disk pulled out: an empty folder may stand in its place meanwhile, and the old one come back as it was."""
    desk.write()
    away = tmp_path / "away"
    desk.out.rename(away)
    desk.clock.advance(1_800)
    desk.write()
    check_complete(desk)
    if comes_back:
        shutil.rmtree(desk.out)
        away.rename(desk.out)
    desk.clock.advance(1_800)
    desk.write()
    check_complete(desk)
    desk.clock.set(CLOSING)
    desk.write()
    check_closed(desk)


def test_a_parent_that_is_gone_and_cannot_be_made(desk: Desk) -> None:
    desk.write()
    kept = desk.out.rename(desk.out.with_name("kept"))
    desk.out.write_text("a file in the folder's place")
    desk.clock.advance(600)
    step(desk)
    fails(desk)
    desk.out.unlink()
    kept.rename(desk.out)
    desk.write()
    check_complete(desk)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["predictions.csv", "segments.json"])
def test_what_is_no_file_of_ours_is_left_alone(desk: Desk, name: str, kind: str) -> None:
    desk.write()
    path = desk.out / name
    kept = path.read_bytes()
    there = put(path, kind)
    desk.clock.advance(600)
    step(desk)
    with no_waiting():
        said = fails(desk)
    assert said.title.startswith(f"{path} cannot be written: it is ")
    assert mark(path) == there
    assert not path.with_name("nowhere").exists()
    path.rmdir() if kind == "folder" else path.unlink()
    path.write_bytes(kept)
    desk.write()
    check_complete(desk)
