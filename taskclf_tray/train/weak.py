"""Labels for minutes that no person labelled: weak labels from rules, and pseudo-labels from a first model.

Both have a low weight and are always marked. The rules are few, and each is nearly always right (98 % and more on
simulated people). The idle rule alone is not: a person who listens to a call in the browser or reads a long page is
idle too. A minute that the app alone does not decide stays unlabelled.

Pseudo-labels (Yarowsky, ACL 1995; Lee, “Pseudo-Label”, ICML 2013 workshop): a first model labels the other minutes, and
a second one learns from these labels too. Alone, a model would only repeat its own predictions. The new information
comes from time: work lasts, so the pseudo-labels come from a hidden Markov model over whole days (`infer/hmm.py`), in
which labelled and confident minutes carry over to their neighbours. So the model learns apps and titles that were never
labelled. On held-out days this was worth more than anything else that was tried (`docs/learning.md`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS
from taskclf_tray.core.types import LABEL_SET_V1, CoreLabel, FeatureRow
from taskclf_tray.infer.hmm import hmm_codes
from taskclf_tray.train.dataset import NO_LABEL, BoolArray, Dataset, FloatArray

WEAK_WEIGHT: Final = 0.2
"""Beside 1.0 for a minute that a person labelled."""

ATTENDED_WITHOUT_HANDS: Final = frozenset({"browser", "chat", "docs", "media", "meeting", "music_video", "office"})
"""Categories of apps in which a person may listen, watch or read for minutes without any input."""

UNLABELLED: Final = -2
"""In place of a label id, on minutes of work without a label. They may get a pseudo-label, and are never judged on."""

_LABELS: Final = list(CoreLabel)
_WHOLE_SHARE: Final = 0.95
"""Of the bucket: the app was in front practically all the time."""
MAX_LABELLED: Final = 8_000
"""The most labelled minutes that trees are grown on, and …"""
MAX_PSEUDO_LABELS: Final = 4_000
"""… the most pseudo-labelled ones, taken evenly over time: more take longer and teach nothing new, since the minutes of
a block resemble each other."""
_SURE: Final = 0.96
"""The emission of a labelled minute; the rest is shared by the other labels, since a label may be a slip."""


def weak_label(row: FeatureRow) -> int:
    """The label id a rule gives the row, NO_LABEL where none applies."""
    if row.decided_by == "idle_rule":
        return _LABELS.index(CoreLabel.BREAK_IDLE) if _is_surely_away(row) else NO_LABEL
    if row.decided_by == "model" and _is_meeting(row):
        return _LABELS.index(CoreLabel.MEET)
    return NO_LABEL


def weak_or_unlabelled(row: FeatureRow) -> int:
    """`weak_label`, and UNLABELLED where no rule applies and the model decides."""
    label = weak_label(row)
    return UNLABELLED if label == NO_LABEL and row.decided_by == "model" else label


def _is_surely_away(row: FeatureRow) -> bool:
    """Whether the screen was locked all the minute, or the app in front is of no use without input."""
    return row.locked_seconds >= row.bucket_seconds or row.app_category not in ATTENDED_WITHOUT_HANDS


def _is_meeting(row: FeatureRow) -> bool:
    """Whether a meeting app was in front all the minute."""
    return row.app_category == "meeting" and row.app_foreground_time_ratio >= _WHOLE_SHARE


def labelled_only(dataset: Dataset) -> Dataset:
    """Without the minutes that have no label, `MAX_LABELLED` at the most."""
    return dataset.take(_evenly(dataset.labels != UNLABELLED, MAX_LABELLED))


def has_unlabelled(dataset: Dataset) -> bool:
    """Whether any minute may get a pseudo-label."""
    return bool((dataset.labels == UNLABELLED).any())


def unlabelled_only(dataset: Dataset) -> Dataset:
    """The minutes that may get a pseudo-label."""
    return dataset.take(dataset.labels == UNLABELLED)


def with_pseudo_labels(dataset: Dataset, probs: FloatArray, weight: float, *, most: int = MAX_PSEUDO_LABELS) -> Dataset:
    """`labelled_only`, and pseudo-labels of this weight for unlabelled minutes, `most` at the most.

    `probs`: (n, 8) predicted probabilities for `unlabelled_only(dataset)`, in its order.
    """
    is_unlabelled = dataset.labels == UNLABELLED
    others = (1 - _SURE) / (len(LABEL_SET_V1) - 1)
    emissions = np.where(np.arange(len(LABEL_SET_V1)) == dataset.labels[:, None], _SURE, others)
    emissions[is_unlabelled] = probs
    labels = hmm_codes(emissions, np.zeros(len(dataset), dtype=np.bool_), dataset.runs, BUILT_IN_TRANSITIONS)
    labelled = replace(
        dataset,
        labels=np.where(is_unlabelled, labels, dataset.labels),
        weights=np.where(is_unlabelled, weight, dataset.weights),
    )
    return labelled.take(_evenly(~is_unlabelled, MAX_LABELLED) | _evenly(is_unlabelled, most))


def _evenly(among: BoolArray, most: int) -> BoolArray:
    """(N,) a mask of `most` of the places, or of all, evenly spread; it has the first and the last."""
    places = np.flatnonzero(among)
    kept = np.zeros(len(among), dtype=np.bool_)
    if len(places):
        steps = np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(np.int64)
        kept[places[steps]] = True
    return kept
