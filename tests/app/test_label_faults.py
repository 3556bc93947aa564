"""Labels under faults: a full disk, a folder that takes nothing, a locked database, a crowd of clicks, kill −9.

As a program, `python -m tests.app.test_label_faults FOLDER`: a worker whose waiting blocks are answered one after
another; prints the start (µs) of each block once the views show its answer.
"""

from __future__ import annotations

import logging
import os
import queue
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import session_loop
from taskclf_tray.app.commands import AnswerRequest, LabelBlock, SetAsking, UndoLabel
from taskclf_tray.app.label_writer import LabelCommands, LabelWriter, WriterSurroundings
from taskclf_tray.app.snapshot import LabelView, Snapshot
from taskclf_tray.app.text import Message
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord
from taskclf_tray.store.requests import LabelRequest
from tests.support.processes import ROOT
from tests.support.worker_home import USER
from tests.support.worker_rig import START, Rig, Watcher, until

BLOCK = timedelta(minutes=1)
FIRST = START - timedelta(days=20)
HOUR_US = 3_600_000_000
BLOCKS = 300
KILLS = 100 if os.environ.get("TASKCLF_FAULTS") == "long" else 3


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    return Rig(tmp_path)


def queue_blocks(path: Path, count: int) -> list[LabelRequest]:
    """So many blocks of the past that wait for an answer; each was asked about."""
    starts = [FIRST + number * BLOCK for number in range(count)]
    day = FIRST.date().isoformat()
    requests = [
        LabelRequest(
            f"block-{to_us(at)}",
            USER,
            at,
            at + BLOCK,
            "low_confidence",
            0.4,
            "Build",
            at,
            second_label="Debug",
            local_day=day,
        )
        for at in starts
    ]
    with closing(Database(path)) as database, database.transaction():
        for request in requests:
            database.requests.put(request)
            database.asks.add(USER, request.request_id, to_us(request.created_at), day, is_random=False)
    return requests


def spans(path: Path) -> list[SpanRecord]:
    with closing(Database(path, read_only=True)) as database:
        return list(LabelStore(database, USER).everything())


def has_span(path: Path, start_us: int) -> bool:
    return any(span.start_us == start_us for span in spans(path))


