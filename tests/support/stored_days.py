"""Days as a record holds them: buckets and labelled spans."""

from __future__ import annotations

from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan
from taskclf_tray.store.buckets import pack_row
from taskclf_tray.train.dataset_sources import PackedBucket
from tests.support.labelled import MINUTE_US, row
from tests.support.worked_days import (
    block_start,
)
from tests.support.worker_home import USER


def buckets_and_spans(count: int, span_count: int) -> tuple[list[PackedBucket], list[LabelSpan]]:
    """So many minutes in a row, and labels of 16 minutes every 20."""
    packed = [pack_row(row(k)) for k in range(100)]
    first = to_us(block_start(0, 0))
    buckets = [
        PackedBucket(USER, at, at + MINUTE_US, "Europe/Berlin", "model", packed[k % 100])
        for k in range(count)
        for at in (first + k * MINUTE_US,)
    ]
    starts = [first + 20 * k * MINUTE_US for k in range(span_count)]
    spans = [LabelSpan(from_us(at), from_us(at + 16 * MINUTE_US), LABEL_SET_V1[k % 8]) for k, at in enumerate(starts)]
    return buckets, spans
