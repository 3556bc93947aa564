"""What the worker shows to everyone else: one frozen value, the newest wins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from taskclf_tray.ui.icon import IconState


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One bundle in the Prediction Model menu; `problem` says why it cannot be chosen."""

    name: str
    is_active: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The app as it stands. `line` is the status sentence of title, tooltip and terminal."""

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
