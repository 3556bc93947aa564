"""The reject threshold: proven to keep the target where the labels suffice for that, else estimated.

No share of minutes is too small to be shown: a threshold that keeps the target goes before coverage. While nothing is
proven, the lowest threshold is served that is expected to keep the target (`Estimate`). Where none is, nothing is
shown. The target itself is the person's choice, so
an easier one is offered where too little is left.

The proof holds for any number of labels. Its aim is the smallest threshold at which, with 95 % confidence, at least
`target_accuracy` of the accepted minutes are right (selection with guaranteed risk: Geifman & El-Yaniv, Selective
Classification for Deep Neural Networks, NeurIPS 2017). The search over thresholds is a sequence of tests
(Angelopoulos, Bates, Candès, Jordan & Lei, Learn then Test, 2021, fixed-sequence testing): the thresholds are tried in
an order fixed beforehand, each at the full level, until the first that fails; so the chance that any threshold passed
is a wrong one is at most 5 %. The order begins at the target itself, for calibrated probabilities of at least 0.9 are
right nine times of ten, or at the surest fifth of the minutes where few are so sure, and goes down.

One test: a minute is not an independent sample: in a block of work all minutes tend to be right or wrong together.
So the unit is the labelled block. Of block b let A be the minutes accepted, W those of them that are wrong, and
Z = W − (1 − target) A. The accuracy among accepted minutes is below the target exactly when E[Z] > 0. No block
counts for more than C = 15 minutes (the minutes of a longer one weigh C / length), so Z ≤ target × C. For a bet
0 ≤ η ≤ 1 / (target × C) the wealth K = Π (1 − η Z) is never negative, and where blocks are independent draws of
one kind of work, E[K] = (1 − η E[Z])^n ≤ 1 whenever the accuracy is too low. By Markov's inequality K ≥ 20 then has a
chance of at most 5 %: 1 / K is a p-value, whatever the distribution, the correlation within a block and the number
of blocks (testing by betting: Waudby-Smith & Ramdas, Estimating Means of Bounded Random Variables by Betting, J. R.
Stat. Soc. B 86, 2024). A mean of wealths over several η is such a wealth too, and spares choosing one: a high bet is
best for few blocks nearly all right, a low one for many. Nearly 30 full blocks without a mistake are the least
that can prove 90 % (0.9^n ≤ 0.05); with fewer, the honest answer is that nothing is proven yet.

What no bound can promise: that later work is of the same kind. Days of a new kind are what the drift check is for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DEFAULT_TARGET_ACCURACY: Final = 0.90
DEFAULT_CONFIDENCE: Final = 0.95
BLOCK_MINUTES: Final = 15.0
"""The most minutes a labelled block counts for."""
_BETS: Final = (0.95, 0.7, 0.4)
"""As parts of the highest bet that cannot be lost below zero."""
_BET_SHARES: Final = (0.5, 0.3, 0.2)
PRIOR_MINUTES: Final = 15.0
"""One whole block, half of it wrong, counts beside the accepted minutes of an estimate, because the search for the
lowest threshold is drawn to lucky ones. Four whole blocks without a mistake are the least for 90 %. On later days of
the real half month 0.83 of the labels shown were right where 0.90 were promised, without this 0.81. Bets won at the
level of 50 % kept 0.85, but left a simulated developer who is 94 % right without a label for a week."""
NOTHING_SHOWN: Final = 1.0
"""The threshold where no other keeps the target."""
EASIER_TARGET: Final = 0.80
LITTLE_COVERAGE: Final = 0.20
"""Below this share of labelled minutes the easier target is offered."""
SUREST_SHARE: Final = 0.2
"""The share of the minutes with which the proof begins at the latest. A model that is less sure than it is right never
reaches the target itself."""
_LOWEST: Final = 13
"""In hundredths: the highest of eight probabilities is never below 1/8, so a lower threshold accepts everything."""
_ROUNDING: Final = 1e-9
_MOST_LOG: Final = 700.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """The lowest threshold that is expected to keep the target, blocks weighed; nothing is proven of it."""

    target_accuracy: float
    threshold: float
    accuracy: float
    coverage: float


@dataclass(frozen=True, slots=True)
class RejectThresholdResult:
    """The proven threshold, or None and the reason. The figures are of that threshold, else of the target itself."""

    threshold: float | None
    target_accuracy: float
    confidence: float
    accuracy: float | None
    """Measured, among accepted minutes; None where none is accepted."""
    lower_bound: float
    """The accuracy at this threshold, taken alone, is above this with `confidence`; 0 without evidence."""
    coverage: float
    """The share of minutes accepted."""
    minutes: int
    blocks: int
    reason: str = ""
    """One or two sentences when no threshold qualifies."""
    estimate: Estimate | None = None
    """Where nothing is proven; None where no threshold keeps the target either."""
    easier: Estimate | None = None
    """For a target of 80 %, where the wanted one leaves too little."""

    @property
    def served_threshold(self) -> float:
        """The threshold to serve: the proven one, else the estimated one, else one that shows nothing."""
        if self.threshold is not None:
            return self.threshold
        return NOTHING_SHOWN if self.estimate is None else self.estimate.threshold

    @property
    def served_coverage(self) -> float:
        """The share of minutes that get a label with it."""
        if self.threshold is not None:
            return self.coverage
        return 0.0 if self.estimate is None else self.estimate.coverage

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"served_threshold": self.served_threshold}


def tune_reject(
    probs: FloatArray,
    y: IntArray,
    block_ids: IntArray,
    *,
    target_accuracy: float = DEFAULT_TARGET_ACCURACY,
    confidence: float = DEFAULT_CONFIDENCE,
) -> RejectThresholdResult:
    """Find the smallest threshold that is proven to keep the target.

    Args:
        probs: (N, 8) probabilities as served, calibrated, of minutes that the model decides, on days that neither the
            model nor the calibrators have seen.
        y: (N,) label ids.
        block_ids: (N,) the labelled block of each minute.
        target_accuracy: the wanted accuracy among accepted minutes, inside (0, 1).
        confidence: of the proof, inside (0, 1).

    Raises:
        ValueError: a number is outside (0, 1), or lengths differ.
    """
    if not (0 < target_accuracy < 1 and 0 < confidence < 1):
        raise ValueError(f"target {target_accuracy} and confidence {confidence} must be between 0 and 1")
    if not len(probs) == len(y) == len(block_ids):
        raise ValueError(f"{len(probs)} rows of probabilities, {len(y)} labels, {len(block_ids)} blocks")
    sure = probs.max(axis=1, initial=0.0)
    is_wrong = probs.argmax(axis=1) != y if len(probs) else np.zeros(0, dtype=np.bool_)
    chosen = None
    for threshold in thresholds(target_accuracy, sure):
        evidence = Evidence.of(sure >= threshold, is_wrong, block_ids)
        if evidence.p_value(target_accuracy) > 1 - confidence:
            break
        chosen = threshold
    shown = thresholds(target_accuracy, sure)[0] if chosen is None else chosen
    accepted = sure >= shown
    evidence = Evidence.of(accepted, is_wrong, block_ids)
    tuned = RejectThresholdResult(
        threshold=chosen,
        target_accuracy=target_accuracy,
        confidence=confidence,
        accuracy=float(1 - is_wrong[accepted].mean()) if accepted.any() else None,
        lower_bound=evidence.lower_bound(confidence),
        coverage=float(accepted.mean()) if len(accepted) else 0.0,
        minutes=len(y),
        blocks=len(evidence.accepted),
    )
    if chosen is None:
        estimate = estimated(sure, is_wrong, block_ids, target_accuracy)
        tuned = replace(tuned, reason=_reason(tuned, evidence), estimate=estimate)
    if tuned.served_coverage < LITTLE_COVERAGE and target_accuracy > EASIER_TARGET:
        easier = estimated(sure, is_wrong, block_ids, EASIER_TARGET)
        is_more = easier is not None and easier.coverage > tuned.served_coverage
        tuned = replace(tuned, easier=easier if is_more else None)
    return tuned


def estimated(
    sure: FloatArray, is_wrong: npt.NDArray[np.bool_], block_ids: IntArray, target_accuracy: float
) -> Estimate | None:
    """The lowest threshold that is expected to keep the target; None without one.

    Args:
        sure: (N,) confidences.
        is_wrong: (N,) whether the most probable label is wrong.
        block_ids: (N,) the labelled block of each minute.
        target_accuracy: the wanted accuracy among accepted minutes, each block weighed as in the proof.
    """
    for hundredths in range(_LOWEST, 100):
        accepted = sure >= hundredths / 100
        evidence = Evidence.of(accepted, is_wrong, block_ids)
        accepted_minutes, wrong = float(evidence.accepted.sum()), float(evidence.wrong.sum())
        expected = 1 - (wrong + PRIOR_MINUTES / 2) / (accepted_minutes + PRIOR_MINUTES)
        if expected >= target_accuracy - _ROUNDING:
            accuracy = 1 - wrong / accepted_minutes
            return Estimate(target_accuracy, hundredths / 100, accuracy, float(accepted.mean()))
    return None


def thresholds(target_accuracy: float, sure: FloatArray) -> list[float]:
    """The thresholds to try, in order: the target, the hundredths below it, and 0, which rejects nothing.

    Where fewer than `SUREST_SHARE` of the confidences (N,) reach the target, the order begins where that share does.
    Labels have no part in it, so the order is still fixed beforehand.
    """
    first = min(target_accuracy, float(np.quantile(sure, 1 - SUREST_SHARE)) if len(sure) else 1.0)
    hundredths = range(int(np.ceil(100 * first - 1e-9)) - 1, _LOWEST - 1, -1)
    return [first, *(h / 100 for h in hundredths), 0.0]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """(blocks,) weighted minutes that are accepted and, of these, wrong, at one threshold."""

    accepted: FloatArray
    wrong: FloatArray

    @classmethod
    def of(cls, accepted: npt.NDArray[np.bool_], is_wrong: npt.NDArray[np.bool_], block_ids: IntArray) -> Evidence:
        """Sum by block; a block weighs as much as its length, at most `BLOCK_MINUTES`."""
        _, block = np.unique(block_ids, return_inverse=True)
        lengths = np.bincount(block)
        weight = np.minimum(1.0, BLOCK_MINUTES / np.maximum(1, lengths))[block]
        sums = np.zeros((2, len(lengths)))
        for row, which in zip(sums, (accepted, accepted & is_wrong), strict=True):
            row += np.bincount(block, weight * which, len(lengths))
        return cls(sums[0], sums[1])

    def p_value(self, target_accuracy: float) -> float:
        """The p-value of the hypothesis that the accuracy among accepted minutes is below the target."""
        losses = self.wrong - (1 - target_accuracy) * self.accepted
        highest = 1 / (target_accuracy * BLOCK_MINUTES)
        wealth = 0.0
        for bet, share in zip(_BETS, _BET_SHARES, strict=True):
            wealth += share * np.exp(min(_MOST_LOG, np.log1p(-bet * highest * losses).sum()))
        return float(min(1.0, 1 / wealth)) if wealth > 0 else 1.0

    def lower_bound(self, confidence: float) -> float:
        """The highest accuracy this evidence proves; the p-value never falls as the target rises, so: bisection."""
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if self.p_value(middle) <= 1 - confidence else (low, middle)
        return low


def _reason(tuned: RejectThresholdResult, evidence: Evidence) -> str:
    target, sure = f"{tuned.target_accuracy:.0%}", f"{tuned.confidence:.0%}"
    if tuned.accuracy is None:
        return f"No minute reaches a probability of {target}, so no threshold is proven. More labels will help."
    flawless = Evidence(evidence.accepted, np.zeros_like(evidence.wrong))
    if flawless.p_value(tuned.target_accuracy) > 1 - tuned.confidence:
        return (
            f"{tuned.blocks} labelled blocks are too few to be {sure} sure of {target} right, even without a "
            "mistake. More labels will help."
        )
    if tuned.accuracy < tuned.target_accuracy:
        return f"Of the minutes it is surest of, {tuned.accuracy:.0%} are right, and {target} are wanted."
    return (
        f"{tuned.accuracy:.0%} of the minutes it is surest of are right, but with so few labelled blocks that "
        f"{target} is not yet {sure} sure. More labels will help."
    )
