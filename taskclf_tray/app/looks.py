"""What is shown of a state and of a label: one shape each, one letter and colour each.

No imaging library is needed for it: the worker and the terminal know the states, only the tray draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from taskclf_tray.core.types import CoreLabel


class IconState(StrEnum):
    """One shape each (`ui/assets/<state>.svg`)."""

    LIVE = "live"
    UNSURE = "unsure"
    AWAY = "away"
    PAUSED = "paused"
    NO_SOURCE = "no_source"
    NO_MODEL = "no_model"
    ATTENTION = "attention"


LABELLED_STATES: Final = frozenset({IconState.LIVE, IconState.UNSURE})
"""The states that also show a label."""


@dataclass(frozen=True, slots=True)
class LabelLook:
    """How a core label looks: one letter and one colour (`#rrggbb`)."""

    letter: str
    color: str


LABEL_LOOKS: Final = MappingProxyType(
    {
        CoreLabel.BREAK_IDLE: LabelLook("Z", "#bfdfdb"),
        CoreLabel.BUILD: LabelLook("B", "#0b52a8"),
        CoreLabel.COMMUNICATE: LabelLook("C", "#57b3ff"),
        CoreLabel.DEBUG: LabelLook("D", "#bc530f"),
        CoreLabel.MEET: LabelLook("M", "#6d226a"),
        CoreLabel.READ_RESEARCH: LabelLook("R", "#2d926c"),
        CoreLabel.REVIEW: LabelLook("V", "#faf87d"),
        CoreLabel.WRITE: LabelLook("W", "#f4b40f"),
    }
)
"""Hues that stay apart for every kind of colour blindness, on eight different steps of grey (checked by a test)."""
