"""The JSON list: round trips, what is refused and by which name, and the one-time import."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.core.errors import LabelError, StoreError
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.queue import ActiveLabelingQueue, LabelRequest
from taskclf_tray.labels.queue_file import export_queue, import_into, parse_queue, read_queue_file, write_queue_file
from taskclf_tray.store.database import Database

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ENTRY: dict[str, Any] = {
    "request_id": "6b0e7a6c-52a7-4a57-9f6b-000000000001",
    "user_id": "u",
    "bucket_start_ts": "2026-03-02T08:00:00Z",
    "bucket_end_ts": "2026-03-02T08:10:00+00:00",
    "reason": "low_confidence",
    "confidence": 0.41,
    "predicted_label": "Build",
    "created_at": "2026-03-02T08:11:00.000123",
    "status": "pending",
}


def entry(n: int = 0, **changes: Any) -> dict[str, Any]:
    start = START + n * 10 * MINUTE
    times = {"bucket_start_ts": start.isoformat(), "bucket_end_ts": (start + 10 * MINUTE).isoformat()}
    return ENTRY | times | {"request_id": f"r{n}"} | changes


def written(path: Path, entries: Any) -> Path:
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "tray.db")
    yield opened
    opened.close()


def test_an_entry_is_read_as_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path / "queue.json", [ENTRY | {"note": "unknown keys are nobody's business"}])
    assert read_queue_file(path) == [
        LabelRequest(
            ENTRY["request_id"], "u", START, START + 10 * MINUTE, "low_confidence", 0.41, "Build",
            datetime(2026, 3, 2, 8, 11, 0, 123, UTC), "pending",
        )
    ]  # fmt: skip


texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=40)
times = st.datetimes(datetime(1990, 1, 1), datetime(2190, 1, 1), timezones=st.just(UTC))
requests = st.builds(
    lambda start, minutes, **rest: LabelRequest(bucket_start_ts=start, bucket_end_ts=start + minutes * MINUTE, **rest),
    start=times,
    minutes=st.integers(1, 30),
    request_id=texts,
    user_id=texts,
    reason=st.sampled_from(["low_confidence", "drift"]),
    confidence=st.none() | st.floats(0, 1),
    predicted_label=st.none() | st.sampled_from([*LABEL_SET_V1, "Mixed/Unknown"]),
    created_at=times,
    status=st.sampled_from(["pending", "labeled", "skipped"]),
)


@given(st.lists(requests, max_size=5, unique_by=lambda request: request.request_id))
def test_what_is_exported_reads_back_exactly(those: list[LabelRequest]) -> None:
    assert parse_queue(export_queue(those)) == those
    assert parse_queue(b"\xef\xbb\xbf" + export_queue(those).encode()) == those


def test_gaps_stay_home_and_audits_go_under_a_reason_the_tool_knows() -> None:
    times = (START, START + 10 * MINUTE)
    gap = LabelRequest("a", "u", *times, "gap", None, None, START)
    audit = LabelRequest("b", "u", *times, "audit", 0.9, "Build", START, second_label="Debug")
    assert [(r.request_id, r.reason) for r in parse_queue(export_queue([gap, audit]))] == [("b", "low_confidence")]
    assert list(json.loads(export_queue([audit]))[0]) == list(ENTRY)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"request_id": ""}, "request_id"),
        ({"request_id": 5}, "request_id"),
        ({"request_id": "x" * 201}, "request_id"),
        ({"user_id": None}, "user_id"),
        ({"user_id": "a\x00b"}, "user_id"),
        ({"user_id": "\u202eevil"}, "user_id"),
        ({"bucket_start_ts": 1_772_438_400}, "bucket_start_ts"),
        ({"bucket_start_ts": "0001-01-01T00:00:00+14:00"}, "bucket_start_ts"),
        ({"created_at": "9999-12-31T23:59:59-14:00"}, "created_at"),
        ({"created_at": "1969-07-20T00:00:00"}, "created_at"),
        ({"bucket_end_ts": "2026-03-02T08:00:00Z"}, "bucket_end_ts"),
        ({"reason": "gap"}, "reason"),
        ({"reason": "whim"}, "reason"),
        ({"reason": ["drift"]}, "reason"),
        ({"status": "done"}, "status"),
        ({"status": None}, "status"),
        ({"confidence": 1.01}, "confidence"),
        ({"confidence": True}, "confidence"),
        ({"confidence": "0.4"}, "confidence"),
        ({"predicted_label": "Sleep"}, "predicted_label"),
        ({"predicted_label": {}}, "predicted_label"),
    ],
)
def test_a_bad_entry_is_named_by_its_index_and_key(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    path = written(tmp_path / "queue.json", [entry(0), entry(1, **change)])
    with pytest.raises(LabelError, match=rf"queue\.json has a wrong entry \[1\]: {named} .*: write "):
        read_queue_file(path)
    with pytest.raises(LabelError, match=r"\[1\]"):
        ActiveLabelingQueue(path)
    store = Database(tmp_path / "queue.json.sqlite3")
    assert store.requests.all() == []
    store.close()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{}", "instead of a list"),
        ("[", "not valid JSON"),
        ("[1]", r"wrong entry \[0\]: it is 1"),
        ('[{"user_id": NaN}]', "NaN"),
        ('[{"status": 1, "status": 2}]', "twice"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps([ENTRY, ENTRY]), r"request_id of entry \[0\] again in entry \[1\]"),
        (" " * 20_000_001 + "[]", "more than"),
    ],
)
def test_a_file_that_is_no_list_is_one_sentence(tmp_path: Path, content: str, why: str) -> None:
    path = written(tmp_path / "queue.json", content)
    with pytest.raises(LabelError, match=why) as caught:
        read_queue_file(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_writing_replaces_the_whole_file_or_says_why_not(tmp_path: Path) -> None:
    path = written(tmp_path / "queue.json", "old")
    those = parse_queue(json.dumps([entry(0), entry(1)]))
    write_queue_file(path, those)
    assert read_queue_file(path) == those
    assert [p.name for p in tmp_path.iterdir()] == ["queue.json"]
    with pytest.raises(LabelError, match="cannot be written"):
        write_queue_file(path / "below", those)


# -- the list at the queue's path -----------------------------------------------------------------------------


def test_imported_entries_count_on_the_local_day_they_were_made(tmp_path: Path) -> None:
    path = written(tmp_path / "queue.json", [entry(0, created_at="2026-03-02T15:30:00Z")])
    now = datetime(2026, 3, 2, 16, tzinfo=UTC)
    queue = ActiveLabelingQueue(path, 1, time_zone=lambda: "Asia/Tokyo", now=lambda: now)
    row = {"user_id": "u", "bucket_start_ts": now, "confidence": 0.1, "predicted_label": "Build"}
    assert queue.enqueue_low_confidence([row]) == 0
    queue.close()


def test_a_list_never_reopens_what_the_store_has_closed(database: Database) -> None:
    assert import_into(database, parse_queue(json.dumps([entry(0), entry(1), entry(2)])), "UTC") == 3
    queue = ActiveLabelingQueue.over(database)
    queue.mark_done("r0", "skipped")
    theirs = [entry(0, request_id="x"), entry(1, request_id="y", status="labeled"), entry(3, request_id="r2")]
    assert import_into(database, parse_queue(json.dumps(theirs)), "UTC") == 2
    everything = [(r.start_us, r.request_id, r.status) for r in database.requests.all()]
    assert [status for _, _, status in everything] == ["skipped", "labeled", "pending", "pending"]
    assert [request_id for _, request_id, _ in everything][:3] == ["r0", "r1", "r2"]
    assert everything[3][1] not in {"r0", "r1", "r2", "x", "y"}  # an id belongs to one block
    assert import_into(database, parse_queue(json.dumps(theirs)), "UTC") == 0


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + b"\xff" * 5000, b"some text, and no queue" * 100])
def test_a_path_that_is_neither_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "queue"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        ActiveLabelingQueue(path)
    assert path.read_bytes() == content


def test_a_path_that_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(LabelError, match="is not a file"):
            ActiveLabelingQueue(path)
