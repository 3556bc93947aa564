"""What the person can tell the app, and the queue through which it is told."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from taskclf_tray.labels.asking_state import AskingMode


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop reading from `at` on; `minutes` None: until the next local midnight."""

    at: datetime
    minutes: int | None


@dataclass(frozen=True, slots=True)
class Resume:
    """End a pause (private mode has a switch of its own)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class PrivateMode:
    """Switch private mode."""

    at: datetime
    is_on: bool


@dataclass(frozen=True, slots=True)
class PickModel:
    """Serve this bundle by writing a policy for it."""

    name: str


@dataclass(frozen=True, slots=True)
class EditPolicy:
    """Open the inference policy in the editor; create it first when there is none."""


@dataclass(frozen=True, slots=True)
class EditConfig:
    """Open config.toml in the editor; create it first when there is none."""


@dataclass(frozen=True, slots=True)
class EditTaxonomy:
    """Open the taxonomy in the editor; create one that changes nothing first when there is none."""


@dataclass(frozen=True, slots=True)
class OpenDataFolder:
    """Show the home in the file manager."""


@dataclass(frozen=True, slots=True)
class OpenLog:
    """Open the log file."""


@dataclass(frozen=True, slots=True)
class StartAtLogin:
    """Switch whether the app starts at login."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class ReloadNow:
    """Check policy, model and taxonomy files, and read the source, at once."""


@dataclass(frozen=True, slots=True)
class TellStatus:
    """Show the status line in a notification, with what is behind it."""


@dataclass(frozen=True, slots=True)
class TellWhy:
    """Show in a notification why the newest minute has its label."""


@dataclass(frozen=True, slots=True)
class RetrainNow:
    """Train a model on the person's labels, and serve it when it is no worse."""


@dataclass(frozen=True, slots=True)
class StopRetraining:
    """Cancel the training under way. It has changed nothing yet."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """Serve what was served before the last promotion."""


@dataclass(frozen=True, slots=True)
class TellModel:
    """Show in a notification which model is in use, and how the last training ended."""


@dataclass(frozen=True, slots=True)
class LabelBlock:
    """Label the block that began at `start`; the label holds until the block ends."""

    start: datetime
    label: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """Label a block that waits in the queue."""

    request_id: str
    label: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SkipRequest:
    """Never ask for this block again."""

    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class UndoLabel:
    """Undo the newest label, answer or skip."""

    at: datetime


@dataclass(frozen=True, slots=True)
class SetAsking:
    """Switch whether and when questions may come."""

    mode: AskingMode
    at: datetime


@dataclass(frozen=True, slots=True)
class NoticePressed:
    """A press on a question's notification, or its dismissal (`key` as in `notify.base`)."""

    tag: str
    key: str
    at: datetime


PrivacyCommand = Pause | Resume | PrivateMode
LearningCommand = RetrainNow | StopRetraining | RollBack | TellModel
LabelCommand = LabelBlock | AnswerRequest | SkipRequest | UndoLabel | SetAsking | NoticePressed
Command = (
    PrivacyCommand
    | LabelCommand
    | LearningCommand
    | PickModel
    | EditPolicy
    | EditConfig
    | EditTaxonomy
    | OpenDataFolder
    | OpenLog
    | StartAtLogin
    | ReloadNow
    | TellStatus
    | TellWhy
)


LabelCommands: TypeAlias = "queue.SimpleQueue[LabelCommand | None]"
"""Carried out in order; None ends the label writer."""


class CommandQueue:
    """Sorts commands into three lanes. Any thread may put; the worker alone reads its lanes.

    Privacy goes first: those commands are also carried out right before every request to the source, and one that could
    not be stored stays queued, so that nothing is read until it is. Labels go to the label writer.
    """

    def __init__(self) -> None:
        self.labels: LabelCommands = queue.SimpleQueue()
        """For the label writer. What is said between two sessions waits here for the next."""
        self._private: deque[PrivacyCommand] = deque()
        self._others: queue.SimpleQueue[Command | None] = queue.SimpleQueue()

    def put(self, command: Command) -> None:
        """Queue a command for its owner."""
        if isinstance(command, Pause | Resume | PrivateMode):
            self._private.append(command)
            self.wake()
        elif isinstance(command, LabelCommand):
            self.labels.put(command)
        else:
            self._others.put(command)

    def wake(self) -> None:
        """Let the worker check the privacy lane, and whether it should stop."""
        self._others.put(None)

    def private(self) -> Iterator[PrivacyCommand]:
        """Yield the commands of privacy, oldest first. Each leaves the queue when the next one is asked for."""
        while self._private:
            yield self._private[0]
            self._private.popleft()

    def others(self, wait_seconds: float) -> Iterator[Command | None]:
        """Wait for a command, then yield all there are; None stands for a call of `wake`."""
        with contextlib.suppress(queue.Empty):
            yield self._others.get(timeout=wait_seconds)
            while True:
                yield self._others.get_nowait()
