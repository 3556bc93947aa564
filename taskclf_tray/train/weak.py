"""Weak labels: what a rule says of minutes no person labelled. Starting points of little weight, always marked.

Few rules, each one nearly always right (measured on simulated people: 98 % and more). The idle rule by itself is not:
whoever listens to a call in the browser or reads a long page is away for it, too. What is not sure from the program
alone stays without a label.
"""

from __future__ import annotations

from typing import Final

from taskclf_tray.core.types import CoreLabel, FeatureRow
from taskclf_tray.train.dataset_projection import NO_LABEL

WEAK_WEIGHT: Final = 0.2
"""Beside 1.0 for a minute that a person labelled."""

ATTENDED_WITHOUT_HANDS: Final = frozenset({"browser", "chat", "docs", "media", "meeting", "music_video", "office"})
"""Categories of programs in which somebody may listen, watch or read for minutes without touching anything."""

UNLABELLED: Final = -2
"""In place of a label, on minutes of work about which neither a person nor a rule says anything: the model may guess
(`fit_guesses.py`), nobody judges by them."""

_LABELS: Final = list(CoreLabel)
_WHOLE_SHARE: Final = 0.95
"""Of the bucket: the program was in front practically all the time."""


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
