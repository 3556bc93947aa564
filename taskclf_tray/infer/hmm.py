"""Stage 7 by a hidden Markov model: the label of a bucket given all buckets of its run up to five later.

Fixed-lag smoothing (B. D. O. Anderson & J. B. Moore, “Optimal Filtering”, 1979, chapter 7; the forward and backward
sums are those of L. R. Rabiner, “A tutorial on hidden Markov models”, Proc. IEEE 77(2), 1989, section III). A bucket's
emission is its eight calibrated probabilities (one-hot where the idle rule decided). A rejected bucket has no evidence,
so its emission is uniform, and it gets a label only when its neighbours alone are certain of one (`SURE`).

Every sum runs over the labels in their order. Plain floats and arrays go through the same operations in the same order,
so the functions for one run and for a table give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.smoothing import Distribution, Transitions
from taskclf_tray.core.types import LABEL_SET_V1

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LAG_BUCKETS: Final = 5
"""How many later buckets a label waits for."""
LABEL_COUNT: Final = len(LABEL_SET_V1)
MIXED_CODE: Final = LABEL_COUNT
"""The number of `Mixed/Unknown`."""
SURE: Final = 0.99
"""A rejected bucket stays `Mixed/Unknown` below this probability, as without a majority. A bucket between close minutes
of one label reaches it, a bucket after a single minute does not. Measured on simulated people (18 of 6 personas, 5
days each, the starter model): of the rejected minutes 27 % get a label so, 90 % of them the right one; the majority
vote gives one to 8 %, 92 % of them right. The shares are too sure of themselves, since minutes side by side are no
independent witnesses: at 0.9 it is 46 %, and 76 % of them right."""
UNIFORM: Final[Distribution] = (1 / LABEL_COUNT,) * LABEL_COUNT
_CHUNK: Final = 4_096
_ONES: Final[Distribution] = (1.0,) * LABEL_COUNT


def forward(before: Distribution | None, emission: Sequence[float], transitions: Transitions) -> Distribution:
    """Return the distribution of a bucket's label given it and all earlier buckets of its run.

    `before`: the distribution of the previous bucket; None at the start of a run, where all labels are equally likely.
    """
    if before is None:
        scores = list(emission)
    else:
        a, b, c, d, e, f, g, h = before
        scores = [
            s * (a * p + b * q + c * r + d * t + e * u + f * v + g * w + h * x)
            for s, (p, q, r, t, u, v, w, x) in zip(emission, transitions.columns, strict=True)
        ]
    a, b, c, d, e, f, g, h = scores
    total = a + b + c + d + e + f + g + h
    return (a / total, b / total, c / total, d / total, e / total, f / total, g / total, h / total)


def _backward(after: Sequence[float], emission: Sequence[float], transitions: Transitions) -> Sequence[float]:
    """Return how well each label of a bucket explains the later ones, from the same of the next bucket."""
    a, b, c, d, e, f, g, h = (s * x for s, x in zip(emission, after, strict=True))
    return [
        a * p + b * q + c * r + d * t + e * u + f * v + g * w + h * x for p, q, r, t, u, v, w, x in transitions.rows
    ]


def hmm_run(
    emissions: Sequence[Sequence[float]],
    is_rejected: Sequence[bool],
    transitions: Transitions,
    before: Distribution | None = None,
) -> list[int]:
    """Smooth one run of contiguous buckets, or the end of one.

    Args:
        emissions: N distributions, uniform where rejected.
        is_rejected: N flags.
        transitions: the transition probabilities.
        before: `forward` of the bucket before the first; None at the start of the run.

    Returns:
        N label numbers; 8 is `Mixed/Unknown`.
    """
    codes = []
    for i, emission in enumerate(emissions):
        before = forward(before, emission, transitions)
        after: Sequence[float] = _ONES
        for later in reversed(emissions[i + 1 : i + 1 + LAG_BUCKETS]):
            after = _backward(after, later, transitions)
        a, b, c, d, e, f, g, h = scores = [s * x for s, x in zip(before, after, strict=True)]
        best = max(scores)
        is_shown = not is_rejected[i] or best / (a + b + c + d + e + f + g + h) >= SURE
        codes.append(scores.index(best) if is_shown else MIXED_CODE)
    return codes


def hmm_codes(
    probs: FloatArray,
    is_rejected: BoolArray,
    run_of: IntArray,
    transitions: Transitions,
) -> IntArray:
    """Smooth a table as `hmm_run` does, never across a change of run.

    Takes O(N) time: 10 µs per row, most of it for the forward sums, which are sequential.

    Args:
        probs: (N, 8) calibrated, one-hot where the idle rule decided (`Decisions.core_probs`).
        is_rejected: (N,) flags.
        run_of: (N,) non-decreasing numbers of contiguous runs.
        transitions: the transition probabilities.

    Returns:
        (N,) label numbers; 8 is `Mixed/Unknown`.
    """
    n = len(probs)
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    emissions = np.where(is_rejected[:, None], UNIFORM[0], probs)
    before, after = _forward_all(emissions, run_of, transitions), _backward_all(emissions, run_of, transitions)
    scores = [a * b for a, b in zip(before, after, strict=True)]
    total = _total(scores)
    table = np.stack(scores, axis=1)
    best = table.max(axis=1)
    codes = np.asarray(table.argmax(axis=1), dtype=np.int64)
    codes[is_rejected & ~(best / total >= SURE)] = MIXED_CODE
    return codes


def _forward_all(emissions: FloatArray, run_of: IntArray, transitions: Transitions) -> list[FloatArray]:
    """Compute `forward` of every row: eight columns of (N,)."""
    forwards = np.empty_like(emissions)
    firsts = np.diff(run_of, prepend=run_of[0] - 1) != 0
    before: Distribution | None = None
    for start in range(0, len(emissions), _CHUNK):
        part = slice(start, start + _CHUNK)
        part_forwards = []
        for emission, is_first in zip(emissions[part].tolist(), firsts[part].tolist(), strict=True):
            before = forward(None if is_first else before, emission, transitions)
            part_forwards.append(before)
        forwards[part] = part_forwards
    return [forwards[:, i] for i in range(LABEL_COUNT)]


def _backward_all(emissions: FloatArray, run_of: IntArray, transitions: Transitions) -> list[FloatArray]:
    """Compute how well each label of a row explains the next five rows of its run: eight columns of (N,)."""
    n = len(emissions)
    after = np.ones((LABEL_COUNT, n))
    for ahead in range(LAG_BUCKETS, 0, -1):
        here = np.flatnonzero(run_of[ahead:] == run_of[: n - ahead]) if n > ahead else np.zeros(0, dtype=np.int64)
        explained = [emissions[here + ahead, j] * after[j, here] for j in range(LABEL_COUNT)]
        for i, row in enumerate(transitions.rows):
            after[i, here] = _total([x * share for x, share in zip(explained, row, strict=True)])
    return list(after)


def _total(parts: Sequence[FloatArray]) -> FloatArray:
    """Sum columns from left to right."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