def changes(path: Path) -> list[tuple[int, str]]:
    """Start and label of every change, in the order in which they were made."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT start_us, label FROM label_changes ORDER BY id").fetchall()


@contextmanager
def full_disk(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond this size."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def refusals(caplog: pytest.LogCaptureFixture) -> int:
    """How often the label writer could not write; the worker, which writes too, is not counted."""
    return sum(record.name == LabelWriter.__module__ and "is full" in record.getMessage() for record in caplog.records)


# -- the disk -------------------------------------------------------------------------------------------------


def test_an_answer_on_a_full_disk_is_told_and_works_once_there_is_room(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    path = rig.paths.database
    (request,) = queue_blocks(path, 1)
    answer = AnswerRequest(request.request_id, "Write", START)
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.labels.review_count, "the block in the menu")
        with full_disk(4000):  # less than the first page of the write-ahead log
            runtime.send(answer)
            until(lambda: refusals(caplog) == 1, "what is wrong")
            runtime.send(answer)
            until(lambda: refusals(caplog) == 2, "what is still wrong")
            until(lambda: len(rig.notifier.told("is full")) >= 2, "what is wrong, both times")
        assert spans(path) == []
        assert "Free some space" in rig.notifier.told("not written down")[0].body
        runtime.send(answer)
        until(lambda: spans(path), "the label")
        until(lambda: runtime.snapshot.labels.undo, "Undo")
    assert [span.label for span in spans(path)] == ["Write"]


def test_a_disk_that_fills_up_anywhere_leaves_the_label_or_says_so(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Whole pages, half pages and single bytes of room behind what the log holds now."""
    path, log_path = rig.paths.database, rig.paths.database.with_name(rig.paths.database.name + "-wal")
    rooms = [0, 1, 23, 24, 25, 2_000, 4_119, 4_120, 4_121, 8_240, 12_000, 20_600, 30_000]
    requests = queue_blocks(path, len(rooms))

    def answer(request: LabelRequest) -> Callable[[], bool]:
        """Says whether something has come of it."""
        before = refusals(caplog), len(spans(path))
        runtime.send(AnswerRequest(request.request_id, "Write", START))
        return lambda: before != (refusals(caplog), len(spans(path)))

    with rig.running() as runtime:
        until(lambda: runtime.snapshot.labels.review_count >= len(rooms), "the blocks in the menu")
        for request, room in zip(requests, rooms, strict=True):
            with full_disk(log_path.stat().st_size + room):
                until(answer(request), "the label, or what is wrong")
            runtime.send(AnswerRequest(request.request_id, "Write", START))
            until(lambda at=request.start_us: has_span(path, at), "the label")  # type: ignore[misc]
        assert 5 < refusals(caplog) < len(rooms) + 1
        assert len(rig.notifier.told("is full")) >= refusals(caplog)
    assert [span.start_us for span in spans(path)] == [request.start_us for request in requests]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_folder_that_takes_nothing_is_told_and_the_next_click_is_tried_again(tmp_path: Path) -> None:
    disk, real = tmp_path / "disk", tmp_path / "real"
    real.mkdir()
    disk.symlink_to("/sys/kernel")  # takes no new file, not even from root
    told: list[Message] = []
    shown: list[LabelView] = []

    def show(read: Callable[[], LabelView]) -> None:
        shown.append(read())

    around = WriterSurroundings(disk / "tray.db", USER, lambda: "UTC", lambda: None, told.extend, show)
    commands: LabelCommands = queue.SimpleQueue()
    desk = LabelWriter(around, commands)
    desk.start()
    try:
        commands.put(LabelBlock(START - BLOCK, "Write", START))
        until(lambda: told, "what is wrong")
        assert "cannot be written" in told[0][0]
        assert "permissions" in told[0][1]
        disk.unlink()
        disk.symlink_to(real)
        commands.put(LabelBlock(START - BLOCK, "Write", START))
        until(lambda: shown, "the label")
    finally:
        desk.close()
    assert [span.label for span in spans(real / "tray.db")] == ["Write"]
    assert len(told) == 1


@pytest.mark.parametrize("late", ["INSERT ON label_spans", "UPDATE ON label_requests", "UPDATE ON asks"])
def test_a_database_that_refuses_a_write_is_told_and_keeps_no_half_of_it(rig: Rig, late: str) -> None:
    """A trigger refuses when a part of the answer is in already."""
    path = rig.paths.database
    (request,) = queue_blocks(path, 1)
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.labels.review_count, "the block in the menu")
        with closing(sqlite3.connect(path)) as other:
            other.execute(f"CREATE TRIGGER refuse BEFORE {late} BEGIN SELECT RAISE(ABORT, 'not today'); END")
            runtime.send(AnswerRequest(request.request_id, "Write", START))
            until(lambda: rig.notifier.told("not written down"), "what is wrong")
            assert changes(path) == []  # not even half of it
            other.execute("DROP TRIGGER refuse")
        runtime.send(AnswerRequest(request.request_id, "Write", START))
        until(lambda: spans(path), "the label")


# -- other processes ------------------------------------------------------------------------------------------


def test_a_label_waits_for_another_process_that_writes(rig: Rig) -> None:
    path = rig.paths.database
    code = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "time.sleep(2)\n"
        "connection.execute('COMMIT')\n"
        "connection.close()\n"
    )
    (request,) = queue_blocks(path, 1)
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.labels.review_count, "the block in the menu")
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            began = time.monotonic()
            runtime.send(AnswerRequest(request.request_id, "Write", START))
            until(lambda: runtime.snapshot.labels.undo, "the label")
            assert time.monotonic() - began > 1.5
        assert [span.label for span in spans(path)] == ["Write"]
    assert rig.notifier.told("locked") == []


# -- a crowd of clicks ----------------------------------------------------------------------------------------


