"""What the worker publishes: one frozen snapshot, of which the newest is shown.

No imaging library is needed for it: the worker and the terminal know the states, only the tray draws them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.labels.asking_state import AskingState
from taskclf_tray.store.labels import LabelChange


class IconState(StrEnum):
    """The states of the icon, one shape each (`assets/icons/<state>.svg`)."""

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
class ModelChoice:
    """A bundle in the Prediction Model menu. `problem` says why it cannot be chosen."""

    name: str
    is_active: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class OwnLabel:
    """A label the person gave to [start, end), with the category and colour it is shown under.

    `goes_on`: the label also holds for every later moment, until it is ended.
    """

    start: datetime
    end: datetime
    label: str
    ui_label: str
    color: str | None = None
    goes_on: bool = False

    def covers(self, moment: datetime) -> bool:
        """Whether the label holds for what was seen up to this moment."""
        return self.goes_on or self.start < moment <= self.end


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A block that waits for a label."""

    request_id: str
    start: datetime
    end: datetime
    guess: str | None
    probability: float | None
    is_gap: bool = False


@dataclass(frozen=True, slots=True)
class LabelView:
    """What the views show of labels and queue.

    `own`: the labels that touch the last minutes. `review`: the first few of `review_count` waiting blocks. `undo`: the
    step that Undo would take back. `order`: the eight labels, most used first. `unproven_below`: the
    probability below which a prediction of the starter model shows as "Perhaps ...".
    """

    own: tuple[OwnLabel, ...] = ()
    review: tuple[ReviewItem, ...] = ()
    review_count: int = 0
    undo: LabelChange | None = None
    order: tuple[str, ...] = LABEL_SET_V1
    asking: AskingState = field(default_factory=AskingState)
    is_silent: bool = False
    unproven_below: float = 0.0


@dataclass(frozen=True, slots=True)
class TodayEntry:
    """How long one category or label lasted, in whole minutes."""

    name: str
    minutes: int
    color: str | None = None


@dataclass(frozen=True, slots=True)
class TodayView:
    """How the day divides so far, longest first. The minutes of all entries and the unsure ones add up to the total."""

    entries: tuple[TodayEntry, ...] = ()
    unsure_minutes: int = 0
    total_minutes: int = 0


@dataclass(frozen=True, slots=True)
class LearningView:
    """What the menu shows of learning.

    `training_percent` is None while no training is under way. `learnt` says what an answer has changed lately.
    """

    can_retrain: bool = False
    can_roll_back: bool = False
    training_percent: int | None = None
    learnt: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the app. `line` is the status sentence of title, tooltip and terminal."""

    state: IconState
    line: str
    ui_label: str | None = None
    core_label: str | None = None
    probability: float | None = None
    since: datetime | None = None
    color: str | None = None
    banner: str | None = None
    is_paused: bool = False
    is_private: bool = False
    models: tuple[ModelChoice, ...] = ()
    source: str = ""
    moment: datetime | None = None
    """Up to when the live answer reaches."""
    block_start: datetime | None = None
    """The start of the current block; None while there is nothing to label."""
    is_own_label: bool = False
    """The person said so."""
    is_starter: bool = False
    """The prediction comes from a model that was trained on simulated people only."""
    starts_at_login: bool = False
    labels: LabelView = field(default_factory=LabelView)
    today: TodayView = field(default_factory=TodayView)
    learning: LearningView = field(default_factory=LearningView)
