"""Laws of the queue under any sequence of operations, and under two processes at once."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from taskclf_tray.core.intervals import covered, union
from taskclf_tray.core.time import from_us, to_us, zone
from taskclf_tray.labels.blocks import Block
from taskclf_tray.labels.queue import ActiveLabelingQueue
from taskclf_tray.labels.queue_file import export_queue, import_into, parse_queue
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest

START = datetime(2026, 3, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CAP = 3
EXAMPLES = 1000 if os.environ.get("TASKCLF_FAULTS") == "long" else 25
COUNTED = ("low_confidence", "audit")


def block(slot: int, minutes: int, confidence: float) -> Block:
    start_us = to_us(START + slot * 30 * MINUTE)
    end_us = start_us + minutes * 60_000_000
    return Block(start_us, end_us, "Build", confidence, "Build", "Debug", minutes, confidence < 0.55, True)


SLOTS = st.integers(0, 11)
BLOCKS = st.builds(block, SLOTS, st.integers(1, 30), st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9]))


class Queue(RuleBasedStateMachine):
    """Every way in and every way out, through two connections to one file, while the hours and the zone change."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = START
        self.zone = "Europe/Berlin"
        self.closed: dict[str, LabelRequest] = {}
        self.seen: set[str] = set()
        path = Path(self.folder.name) / "tray.db"
        self.database = Database(path)
        how: dict[str, Any] = {"time_zone": lambda: self.zone, "now": lambda: self.now}
        self.queues = [ActiveLabelingQueue.over(self.database, CAP, **how), ActiveLabelingQueue(path, CAP, **how)]

    def teardown(self) -> None:
        self.queues[1].close()
        self.database.close()
        self.folder.cleanup()

    @rule(hours=st.integers(1, 13), name=st.sampled_from(["Europe/Berlin", "Asia/Tokyo"]))
    def time_passes(self, hours: int, name: str) -> None:
        self.now += timedelta(hours=hours)
        self.zone = name

    @rule(which=st.integers(0, 1), blocks=st.lists(BLOCKS, max_size=4), reason=st.sampled_from(COUNTED))
    def blocks_close(self, which: int, blocks: list[Block], reason: Any) -> None:
        self.queues[which].enqueue_blocks("u", blocks, at=self.now, zone=self.zone, reason=reason)

    @rule(which=st.integers(0, 1), blocks=st.lists(BLOCKS, max_size=3), is_drift=st.booleans())
    def predictions_come(self, which: int, blocks: list[Block], is_drift: bool) -> None:
        rows = [
            {
                "user_id": "u",
                "bucket_start_ts": from_us(b.start_us),
                "bucket_end_ts": from_us(b.end_us),
                "confidence": b.confidence,
                "predicted_label": "Write",
            }
            for b in blocks
        ]
        queue = self.queues[which]
        queue.enqueue_drift(rows, limit=2) if is_drift else queue.enqueue_low_confidence(rows)

    @rule(slot=SLOTS, minutes=st.integers(10, 90))
    def somebody_returns(self, slot: int, minutes: int) -> None:
        start = START + slot * 30 * MINUTE
        self.queues[0].enqueue_gap("u", start, start + minutes * MINUTE, at=self.now, zone=self.zone)

    @rule(which=st.integers(0, 1), pick=st.integers(0, 30), status=st.sampled_from(["labeled", "skipped"]))
    def somebody_answers(self, which: int, pick: int, status: str) -> None:
        everything = self.database.requests.all()
        if everything:
            record = everything[pick % len(everything)]
            answered = self.queues[which].mark_done(record.request_id, status)
            assert (answered is not None) == (record.status == "pending")

    @rule(first=SLOTS, kept=st.sets(SLOTS))
    def record_is_revised(self, first: int, kept: set[int]) -> None:
        start = to_us(START + first * 30 * MINUTE)
        starts = {to_us(START + slot * 30 * MINUTE) for slot in kept}
        self.queues[1].withdraw_missing("u", start, start + 7_200_000_000, starts)

    @rule(slots=st.sets(SLOTS, max_size=2), status=st.sampled_from(["pending", "labeled", "skipped"]))
    def a_list_is_imported(self, slots: set[int], status: Any) -> None:
        # drifts: what is imported is no question of this day's limit
        times = [START + slot * 30 * MINUTE for slot in sorted(slots)]
        those = [
            LabelRequest(f"file-{t.isoformat()}", "u", t, t + 5 * MINUTE, "drift", 0.4, "Build", START, status)
            for t in times
        ]
        import_into(self.database, parse_queue(export_queue(those)), self.zone)

    @invariant()
    def what_is_closed_stays_as_it_is(self) -> None:
        everything = self.database.requests.all()
        now = {record.request_id: record for record in everything if record.status != "pending"}
        for request_id, record in self.closed.items():
            assert now.get(request_id) == record
        done = union((record.start_us, record.end_us) for record in self.closed.values())
        for record in everything:
            if record.request_id not in self.seen and not record.request_id.startswith("file-"):
                assert 2 * covered(done, record.start_us, record.end_us) <= record.end_us - record.start_us
        self.closed, self.seen = now, {record.request_id for record in everything}

    @invariant()
    def every_block_stands_once_and_no_day_has_too_many(self) -> None:
        everything = self.database.requests.all()
        assert len({(r.user_id, r.start_us) for r in everything}) == len(everything)
        per_day = Counter(r.local_day for r in everything if r.reason in COUNTED)
        assert all(count <= CAP for count in per_day.values())

    @invariant()
    def what_waits_comes_in_order_and_equal_to_both(self) -> None:
        pending = self.queues[0].get_pending()
        assert pending == self.queues[1].get_pending()
        keys = [(r.confidence is None, r.confidence or 0.0, r.bucket_start_ts) for r in pending]
        assert keys == sorted(keys)
        assert {r.request_id for r in pending} | set(self.closed) == {
            r.request_id for r in self.database.requests.all()
        }


