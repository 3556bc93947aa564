"""Weak labels: what a rule says of minutes no person labelled. Starting points of little weight, always marked.

Few rules, each one nearly always right: what is not sure from the program alone stays without a label.
"""

from __future__ import annotations

from typing import Final

from taskclf_tray.core.types import CoreLabel, FeatureRow
from taskclf_tray.train.dataset_projection import NO_LABEL

WEAK_WEIGHT: Final = 0.2
"""Beside 1.0 for a minute that a person labelled."""

_LABELS: Final = list(CoreLabel)
_WHOLE_SHARE: Final = 0.95
"""Of the bucket: the program was in front practically all the time."""


def weak_label(row: FeatureRow) -> int:
    """The label id a rule gives the row, NO_LABEL where none applies."""
    if row.decided_by == "idle_rule":
        return _LABELS.index(CoreLabel.BREAK_IDLE)
    if row.decided_by == "no_window":
        return NO_LABEL
    return _LABELS.index(CoreLabel.MEET) if _is_meeting(row) else NO_LABEL


def _is_meeting(row: FeatureRow) -> bool:
    """A meeting program in front all the minute."""
    return row.app_category == "meeting" and row.app_foreground_time_ratio >= _WHOLE_SHARE
