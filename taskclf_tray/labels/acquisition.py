"""What an answer is worth: how unsure the model is, for how long, and how rare the kind of work is among the labels.

A base measure (least confidence: Lewis and Gale, "A sequential algorithm for training text classifiers", SIGIR 1994)
times weights, one with an exponent that says how much it counts, as in information density (Settles and Craven, "An
analysis of active learning strategies for sequence labeling tasks", EMNLP 2008). `tests/bench/bench_asking.py`
measures it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from taskclf_tray.core.types import LABEL_SET_V1

_RARE_POWER: Final = 4
"""High, so that rarity comes before the other two: of a kind of work with few labels the model knows little, however
sure it is, and the lowest minute of a block is a coarse measure of doubt. Chosen on simulated people."""

_LONGEST_MINUTES: Final = 1440.0


def acquisition_score(
    confidence: float, minutes: float, predicted_label: str, label_counts: Mapping[str, int]
) -> float:
    """Uncertainty × minutes × rarity⁴ of the predicted label among the labels so far; finite, ≥ 0.

    `confidence`: the block's lowest calibrated probability; `label_counts`: labelled blocks per label. Rarity is the
    inverse of the label's share with one more of each added (Laplace's rule), over eight: 1 while nothing is labelled.
    A confidence or a length out of range counts as the nearest end of it, and one that is no finite number as 0 worth.
    """
    if not (math.isfinite(confidence) and math.isfinite(minutes)):
        return 0.0
    unsure = min(max(1.0 - confidence, 0.0), 1.0)
    total = sum(label_counts.values()) + len(LABEL_SET_V1)
    rarity = total / ((label_counts.get(predicted_label, 0) + 1) * len(LABEL_SET_V1))
    return unsure * min(max(minutes, 0.0), _LONGEST_MINUTES) * rarity**_RARE_POWER
