"""The gates a new model must pass before it may replace the one in use: pure functions over evaluations.

Some gates are binding: the files can be served, it is another model than the one in use, it was judged on enough
minutes of days it was not trained on, it is no worse than what is served on the same minutes (`comparison.py`), and it
is not too sure of itself. The others hold absolute figures against fixed numbers. They refuse nothing, because the
model in use may be worse still; what they find is told to the person (inference contract, section 13).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.defaults import DEFAULT_REGRESSION_TOLERANCE
from taskclf_tray.core.errors import ModelError
from taskclf_tray.core.types import CoreLabel
from taskclf_tray.models.bundle import bundle_problem, load_model_bundle
from taskclf_tray.train.comparison import MIN_CLASS_MINUTES, ModelComparison, gated_classes, gated_macro_f1
from taskclf_tray.train.dataset import Dataset
from taskclf_tray.train.evaluate import Evaluation
from taskclf_tray.train.metrics import ClassFigures, overconfidence

MIN_MACRO_F1: Final = 0.65
MIN_WEIGHTED_F1: Final = 0.70
MIN_BREAK_PRECISION: Final = 0.95
MIN_BREAK_RECALL: Final = 0.90
MIN_PRECISION: Final = 0.50
LOW_REJECT_RATE: Final = 0.05
MIN_MINUTES: Final = 60
MIN_GATED_CLASSES: Final = 2
MAX_OVERCONFIDENCE: Final = 0.10
"""How much the confidence of a model may exceed its accuracy, on average over its minutes."""

_BREAK_ID: Final = list(CoreLabel).index(CoreLabel.BREAK_IDLE)
UserDay = tuple[str, int]
"""A user, and the ordinal of a local date."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition. `words` says what was found, and what would help where the condition does not hold.

    `is_binding`: whether a model that fails it is refused.
    """

    name: str
    holds: bool
    words: str
    is_binding: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of all gates, and notes for the person."""

    gates: tuple[Gate, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether every binding gate holds."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences of the binding gates that do not hold."""
        return tuple(gate.words for gate in self.gates if gate.is_binding and not gate.holds)

    @property
    def advice(self) -> tuple[str, ...]:
        """The sentences of the other gates that do not hold."""
        return tuple(gate.words for gate in self.gates if not gate.is_binding and not gate.holds)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "is_accepted": self.is_accepted,
            "reasons": list(self.reasons),
            "advice": list(self.advice),
            "notes": list(self.notes),
            "gates": [asdict(gate) for gate in self.gates],
        }


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
        comparison: with the model in use, on minutes that neither was trained on; None for no comparison.
        leaked: days it was both trained and judged on.
        idle_minutes: unlabelled minutes of the held-out days that the idle rule decides; they count for BreakIdle.
        bundle: the gate of its files.
        is_news: whether it is another model than the one in use.
        tolerance: how much accuracy and macro F1 may be lost to a personal model in use.
    """
    gated = gated_classes(challenger)
    gates = [
        *([] if bundle is None else [bundle]),
        *([] if is_news else [Gate("news", False, "It is the model in use once more. Label some more blocks first.")]),
        _leak_gate(leaked),
        _evidence_gate(challenger, gated),
        *([] if comparison is None else [champion_gate(comparison, tolerance)]),
        _confidence_gate(challenger, comparison),
        _macro_gate(challenger, gated),
        _weighted_gate(challenger),
        *_break_gates(gated, idle_minutes),
        *_precision_gates(gated),
        *_missing_gates(gated, comparison),
    ]
    return Verdict(tuple(gates), tuple(_notes(challenger, gated, comparison)))


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


def _leak_gate(leaked: Collection[UserDay]) -> Gate:
    if not leaked:
        return Gate("leak", True, "It was judged on days it was not trained on.")
    days = ", ".join(date.fromordinal(day).isoformat() for day in sorted({day for _, day in leaked})[:3])
    return Gate("leak", False, f"It was trained on days it was judged on ({days}), so its figures say nothing.")


def _evidence_gate(challenger: Evaluation, gated: Sequence[ClassFigures]) -> Gate:
    minutes = challenger.figures.minutes
    if minutes < MIN_MINUTES:
        words = (
            f"There were {minutes} labelled minutes to judge it on; {MIN_MINUTES} are needed. "
            f"Label {MIN_MINUTES - minutes} more, on another day."
        )
        return Gate("evidence", False, words)
    if len(gated) < MIN_GATED_CLASSES:
        words = (
            f"Of the {minutes} labelled minutes to judge it on, {_count(len(gated), 'label')} had at least "
            f"{MIN_CLASS_MINUTES}; {MIN_GATED_CLASSES} are needed. {_nearest(challenger)}"
        )
        return Gate("evidence", False, words)
    return Gate("evidence", True, f"It was judged on {minutes} labelled minutes, {len(gated)} labels among them.")


def _nearest(challenger: Evaluation) -> str:
    """What to label so that one more label has enough minutes."""
    few = [figures for figures in challenger.classes if 0 < figures.support < MIN_CLASS_MINUTES]
    if not few:
        return "Label other kinds of work too."
    nearest = max(few, key=lambda figures: figures.support)
    return f"Label {MIN_CLASS_MINUTES - nearest.support} more minutes of {nearest.label}, or other kinds of work."


# -- against what is served -----------------------------------------------------------------------------------


def champion_gate(comparison: ModelComparison, tolerance: float = DEFAULT_REGRESSION_TOLERANCE) -> Gate:
    """Whether a model may replace the one it is compared with: no worse than a personal one, or clearly better."""
    accuracy, macro_f1 = comparison.accuracy, comparison.macro_f1
    minutes, old = comparison.champion.figures.minutes, _name(comparison)
    where = f"On the same {minutes} minutes of {_count(comparison.days, 'day')}"
    right = f"{where} it is right in {_percent(accuracy.challenger)}, {old} in {_percent(accuracy.champion)}"
    if macro_f1.loses_more_than(tolerance):
        words = f"{where} macro F1 is {macro_f1.challenger:.2f}, that of {old} {macro_f1.champion:.2f}"
        lost = f"{words}; it may lose at most {tolerance:.2f}. {old[0].upper()}{old[1:]} stays. {_worst(comparison)}"
        return Gate("champion", False, lost)
    if accuracy.loses_more_than(tolerance):
        lost = f"{right}; it may lose at most {tolerance:.2f}. {old[0].upper()}{old[1:]} stays. {_worst(comparison)}"
        return Gate("champion", False, lost)
    if comparison.is_personal or accuracy.is_clear:
        return Gate("champion", True, f"{right}.")
    return Gate("champion", False, f"{right}, which is not clearly better. {_what_would_show_it(comparison)}")


def _name(comparison: ModelComparison) -> str:
    return "the model in use" if comparison.is_personal else "the starter model"


def _what_would_show_it(comparison: ModelComparison) -> str:
    days = comparison.days_to_show()
    if days is None:
        return _worst(comparison)
    return f"Labels on {_count(days, 'more day')} like these would show it."


def _worst(comparison: ModelComparison) -> str:
    """Which labels would help: those that cost the challenger most minutes against the model in use, else at all."""
    pairs = zip(gated_classes(comparison.challenger), gated_classes(comparison.champion), strict=True)
    lost = sorted((_wrong(old) - _wrong(new), -_wrong(new), new.label, new) for new, old in pairs)
    if not lost:
        return "Label some more blocks on another day."
    told = [f"{new.label} (right in {_percent(new.recall or 0.0)})" for _, _, _, new in lost[:2]]
    return f"Label {' and '.join(told)} on two more days: it mistakes {'them' if len(told) > 1 else 'it'} most often."


def _wrong(figures: ClassFigures) -> float:
    return figures.support * (1 - (figures.recall or 0.0))


def _confidence_gate(challenger: Evaluation, comparison: ModelComparison | None) -> Gate:
    """Whether the model is not too sure of itself: not clearly, or not clearly more than what is served.

    A few days may make any model look too sure by chance, and what is served looks so on the same days as well.
    """
    excess = overconfidence(challenger.reliability)
    words = f"It promises {100 * excess:.0f} percentage points more than it keeps"
    if excess <= MAX_OVERCONFIDENCE:
        return Gate("confidence", True, f"{words}.")
    if comparison is not None:
        is_more = comparison.overconfidence.is_clear
        if not (is_more and comparison.promises_more_than(MAX_OVERCONFIDENCE)):
            much = "clearly too much" if is_more else f"clearly more than {_name(comparison)} does"
            return Gate("confidence", True, f"{words}, which on {_count(comparison.days, 'day')} is not {much}.")
    return Gate(
        "confidence",
        False,
        f"It is too sure of itself: it promises {100 * excess:.1f} percentage points more than it keeps, and "
        f"{100 * MAX_OVERCONFIDENCE:.0f} are allowed. Labels on three more days would help.",
    )


# -- against fixed numbers: what the person is told -----------------------------------------------------------


def often_wrong(evaluation: Evaluation) -> list[str]:
    """The labels that are still missed, or given wrongly, in more than half of their minutes; the worst first."""
    bad = [figures for figures in gated_classes(evaluation) if (figures.f1 or 0.0) < MIN_PRECISION]
    return [figures.label for figures in sorted(bad, key=lambda figures: figures.f1 or 0.0)]


def _macro_gate(challenger: Evaluation, gated: Sequence[ClassFigures]) -> Gate:
    score = gated_macro_f1(challenger.confusion)
    if score >= MIN_MACRO_F1:
        return Gate("macro_f1", True, f"Macro F1 is {score:.2f}.", is_binding=False)
    worst = sorted(gated, key=lambda figures: figures.f1 or 0.0)[:2]
    named = " and ".join(f"{figures.label} ({figures.f1 or 0:.2f})" for figures in worst)
    more = f" Worst are {named}: more labelled blocks of these would help." if worst else ""
    words = f"Macro F1 is {score:.2f}; {MIN_MACRO_F1:.2f} would be good.{more}"
    return Gate("macro_f1", False, words, is_binding=False)


def _weighted_gate(challenger: Evaluation) -> Gate:
    score = challenger.figures.weighted_f1
    holds = math.isfinite(score) and score >= MIN_WEIGHTED_F1
    words = f"Weighted F1 is {score:.2f}"
    if not holds:
        words = f"{words}; {MIN_WEIGHTED_F1:.2f} would be good. More labelled blocks would help"
    return Gate("weighted_f1", holds, f"{words}.", is_binding=False)


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
        _advice("break_precision", precision, MIN_BREAK_PRECISION, said, others),
        _advice("break_recall", recall, MIN_BREAK_RECALL, found, more),
    ]


def _advice(name: str, value: float, good: float, words: str, help_words: str) -> Gate:
    holds = value >= good
    return Gate(name, holds, f"{words}." if holds else f"{words}; {_percent(good)} would be good. {help_words}", False)


def _precision_gates(gated: Sequence[ClassFigures]) -> list[Gate]:
    return [
        _advice(
            "precision",
            figures.precision,
            MIN_PRECISION,
            f"Of the minutes it calls {figures.label} {_percent(figures.precision)} are right",
            f"Label more {figures.label}, and what it is mistaken for.",
        )
        for figures in gated
        if figures.precision is not None
    ]


def _missing_gates(gated: Sequence[ClassFigures], comparison: ModelComparison | None) -> list[Gate]:
    """Tell of a class that is never predicted, unless the model in use never predicts it either."""
    missing = [figures for figures in gated if not figures.recall]
    known = None if comparison is None else {figures.label for figures in comparison.champion.classes if figures.recall}
    return [
        Gate(
            "missing_class",
            known is not None and figures.label not in known,
            f"{figures.label} is never recognised, though {figures.support} of the minutes were that. "
            f"Label more {figures.label}.",
            is_binding=False,
        )
        for figures in missing
    ]


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
        notes.append("There was no other model to compare it with.")
    return notes


def _percent(value: float) -> str:
    return f"{round(100 * value)} %" if math.isfinite(value) else "none"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count or 'no'} {noun}s"
