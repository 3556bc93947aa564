"""What a person is told of a training: what has changed, or why nothing has."""

from __future__ import annotations

from typing import Final

from taskclf_tray.train.evaluate import Figures
from taskclf_tray.train.gates import MIN_CLASS_MINUTES, ModelComparison, Verdict
from taskclf_tray.train.metrics import ClassFigures
from taskclf_tray.train.tune import RejectThresholdResult

_RECOGNISED: Final = 0.5
"""A label is recognised when at least so much of it is."""
_WORTH_TELLING: Final = 0.05
_MOST_LINES: Final = 3


def changes(comparison: ModelComparison | None) -> list[str]:
    """`Debug is now recognised: recall 0.31 → 0.68`, the greatest change first; losses are told as well."""
    if comparison is None:
        return []
    pairs = [
        (new, old)
        for new, old in zip(comparison.challenger.classes, comparison.champion.classes, strict=True)
        if new.support >= MIN_CLASS_MINUTES and abs(_recall(new) - _recall(old)) >= _WORTH_TELLING
    ]
    pairs.sort(key=lambda pair: -abs(_recall(pair[0]) - _recall(pair[1])))
    return [_change(new, old) for new, old in pairs[:_MOST_LINES]]


def _change(new: ClassFigures, old: ClassFigures) -> str:
    before, after = _recall(old), _recall(new)
    figures = f"recall {before:.2f} → {after:.2f}"
    if before < _RECOGNISED <= after:
        return f"{new.label} is now recognised: {figures}"
    if after < _RECOGNISED <= before:
        return f"{new.label} is hardly recognised any more: {figures}"
    return f"{new.label} is recognised {'better' if after > before else 'less'}: {figures}"


def _recall(figures: ClassFigures) -> float:
    return figures.recall or 0.0


def promoted(
    comparison: ModelComparison | None, accuracy: float, tuned: RejectThresholdResult, threshold: float
) -> list[str]:
    """The sentences for a new model in use."""
    told = changes(comparison)
    if not told:
        told = [f"On days it had not seen {accuracy:.0%} of the labelled minutes are right"]
    return [f"{line}." for line in told] + [sureness(tuned, threshold)]


def sureness(tuned: RejectThresholdResult, threshold: float) -> str:
    """What the reject threshold promises, or that it promises nothing yet."""
    if tuned.threshold is not None:
        return (
            f"With the threshold {tuned.threshold:.2f} at least {tuned.target_accuracy:.0%} of the labels shown are "
            f"right ({tuned.confidence:.0%} sure); {tuned.coverage:.0%} of the minutes get one."
        )
    return f"The threshold is {threshold:.2f}. {tuned.reason}"


def refused(verdict: Verdict, *, is_fair: bool) -> list[str]:
    """The sentences for a model that was not put in use. `is_fair`: the other one had not seen the days either."""
    sentences = list(verdict.reasons)
    if not is_fair and any(gate.name == "champion" and not gate.holds for gate in verdict.gates):
        sentences.append("That one was trained on these days; blocks labelled from now on make it fair.")
    return sentences


def judged(figures: Figures, macro_f1: float, champion_macro_f1: float | None, is_cross_fit: bool) -> str:
    """One line for the log."""
    how = "each day left out once" if is_cross_fit else "the last days"
    against = "" if champion_macro_f1 is None else f", the model in use {champion_macro_f1:.2f} on the same minutes"
    where = f"{figures.minutes} labelled minutes of {figures.days} days ({how})"
    return f"Judged on {where}: macro F1 {macro_f1:.2f}{against}."
