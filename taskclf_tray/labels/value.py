"""What an answer is worth: how unsure the model is, for how long, and how rare the kind of work is among the labels."""

from __future__ import annotations

from collections.abc import Mapping

from taskclf_tray.core.types import LABEL_SET_V1


def value_of_asking(confidence: float, minutes: float, predicted_label: str, label_counts: Mapping[str, int]) -> float:
    """Uncertainty × minutes × rarity of the predicted label among the labels so far; ≥ 0.

    `confidence`: the block's lowest calibrated probability; `label_counts`: labelled blocks per label. Rarity is the
    inverse of the label's share with one more of each added (Laplace's rule), over eight: 1 while nothing is labelled.
    """
    total = sum(label_counts.values()) + len(LABEL_SET_V1)
    share = (label_counts.get(predicted_label, 0) + 1) / total
    return (1.0 - confidence) * minutes / (share * len(LABEL_SET_V1))
