"""Probabilities with a known truth: people whose minutes come in blocks, and models that are too sure or askew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """What a model said, and the truth, in order of time."""

    probs: FloatArray
    y: IntArray
    days: IntArray
    blocks: IntArray
    users: list[str]

    @property
    def block_count(self) -> int:
        return len(np.unique(self.blocks))

    def take(self, which: slice) -> Minutes:
        return Minutes(self.probs[which], self.y[which], self.days[which], self.blocks[which], self.users[which])

    @classmethod
    def joined(cls, parts: Sequence[Minutes]) -> Minutes:
        """One below the other, their blocks told apart."""
        return cls(
            probs=np.concatenate([part.probs for part in parts]),
            y=np.concatenate([part.y for part in parts]),
            days=np.concatenate([part.days for part in parts]),
            blocks=np.concatenate([part.blocks + 100_000 * k for k, part in enumerate(parts)]),
            users=[user for part in parts for user in part.users],
        )


def minutes_of(
    *,
    days: int,
    sharpness: float = 1.0,
    biases: FloatArray | None = None,
    seed: int = 0,
    user: str = "somebody",
    blocks_a_day: int = 12,
    labels: int = 8,
) -> Minutes:
    """Blocks of 8 to 15 minutes; the truth of a block is drawn from its honest probabilities.

    What the model says of it is those to the power of `sharpness` (a temperature of as much mends it), shifted by
    `biases` in the logits. Only the first `labels` labels occur.
    """
    rng = np.random.default_rng([seed, days, blocks_a_day])
    count = days * blocks_a_day
    lengths = rng.integers(8, 16, size=count)
    logits = rng.normal(0, 1.6, size=(count, 8))
    logits[:, labels:] = -9.0
    block = np.repeat(np.arange(count), lengths)
    wobble = logits[block] + rng.normal(0, 0.2, size=(len(block), 8))
    honest = softmax(logits)
    truth = np.array([rng.choice(8, p=p) for p in honest])
    truth[:labels] = np.arange(labels)[: len(truth)]
    said = softmax(sharpness * wobble + (0 if biases is None else biases))
    return Minutes(said, truth[block], block // blocks_a_day, block, [user] * len(block))


def softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
