"""The personal head: the part of stage 4 that has learnt one person's words.

The forest answers from counts and categories; the head knows what this person's window titles and programs mean, as
salted buckets of words. It is a logistic regression over the words of a minute and the mean of those of the minutes
around it (`train/head.py` fits it). Both are blended as a product of powers: with head logits h and forest
probabilities p the answer is softmax(head_power × h + forest_power × log p).

The features of a minute are x = idf × √seconds of each bucket, divided by their Euclidean norm. A minute's words add
own·x to its own logits and context·x, averaged, to those of up to `CONTEXT_BUCKETS` minutes on either side. So a minute
costs two sums over its words, and its neighbours need only eight numbers of it.

A minute has the same bits alone and in any batch: the words of one minute are summed in order of bucket, neighbours in
order of time, classes in label order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.types import LABEL_SET_V1, WordSeconds
from taskclf_tray.infer.calibrators import sum_in_label_order

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CONTEXT_BUCKETS: Final = 5
"""The minutes on either side whose words count: before it as soon as a minute ends, after it as they come."""
FOREST_FLOOR: Final = 1e-4
"""The least probability taken from the forest: it cannot rule a label out."""
_CLASSES: Final = len(LABEL_SET_V1)


@dataclass(frozen=True, slots=True, eq=False)
class WordScores:
    """What the words of N minutes say.

    Attributes:
        own: (N, 8) logits for the minute itself.
        context: (N, 8) logits for the minutes around it, to be averaged.
        has_words: (N,) whether words were recorded at all; without them the forest answers alone.
    """

    own: FloatArray
    context: FloatArray
    has_words: BoolArray

    @classmethod
    def joined(cls, parts: Sequence[WordScores]) -> WordScores:
        """Join parts in order."""
        return cls(
            np.concatenate([part.own for part in parts]),
            np.concatenate([part.context for part in parts]),
            np.concatenate([part.has_words for part in parts]),
        )

    def take(self, which: IntArray) -> WordScores:
        """Some of the minutes, by position."""
        return WordScores(self.own[which], self.context[which], self.has_words[which])


@dataclass(frozen=True, slots=True, eq=False)
class PersonalHead:
    """A fitted head.

    Attributes:
        buckets: (K,) the buckets it knows, rising.
        idf: (K,) inverse document frequency of each over the training minutes.
        own: (K, 8) weights for the minute itself.
        context: (K, 8) weights for the minutes around it.
        bias: (8,) logits of a minute without known words.
        head_power: how much the head counts; 0 leaves the forest alone.
        forest_power: how much the forest counts.
        digest: identifies the head, as the SHA-256 of its file.
    """

    buckets: IntArray
    idf: FloatArray
    own: FloatArray
    context: FloatArray
    bias: FloatArray
    head_power: float
    forest_power: float
    digest: str = ""
    _weights: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weights", np.ascontiguousarray(np.hstack([self.own, self.context])))

    def scores(self, words: Sequence[WordSeconds]) -> WordScores:
        """Sum over the words of each minute; the order of the minutes has no effect."""
        count = len(words)
        rows, values, place = self._known(words)
        norm = np.sqrt(np.bincount(rows, values * values, count))
        sums = np.zeros((count, 2 * _CLASSES))
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        if len(first):
            weighted = self._weights[place] * (values / norm[rows])[:, None]
            sums[rows[first]] = np.add.reduceat(weighted, first, axis=0)
        has_words = np.array([bool(own) for own in words], dtype=np.bool_)
        return WordScores(sums[:, :_CLASSES], sums[:, _CLASSES:], has_words)

    def own_by_bucket(self, words: WordSeconds) -> tuple[IntArray, FloatArray]:
        """What each known bucket adds to a minute's own logits: (n,) buckets and (n, 8) terms."""
        _, values, place = self._known([words])
        norm = np.sqrt(np.sum(values * values))
        return self.buckets[place], self.own[place] * (values / norm if len(values) else values)[:, None]

    def _known(self, words: Sequence[WordSeconds]) -> tuple[IntArray, FloatArray, IntArray]:
        """(n,) each known word's minute, its value before the norm, and its place in the head."""
        pairs = np.array([pair for own in words for pair in own], dtype=np.int64).reshape(-1, 2)
        rows = np.repeat(np.arange(len(words)), [len(own) for own in words])
        place = np.searchsorted(self.buckets, pairs[:, 0])
        place[place == len(self.buckets)] = 0
        is_known = self.buckets[place] == pairs[:, 0] if len(self.buckets) else np.zeros(len(pairs), dtype=np.bool_)
        place = place[is_known]
        return rows[is_known], np.sqrt(pairs[is_known, 1].astype(np.float64)) * self.idf[place], place

    def logits(self, scores: WordScores, run_of: IntArray) -> FloatArray:
        """Put minutes and their neighbours together.

        Args:
            scores: of N minutes, in order of time within a run.
            run_of: (N,) the run of contiguous minutes each belongs to; no context crosses runs.

        Returns:
            (N, 8) logits.
        """
        return self.bias + scores.own + _around(scores, run_of)

    def blend(self, forest: FloatArray, logits: FloatArray, has_words: BoolArray) -> FloatArray:
        """Blend (N, 8) forest probabilities with the head's logits.

        Returns (N, 8) probabilities: those of the forest, bit for bit, where no words were recorded.
        """
        values = self.head_power * np.ascontiguousarray(logits)
        values += self.forest_power * np.log(np.maximum(np.ascontiguousarray(forest), FOREST_FLOOR))
        values -= values.max(axis=1, initial=-np.inf)[:, None]
        probs = np.exp(values, out=values)
        probs /= sum_in_label_order(probs)[:, None]
        return np.where(has_words[:, None], probs, forest)


def context_rows(starts: Sequence[datetime], step: timedelta) -> int:
    """Return how many buckets before the last one have it in their context.

    `starts`: of buckets in order of time. `step`: length of a bucket.
    """
    count = 0
    while count < min(CONTEXT_BUCKETS, len(starts) - 1) and starts[-count - 1] - starts[-count - 2] == step:
        count += 1
    return count


def _around(scores: WordScores, run_of: IntArray) -> FloatArray:
    """(N, 8): the mean of what the neighbours' words say; 0 without neighbours."""
    count = len(run_of)
    said = np.column_stack([scores.context * scores.has_words[:, None], scores.has_words])
    total = np.zeros_like(said)
    reach = min(CONTEXT_BUCKETS, count - 1)
    for distance in [*range(-reach, 0), *range(1, reach + 1)]:
        here, there = _pairs(count, distance)
        total[here] += said[there] * (run_of[here] == run_of[there])[:, None]
    return np.ascontiguousarray(total[:, :_CLASSES] / np.maximum(total[:, _CLASSES:], 1.0))


def _pairs(count: int, distance: int) -> tuple[slice, slice]:
    """The minutes that have one at this distance, and those."""
    first, last = slice(0, count - abs(distance)), slice(abs(distance), count)
    return (first, last) if distance > 0 else (last, first)
