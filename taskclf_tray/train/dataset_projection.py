"""Which minutes a label span speaks about: those wholly inside it, where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NO_LABEL: Final = -1
_BEFORE_ALL: Final = np.iinfo(np.int64).min
_ID: Final = {label: position for position, label in enumerate(LABEL_SET_V1)}


class Cover:
    """Spans of any overlap, asked many times. Sorted once, with the furthest end so far beside each start."""

    def __init__(self, spans: Iterable[LabelSpan]) -> None:
        edges = sorted((to_us(span.start_ts), to_us(span.end_ts)) for span in spans)
        self._starts = np.array([start for start, _ in edges], dtype=np.int64)
        ends = np.array([_BEFORE_ALL, *(end for _, end in edges)], dtype=np.int64)
        self._furthest = np.maximum.accumulate(ends)  # [k]: of the first k spans

    def holds(self, starts_us: IntArray, ends_us: IntArray) -> BoolArray:
        """(N,) whether [start, end) lies wholly inside one span."""
        begun = np.searchsorted(self._starts, starts_us, side="right")
        return np.asarray(self._furthest[begun] >= ends_us)

    def touches(self, starts_us: IntArray, ends_us: IntArray) -> BoolArray:
        """(N,) whether any span has a part in [start, end)."""
        begun = np.searchsorted(self._starts, ends_us, side="left")
        return np.asarray(self._furthest[begun] > starts_us)


class Projection:
    """The labels of one user's spans, for buckets asked in any portions."""

    def __init__(self, spans: Iterable[LabelSpan]) -> None:
        by_label: dict[str, list[LabelSpan]] = {}
        for span in spans:
            by_label.setdefault(span.label, []).append(span)
        self._covers = {_ID[label]: Cover(found) for label, found in sorted(by_label.items())}

    def labels(self, starts_us: IntArray, ends_us: IntArray) -> IntArray:
        """(N,) the label ids; NO_LABEL where no span holds the whole bucket, or another label has a part in it."""
        labels = np.full(len(starts_us), NO_LABEL, dtype=np.int64)
        said = np.zeros(len(starts_us), dtype=np.int64)
        for label, cover in self._covers.items():
            said += cover.touches(starts_us, ends_us)
            labels[cover.holds(starts_us, ends_us)] = label
        labels[said > 1] = NO_LABEL
        return labels

    def touches(self, starts_us: IntArray, ends_us: IntArray) -> BoolArray:
        """(N,) whether any span has a part in the bucket."""
        found = np.zeros(len(starts_us), dtype=np.bool_)
        for cover in self._covers.values():
            found |= cover.touches(starts_us, ends_us)
        return found


def project_labels(starts_us: IntArray, ends_us: IntArray, spans: Iterable[LabelSpan]) -> IntArray:
    """(N,) label ids of buckets [start, end), NO_LABEL where nobody labelled all of it, or two labels conflict.

    The spans are one user's, in any order, and may overlap. O((N + S) log S), without a loop over buckets.
    """
    return Projection(spans).labels(np.asarray(starts_us), np.asarray(ends_us))