def clicks(lane: int, count: int) -> list[LabelBlock]:
    """Labels for one stretch after another; each lane has hours of its own, all within the day in which changes are
    kept."""
    first = FIRST + timedelta(hours=4 * lane)
    return [
        LabelBlock(first + n * BLOCK, LABEL_SET_V1[n * (lane + 3) % len(LABEL_SET_V1)], first + (n + 1) * BLOCK)
        for n in range(count)
    ]


def expected(lane: list[LabelBlock]) -> list[tuple[int, str]]:
    return [(to_us(click.start), click.label) for click in lane]


def test_two_hundred_clicks_at_once_are_all_carried_out_in_order(rig: Rig) -> None:
    path = rig.paths.database
    lanes = [clicks(lane, 50) for lane in range(4)]
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.block_start, "a session")

        def send(lane: list[LabelBlock]) -> None:
            for click in lane:
                runtime.send(click)

        senders = [threading.Thread(target=send, args=(lane,)) for lane in lanes]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        until(lambda: len(changes(path)) == 200, "all labels")
        made = changes(path)
        for number, lane in enumerate(lanes):
            begins = to_us(FIRST) + 4 * number * HOUR_US
            assert [change for change in made if 0 <= change[0] - begins < 4 * HOUR_US] == expected(lane)
        assert len(spans(path)) == 200
    assert rig.notifier.told("") == rig.notifier.told("taskclf")  # nothing but the welcome


def test_two_hundred_clicks_and_their_undo(rig: Rig) -> None:
    path = rig.paths.database
    lane = clicks(0, 100)
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.block_start, "a session")
        for click in lane:
            runtime.send(click)
        for _ in lane:
            runtime.send(UndoLabel(lane[-1].at))
        runtime.send(SetAsking("off", lane[-1].at))
        until(lambda: runtime.snapshot.labels.is_silent, "the last click")
        assert spans(path) == []
        assert runtime.snapshot.labels.undo is None
    assert rig.notifier.told("Nothing to undo") == []


def test_what_was_clicked_before_the_end_is_written(rig: Rig) -> None:
    path, lane = rig.paths.database, clicks(0, 150)
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.block_start, "a session")
        for click in lane:
            runtime.send(click)
    assert changes(path) == expected(lane)


# -- kill −9 --------------------------------------------------------------------------------------------------


class Acknowledged(Watcher):
    """Says which answer the views show."""

    def on_snapshot(self, snapshot: Snapshot) -> None:
        super().on_snapshot(snapshot)
        if snapshot.labels.undo is not None:
            print(snapshot.labels.undo.start_us, flush=True)


def answer_all(folder: Path) -> None:
    """What runs as a program, until it is killed."""
    rig = Rig(folder)
    requests = queue_blocks(rig.paths.database, BLOCKS)
    runtime: TrayRuntime = rig.runtime()
    runtime.add_listener(Acknowledged())
    runtime.start()
    until(lambda: runtime.snapshot.labels.review_count >= len(requests), "the blocks in the menu")
    for request in requests:
        runtime.send(AnswerRequest(request.request_id, "Write", START))
    runtime.wait()


@pytest.mark.parametrize("number", range(KILLS))
def test_an_acknowledged_answer_survives_a_kill(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "tests.app.test_label_faults", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        seen = [child.stdout.readline() for _ in range(random.Random(number).randrange(1, 80))]
        os.kill(child.pid, signal.SIGKILL)
        seen += child.stdout.read().splitlines(keepends=True)
    acknowledged = [int(line) for line in seen if line.endswith("\n")]
    path = tmp_path / "home" / "tray" / "tray.db"
    kept = [span.start_us for span in spans(path)]
    assert set(acknowledged) <= set(kept)
    assert kept == [to_us(FIRST + n * BLOCK) for n in range(len(kept))]
    with closing(Database(path)) as database, database.reading():
        waiting = [request.start_us for request in database.requests.pending(USER) if "block-" in request.request_id]
    assert sorted(kept + waiting) == [to_us(FIRST + n * BLOCK) for n in range(BLOCKS)]


if __name__ == "__main__":
    logging.disable()
    answer_all(Path(sys.argv[1]))
