"""A queue at a `.json` path and the list there, which the taskclf tool reads once and writes as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.errors import LabelError
from taskclf_tray.labels.queue import ActiveLabelingQueue
from taskclf_tray.labels.queue_file import read_queue_file
from taskclf_tray.store.database import Database

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def bucket(n: int, **more: Any) -> dict[str, Any]:
    """The documents' form of a drifted bucket, ten minutes apart."""
    start = START + 10 * n * MINUTE
    return {"user_id": "u", "bucket_start_ts": start, "bucket_end_ts": start + MINUTE, **more}


class OtherProgram:
    """What the taskclf tool does: reads the list once, keeps it in memory, and writes all of it at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []

    def add(self, n: int, request_id: str) -> None:
        start = START + 10 * n * MINUTE
        self.entries.append(
            {
                "request_id": request_id,
                "user_id": "u",
                "bucket_start_ts": start.isoformat().replace("+00:00", "Z"),
                "bucket_end_ts": (start + MINUTE).isoformat().replace("+00:00", "Z"),
                "reason": "low_confidence",
                "confidence": 0.31,
                "predicted_label": "Build",
                "created_at": "2026-03-02T10:00:00.123456Z",
                "status": "pending",
            }
        )
        self.save()

    def close(self, request_id: str, status: str) -> None:
        for entry in self.entries:
            if entry["request_id"] == request_id:
                entry["status"] = status
        self.save()

    def save(self) -> None:
        beside = self._path.with_name("t.tmp")
        beside.write_text(json.dumps(self.entries, indent=2))
        beside.replace(self._path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "labels_v1" / "queue.json"


@pytest.fixture
def queue(path: Path) -> Iterator[ActiveLabelingQueue]:
    opened = ActiveLabelingQueue(path, time_zone=lambda: "UTC", now=lambda: START)
    yield opened
    opened.close()


def statuses(path: Path) -> dict[str, str]:
    return {entry["request_id"]: entry["status"] for entry in json.loads(path.read_text())}


def test_a_json_path_is_never_written_as_a_database(queue: ActiveLabelingQueue, path: Path) -> None:
    assert not path.exists()
    assert queue.enqueue_drift([bucket(0), bucket(1, confidence=0.4)]) == 2
    listed = json.loads(path.read_text())
    assert [entry["confidence"] for entry in listed] == [None, 0.4]
    assert [entry["reason"] for entry in listed] == ["drift", "drift"]
    assert read_queue_file(path)
    assert path.with_name("queue.json.sqlite3").exists()
    assert OtherProgram(path).entries == listed


def test_a_database_of_an_earlier_version_at_the_path_becomes_the_store(path: Path) -> None:
    path.parent.mkdir(parents=True)
    earlier = ActiveLabelingQueue.over(Database(path), time_zone=lambda: "UTC", now=lambda: START)
    earlier.enqueue_drift([bucket(0), bucket(1)])
    waiting = earlier.get_pending()
    earlier._database.close()
    queue = ActiveLabelingQueue(path, time_zone=lambda: "UTC")
    assert queue.get_pending() == waiting
    assert statuses(path) == {request.request_id: "pending" for request in waiting}
    queue.close()


def test_what_another_program_adds_and_closes_later_is_seen(queue: ActiveLabelingQueue, path: Path) -> None:
    queue.enqueue_drift([bucket(0)])
    (ours,) = queue.get_pending()
    tool = OtherProgram(path)
    tool.add(5, "theirs")
    assert [request.request_id for request in queue.get_pending()] == ["theirs", ours.request_id]
    tool.close(ours.request_id, "labeled")
    assert [request.request_id for request in queue.get_pending()] == ["theirs"]
    assert queue.mark_done(ours.request_id) is None
    assert queue.mark_done("theirs", status="skipped") is not None
    assert statuses(path) == {ours.request_id: "labeled", "theirs": "skipped"}


def test_ours_come_back_when_another_program_writes_an_old_copy(queue: ActiveLabelingQueue, path: Path) -> None:
    queue.enqueue_drift([bucket(0)])
    tool = OtherProgram(path)
    (first,) = queue.get_pending()
    queue.mark_done(first.request_id, "skipped")
    queue.enqueue_drift([bucket(1)])
    tool.add(7, "theirs")  # knows neither the skip nor the second entry
    assert len(queue.get_pending()) == 2
    assert statuses(path)[first.request_id] == "skipped"
    assert sorted(statuses(path).values()) == ["pending", "pending", "skipped"]


def test_their_entries_keep_their_spelling_and_unknown_keys(queue: ActiveLabelingQueue, path: Path) -> None:
    tool = OtherProgram(path)
    tool.add(3, "theirs")
    tool.entries[0]["note"] = "mine"
    tool.save()
    queue.enqueue_drift([bucket(0)])
    listed = json.loads(path.read_text())
    assert listed[0] == tool.entries[0]
    queue.mark_done("theirs")
    assert json.loads(path.read_text())[0] == tool.entries[0] | {"status": "labeled"}


def test_what_was_withdrawn_leaves_the_list_for_good(queue: ActiveLabelingQueue, path: Path) -> None:
    queue.enqueue_low_confidence([bucket(0, confidence=0.1, predicted_label="Build")])
    stale = OtherProgram(path)
    start_us = int(START.timestamp()) * 1_000_000
    assert queue.withdraw_missing("u", start_us, start_us + 1, set()) == 1
    assert json.loads(path.read_text()) == []
    stale.save()
    assert queue.get_pending() == []  # the other program put back what it had read before


def test_gaps_have_no_place_in_the_list(queue: ActiveLabelingQueue, path: Path) -> None:
    queue.enqueue_drift([bucket(0)])
    assert queue.enqueue_gap("u", START + 60 * MINUTE, START + 90 * MINUTE, at=START, zone="UTC") is not None
    assert len(queue.get_pending()) == 2
    assert len(json.loads(path.read_text())) == 1


def test_an_unchanged_list_is_not_read_again(
    queue: ActiveLabelingQueue, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.enqueue_drift([bucket(0)])
    monkeypatch.setattr("taskclf_tray.labels.queue_list.read_bounded", pytest.fail)
    assert len(queue.get_pending()) == 1


def test_a_damaged_list_is_refused_at_first_and_left_alone_later(
    queue: ActiveLabelingQueue, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue.enqueue_drift([bucket(0)])
    path.write_text('[{"request_id": "half')
    assert len(queue.get_pending()) == 1
    queue.enqueue_drift([bucket(1)])
    assert "works without it" in caplog.text
    assert path.read_text() == '[{"request_id": "half'
    with pytest.raises(LabelError, match="not valid JSON"):
        ActiveLabelingQueue(path)
    path.write_text("")
    assert len(queue.get_pending()) == 2
    assert len(statuses(path)) == 2


def test_a_list_that_cannot_be_written_is_made_good_later(
    queue: ActiveLabelingQueue, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("taskclf_tray.labels.queue_list.write_entries", full)
        assert queue.enqueue_drift([bucket(0)]) == 1
    assert "not up to date: No space left on device" in caplog.text
    assert not path.exists()
    assert len(queue.get_pending()) == 1
    assert len(statuses(path)) == 1


def test_a_write_in_between_is_merged(queue: ActiveLabelingQueue, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.enqueue_drift([bucket(0)])
    tool = OtherProgram(path)
    from taskclf_tray.labels import queue_list

    read = queue_list.read_bounded
    calls: list[int] = []

    def interrupted(*arguments: Any) -> bytes:
        data = read(*arguments)
        calls.append(1)
        if len(calls) == 1:
            tool.add(9, "theirs")
        return data

    monkeypatch.setattr(queue_list, "read_bounded", interrupted)
    queue.enqueue_drift([bucket(1)])
    assert "theirs" in statuses(path)
    assert len(queue.get_pending()) == 3


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "close", "their add", "their close", "their restart"]), st.integers(0, 6)),
    max_size=14,
)


@settings(max_examples=40)
@given(steps=STEPS)
def test_whatever_happens_both_know_the_same_in_the_end(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing is lost, and what somebody has closed stays closed."""
    path = tmp_path_factory.mktemp("queue") / "queue.json"
    queue = ActiveLabelingQueue(path, time_zone=lambda: "UTC", now=lambda: START)
    tool = OtherProgram(path)
    added: set[int] = set()
    closed: set[str] = set()
    for what, n in steps:
        if what == "add":
            queue.enqueue_drift([bucket(n)])
            added.add(n)
        elif what == "close" and (waiting := queue.get_pending()):
            request = waiting[n % len(waiting)]
            queue.mark_done(request.request_id, "skipped")
            closed.add(request.request_id)
        elif what == "their add" and n + 10 not in added:
            tool.add(n + 10, f"t{n}")
            added.add(n + 10)
            queue.get_pending()
        elif what == "their close" and tool.entries:
            entry = tool.entries[n % len(tool.entries)]
            tool.close(entry["request_id"], "labeled")
            closed.add(entry["request_id"])
            queue.get_pending()
        elif what == "their restart":
            tool = OtherProgram(path)
    waiting_ids = {request.request_id for request in queue.get_pending()}
    listed = statuses(path) if path.exists() else {}
    assert len(listed) == len(added)
    assert {name for name, status in listed.items() if status == "pending"} == waiting_ids
    assert not waiting_ids & closed
    queue.close()
