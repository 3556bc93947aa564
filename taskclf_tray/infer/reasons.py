"""Why the model chose a label for a minute: what each group of features a person can name adds to it.

A group's effect is that on the logarithm of the label's probability, to first order: the Shapley values of the forest
(`attribution.py`) and the terms of the personal head, both as they enter the blend. A group counts as a reason only if
the label loses probability without it: decisions of the forest on its features then go both ways, and its words are
left out of the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

import numpy as np

from taskclf_tray.core.types import LABEL_SET_V1, WORD_BUCKETS, FeatureRow, WordSeconds
from taskclf_tray.infer.attribution import Attribution
from taskclf_tray.infer.head import FloatArray, PersonalHead
from taskclf_tray.infer.pipeline import PipelineConfig, decide_raw


class Group(StrEnum):
    """Features under one name."""

    PROGRAM = "program"
    TITLES = "titles"
    TYPING = "typing"
    MOUSE = "mouse"
    ACTIVITY = "activity"
    SWITCHING = "switching"
    TIME = "time"
    AROUND = "around"
    HABIT = "habit"


_STEMS: Final = (
    (Group.TITLES, ("title_", "window_title_")),
    (Group.TYPING, ("keys_", "backspace_", "shortcut_", "active_seconds_keyboard")),
    (Group.MOUSE, ("clicks_", "scroll_", "mouse_", "active_seconds_mouse")),
    (Group.ACTIVITY, ("active_seconds_any", "max_idle_run", "event_density", "idle_return")),
    (Group.SWITCHING, ("app_switch", "app_change", "app_entropy", "top2_app", "app_dwell", "app_foreground")),
    (Group.TIME, ("hour_", "day_")),
    (Group.AROUND, ("session_",)),
)
"""Beginnings of the features' names, in this order; all others describe the program and its site."""


@cache
def group_of(feature: str) -> Group:
    """Return the group of a feature of any schema."""
    return next((group for group, stems in _STEMS if feature.startswith(stems)), Group.PROGRAM)


@dataclass(frozen=True, slots=True)
class Reason:
    """What a group adds: `effect` on the log-probability of the label, and the label's probability without it."""

    group: Group
    effect: float
    probability_without: float


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why the model chose `label` with `probability`, strongest reason first."""

    label: str
    probability: float
    found: tuple[Reason, ...]


def reasons_for(
    config: PipelineConfig,
    attribution: Attribution,
    row: FeatureRow,
    *,
    label: str | None = None,
    before: Sequence[FeatureRow] = (),
    after: Sequence[FeatureRow] = (),
) -> Reasons:
    """Explain a label of one minute.

    Args:
        config: the pipeline that decides, whose model `attribution` reads.
        attribution: the explaining form of its forest.
        row: the minute.
        label: the core label to explain; by default the most probable one.
        before: the contiguous minutes before it, which a head takes into account.
        after: those after it, likewise.
    """
    minute = _Minute(config, attribution, row, before, after)
    probs = minute.probabilities()
    number = int(probs.argmax()) if label is None else LABEL_SET_V1.index(label)
    effects = {group: float(terms[number] - probs @ terms) for group, terms in minute.terms().items()}
    ranked = sorted(effects, key=lambda group: (-effects[group], group))
    reasons = [
        Reason(group, effects[group], float(minute.probabilities(without=group)[number]))
        for group in ranked
        if effects[group] > 0
    ]
    found = tuple(reason for reason in reasons if reason.probability_without < probs[number])
    return Reasons(LABEL_SET_V1[number], float(probs[number]), found)


class _Minute:
    """The blend of one minute, whole and without a group."""

    def __init__(
        self,
        config: PipelineConfig,
        attribution: Attribution,
        row: FeatureRow,
        before: Sequence[FeatureRow],
        after: Sequence[FeatureRow],
    ) -> None:
        self._config, self._attribution, self._row = config, attribution, row
        self._values = config.encoder.encode_rows([row])[0]
        head = config.head if row.word_seconds else None
        self._head = head
        if head is not None:
            scores = head.scores([each.word_seconds for each in (*before, *after) if each.word_seconds])
            self._around = scores.context.mean(axis=0) if len(scores.context) else np.zeros(len(LABEL_SET_V1))

    def terms(self) -> dict[Group, FloatArray]:
        """What each group adds to the blended scores: (8,) each."""
        share = 1.0 if self._head is None else self._head.forest_power
        found = {group: np.zeros(len(LABEL_SET_V1)) for group in Group}
        added = share * self._attribution.contributions(self._values)
        for feature, terms in zip(self._attribution.feature_names, added, strict=False):
            found[group_of(feature)] += terms
        if self._head is not None:
            power = self._head.head_power
            buckets, words = self._head.own_by_bucket(self._row.word_seconds)
            is_word = buckets < WORD_BUCKETS
            found[Group.TITLES] += power * words[is_word].sum(axis=0)
            found[Group.PROGRAM] += power * words[~is_word].sum(axis=0)
            found[Group.AROUND] += power * self._around
            found[Group.HABIT] += power * self._head.bias
        return found

    def probabilities(self, *, without: Group | None = None) -> FloatArray:
        """(8,) calibrated probabilities; without a group, those of a minute of which it is not known."""
        names = self._attribution.feature_names
        unknown = [] if without is None else [k for k, name in enumerate(names) if group_of(name) == without]
        scores = self._attribution.scores_without(self._values, unknown)
        powers = np.exp(scores - scores.max())
        raw = (powers / powers.sum())[None]
        if self._head is not None:
            raw = self._head.blend(raw, self._logits(self._head, without)[None], np.array([True]))
        model: FloatArray = decide_raw(self._config, raw, [self._row.user_id]).model_probs[0]
        return model

    def _logits(self, head: PersonalHead, without: Group | None) -> FloatArray:
        own = head.scores([_words_without(self._row.word_seconds, without)]).own[0]
        around = 0.0 if without is Group.AROUND else self._around
        bias = 0.0 if without is Group.HABIT else head.bias
        logits: FloatArray = bias + own + around
        return logits


def _words_without(words: WordSeconds, without: Group | None) -> WordSeconds:
    if without is Group.TITLES:
        return tuple(pair for pair in words if pair[0] >= WORD_BUCKETS)
    return tuple(pair for pair in words if pair[0] < WORD_BUCKETS) if without is Group.PROGRAM else words
