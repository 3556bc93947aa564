"""The least certain buckets of a drift in the queue: few, one entry a block, beside the day's limit, and for good."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.errors import LabelError
from taskclf_tray.drift.memory import auto_enqueue_drift_labels
from taskclf_tray.drift.report import DriftAlert, DriftReport, DriftTrigger
from taskclf_tray.labels.blocks import MAX_BLOCK_SECONDS
from taskclf_tray.labels.queue import ActiveLabelingQueue, LabelRequest

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def report(*users: str) -> DriftReport:
    """One alert for each of them."""
    alerts = [
        DriftAlert(
            trigger=DriftTrigger.class_shift,
            severity="warning",
            affected_user_ids=[user],
            affected_features=["Build"],
            timestamp=START,
        )
        for user in users
    ]
    return DriftReport(alerts=alerts, timestamp=START)


def frame(minutes: Sequence[int], user: str = "u") -> pd.DataFrame:
    """Buckets that begin so many minutes after the start."""
    return pd.DataFrame({"user_id": user, "bucket_start_ts": [START + k * MINUTE for k in minutes]})


def waiting(path: Path) -> list[LabelRequest]:
    queue = ActiveLabelingQueue(path)
    try:
        return queue.get_pending()
    finally:
        queue.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite3"


def test_fifty_buckets_and_no_more(path: Path) -> None:
    confidences = np.random.default_rng(1).random(400)
    new = auto_enqueue_drift_labels(report("u"), frame(range(400)), path, cur_confidences=confidences)
    least = {START + int(k) * MINUTE for k in np.argsort(confidences)[:50]}
    entries = waiting(path)
    minutes = {e.bucket_start_ts + k * MINUTE for e in entries for k in range(len_minutes(e))}
    assert minutes == least
    assert len(entries) == new <= 50
    assert {entry.reason for entry in entries} == {"drift"}
    assert auto_enqueue_drift_labels(report("u"), frame(range(400)), path, cur_confidences=confidences) == 0
    assert waiting(path) == entries


def test_contiguous_buckets_are_one_question(path: Path) -> None:
    rows = frame([0, 1, 2, 3, 10, 11]).assign(confidence=[0.4, 0.2, 0.3, 0.4, 0.1, 0.5])
    assert auto_enqueue_drift_labels(report("u"), rows, path) == 2
    assert [(e.bucket_start_ts, len_minutes(e), e.confidence) for e in waiting(path)] == [
        (START + 10 * MINUTE, 2, 0.1),
        (START, 4, 0.2),
    ]


def test_the_days_limit_is_for_other_questions(path: Path) -> None:
    """Full of them, drift still goes in; full of drift, they still do."""
    queue = ActiveLabelingQueue(path, max_asks_per_day=2)
    alone = [{"user_id": "u", "bucket_start_ts": START + k * MINUTE, "confidence": 0.3} for k in range(0, 20, 4)]
    assert queue.enqueue_low_confidence(alone) == 2
    assert auto_enqueue_drift_labels(report("u"), frame(range(100, 200, 3)), path) == 34
    assert queue.enqueue_low_confidence([{**alone[0], "bucket_start_ts": START + 50 * MINUTE}]) == 0
    assert Counter(entry.reason for entry in queue.get_pending()) == {"drift": 34, "low_confidence": 2}
    queue.close()
    fresh = ActiveLabelingQueue(path.with_name("other"), max_asks_per_day=2)
    auto_enqueue_drift_labels(report("u"), frame(range(100, 200, 3)), path.with_name("other"))
    assert fresh.enqueue_low_confidence(alone) == 2
    fresh.close()


def test_only_those_the_report_is_about(path: Path) -> None:
    rows = pd.concat([frame([0], "u"), frame([1], "v"), frame([2], "w")])
    assert auto_enqueue_drift_labels(report(), rows, path) == 0
    assert not path.exists()
    assert auto_enqueue_drift_labels(report("v", "w"), rows, path) == 2
    assert {entry.user_id for entry in waiting(path)} == {"v", "w"}


def test_rules_are_not_asked_about_and_an_unknown_confidence_comes_last(path: Path) -> None:
    rows = frame([0, 2, 4, 6]).assign(decided_by=["model", "idle_rule", "model", "model"])
    new = auto_enqueue_drift_labels(report("u"), rows, path, cur_confidences=[float("nan"), 0.0, 0.9, 0.5], limit=2)
    assert new == 2
    assert [entry.bucket_start_ts for entry in waiting(path)] == [START + 6 * MINUTE, START + 4 * MINUTE]


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_of_nothing(path: Path, limit: int) -> None:
    assert auto_enqueue_drift_labels(report("u"), frame([0]), path, limit=limit) == 0
    assert waiting(path) == []


def test_what_cannot_be_queued_is_named(path: Path) -> None:
    with pytest.raises(LabelError, match="have no user"):
        auto_enqueue_drift_labels(report("u"), frame([0]).drop(columns="user_id"), path)
    with pytest.raises(ValueError, match="between 0 and 1"):
        auto_enqueue_drift_labels(report("u"), frame([0]), path, cur_confidences=[7.0])
    with pytest.raises(ValueError, match="shorter"):
        auto_enqueue_drift_labels(report("u"), frame([0, 1]), path, cur_confidences=[0.5])
    assert not path.exists()
    assert auto_enqueue_drift_labels(report("u"), frame([]), path) == 0


MINUTES = st.lists(st.integers(0, 90), max_size=40)


@settings(max_examples=25)
@given(MINUTES, MINUTES, st.integers(0, 60), st.randoms(use_true_random=False))
def test_laws_of_the_queue(first: list[int], second: list[int], limit: int, rng: Any) -> None:
    """Never more buckets than the limit; entries of no common minute; what is closed stays closed; order is nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder) / "a", Path(folder) / "b"
        confidences = [(7 * k) % 10 / 10 for k in first]
        enqueue(first, confidences, path, limit)
        entries = waiting(path)
        assert sum(len_minutes(entry) for entry in entries) == min(limit, len(set(first)))
        assert all(timedelta() < e.bucket_end_ts - e.bucket_start_ts <= LONGEST for e in entries)
        assert disjoint(entries)

        order = rng.sample(range(len(first)), len(first))
        enqueue([first[k] for k in order], [confidences[k] for k in order], other, limit)
        assert [whereabouts(entry) for entry in waiting(other)] == [whereabouts(entry) for entry in entries]

        closed = closed_one_way_or_the_other(path)
        enqueue(second, [0.0] * len(second), path, limit)
        assert not closed & {(entry.user_id, entry.bucket_start_ts) for entry in waiting(path)}


