"""Judgements of a challenger for the gates."""

from __future__ import annotations

import numpy as np

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.evaluate import Answers, Evaluation, evaluate
from tests.support.labelled import BUILD, DEBUG, MEET, line

BREAK = LABEL_SET_V1.index("BreakIdle")


def judged(counts: list[list[int]], *, idle: int = 0, rejected: float = 0.1, confidence: float = 0.8) -> Evaluation:
    """From a confusion of these labels: Build, Debug, Meet, BreakIdle, and what they are answered with."""
    ids = (BUILD, DEBUG, MEET, BREAK)
    pairs = [(ids[t], ids[a]) for t, row in enumerate(counts) for a, n in enumerate(row) for _ in range(n)]
    pairs += [(BREAK, BREAK)] * idle
    dataset = Dataset.of(
        [
            line(k, truth, day=k // 100, packed=PACKED, is_models=k < len(pairs) - idle)
            for k, (truth, _) in enumerate(pairs)
        ]
    )
    said = np.array([a for _, a in pairs])
    probs = np.full((len(pairs), 8), (1 - confidence) / 7)
    probs[np.arange(len(pairs)), said] = confidence
    is_rejected = np.arange(len(pairs)) < rejected * len(pairs)
    answers = Answers(probs, said, is_rejected, said, np.full(len(pairs), confidence))
    return evaluate(dataset, answers, resamples=0)


PACKED = b"x\x9c\x8b\x8e\x05\x00\x01\x15\x00\xb9"  # an empty list, as a row is packed


FINE = [[40, 4, 0, 0], [4, 40, 0, 0], [0, 0, 30, 0], [0, 0, 0, 30]]


def changed(row: int, values: list[int]) -> list[list[int]]:
    return [values if k == row else old for k, old in enumerate(FINE)]
