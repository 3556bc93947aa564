"""Stage 7: centred rolling majority, segments of contiguous buckets, and the hysteresis that joins short ones.

Everything here is per user and in order of time (contract, section 7). Labels are any strings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_SMOOTH_WINDOW, MIN_BLOCK_DURATION_SECONDS

IntArray = npt.NDArray[np.int64]
_Label = TypeVar("_Label")

_ARRAYS_FROM: Final = 256
"""Below this many labels a plain loop is faster than setting up arrays (measured: about 100)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of one label over contiguous buckets of [start_ts, end_ts)."""

    start_ts: datetime
    end_ts: datetime
    label: str
    bucket_count: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, times in ISO 8601."""
        return {
            "start_ts": self.start_ts.isoformat(),
            "end_ts": self.end_ts.isoformat(),
            "label": self.label,
            "bucket_count": self.bucket_count,
        }


def check_window(window: int) -> int:
    """Half of an odd smoothing window: the neighbours on each side. Raises ValueError for an even one."""
    if window < 1 or window % 2 == 0:
        raise ValueError(f"the smoothing window must be odd and at least 1, not {window}")
    return window // 2


def rolling_majority(labels: Sequence[str], window: int = DEFAULT_SMOOTH_WINDOW) -> list[str]:
    """The most common label of each centred window, over labels of contiguous buckets.

    The window is shortened at the ends. A label as common as the winner stays; among others as common the first
    seen in the window wins. Raises ValueError for an even window.
    """
    half = check_window(window)
    if len(labels) < _ARRAYS_FROM:
        return _majority_loop(labels, half)
    names = list(dict.fromkeys(labels))
    number = {name: i for i, name in enumerate(names)}
    codes = np.fromiter(map(number.__getitem__, labels), dtype=np.int64, count=len(labels))
    smoothed = majority_codes(codes, np.zeros(len(labels), dtype=np.int64), window)
    return [names[code] for code in smoothed.tolist()]


def _majority_loop(labels: Sequence[str], half: int) -> list[str]:
    answer: list[str] = []
    for i, own in enumerate(labels):
        seen = labels[max(0, i - half) : i + half + 1]
        counts: dict[str, int] = {}
        for label in seen:
            counts[label] = counts.get(label, 0) + 1
        most = max(counts.values())
        # dicts keep the order of insertion, so the first with the highest count is the first seen
        answer.append(own if counts[own] == most else next(label for label, n in counts.items() if n == most))
    return answer


def majority_codes(codes: IntArray, run_of: IntArray, window: int) -> IntArray:
    """`rolling_majority` over arrays, never across a change of run.

    `codes`: (N,) label numbers from 0; `run_of`: (N,) non-decreasing numbers of contiguous runs. Time and memory
    are O(N × distinct labels) + O(N × window).
    """
    half = check_window(window)
    n = len(codes)
    if n == 0 or half == 0:
        return codes.copy()
    low, high = _window_bounds(run_of, half)
    counts = _window_counts(codes, low, high)
    best = counts.max(axis=0)
    positions = np.arange(n)
    answer = codes.copy()
    undecided = counts[codes, positions] < best
    for offset in range(-half, half + 1):
        at = positions[undecided] + offset
        inside = (at >= low[undecided]) & (at <= high[undecided])
        places, seen = positions[undecided][inside], codes[at[inside]]
        wins = counts[seen, places] == best[places]
        answer[places[wins]] = seen[wins]
        undecided[places[wins]] = False
        if not undecided.any():
            break
    return answer


def _window_bounds(run_of: IntArray, half: int) -> tuple[IntArray, IntArray]:
    positions = np.arange(len(run_of))
    firsts = np.flatnonzero(np.diff(run_of, prepend=run_of[0] - 1))
    lengths = np.diff(np.append(firsts, len(run_of)))
    first, last = np.repeat(firsts, lengths), np.repeat(firsts + lengths - 1, lengths)
    return np.maximum(positions - half, first), np.minimum(positions + half, last)


def _window_counts(codes: IntArray, low: IntArray, high: IntArray) -> npt.NDArray[np.int32]:
    """(labels, N): how often each label occurs in [low, high] of each position."""
    kinds = int(codes.max()) + 1
    counts = np.empty((kinds, len(codes)), dtype=np.int32)
    seen = np.zeros(len(codes) + 1, dtype=np.int32)
    for kind in range(kinds):
        np.cumsum(codes == kind, out=seen[1:])
        counts[kind] = seen[high + 1] - seen[low]
    return counts


