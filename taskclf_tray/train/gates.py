"""The gates a new model must pass before it may replace the one in use: pure functions over evaluations.

The thresholds are the acceptance gates of the inference contract, section 13. A class with fewer than 20 held-out
minutes is not gated and not averaged over: so few minutes say nothing. Beyond the contract a new model must be judged
on enough minutes of days it was not trained on, must predict every gated class sometimes, and must not be
over-confident.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np

from taskclf_tray.core.defaults import DEFAULT_REGRESSION_TOLERANCE
from taskclf_tray.core.errors import ModelError
from taskclf_tray.core.types import CoreLabel
from taskclf_tray.models.bundle import bundle_problem, load_model_bundle
from taskclf_tray.train.dataset import Dataset, IntArray
from taskclf_tray.train.evaluate import Evaluation
from taskclf_tray.train.metrics import ClassFigures, ReliabilityBin, class_figures

MIN_MACRO_F1: Final = 0.65
MIN_WEIGHTED_F1: Final = 0.70
MIN_BREAK_PRECISION: Final = 0.95
MIN_BREAK_RECALL: Final = 0.90
MIN_PRECISION: Final = 0.50
MAX_REJECT_RATE: Final = 0.30
LOW_REJECT_RATE: Final = 0.05
MIN_CLASS_MINUTES: Final = 20
MIN_MINUTES: Final = 60
MIN_GATED_CLASSES: Final = 2
MAX_OVERCONFIDENCE: Final = 0.10
"""How much the confidence of a model may exceed its accuracy, on average over its minutes."""
COARSE_BIN_MINUTES: Final = 50
"""The fewest minutes of a bin that over-confidence is averaged over: in smaller ones chance looks like it."""

_BREAK_ID: Final = list(CoreLabel).index(CoreLabel.BREAK_IDLE)
UserDay = tuple[str, int]
"""A user, and the ordinal of a local date."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition. `words` says what was found, and what would help where the condition does not hold."""

    name: str
    holds: bool
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of all gates, and notes for the person."""

    gates: tuple[Gate, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether every gate holds."""
        return all(gate.holds for gate in self.gates)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences of the gates that do not hold."""
        return tuple(gate.words for gate in self.gates if not gate.holds)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "is_accepted": self.is_accepted,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "gates": [asdict(gate) for gate in self.gates],
        }


@dataclass(frozen=True, slots=True, eq=False)
class ModelComparison:
    """Two models judged on the same minutes."""

    challenger: Evaluation
    champion: Evaluation

    def __post_init__(self) -> None:
        if self.challenger.dataset_hash != self.champion.dataset_hash:
            raise ValueError("the two models were judged on different minutes")


def judge(
    challenger: Evaluation,
    comparison: ModelComparison | None = None,
    *,
    leaked: Collection[UserDay] = (),
    idle_minutes: int = 0,
    bundle: Gate | None = None,
    is_news: bool = True,
    tolerance: float = DEFAULT_REGRESSION_TOLERANCE,
) -> Verdict:
    """Decide whether a new model may be put in use.

    Args:
        challenger: its evaluation on held-out days.
        comparison: with the model in use, on minutes that neither was trained on; None where no model is in use.
        leaked: days it was both trained and judged on.
        idle_minutes: unlabelled minutes of the held-out days that the idle rule decides; they count for BreakIdle.
        bundle: the gate of its files.
        is_news: whether it is another model than the one in use.
        tolerance: how much macro F1 may be lost.
    """
    gated = gated_classes(challenger)
    gates = [
        *([] if bundle is None else [bundle]),
        *([] if is_news else [Gate("news", False, "It is the model in use once more. Label some more blocks first.")]),
        _leak_gate(leaked),
        _evidence_gate(challenger, gated),
        _macro_gate(gated),
        _weighted_gate(challenger),
        *_break_gates(gated, idle_minutes),
        *_precision_gates(gated),
        *_missing_gates(gated, comparison),
        _confidence_gate(challenger.reliability),
        *([] if comparison is None else [_champion_gate(comparison, tolerance), _reject_gate(comparison)]),
    ]
    return Verdict(tuple(gates), tuple(_notes(challenger, gated, comparison)))


def gated_classes(evaluation: Evaluation) -> tuple[ClassFigures, ...]:
    """The classes with enough held-out minutes to be judged."""
    return tuple(figures for figures in evaluation.classes if figures.support >= MIN_CLASS_MINUTES)


def gated_macro_f1(confusion: IntArray) -> float:
    """The mean F1 of the gated classes, 0 without any."""
    return _mean_f1(figures for figures in class_figures(confusion) if figures.support >= MIN_CLASS_MINUTES)


def leaked_days(training: Dataset, held_out: Dataset) -> set[UserDay]:
    """The days with minutes in both the training and the held-out dataset."""
    return user_days(training) & user_days(held_out)


def user_days(dataset: Dataset) -> set[UserDay]:
    """The (user, day) pairs of all lines."""
    return set(zip(dataset.user_ids.tolist(), dataset.days.tolist(), strict=True))


def bundle_gate(run_dir: Path) -> Gate:
    """Whether the files can be served, read by the evaluator that will serve them."""
    try:
        forest = load_model_bundle(run_dir)[0]
        problem = bundle_problem(run_dir) or (None if forest.verified else "No SHA-256 is recorded.")
    except ModelError as error:
        problem = error.title
    return Gate("bundle", problem is None, problem or "Its files can be served.")


def _mean_f1(classes: Any) -> float:
    scores = [figures.f1 or 0.0 for figures in classes]
    return float(np.mean(scores)) if scores else 0.0


def _leak_gate(leaked: Collection[UserDay]) -> Gate:
    if not leaked:
        return Gate("leak", True, "It was judged on days it was not trained on.")
    days = ", ".join(date.fromordinal(day).isoformat() for day in sorted({day for _, day in leaked})[:3])
    return Gate("leak", False, f"It was trained on days it was judged on ({days}), so its figures say nothing.")


def _evidence_gate(challenger: Evaluation, gated: Sequence[ClassFigures]) -> Gate:
    minutes = challenger.figures.minutes
    if minutes < MIN_MINUTES:
        words = (
            f"There were {minutes} labelled minutes to judge it on; {MIN_MINUTES} are needed. Label some more blocks."
        )
        return Gate("evidence", False, words)
    if len(gated) < MIN_GATED_CLASSES:
        words = (
            f"Of the {minutes} labelled minutes to judge it on, {_count(len(gated), 'label')} had at least "
            f"{MIN_CLASS_MINUTES}; {MIN_GATED_CLASSES} are needed. Label other kinds of work too."
        )
        return Gate("evidence", False, words)
    return Gate("evidence", True, f"It was judged on {minutes} labelled minutes, {len(gated)} labels among them.")


def _macro_gate(gated: Sequence[ClassFigures]) -> Gate:
    score = _mean_f1(gated)
    if score >= MIN_MACRO_F1:
        return Gate("macro_f1", True, f"Macro F1 is {score:.2f}.")
    worst = sorted(gated, key=lambda figures: figures.f1 or 0.0)[:2]
    named = " and ".join(f"{figures.label} ({figures.f1 or 0:.2f})" for figures in worst)
    more = f" Worst are {named}: more labelled blocks of these would help." if worst else ""
    return Gate("macro_f1", False, f"Macro F1 is {score:.2f}; {MIN_MACRO_F1:.2f} is needed.{more}")


def _weighted_gate(challenger: Evaluation) -> Gate:
    score = challenger.figures.weighted_f1
    holds = math.isfinite(score) and score >= MIN_WEIGHTED_F1
    words = f"Weighted F1 is {score:.2f}"
    if holds:
        return Gate("weighted_f1", True, f"{words}.")
    return Gate("weighted_f1", False, f"{words}; {MIN_WEIGHTED_F1:.2f} is needed. More labelled blocks would help.")


def unlabelled_breaks(dataset: Dataset, held_out: Dataset) -> int:
    """Count the unlabelled minutes of the held-out days that the idle rule decides."""
    days = user_days(held_out)
    is_idle = dataset.is_weak & ~dataset.is_models & (dataset.labels == _BREAK_ID)
    return sum(
        line in days for line in zip(dataset.user_ids[is_idle].tolist(), dataset.days[is_idle].tolist(), strict=True)
    )


def _break_gates(gated: Sequence[ClassFigures], idle_minutes: int) -> list[Gate]:
    figures = next((found for found in gated if found.label == CoreLabel.BREAK_IDLE), None)
    if figures is None:
        return []
    right = round((figures.recall or 0.0) * figures.support) + idle_minutes
    precision, recall = right / max(1, figures.predicted + idle_minutes), right / (figures.support + idle_minutes)
    counted = f" ({idle_minutes} minutes of the idle rule counted)" if idle_minutes else ""
    said = f"Of the minutes it calls BreakIdle {_percent(precision)} are breaks{counted}"
    found = f"Of the breaks it recognises {_percent(recall)}{counted}"
    more, others = "Label some more breaks.", "Label work that looks like a break, such as reading."
    return [
        Gate(
            "break_precision", precision >= MIN_BREAK_PRECISION, said + _needed(precision, MIN_BREAK_PRECISION, others)
        ),
        Gate("break_recall", recall >= MIN_BREAK_RECALL, found + _needed(recall, MIN_BREAK_RECALL, more)),
    ]


def _precision_gates(gated: Sequence[ClassFigures]) -> list[Gate]:
    return [
        Gate(
            "precision",
            figures.precision >= MIN_PRECISION,
            f"Of the minutes it calls {figures.label} {_percent(figures.precision)} are right"
            + _needed(figures.precision, MIN_PRECISION, f"Label more {figures.label}, and what it is mistaken for."),
        )
        for figures in gated
        if figures.precision is not None
    ]


def _missing_gates(gated: Sequence[ClassFigures], comparison: ModelComparison | None) -> list[Gate]:
    """Refuse a model that never predicts a class, unless the model in use never predicts it either."""
    missing = [figures for figures in gated if not figures.recall]
    known = None if comparison is None else {figures.label for figures in comparison.champion.classes if figures.recall}
    return [
        Gate(
            "missing_class",
            known is not None and figures.label not in known,
            f"{figures.label} is never recognised, though {figures.support} of the minutes were that. "
            f"Label more {figures.label}.",
        )
        for figures in missing
    ]


def overconfidence(reliability: Sequence[ReliabilityBin]) -> float:
    """By how much the confidence exceeds the accuracy, averaged over coarse bins; 0 without minutes."""
    total = sum(part.minutes for part in reliability)
    excess = sum(max(0.0, promised - kept) for promised, kept in _coarse(reliability))
    return excess / total if total else 0.0


def _coarse(reliability: Sequence[ReliabilityBin]) -> list[tuple[float, float]]:
    """Neighbouring bins joined until each has enough minutes: (sum of confidences, right minutes)."""
    parts: list[list[float]] = []
    for part in reliability:
        if not parts or parts[-1][0] >= COARSE_BIN_MINUTES:
            parts.append([0.0, 0.0, 0.0])
        for place, value in enumerate((1.0, part.confidence, part.accuracy)):
            parts[-1][place] += part.minutes * value
    if len(parts) > 1 and parts[-1][0] < COARSE_BIN_MINUTES:
        last = parts.pop()
        parts[-1] = [a + b for a, b in zip(parts[-1], last, strict=True)]
    return [(promised, kept) for _, promised, kept in parts]


def _confidence_gate(reliability: Sequence[ReliabilityBin]) -> Gate:
    excess = overconfidence(reliability)
    if excess <= MAX_OVERCONFIDENCE:
        return Gate("confidence", True, f"It promises {100 * excess:.0f} percentage points more than it keeps.")
    return Gate(
        "confidence",
        False,
        f"It is too sure of itself: it promises {100 * excess:.0f} percentage points more than it keeps, and "
        f"{100 * MAX_OVERCONFIDENCE:.0f} are allowed. Labels on more different days would help.",
    )


def _champion_gate(comparison: ModelComparison, tolerance: float) -> Gate:
    new, old = (gated_macro_f1(evaluation.confusion) for evaluation in (comparison.challenger, comparison.champion))
    minutes = comparison.champion.figures.minutes
    words = f"On the same {minutes} minutes macro F1 is {new:.2f}, that of the model in use {old:.2f}"
    if new >= old - tolerance:
        return Gate("champion", True, f"{words}.")
    return Gate("champion", False, f"{words}; it may lose at most {tolerance:.2f}. The model in use stays.")


def _reject_gate(comparison: ModelComparison) -> Gate:
    new, old = comparison.challenger.figures.reject_rate, comparison.champion.figures.reject_rate
    words = f"It is unsure of {_percent(new)} of the minutes, the model in use of {_percent(old)}"
    if not (new > MAX_REJECT_RATE and old < new):
        return Gate("reject_rate", True, f"{words}.")
    return Gate(
        "reject_rate",
        False,
        f"{words}; more than {_percent(MAX_REJECT_RATE)} is only right where that is no change for the worse. "
        "More labelled blocks would help.",
    )


def _notes(challenger: Evaluation, gated: Sequence[ClassFigures], comparison: ModelComparison | None) -> list[str]:
    notes = []
    few = [figures for figures in challenger.classes if 0 < figures.support < MIN_CLASS_MINUTES]
    if few:
        named = ", ".join(f"{figures.label} ({figures.support})" for figures in few)
        notes.append(f"Too few minutes to judge: {named}; {MIN_CLASS_MINUTES} are needed.")
    absent = [figures.label for figures in challenger.classes if not figures.support]
    if absent:
        notes.append(f"Not judged at all, for want of labels: {', '.join(absent)}.")
    reject_rate = challenger.figures.reject_rate
    if reject_rate < LOW_REJECT_RATE:
        notes.append(f"It is unsure of only {_percent(reject_rate)} of the minutes.")
    if comparison is None and gated:
        notes.append("There was no model in use to compare it with.")
    return notes


def _needed(value: float, least: float, help_words: str) -> str:
    return "." if value >= least else f"; {_percent(least)} is needed. {help_words}"


def _percent(value: float) -> str:
    return f"{round(100 * value)} %" if math.isfinite(value) else "none"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count or 'no'} {noun}s"
