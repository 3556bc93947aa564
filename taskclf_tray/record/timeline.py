"""The segments of a day that is still going on, updated at a cost of what is new."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

from taskclf_tray.core.defaults import MIN_BLOCK_DURATION_SECONDS
from taskclf_tray.core.time import from_us
from taskclf_tray.infer.smooth import Segment, merge_short_segments
from taskclf_tray.store.buckets import BucketRecord

_LONG = timedelta(seconds=MIN_BLOCK_DURATION_SECONDS)


def segments_text(lines: Iterable[str]) -> str:
    """The content of segments.json: one segment a line."""
    body = ",\n  ".join(lines)
    return f"[\n  {body}\n]\n" if body else "[]\n"


class Timeline:
    """Hysteresis-merged segments of the buckets put so far, equal to those of the batch functions over all of them.

    The hysteresis runs from left to right, and nothing left of a long enough segment depends on what is right of it. So
    once such a segment is over and settled, its result stands for everything before.
    """

    def __init__(self, bucket_seconds: int) -> None:
        self._bucket = timedelta(seconds=bucket_seconds)
        self._fixed: list[str] = []
        self._open: list[Segment] = []
        self._tail: dict[int, str] = {}
        self._settled_until_us = 0

    def put(self, record: BucketRecord) -> bool:
        """Add a new or revised bucket; returns False, and does nothing, for one that was settled."""
        if record.start_us < self._settled_until_us:
            return False
        self._tail[record.start_us] = record.smoothed_label
        return True

    def settle(self, until_us: int | None) -> None:
        """Settle the buckets before `until_us` (None: all): they will not change, and none comes between them."""
        for start_us in sorted(us for us in self._tail if until_us is None or us < until_us):
            self._extend(self._open, start_us, self._tail.pop(start_us))
            self._settled_until_us = start_us + 1
        self._fix()

    def lines(self) -> list[str]:
        """The segments as JSON, in order of time."""
        segments = self._open.copy()
        for start_us in sorted(self._tail):
            self._extend(segments, start_us, self._tail[start_us])
        return self._fixed + _as_lines(merge_short_segments(segments))

    def _extend(self, segments: list[Segment], start_us: int, label: str) -> None:
        start = from_us(start_us)
        if segments and segments[-1].end_ts == start and segments[-1].label == label:
            last = segments.pop()
            segments.append(Segment(last.start_ts, start + self._bucket, label, last.bucket_count + 1))
        else:
            segments.append(Segment(start, start + self._bucket, label, 1))

    def _fix(self) -> None:
        """Drop from the open segments what can no longer change the result; the last of them may still grow."""
        gaps = [i for i, (a, b) in enumerate(pairwise(self._open), start=1) if a.end_ts != b.start_ts]
        if gaps:
            self._fixed += _as_lines(merge_short_segments(self._open[: gaps[-1]]))
            self._open = self._open[gaps[-1] :]
        long = [i for i, s in enumerate(self._open[:-1]) if i > 0 and s.end_ts - s.start_ts >= _LONG]
        if long:
            merged = merge_short_segments(self._open[: long[-1] + 1])
            self._fixed += _as_lines(merged[:-1])
            self._open = [merged[-1], *self._open[long[-1] + 1 :]]


def _as_lines(segments: Iterable[Segment]) -> list[str]:
    return [json.dumps(segment.to_dict(), ensure_ascii=False) for segment in segments]