def run_starts(starts_us: IntArray, bucket_seconds: int) -> npt.NDArray[np.bool_]:
    """(N,) True where a bucket does not follow the one before without a gap."""
    fresh = np.ones(len(starts_us), dtype=np.bool_)
    fresh[1:] = np.diff(starts_us) != bucket_seconds * 1_000_000
    return fresh


def segmentize(
    bucket_starts: Sequence[datetime], labels: Sequence[str], bucket_seconds: int = DEFAULT_BUCKET_SECONDS
) -> list[Segment]:
    """Runs of one label over contiguous buckets, in order; `bucket_starts`: one per label.

    `bucket_count × bucket_seconds` is each segment's length. Raises ValueError when the lengths differ.
    """
    step = timedelta(seconds=bucket_seconds)
    segments: list[Segment] = []
    first = previous = None
    current, count = "", 0
    for start, label in zip(bucket_starts, labels, strict=True):
        if first is not None and previous is not None:
            if label == current and start - previous == step:
                previous, count = start, count + 1
                continue
            segments.append(Segment(first, previous + step, current, count))
        first, previous, current, count = start, start, label, 1
    if first is not None and previous is not None:
        segments.append(Segment(first, previous + step, current, count))
    return segments


def merge_short_segments(
    segments: Sequence[Segment],
    bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
    *,
    min_duration_seconds: float = MIN_BLOCK_DURATION_SECONDS,
) -> list[Segment]:
    """Hysteresis: segments shorter than `min_duration_seconds` join a neighbour, never across a gap.

    A segment lasts `bucket_count × bucket_seconds`.

    Again and again the leftmost short segment that can move joins the previous one if that has its label, else the
    next if that has its label, else the longer neighbour (tie: the earlier); the last of a contiguous run joins the
    one before; the first moves only into a same-label next one. O(number of segments).
    """
    merged: list[Segment] = []
    fewest = math.ceil(min_duration_seconds / bucket_seconds)
    for run in _contiguous(segments):
        counts = [segment.bucket_count for segment in run]
        for first, last, label in merge_short([segment.label for segment in run], counts, fewest):
            count = sum(segment.bucket_count for segment in run[first : last + 1])
            merged.append(Segment(run[first].start_ts, run[last].end_ts, label, count))
    return merged


def _contiguous(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    run: list[Segment] = []
    for segment in segments:
        if run and run[-1].end_ts != segment.start_ts:
            yield run
            run = []
        run.append(segment)
    if run:
        yield run


Joined = tuple[int, int, _Label]
"""The first and last position that were joined, and the label they have now."""


def merge_short(labels: Sequence[_Label], lengths: Sequence[int], min_length: int) -> list[Joined[_Label]]:
    """`merge_short_segments` of one contiguous run, in plain numbers: what was joined, in order.

    Left of the current segment nothing can move, so a merge steps back at most one.
    """
    left: list[tuple[int, int, _Label, int]] = []
    right = [(i, i, labels[i], lengths[i]) for i in range(len(labels) - 1, -1, -1)]
    while right:
        segment = right.pop()
        first, last, label, length = segment
        if length >= min_length:
            left.append(segment)
            continue
        previous, following = left[-1] if left else None, right[-1] if right else None
        if _joins_previous(label, previous, following):
            assert previous is not None
            right.append((left.pop()[0], last, previous[2], previous[3] + length))
        elif following is not None and (previous is not None or following[2] == label):
            right[-1] = (first, following[1], following[2], length + following[3])
            if left:
                right.append(left.pop())
        else:
            left.append(segment)
    return [(first, last, label) for first, last, label, _ in left]


def _joins_previous(label: Any, previous: tuple[Any, ...] | None, following: tuple[Any, ...] | None) -> bool:
    """A same-label previous one, else no same-label next one and the previous at least as long."""
    if previous is None:
        return False
    if following is None or previous[2] == label:
        return True
    return bool(following[2] != label and previous[3] >= following[3])


def flap_rate(labels: Sequence[str]) -> float:
    """Changes of label divided by buckets, unrounded; 0.0 without labels."""
    if not labels:
        return 0.0
    return sum(a != b for a, b in pairwise(labels)) / len(labels)