LONGEST = timedelta(seconds=MAX_BLOCK_SECONDS)


def enqueue(minutes: Sequence[int], confidences: Sequence[float], path: Path, limit: int) -> int:
    return auto_enqueue_drift_labels(report("u"), frame(minutes), path, cur_confidences=confidences, limit=limit)


def closed_one_way_or_the_other(path: Path) -> set[tuple[str, datetime]]:
    """Label one entry, skip the next, and so on; where they were."""
    queue = ActiveLabelingQueue(path)
    try:
        entries = queue.get_pending()
        for k, entry in enumerate(entries):
            queue.mark_done(entry.request_id, ("labeled", "skipped")[k % 2])
        return {(entry.user_id, entry.bucket_start_ts) for entry in entries}
    finally:
        queue.close()


def len_minutes(entry: LabelRequest) -> int:
    return round((entry.bucket_end_ts - entry.bucket_start_ts) / MINUTE)


def whereabouts(entry: LabelRequest) -> tuple[Any, ...]:
    return entry.bucket_start_ts, entry.bucket_end_ts, entry.confidence


def disjoint(entries: list[LabelRequest]) -> bool:
    ordered = sorted(entries, key=lambda entry: entry.bucket_start_ts)
    return all(one.bucket_end_ts <= other.bucket_start_ts for one, other in pairwise(ordered))
