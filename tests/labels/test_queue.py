"""The queue's public names and the app's path, on a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.time import to_us
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.labels.blocks import Block
from taskclf_tray.labels.queue import ActiveLabelingQueue, LabelRequest
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import Provenance, SpanRecord

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "tray.db")
    yield opened
    opened.close()


@pytest.fixture
def queue(database: Database, clock: Clock) -> ActiveLabelingQueue:
    return ActiveLabelingQueue.over(database, time_zone=lambda: "UTC", now=clock)


def row(n: int, confidence: float = 0.4, label: str | None = "Build", user: str = "u") -> dict[str, Any]:
    return {
        "user_id": user,
        "bucket_start_ts": START + n * MINUTE,
        "bucket_end_ts": START + (n + 1) * MINUTE,
        "confidence": confidence,
        "predicted_label": label,
    }


def block(first: int, minutes: int = 10, confidence: float = 0.4, **changes: Any) -> Block:
    start_us = to_us(START + first * MINUTE)
    made = Block(
        start_us,
        start_us + minutes * 60_000_000,
        "Build",
        confidence,
        "Build",
        "Debug",
        minutes,
        confidence < 0.55,
        True,
    )
    return replace(made, **changes)


def offer(
    queue: ActiveLabelingQueue, *blocks: Block, at: datetime = START, zone: str = "UTC", **how: Any
) -> list[LabelRequest]:
    return queue.enqueue_blocks("u", blocks, at=at, zone=zone, **how)


def shown(requests: list[LabelRequest]) -> list[tuple[int, int, str, float | None]]:
    return [
        ((r.bucket_start_ts - START) // MINUTE, (r.bucket_end_ts - r.bucket_start_ts) // MINUTE, r.reason, r.confidence)
        for r in requests
    ]


def label(database: Database, first: int, last: int, provenance: Provenance = "manual") -> None:
    span = SpanRecord(
        0, "u", to_us(START + first * MINUTE), to_us(START + last * MINUTE), "Write", provenance, None, to_us(START)
    )
    with database.transaction():
        change = database.labels.begin("u", to_us(START), "label", span.start_us, span.end_us, "Write")
        database.labels.make(change, [span])


# -- the public names -----------------------------------------------------------------------------------------


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows)


def naive_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    times = ("bucket_start_ts", "bucket_end_ts")
    return pd.DataFrame([{k: v.replace(tzinfo=None) if k in times else v for k, v in r.items()} for r in rows])


def texts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v.isoformat() if isinstance(v, datetime) else v for k, v in r.items()} for r in rows]


def windows(rows: list[dict[str, Any]]) -> list[WindowPrediction]:
    return [
        WindowPrediction(
            user_id=r["user_id"],
            bucket_start_ts=r["bucket_start_ts"],
            core_label_id=1,
            core_label_name=r["predicted_label"],
            core_probs=(0.125,) * 8,
            confidence=r["confidence"],
            is_rejected=False,
            mapped_label_name=r["predicted_label"],
            mapped_probs={},
            model_version="m",
            schema_version="v3",
            smoothed_label_name=r["predicted_label"],
            config_id="c",
            bucket_end_ts=r["bucket_end_ts"],
            model_probs=(0.125,) * 8,
        )
        for r in rows
    ]


@pytest.mark.parametrize("form", [list, tuple, iter, frame, naive_frame, texts, windows])
def test_predictions_may_have_any_form(queue: ActiveLabelingQueue, form: Callable[[Any], Any]) -> None:
    assert queue.enqueue_low_confidence(form([row(0), row(1, 0.9), row(5, 0.9), row(6, 0.3, "Write")])) == 2
    assert shown(queue.get_pending()) == [(6, 1, "low_confidence", 0.3), (0, 2, "low_confidence", 0.4)]
    assert [r.predicted_label for r in queue.get_pending()] == ["Write", "Build"]
    assert {r.created_at for r in queue.get_pending()} == {START}


def test_contiguous_rows_of_one_user_and_label_are_one_block_of_at_most_thirty_minutes(
    queue: ActiveLabelingQueue,
) -> None:
    rows = [row(n) for n in range(40)] + [row(41), row(42, label="Write"), row(40, user="v")]
    assert queue.enqueue_low_confidence(reversed(rows)) == 5
    assert shown(queue.get_pending(user_id="v")) == [(40, 1, "low_confidence", 0.4)]
    assert [s[:2] for s in shown(queue.get_pending(user_id="u"))] == [(0, 30), (30, 10), (41, 1), (42, 1)]


def test_the_threshold_is_strict(queue: ActiveLabelingQueue) -> None:
    assert queue.enqueue_low_confidence([row(0, 0.55), row(2, 0.5499)]) == 1
    assert queue.enqueue_low_confidence([row(4, 0.3)], threshold=0.3) == 0
    assert queue.enqueue_low_confidence([]) == queue.enqueue_low_confidence(pd.DataFrame()) == 0


def test_no_window_is_never_asked_about_and_an_end_may_be_missing(queue: ActiveLabelingQueue) -> None:
    unseen = row(0) | {"decided_by": "no_window"}
    short = {key: value for key, value in row(3).items() if key != "bucket_end_ts"}
    assert queue.enqueue_low_confidence([unseen, short, row(5, label=None), row(7, label=MIXED_UNKNOWN)]) == 3
    assert [
        (r.predicted_label, s[:2]) for r, s in zip(queue.get_pending(), shown(queue.get_pending()), strict=True)
    ] == [
        ("Build", (3, 1)),
        (None, (5, 1)),
        (MIXED_UNKNOWN, (7, 1)),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {"confidence": float("nan")},
        {"confidence": 1.5},
        {"confidence": "much"},
        {"user_id": ""},
        {"user_id": 7},
        {"bucket_start_ts": pd.NaT},
        {"bucket_start_ts": "yesterday"},
        {"bucket_end_ts": START - MINUTE},
    ],
)
def test_a_bad_prediction_is_named_and_nothing_is_queued(queue: ActiveLabelingQueue, bad: dict[str, Any]) -> None:
    with pytest.raises(LabelError, match=r"^Prediction 1 cannot be queued"):
        queue.enqueue_low_confidence([row(0), row(1) | bad])
    with pytest.raises(LabelError, match=r"^Prediction 0 cannot be queued"):
        queue.enqueue_drift([row(1) | bad])
    assert queue.get_pending() == []


def test_drift_takes_the_least_confident_rows_and_joins_neighbours(queue: ActiveLabelingQueue) -> None:
    confidences = [0.9, 0.2, 0.3, 0.9, 0.1, 0.95]
    assert queue.enqueue_drift(frame([row(n, c) for n, c in enumerate(confidences)]), limit=3) == 2
    assert shown(queue.get_pending()) == [(4, 1, "drift", 0.1), (1, 2, "drift", 0.2)]
    assert queue.enqueue_drift([row(20)], limit=0) == 0


def test_pending_comes_least_confident_first_and_can_be_limited(queue: ActiveLabelingQueue) -> None:
    queue.enqueue_gap("u", START - 60 * MINUTE, START - 30 * MINUTE, at=START, zone="UTC")
    queue.enqueue_low_confidence([row(0, 0.5), row(2, 0.1), row(4, 0.5), row(6, 0.3, user="v")])
    assert [s[0] for s in shown(queue.get_pending())] == [2, 6, 0, 4, -60]
    assert [s[0] for s in shown(queue.get_pending(2, "u"))] == [2, 0]
    assert queue.get_pending(limit=0) == []


# -- one entry per block --------------------------------------------------------------------------------------


def test_a_revision_updates_what_waits_and_keeps_its_identity(queue: ActiveLabelingQueue) -> None:
    first = offer(queue, block(0))[0]
    later = offer(queue, block(0, 12, 0.3, predicted_label="Debug", second_label="Build"), at=START + 5 * MINUTE)
    assert later == [
        replace(
            first,
            bucket_end_ts=START + 12 * MINUTE,
            confidence=0.3,
            predicted_label="Debug",
            second_label="Build",
        )
    ]
    assert offer(queue, block(0, 12, 0.3, predicted_label="Debug", second_label="Build")) == []
    assert queue.get_pending() == later


@pytest.mark.parametrize("status", ["labeled", "skipped"])
def test_what_is_done_is_done(queue: ActiveLabelingQueue, status: str) -> None:
    request = offer(queue, block(0))[0]
    assert queue.mark_done(request.request_id, status) == replace(request, status=status)  # type: ignore[arg-type]
    assert queue.mark_done(request.request_id, "labeled") is None
    assert queue.mark_done(request.request_id, "skipped") is None
    assert offer(queue, block(0, 25, 0.1)) == []
    assert offer(queue, block(0), reason="audit") == []
    assert queue.enqueue_drift([row(0, 0.01), row(3, 0.01)]) == 0
    assert queue.enqueue_low_confidence([row(n, 0.01) for n in range(10)]) == 0
    assert queue.get_pending() == []


def test_a_skipped_block_whose_start_is_revised_is_not_asked_again(queue: ActiveLabelingQueue) -> None:
    queue.mark_done(offer(queue, block(0, 10))[0].request_id, "skipped")
    assert offer(queue, block(1, 9)) == []
    assert shown(offer(queue, block(8, 10))) == [(8, 10, "low_confidence", 0.4)]  # most of it is new


def test_only_labeled_and_skipped_close(queue: ActiveLabelingQueue) -> None:
    request = offer(queue, block(0))[0]
    for status in ("pending", "done", ""):
        with pytest.raises(ValueError, match="'labeled' or 'skipped'"):
            queue.mark_done(request.request_id, status)
    assert queue.mark_done("nobody") is None
    assert queue.get_pending() == [request]


def test_drift_says_nothing_new_about_a_block_that_waits(queue: ActiveLabelingQueue) -> None:
    request = offer(queue, block(0, 10))[0]
    assert queue.enqueue_drift([row(0, 0.01), row(3, 0.01, "Write")]) == 0
    assert queue.get_pending() == [request]
    assert queue.enqueue_drift([row(30, 0.2)]) == 1
    assert shown(offer(queue, block(30, 10, 0.1))) == [(30, 10, "drift", 0.1)]  # the older reason stays


# -- what is not asked ----------------------------------------------------------------------------------------


def test_short_sure_and_rule_made_blocks_are_not_queued(queue: ActiveLabelingQueue) -> None:
    assert offer(queue, block(0, 4), block(10, 10, 0.9), block(30, is_askable=False)) == []
    assert shown(offer(queue, block(10, 10, 0.9), block(30, 4), reason="audit")) == [(10, 10, "audit", 0.9)]


def test_what_the_person_has_labelled_is_not_asked(queue: ActiveLabelingQueue, database: Database) -> None:
    label(database, 0, 5)
    label(database, 5, 30)
    label(database, 40, 49)
    label(database, 60, 90, "auto")
    placed = offer(queue, block(0, 30), block(40, 10), block(60, 10))
    assert [s[0] for s in shown(placed)] == [40, 60]
    assert queue.enqueue_gap("u", START, START + 20 * MINUTE, at=START, zone="UTC") is None


def test_a_gap_is_asked_once_and_may_grow(queue: ActiveLabelingQueue) -> None:
    def gap(minutes: int) -> LabelRequest | None:
        return queue.enqueue_gap("u", START, START + minutes * MINUTE, at=START, zone="UTC")

    first = gap(20)
    assert first is not None
    assert (first.reason, first.confidence, first.predicted_label) == ("gap", None, None)
    assert gap(20) is None
    assert gap(30) == replace(first, bucket_end_ts=START + 30 * MINUTE)
    queue.mark_done(first.request_id, "skipped")
    assert gap(40) is None
    with pytest.raises(ValueError, match="after it begins"):
        gap(0)


def test_a_gap_and_a_block_that_begin_together_leave_each_other_alone(queue: ActiveLabelingQueue) -> None:
    queue.enqueue_gap("u", START, START + 60 * MINUTE, at=START, zone="UTC")
    offer(queue, block(90))
    before = queue.get_pending()
    assert offer(queue, block(0, 10, 0.2)) == []
    assert queue.enqueue_gap("u", START + 90 * MINUTE, START + 200 * MINUTE, at=START, zone="UTC") is None
    assert queue.get_pending() == before


def test_a_block_that_is_no_more_is_withdrawn(queue: ActiveLabelingQueue) -> None:
    offer(queue, block(0), block(10), block(20))
    offer(queue, block(30, 10, 0.9), reason="audit")
    queue.enqueue_drift([row(45, 0.2)])
    queue.enqueue_gap("u", START + 50 * MINUTE, START + 60 * MINUTE, at=START, zone="UTC")
    skipped = next(r for r in queue.get_pending() if r.bucket_start_ts == START + 30 * MINUTE)
    queue.mark_done(skipped.request_id, "skipped")
    begin = to_us(START + 10 * MINUTE)
    assert queue.withdraw_missing("u", begin, begin + 100 * 60_000_000, {to_us(START + 20 * MINUTE)}) == 1
    assert sorted(s[0] for s in shown(queue.get_pending())) == [0, 20, 45, 50]
    assert queue.withdraw_missing("v", 0, begin * 2, set()) == 0


# -- the day's limit ------------------------------------------------------------------------------------------


def test_of_too_many_the_least_confident_go_in(database: Database) -> None:
    queue = ActiveLabelingQueue.over(database, 3, time_zone=lambda: "UTC", now=lambda: START)
    assert queue.enqueue_low_confidence([row(2 * n, 0.5 - n / 100) for n in range(10)]) == 3
    assert [s[0] for s in shown(queue.get_pending())] == [18, 16, 14]
    assert queue.enqueue_low_confidence([row(100, 0.0)]) == 0
    assert queue.enqueue_drift([row(100, 0.0)]) == 1
    assert queue.enqueue_gap("u", START - 30 * MINUTE, START, at=START, zone="UTC") is not None
    assert queue.enqueue_low_confidence([row(0, 0.0, user="v")]) == 1


def test_audits_count_and_what_was_withdrawn_does_not(database: Database) -> None:
    queue = ActiveLabelingQueue.over(database, 2, time_zone=lambda: "UTC")
    assert len(offer(queue, block(0, 10, 0.9), reason="audit")) == 1
    assert len(offer(queue, block(10), block(20))) == 1
    assert queue.withdraw_missing("u", 0, to_us(START) + 1, set()) == 1
    assert len(offer(queue, block(30), block(40))) == 1


@pytest.mark.parametrize(
    ("zone", "moments", "days"),
    [
        ("Asia/Tokyo", ["2026-03-02T14:59Z", "2026-03-02T15:00Z", "2026-03-03T14:59Z"], 2),
        ("UTC", ["2026-03-02T14:59Z", "2026-03-02T15:00Z", "2026-03-03T14:59Z"], 2),
        # 23 hours, and 25 hours
        ("Europe/Berlin", ["2026-03-28T23:00Z", "2026-03-29T21:59Z", "2026-03-29T22:00Z"], 2),
        ("Europe/Berlin", ["2026-10-24T22:00Z", "2026-10-25T22:59Z", "2026-10-25T23:00Z"], 2),
        ("America/St_Johns", ["2026-03-02T03:29Z", "2026-03-02T03:30Z"], 2),
    ],
)
def test_a_day_is_the_persons_own(database: Database, zone: str, moments: list[str], days: int) -> None:
    queue = ActiveLabelingQueue.over(database, 1, time_zone=lambda: zone)
    placed = [
        offer(queue, block(10 * n), at=datetime.fromisoformat(moment), zone=zone) for n, moment in enumerate(moments)
    ]
    assert sum(map(len, placed)) == days


# -- whose store it is ----------------------------------------------------------------------------------------


def test_the_path_names_the_store_and_a_lent_one_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    queue = ActiveLabelingQueue(path, time_zone=lambda: "UTC")
    queue.enqueue_low_confidence([row(0)])
    queue.close()
    database = Database(path)
    lent = ActiveLabelingQueue.over(database)
    assert len(lent.get_pending()) == 1
    lent.close()
    assert len(database.requests.pending()) == 1
    database.close()
