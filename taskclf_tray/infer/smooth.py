"""Stage 7: centred rolling majority, segments of contiguous buckets, and hysteresis for short segments.

Every function works on one user's labels in order of time (contract, section 7). Labels are any strings.
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
    """A run of one label over the contiguous buckets of [start_ts, end_ts).

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    >>> Segment(noon, noon + timedelta(minutes=3), "Build", 3).bucket_count
    3
    """

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
    """Return half of an odd smoothing window: the neighbours on each side. Raises ValueError for an even one."""
    if window < 1 or window % 2 == 0:
        raise ValueError(f"the smoothing window must be odd and at least 1, not {window}")
    return window // 2


def rolling_majority(labels: Sequence[str], window: int = DEFAULT_SMOOTH_WINDOW) -> list[str]:
    """Smooth labels of contiguous buckets by the majority of a centred window.

    The window is shorter at the ends. A bucket keeps its label when that label ties for the majority; among other ties
    the label that comes first in the window wins.

    Args:
        labels: N labels in order of time.
        window: an odd number of buckets.

    Returns:
        N smoothed labels.

    Raises:
        ValueError: the window is even or below 1.

    >>> rolling_majority(["Build", "Write", "Build", "Build"])
    ['Build', 'Build', 'Build', 'Build']
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
    """Apply `rolling_majority` to arrays, within each contiguous run.

    `codes`: (N,) label numbers from 0; `run_of`: (N,) non-decreasing run numbers. Time and memory are
    O(N × distinct labels) + O(N × window).
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
    """(labels, N): count each label in [low, high] of each position."""
    kinds = int(codes.max()) + 1
    counts = np.empty((kinds, len(codes)), dtype=np.int32)
    seen = np.zeros(len(codes) + 1, dtype=np.int32)
    for kind in range(kinds):
        np.cumsum(codes == kind, out=seen[1:])
        counts[kind] = seen[high + 1] - seen[low]
    return counts


def run_starts(starts_us: IntArray, bucket_seconds: int) -> npt.NDArray[np.bool_]:
    """(N,) True where a bucket does not directly follow the previous one."""
    fresh = np.ones(len(starts_us), dtype=np.bool_)
    fresh[1:] = np.diff(starts_us) != bucket_seconds * 1_000_000
    return fresh


def segmentize(
    bucket_starts: Sequence[datetime], labels: Sequence[str], bucket_seconds: int = DEFAULT_BUCKET_SECONDS
) -> list[Segment]:
    """Group contiguous buckets of one label into segments.

    Args:
        bucket_starts: N aware starts in order of time.
        labels: N labels.
        bucket_seconds: length of a bucket in seconds; a segment lasts `bucket_count × bucket_seconds`.

    Raises:
        ValueError: the lengths differ.
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
    """Merge each short segment into a neighbour (hysteresis), never across a gap. O(number of segments).

    The leftmost short segment that can move merges first, until none can. It merges into the previous segment when both
    have one label, else into the next when both have one label, else into the longer neighbour (tie: the earlier). The
    last segment of a contiguous run merges into the previous one; the first one merges only into a next one of its
    label.

    Args:
        segments: segments in order of time.
        bucket_seconds: length of a bucket in seconds; a segment lasts `bucket_count × bucket_seconds`.
        min_duration_seconds: segments shorter than this are short.
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
    """Apply `merge_short_segments` to one contiguous run in plain numbers; returns the merged runs in order.

    No segment left of the current one can move, so a merge steps back at most one.
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
    """Whether the previous segment has this label, or, when the next one has not, is at least as long as the next."""
    if previous is None:
        return False
    if following is None or previous[2] == label:
        return True
    return bool(following[2] != label and previous[3] >= following[3])


def flap_rate(labels: Sequence[str]) -> float:
    """Return label changes per bucket, from 0 to 1, unrounded; 0.0 without labels."""
    if not labels:
        return 0.0
    return sum(a != b for a, b in pairwise(labels)) / len(labels)
