"""What a batch answers: labels, probabilities, and segments by user and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import overload

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, MIN_BLOCK_DURATION_SECONDS
from taskclf_tray.core.time import US_PER_SECOND, from_us
from taskclf_tray.infer.categorical import Categorical
from taskclf_tray.infer.smooth import Segment, merge_short, run_starts
from taskclf_tray.infer.taxonomy import LABELS_AND_MIXED

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class MappedProbabilities(Sequence[dict[str, float]]):
    """One dict of bucket probabilities for each row, made when asked for: a million dicts would fill the memory.

    `matrix`: (N, buckets), `names`: its columns.
    """

    def __init__(self, names: Sequence[str], matrix: FloatArray) -> None:
        self.names = tuple(names)
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix)

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of the same dicts."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, index: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, float]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, float] | Sequence[dict[str, float]]:
        if isinstance(index, slice):
            return MappedProbabilities(self.names, self.matrix[index])
        return dict(zip(self.names, self.matrix[index].tolist(), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class BatchInferenceResult:
    """Stages 4–9 of N rows, in the order of the input; `segments` by user (first seen first), each in order of time.

    `segments` went through the hysteresis: they are for a timeline, never for time totals. `mapped_labels` and
    `mapped_probs` are None without a taxonomy. Lists of labels hold references
    to a dozen texts (8 bytes a row); `mapped_probs` makes a dict when asked for a row. `users` and `starts_us`
    (microseconds since 1970 UTC) say which buckets these are.
    """

    raw_labels: list[str]
    smoothed_labels: list[str]
    segments: list[Segment]
    confidences: FloatArray
    is_rejected: BoolArray
    core_probs: FloatArray
    mapped_labels: list[str] | None = None
    mapped_probs: Sequence[dict[str, float]] | None = None
    users: Categorical = field(default_factory=lambda: Categorical.repeated("", 0))
    starts_us: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def ui_labels(self) -> list[str]:
        """What the person sees for each row."""
        return self.smoothed_labels if self.mapped_labels is None else self.mapped_labels


def cut_batch(
    result: BatchInferenceResult, start_us: int, end_us: int, bucket_seconds: int = DEFAULT_BUCKET_SECONDS
) -> BatchInferenceResult:
    """Only the buckets that start in [start_us, end_us), each with the answer it has among all; segments anew."""
    kept = np.flatnonzero((result.starts_us >= start_us) & (result.starts_us < end_us))
    users, starts = Categorical(result.users.codes[kept], result.users.values), result.starts_us[kept]
    smoothed = Categorical.of(result.smoothed_labels)
    codes = smoothed.table(map(LABELS_AND_MIXED.index, smoothed.values), np.int64)[kept]
    order, fresh = by_user_and_time(users, starts, bucket_seconds)
    mapped_probs = result.mapped_probs
    if isinstance(mapped_probs, MappedProbabilities):
        mapped_probs = MappedProbabilities(mapped_probs.names, mapped_probs.matrix[kept])
    labels = [
        None if column is None else [column[i] for i in kept.tolist()]
        for column in (result.raw_labels, result.smoothed_labels, result.mapped_labels)
    ]
    return BatchInferenceResult(
        raw_labels=labels[0] or [],
        smoothed_labels=labels[1] or [],
        segments=merged_segments(starts[order], codes[order], fresh, bucket_seconds),
        confidences=result.confidences[kept],
        is_rejected=result.is_rejected[kept],
        core_probs=result.core_probs[kept],
        mapped_labels=labels[2],
        mapped_probs=mapped_probs,
        users=users,
        starts_us=starts,
    )


def by_user_and_time(users: Categorical, starts_us: IntArray, bucket_seconds: int) -> tuple[IntArray, BoolArray]:
    """The rows by user (first seen first) and time, and where in this order a contiguous run begins."""
    first_seen = np.full(len(users.values), len(users), dtype=np.int64)
    np.minimum.at(first_seen, users.codes, np.arange(len(users)))
    user = first_seen[users.codes]
    order = np.lexsort((starts_us, user))
    fresh = run_starts(starts_us[order], bucket_seconds)
    fresh[1:] |= np.diff(user[order]) != 0
    return order, fresh


def merged_segments(starts: IntArray, codes: IntArray, fresh: BoolArray, bucket_seconds: int) -> list[Segment]:
    """Segments of ordered buckets, after hysteresis; each contiguous run by itself, so users never join."""
    begins = fresh.copy()
    begins[1:] |= np.diff(codes) != 0
    firsts = np.flatnonzero(begins)
    counts = np.diff(np.append(firsts, len(codes)))
    runs = [*np.flatnonzero(fresh[firsts]).tolist(), len(firsts)]
    labels, lengths = codes[firsts].tolist(), counts.tolist()
    fewest = -(-MIN_BLOCK_DURATION_SECONDS // bucket_seconds)
    joined: list[tuple[int, int, int]] = []
    for begin, end in pairwise(runs):
        part = merge_short(labels[begin:end], lengths[begin:end], fewest)
        joined += [(begin + first, begin + last, label) for first, last, label in part]
    before = np.append(0, np.cumsum(counts)).tolist()
    step_us = bucket_seconds * US_PER_SECOND
    moments = starts[firsts].tolist()
    segments: list[Segment] = []
    for first, last, label in joined:
        count = before[last + 1] - before[first]
        ended = from_us(moments[first] + count * step_us)
        segments.append(Segment(from_us(moments[first]), ended, LABELS_AND_MIXED[label], count))
    return segments
