"""Compare two models on the same minutes that neither was trained on, with whole days as the samples.

The minutes of a day are right or wrong together, so days are drawn again (the bootstrap of Efron, “Bootstrap Methods:
Another Look at the Jackknife”, Annals of Statistics 7, 1979). Both models are judged on the same draws, so that a day
that is hard for both counts for neither. Fewer than five days have too few different draws; labelled blocks are drawn
instead of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.train.dataset import FloatArray, IntArray
from taskclf_tray.train.evaluate import Evaluation
from taskclf_tray.train.metrics import ClassFigures, class_figures

MIN_CLASS_MINUTES: Final = 20
"""A class with fewer minutes in truth is not judged and not averaged over: so few minutes say nothing."""
MIN_DAYS_TO_DRAW: Final = 5
DRAWS: Final = 2000
BETTER_SHARE: Final = 0.9
"""The share of draws in which a clearly better model is better."""
LIKELY_SHARE: Final = 0.75
MOST_DAYS_TOLD: Final = 30
_SEED: Final = 0
_Z: Final = 1.2816
"""The 90 % quantile of the normal distribution, which belongs to `BETTER_SHARE`."""


@dataclass(frozen=True, slots=True, eq=False)
class PairedGain:
    """What a challenger gains over the champion in one measure.

    `draws`: (R,) the gain in each bootstrap draw.
    """

    challenger: float
    champion: float
    draws: FloatArray

    @property
    def gain(self) -> float:
        """Challenger minus champion on all minutes."""
        return self.challenger - self.champion

    def share_above(self, least: float) -> float:
        """The share of draws with a gain of more than `least`; a tie counts half."""
        return float((self.draws > least).mean() + (self.draws == least).mean() / 2)

    @property
    def is_clear(self) -> bool:
        """Whether the challenger is better in nine draws of ten."""
        return self.gain > 0 and self.share_above(0.0) >= BETTER_SHARE

    def loses_more_than(self, tolerance: float) -> bool:
        """Whether a loss of more than `tolerance` is likelier than not."""
        return self.share_above(-tolerance) < 0.5


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Two models judged on the same minutes.

    Args:
        challenger: the new model.
        champion: the model in use.
        is_personal: whether the champion was trained on this person. Another one, as the starter model, must be
            beaten clearly; a personal one may win by the tolerance.

    Raises ValueError for evaluations of different minutes.
    """

    challenger: Evaluation
    champion: Evaluation
    is_personal: bool = True

    def __post_init__(self) -> None:
        if self.challenger.dataset_hash != self.champion.dataset_hash:
            raise ValueError("the two models were judged on different minutes")

    @cached_property
    def accuracy(self) -> PairedGain:
        """The gain in accuracy."""
        return self._gain(_accuracy)

    @cached_property
    def macro_f1(self) -> PairedGain:
        """The gain in macro F1 over the classes with enough minutes."""
        gated = np.flatnonzero(self.challenger.confusion.sum(axis=1) >= MIN_CLASS_MINUTES)
        return self._gain(lambda confusions: _macro_f1(confusions, gated))

    @cached_property
    def overconfidence(self) -> PairedGain:
        """How much more the challenger is too sure of itself: the excess of its confidence over its accuracy."""
        return self._paired(_excess, [self._by_unit(side.sureness_by_block) for side in self._evaluations])

    def promises_more_than(self, allowed: float) -> bool:
        """Whether the confidence of the challenger exceeds its accuracy by more than that in three draws of four."""
        draws = _excess(self._samples @ self._by_unit(self.challenger.sureness_by_block))
        return float((draws > allowed).mean()) >= LIKELY_SHARE

    @property
    def days(self) -> int:
        """How many labelled days both were judged on."""
        return len(np.unique(self.challenger.block_days))

    def days_to_show(self) -> int | None:
        """How many more days like these would make the gain in accuracy clear; None for no gain, or too many days."""
        gain, spread = self.accuracy.gain, float(self.accuracy.draws.std())
        if gain <= 0:
            return None
        more = math.ceil(self.days * (_Z * spread / gain) ** 2) - self.days
        return max(1, more) if more <= MOST_DAYS_TOLD else None

    def _gain(self, measure: Callable[[FloatArray], FloatArray]) -> PairedGain:
        """Of a measure of confusion matrices: (R,) from (R, 64)."""
        return self._paired(measure, self._confusions)

    def _paired(self, measure: Callable[[FloatArray], FloatArray], sides: Sequence[FloatArray]) -> PairedGain:
        both = [measure(self._samples @ side) for side in sides]
        new, old = (float(measure(side.sum(axis=0, keepdims=True))[0]) for side in sides)
        return PairedGain(new, old, both[0] - both[1])

    @property
    def _evaluations(self) -> tuple[Evaluation, Evaluation]:
        return self.challenger, self.champion

    @cached_property
    def _confusions(self) -> tuple[FloatArray, ...]:
        return tuple(self._by_unit(side.by_block) for side in self._evaluations)

    def _by_unit(self, of_blocks: FloatArray | IntArray) -> FloatArray:
        """(units, …) sums by day, or by block where there are few days, of what belongs to (B, …) blocks."""
        columns = of_blocks.reshape(len(self._units), -1).T
        return np.stack([np.bincount(self._units, column.astype(np.float64)) for column in columns], axis=1)

    @cached_property
    def _units(self) -> IntArray:
        """(B,) the unit that each block belongs to."""
        _, day = np.unique(self.challenger.block_days, return_inverse=True)
        return np.arange(len(day)) if self.days < MIN_DAYS_TO_DRAW else day

    @cached_property
    def _samples(self) -> FloatArray:
        """(draws, units) how often each unit is in each draw; the same for the same number of units."""
        count = len(self._confusions[0])
        rng = np.random.default_rng([_SEED, count])
        return rng.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)


def gated_classes(evaluation: Evaluation) -> tuple[ClassFigures, ...]:
    """The classes with enough held-out minutes to be judged."""
    return tuple(figures for figures in evaluation.classes if figures.support >= MIN_CLASS_MINUTES)


def gated_macro_f1(confusion: IntArray) -> float:
    """The mean F1 of the classes with enough minutes, 0 without any."""
    scores = [figures.f1 or 0.0 for figures in class_figures(confusion) if figures.support >= MIN_CLASS_MINUTES]
    return float(np.mean(scores)) if scores else 0.0


def _accuracy(confusions: FloatArray) -> FloatArray:
    """(R,) from (R, 64)."""
    right = confusions[:, :: len(LABEL_SET_V1) + 1].sum(axis=1)
    return np.asarray(right / np.maximum(1, confusions.sum(axis=1)))


def _excess(sureness: FloatArray) -> FloatArray:
    """(R,) mean confidence minus accuracy, from (R, 3) sums."""
    return np.asarray((sureness[:, 1] - sureness[:, 2]) / np.maximum(1, sureness[:, 0]))


def _macro_f1(confusions: FloatArray, classes: IntArray) -> FloatArray:
    """(R,) from (R, 64), over these classes; 0 without any."""
    if not len(classes):
        return np.zeros(len(confusions))
    square = confusions.reshape(-1, len(LABEL_SET_V1), len(LABEL_SET_V1))
    right = np.diagonal(square, axis1=1, axis2=2)[:, classes]
    both = (square.sum(axis=1) + square.sum(axis=2))[:, classes]
    return np.asarray((2 * right / np.maximum(1, both)).mean(axis=1))
