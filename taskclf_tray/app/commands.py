"""What the person can tell the worker; sent through one queue, carried out in its thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
