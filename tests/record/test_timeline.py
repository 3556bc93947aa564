"""The day's timeline, kept up at the cost of what is new, equals the batch functions over all of the day."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskclf_tray.core.time import to_us
from taskclf_tray.infer.smooth import merge_short_segments, segmentize
from taskclf_tray.record.timeline import Timeline, segments_text
from taskclf_tray.store.buckets import BucketRecord
from tests.support.report_records import MINUTE, bucket

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


def whole(records: dict[int, BucketRecord]) -> list[dict[str, Any]]:
    ordered = [records[us] for us in sorted(records)]
    starts = [datetime.fromtimestamp(record.start_us / 1e6, UTC) for record in ordered]
    segments = segmentize(starts, [record.smoothed_label for record in ordered], 60)
    return [segment.to_dict() for segment in merge_short_segments(segments)]


@pytest.mark.parametrize("seed", range(60))
def test_any_growth_and_revision_gives_what_batch_gives(seed: int) -> None:
    rng = random.Random(seed)
    labels = "ABC"[: rng.choice([2, 3])]
    stay, gap = rng.choice([0.2, 0.5, 0.8]), rng.choice([0.0, 0.05])
    timeline, records = Timeline(60), {}
    start, label, settled_until = MIDNIGHT, "A", MIDNIGHT
    for _ in range(80):
        for _ in range(rng.randint(1, 4)):
            label = label if rng.random() < stay else rng.choice(labels)
            start += MINUTE * (1 if rng.random() > gap else rng.randint(2, 30))
            records[to_us(start)] = bucket(start, label)
            assert timeline.put(records[to_us(start)])
        for us in [us for us in records if us >= to_us(settled_until)]:
            if rng.random() < 0.3:  # the idle rule, or the smoothing window that is complete now
                records[us] = bucket(datetime.fromtimestamp(us / 1e6, UTC), rng.choice(labels))
                assert timeline.put(records[us])
        settled_until = max(settled_until, start - MINUTE * rng.randint(0, 6))
        timeline.settle(to_us(settled_until))
        assert json.loads(segments_text(timeline.lines())) == whole(records)
    timeline.settle(None)
    assert json.loads(segments_text(timeline.lines())) == whole(records)


def test_what_was_settled_is_not_taken_in_again() -> None:
    timeline = Timeline(60)
    timeline.put(bucket(MIDNIGHT, "A"))
    timeline.settle(None)
    before = timeline.lines()
    assert not timeline.put(bucket(MIDNIGHT, "B"))
    assert timeline.lines() == before


def test_a_long_day_keeps_few_segments_open() -> None:
    timeline = Timeline(60)
    for i in range(1_440):
        timeline.put(bucket(MIDNIGHT + i * MINUTE, "ABC"[i // 4 % 3]))
        timeline.settle(to_us(MIDNIGHT + timedelta(minutes=i)))
    assert len(timeline.lines()) == 360
    assert len(timeline._open) < 5


def test_no_segment_is_an_empty_list() -> None:
    assert json.loads(segments_text([])) == []
