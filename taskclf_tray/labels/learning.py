"""The learning state in the database: the newest training, the labels learnt last, a pending re-inference.

Every training writes here, from the tray or a command, so the weekly training follows a week after the last of any
kind.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from taskclf_tray.core.defaults import DEFAULT_RETRAIN_BLOCKS, DEFAULT_RETRAIN_DAYS
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.store.database import Database

Outcome = Literal["promoted", "refused"]
BEFORE_ALL_US: Final = -(1 << 62)
PLAIN_AFTER_BLOCKS: Final = 10
"""From this many labelled blocks on, every prediction of the starter model that is not rejected is a plain label."""
PLAIN_FROM: Final = 0.75
"""Before that, a prediction of the starter model shows as a plain label from this probability on.

From no lower value on, in steps of 0.05, are at least 70 % right wherever the starter was measured: from 0.65 on 73 %
in the second world (`tests/support/second_world.py`), but 64 % of ten days of a real person. One minute in three
thousand reaches 0.75 in the second world and none of the real person's; 9.5 % do in its own, and all are right.
"""


@dataclass(frozen=True, slots=True)
class LastTraining:
    """The outcome of the newest training that had enough labels. `run`: the name of its bundle."""

    at_us: int
    outcome: Outcome
    run: str
    sentences: tuple[str, ...] = ()

    @property
    def at(self) -> datetime:
        """When the training ended, by the clock of the source."""
        return from_us(self.at_us)


@dataclass(frozen=True, slots=True)
class Reinference:
    """A pending re-inference by the model `bundle_id`; buckets that start before `done_us` are done.

    It waits while another model is served.
    """

    bundle_id: str
    done_us: int = BEFORE_ALL_US


def load_last_training(database: Database, user_id: str) -> LastTraining | None:
    """Return the outcome of the newest training; None before the first. Raises StoreError."""
    saved = _get(database, _training(user_id))
    return None if saved is None else LastTraining(**saved | {"sentences": tuple(saved["sentences"])})


def save_last_training(database: Database, user_id: str, last: LastTraining) -> None:
    """Store the outcome of a training. Raises StoreError."""
    with database.transaction():
        database.state.set(_training(user_id), json.dumps(asdict(last), ensure_ascii=False))


def load_reinference(database: Database, user_id: str) -> Reinference | None:
    """Return the pending re-inference, or None. Raises StoreError."""
    saved = _get(database, _reinference(user_id))
    return None if saved is None else Reinference(**saved)


def save_reinference(database: Database, user_id: str, reinference: Reinference | None) -> None:
    """Store or remove the pending re-inference. Raises StoreError."""
    with database.transaction():
        database.state.set(_reinference(user_id), "null" if reinference is None else json.dumps(asdict(reinference)))


@dataclass(frozen=True, slots=True)
class LabelState:
    """The labels at a moment: it changes with every change and undo, and when a label ends to grow.

    `newest`: the newest change of labels; `in_force`: the newest one that is not undone; 0 for none.
    """

    newest: int = 0
    in_force: int = 0
    is_growing: bool = False

    @property
    def is_undone(self) -> bool:
        """Whether the newest step was an undo."""
        return self.in_force < self.newest


def label_state(database: Database, user_id: str) -> LabelState:
    """Return the state of the labels. Raises StoreError."""
    with database.reading():
        mark = database.labels.mark(user_id)
        return LabelState(mark.newest, mark.in_force, database.labels.growing(user_id) is not None)


def load_learnt(database: Database, user_id: str) -> LabelState:
    """Return the labels that were learnt last, after an answer. Raises StoreError."""
    saved = _get(database, _learnt(user_id))
    return LabelState() if saved is None else LabelState(**saved)


def save_learnt(database: Database, user_id: str, state: LabelState) -> None:
    """Store that these labels are learnt. Raises StoreError."""
    with database.transaction():
        database.state.set(_learnt(user_id), json.dumps(asdict(state)))


def new_blocks(database: Database, user_id: str) -> int:
    """Count the blocks that the person labelled since the newest training. Raises StoreError."""
    last = load_last_training(database, user_id)
    with database.reading():
        return database.labels.count_since(user_id, BEFORE_ALL_US if last is None else last.at_us)


def unproven_below(database: Database, user_id: str) -> float:
    """Return the probability below which a prediction of the starter model is shown with "Perhaps" and asked about.

    It is 0.0 from `PLAIN_AFTER_BLOCKS` labelled blocks on. Raises StoreError.
    """
    with database.reading():
        blocks = database.labels.count_since(user_id, BEFORE_ALL_US)
    return PLAIN_FROM if blocks < PLAIN_AFTER_BLOCKS else 0.0


def is_training_due(database: Database, user_id: str, now: datetime) -> bool:
    """Whether a week has passed since the last training, or since the record began, with enough newly labelled blocks.

    Raises StoreError.
    """
    last = load_last_training(database, user_id)
    with database.reading():
        reach = database.buckets.reach(user_id)
    since_us = last.at_us if last is not None else None if reach is None else reach[0]
    if since_us is None or to_us(now) - since_us < timedelta(days=DEFAULT_RETRAIN_DAYS) // timedelta(microseconds=1):
        return False
    return new_blocks(database, user_id) >= DEFAULT_RETRAIN_BLOCKS


def _get(database: Database, name: str) -> dict[str, Any] | None:
    with database.reading():
        saved = database.state.get(name)
    found: dict[str, Any] | None = None if saved is None else json.loads(saved)
    return found


def _training(user_id: str) -> str:
    return f"training:{user_id}"


def _learnt(user_id: str) -> str:
    return f"learnt:{user_id}"


def _reinference(user_id: str) -> str:
    return f"reinference:{user_id}"
