"""Minutes no person labelled: what a rule says of them (weak labels), and what a first model guesses (pseudo-labels).

Both are starting points of little weight, always marked. The rules are few, each one nearly always right (measured on
simulated people: 98 % and more). The idle rule by itself is not: whoever listens to a call in the browser or reads a
long page is away for it, too. What is not sure from the program alone stays without a label.

Self-training (Yarowsky, ACL 1995; Lee, “Pseudo-Label”, ICML 2013 workshop): a first model guesses, and the second
learns from the guesses as well. By itself a model would only repeat its own opinion. What is new to it comes from time:
work lasts, so the guesses are the labels of a hidden Markov model over whole days (`infer/hmm.py`), in which minutes
the model is sure of carry over to those beside them, and so do labels that were given. So it learns programs and titles
it never saw labelled. On days unseen this was worth more than everything else that was tried (`docs/learning.md`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS
from taskclf_tray.core.types import LABEL_SET_V1, CoreLabel, FeatureRow
from taskclf_tray.infer.hmm import hmm_codes
from taskclf_tray.train.dataset import NO_LABEL, BoolArray, Dataset, FloatArray, IntArray

WEAK_WEIGHT: Final = 0.2
"""Beside 1.0 for a minute that a person labelled."""

ATTENDED_WITHOUT_HANDS: Final = frozenset({"browser", "chat", "docs", "media", "meeting", "music_video", "office"})
"""Categories of programs in which somebody may listen, watch or read for minutes without touching anything."""

UNLABELLED: Final = -2
"""In place of a label, on minutes of work about which neither a person nor a rule says anything: the model may guess,
nobody judges by them."""

_LABELS: Final = list(CoreLabel)
_WHOLE_SHARE: Final = 0.95
"""Of the bucket: the program was in front practically all the time."""
MAX_GUESSES: Final = 4_000
"""Of more minutes so many are taken, evenly over time: training takes no longer and learns no less."""
_SURE: Final = 0.96
"""The emission of a labelled minute; the rest is shared by the other labels, since a label may be a slip."""


def weak_label(row: FeatureRow) -> int:
    """The label id a rule gives the row, NO_LABEL where none applies."""
    if row.decided_by == "idle_rule":
        return _LABELS.index(CoreLabel.BREAK_IDLE) if _is_surely_away(row) else NO_LABEL
    if row.decided_by == "model" and _is_meeting(row):
        return _LABELS.index(CoreLabel.MEET)
    return NO_LABEL


def weak_or_unsaid(row: FeatureRow) -> int:
    """The same, and UNSAID where the rules say nothing and the model decides."""
    label = weak_label(row)
    return UNLABELLED if label == NO_LABEL and row.decided_by == "model" else label


def _is_surely_away(row: FeatureRow) -> bool:
    """Locked all the minute, or in front of a program that is of no use without hands."""
    return row.locked_seconds >= row.bucket_seconds or row.app_category not in ATTENDED_WITHOUT_HANDS


def _is_meeting(row: FeatureRow) -> bool:
    """A meeting program in front all the minute."""
    return row.app_category == "meeting" and row.app_foreground_time_ratio >= _WHOLE_SHARE


def said_only(dataset: Dataset) -> Dataset:
    """Without the minutes that have no label."""
    return dataset.take(dataset.labels != UNLABELLED)


def has_unsaid(dataset: Dataset) -> bool:
    """Whether there is anything to guess."""
    return bool((dataset.labels == UNLABELLED).any())


def unsaid_only(dataset: Dataset) -> Dataset:
    """The minutes to guess."""
    return dataset.take(dataset.labels == UNLABELLED)


def with_guesses(dataset: Dataset, probs: FloatArray, weight: float, *, most: int = MAX_GUESSES) -> Dataset:
    """The dataset with a label of this weight for minutes without one; of more than `most`, so many.

    `probs`: (n, 8) a model's answers for `unsaid_only(dataset)`, in its order.
    """
    is_unsaid = dataset.labels == UNLABELLED
    others = (1 - _SURE) / (len(LABEL_SET_V1) - 1)
    emissions = np.where(np.arange(len(LABEL_SET_V1)) == dataset.labels[:, None], _SURE, others)
    emissions[is_unsaid] = probs
    labels = hmm_codes(emissions, np.zeros(len(dataset), dtype=np.bool_), _runs(dataset), BUILT_IN_TRANSITIONS)
    guessed = replace(
        dataset,
        labels=np.where(is_unsaid, labels, dataset.labels),
        weights=np.where(is_unsaid, weight, dataset.weights),
    )
    return guessed.take(~is_unsaid | _evenly(is_unsaid, most))


def _runs(dataset: Dataset) -> IntArray:
    """(N,) the number of the stretch of adjoining minutes each line is in."""
    opens = np.ones(len(dataset), dtype=np.bool_)
    opens[1:] = (dataset.user_ids[1:] != dataset.user_ids[:-1]) | (dataset.start_us[1:] != dataset.end_us[:-1])
    return np.asarray(np.cumsum(opens) - 1, dtype=np.int64)


def _evenly(among: BoolArray, most: int) -> BoolArray:
    """(N,) so many of the places, or all; the first and the last are among them."""
    places = np.flatnonzero(among)
    kept = np.zeros(len(among), dtype=np.bool_)
    if len(places):
        steps = np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(np.int64)
        kept[places[steps]] = True
    return kept
