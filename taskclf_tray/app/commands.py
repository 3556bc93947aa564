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
    """Serve this bundle: writes a policy for it."""

    name: str


@dataclass(frozen=True, slots=True)
class EditPolicy:
    """Open the inference policy in the editor; make it first when there is none."""


@dataclass(frozen=True, slots=True)
class EditConfig:
    """Open config.toml in the editor; make it first when there is none."""


@dataclass(frozen=True, slots=True)
class EditTaxonomy:
    """Open the taxonomy in the editor; make one that changes nothing first when there is none."""


@dataclass(frozen=True, slots=True)
class OpenDataFolder:
    """Show the home in the file manager."""


@dataclass(frozen=True, slots=True)
class OpenLog:
    """Open the log file."""


@dataclass(frozen=True, slots=True)
class ReloadNow:
    """Look at policy, model and taxonomy files, and read the source, at once."""


@dataclass(frozen=True, slots=True)
class TellStatus:
    """Say in a notification what the status line says, and what it rests on."""


@dataclass(frozen=True, slots=True)
class RetrainNow:
    """Train a model on the person's labels, and serve it when it is no worse."""


@dataclass(frozen=True, slots=True)
class StopRetraining:
    """End the training that goes on; nothing has changed by it."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """Serve what was served before the last promotion."""


@dataclass(frozen=True, slots=True)
class TellModel:
    """Say in a notification which model is in use, and how the last training ended."""


@dataclass(frozen=True, slots=True)
class LabelBlock:
    """Give the block that began at `start` a label; it holds while the block goes on."""

    start: datetime
    label: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """The label of a block that waits in the queue."""

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
    """Take the newest label, answer or skip back."""

    at: datetime


@dataclass(frozen=True, slots=True)
class SetAsking:
    """Whether and when questions may come."""

    mode: AskingMode
    at: datetime


@dataclass(frozen=True, slots=True)
class NoticePressed:
    """A button of a question's notification, a click on it, or its dismissal (`key` as in `ui.notify.base`)."""

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
    | ReloadNow
    | TellStatus
)


LabelCommands: TypeAlias = "queue.SimpleQueue[LabelCommand | None]"
"""Carried out in order; None ends the label writer."""


class CommandQueue:
    """Sorts commands into three lanes. Any thread may put; the lanes of the worker are read by it alone.

    Privacy goes before everything else: those commands are also taken right before every request to the source, and
    one that could not be written down stays, so that nothing is read until it is. Labels have a thread of their own.
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
        """Let the worker look at the commands of privacy, and whether it should stop."""
        self._others.put(None)

    def private(self) -> Iterator[PrivacyCommand]:
        """The commands of privacy, oldest first. Each leaves the queue once the caller asks for the next one."""
        while self._private:
            yield self._private[0]
            self._private.popleft()

    def others(self, wait_seconds: float) -> Iterator[Command | None]:
        """Wait for a command, then yield all there are; None stands for a call of `wake`."""
        with contextlib.suppress(queue.Empty):
            yield self._others.get(timeout=wait_seconds)
            while True:
                yield self._others.get_nowait()