Queue.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
TestQueue = pytest.mark.faults(Queue.TestCase)


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 4000), st.floats(0, 0.54)), min_size=1, max_size=25),
    st.sampled_from(["Asia/Tokyo", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.sampled_from(["2026-03-08T00:00Z", "2026-03-29T00:00Z", "2026-10-25T00:00Z", "2026-04-04T12:00Z"]),
)
def test_no_local_day_takes_more_than_the_limit_and_each_takes_what_it_may(
    asks: list[tuple[int, float]], zone_name: str, begin: str
) -> None:
    first = datetime.fromisoformat(begin)
    wanted: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "tray.db")
        queue = ActiveLabelingQueue.over(database, CAP, time_zone=lambda: zone_name)
        for slot, (minutes, confidence) in enumerate(sorted(asks)):
            at = first + minutes * MINUTE
            wanted[at.astimezone(zone(zone_name)).date().isoformat()] += 1
            queue.enqueue_blocks("u", [block(slot, 10, confidence)], at=at, zone=zone_name)
        taken = Counter(record.local_day for record in database.requests.all())
        database.close()
    assert taken == Counter({day: min(CAP, count) for day, count in wanted.items()})


# -- two processes --------------------------------------------------------------------------------------------

ENQUEUE = textwrap.dedent("""
    import sys
    from datetime import UTC, datetime, timedelta
    from pathlib import Path
    from taskclf_tray.labels.queue import ActiveLabelingQueue
    number, start = int(sys.argv[2]), datetime(2026, 3, 2, tzinfo=UTC)
    queue = ActiveLabelingQueue(Path(sys.argv[1]), 10_000, time_zone=lambda: "UTC")
    for n in range(200):
        at = start + timedelta(minutes=2 * (2 * n + number))
        row = {"user_id": "u", "bucket_start_ts": at, "confidence": 0.3, "predicted_label": "Build"}
        assert queue.enqueue_low_confidence([row]) == 1
        if n % 20 == 0:  # what the other one does, neither makes twice nor reverts
            for request in queue.get_pending(limit=3):
                queue.mark_done(request.request_id, "skipped")
            everything = [row | {"bucket_start_ts": start + timedelta(minutes=2 * k)} for k in range(number, 2 * n, 2)]
            queue.enqueue_drift(everything, limit=1000)
    queue.close()
""")

SKIP = textwrap.dedent("""
    import sys
    from pathlib import Path
    from taskclf_tray.labels.queue import ActiveLabelingQueue
    queue = ActiveLabelingQueue(Path(sys.argv[1]), time_zone=lambda: "UTC")
    for line in sys.stdin:
        done = queue.mark_done(line.strip(), "skipped")
        print(done.status if done else "no", flush=True)
    queue.close()
""")


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    children = [subprocess.Popen([sys.executable, "-c", ENQUEUE, str(path), str(n)]) for n in range(2)]
    assert [child.wait(timeout=120) for child in children] == [0, 0]
    database = Database(path)
    everything = database.requests.all()
    database.close()
    starts = [record.start_us for record in everything]
    assert len(starts) == len(set(starts))
    assert {(s - to_us(datetime(2026, 3, 2, tzinfo=UTC))) // 120_000_000 for s in starts} == set(range(400))
    assert sum(record.status == "skipped" for record in everything) >= 30


def test_a_skip_in_one_process_is_never_reverted_by_another(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    queue = ActiveLabelingQueue(path, time_zone=lambda: "UTC")
    rows = [block(n, 10, 0.3) for n in range(5)]
    for request in queue.enqueue_blocks("u", rows, at=START, zone="UTC"):
        held = queue.get_pending()  # this process has seen it wait
        assert request in held
    with subprocess.Popen(
        [sys.executable, "-c", SKIP, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for request in held:
            child.stdin.write(request.request_id + "\n")
            child.stdin.flush()
            assert child.stdout.readline().strip() == "skipped"
            assert queue.mark_done(request.request_id, "labeled") is None
            assert queue.enqueue_blocks("u", rows, at=START, zone="UTC") == []
        child.stdin.close()
        assert child.wait(timeout=120) == 0
    assert queue.get_pending() == []
    queue.close()


IMPORT = textwrap.dedent("""
    import sys
    from pathlib import Path
    from taskclf_tray.labels.queue import ActiveLabelingQueue
    ActiveLabelingQueue(Path(sys.argv[1]), time_zone=lambda: "UTC").close()
""")


def test_two_processes_import_a_list_once(tmp_path: Path) -> None:
    path = tmp_path / "queue.json"
    those = [
        LabelRequest(f"r{n}", "u", START + n * MINUTE, START + (n + 1) * MINUTE, "drift", 0.2, None, START)
        for n in range(300)
    ]
    path.write_text(export_queue(those))
    children = [subprocess.Popen([sys.executable, "-c", IMPORT, str(path)]) for _ in range(2)]
    assert [child.wait(timeout=120) for child in children] == [0, 0]
    queue = ActiveLabelingQueue(path)
    waiting = [dataclasses.replace(request, local_day="") for request in queue.get_pending()]
    assert sorted(waiting, key=lambda r: r.bucket_start_ts) == those
    queue.close()
