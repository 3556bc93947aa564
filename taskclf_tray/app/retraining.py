"""Retraining from the tray: when it is due, its process, its outcome for the person, and the roll-back.

The worker starts the process and looks at it on each tick. A thread waits for the process and only hands over its
events, so nothing here can delay the record. The promotion is a file that the worker watches anyway; the usual message
about an edited policy is replaced by one about the training. Afterwards `RecordRewriting` re-infers the record.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from taskclf_tray.app import served_text
from taskclf_tray.app.actions import file_trouble
from taskclf_tray.app.commands import Command, RetrainNow, RollBack, StopRetraining, TellModel
from taskclf_tray.app.failures import as_problem
from taskclf_tray.app.services import Service, Tick
from taskclf_tray.app.session import Session
from taskclf_tray.app.snapshot import LearningView
from taskclf_tray.app.text import Message
from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.core.file_watch import FileWatch
from taskclf_tray.core.time import to_us
from taskclf_tray.jobs.child import ChildJob, JobStoppedError
from taskclf_tray.labels.learning import is_training_due, load_last_training, new_blocks
from taskclf_tray.models.history import EarlierChoice, earlier_choice, roll_back
from taskclf_tray.models.policy import policy_path
from taskclf_tray.models.promotion import SOURCE
from taskclf_tray.models.registry import POLICY_HISTORY
from taskclf_tray.record.promise import kept_promise

log = logging.getLogger(__name__)

JOB: Final = "taskclf_tray.jobs.retrain"
LONGEST_SECONDS: Final = 3600.0
NICENESS: Final = 15
CHECK_SECONDS: Final = 600.0
"""How often to check whether a weekly training is due."""
RETRY_SECONDS: Final = 86_400.0
"""The wait after a weekly training that failed."""
_LIBRARIES: Final = ("lightgbm", "scipy", "sklearn", "matplotlib")


@dataclass(slots=True)
class _Running:
    """A training under way. Its thread sets `percent` (0 to 100) and, at the end, `ending`."""

    job: ChildJob
    is_weekly: bool
    replaces: str | None
    thread: threading.Thread | None = None
    percent: int = 0
    ending: dict[str, Any] | TaskclfError | None = None


class LearningWatch(Service):
    """Trains, promotes and rolls back; one for each session, in the worker's thread. Raises StoreError."""

    def __init__(self, session: Session, reinfer: Callable[[str], None], *, job_module: str = JOB) -> None:
        """`reinfer`: re-infer the record with the model of this name, once it is served."""
        self._session = session
        self._reinfer = reinfer
        self._job_module = job_module
        self._user_id = session.identity.user_id
        self._can_train = has_libraries()
        self._running: _Running | None = None
        self._check_at = 0.0
        models = session.models_dir
        self._policy_watch = FileWatch(models, policy_path(models), models / POLICY_HISTORY)
        self._earlier: EarlierChoice | None = None

    @property
    def is_training(self) -> bool:
        """Whether a training of this app is under way."""
        return self._running is not None

    def view(self) -> LearningView:
        """What the menu shows of learning."""
        follows = self._session.serving.follows_policy
        return LearningView(
            can_retrain=self._can_train and follows and not self.is_training,
            training_percent=None if self._running is None else self._running.percent,
            can_roll_back=follows and not self.is_training and self._earlier_choice() is not None,
        )

    def on_command(self, command: Command) -> list[Message] | None:
        """Carry out a click under Prediction Model. Raises TaskclfError."""
        with file_trouble():
            return self._carried_out(command)

    def _carried_out(self, command: Command) -> list[Message] | None:
        match command:
            case RetrainNow():
                return self._retrain(is_weekly=False)
            case StopRetraining():
                if self._running is not None:
                    self._running.job.cancel()
                return []
            case RollBack():
                return self._roll_back()
            case TellModel():
                return [self._status()]
            case _:
                return None

    def on_tick(self, tick: Tick) -> list[Message]:
        """Take in a training that has ended, begin one that is due."""
        told: list[Message] = []
        if self._running is not None and self._running.ending is not None:
            told += self._ended(self._running)
        if tick.is_caught_up and self._running is None and time.monotonic() >= self._check_at:
            told += self._begin_if_due()
        return told

    def without_own(self, messages: Sequence[Message]) -> list[Message]:
        """Drop messages about served files that our own training has changed: its end tells of them."""
        resolved, running = self._session.serving.resolved, self._running
        if running is None or resolved is None or resolved.policy is None or resolved.policy.source != SOURCE:
            return list(messages)
        return list(messages) if resolved.bundle_id == running.replaces else []

    def close(self) -> None:
        """Cancel a training that is under way. It has changed nothing yet."""
        running, self._running = self._running, None
        if running is not None and running.thread is not None:
            running.job.cancel()
            running.thread.join()

    # -- training ---------------------------------------------------------------------------------------------

    def _retrain(self, *, is_weekly: bool) -> list[Message]:
        if self._running is not None:
            return [served_text.training_already()]
        if not self._session.serving.follows_policy:
            return [served_text.model_named_at_start()]
        job = ChildJob(self._job_module, self._request(), timeout_seconds=LONGEST_SECONDS)
        resolved = self._session.serving.resolved
        self._running = running = _Running(job, is_weekly, None if resolved is None else resolved.bundle_id)
        running.thread = threading.Thread(target=_run, args=(running,), name="training")
        running.thread.start()
        log.info("Training begins (%s).", "weekly" if is_weekly else "asked for")
        return []

    def _request(self) -> dict[str, Any]:
        session = self._session
        return {
            "home": str(session.paths.home),
            "models_dir": str(session.models_dir),
            "now_us": to_us(session.now()),
            "time_zone": session.time_zone(),
            "target_accuracy": session.config.target_accuracy,
            "smooth_window": session.config.smooth_window,
            "smoother": session.config.smoother,
            "is_synthetic": session.source.name == "simulated",
            "niceness": NICENESS,
        }

    def _begin_if_due(self) -> list[Message]:
        self._check_at = time.monotonic() + CHECK_SECONDS
        serving = self._session.serving
        if not (self._can_train and serving.follows_policy and serving.resolved is not None):
            return []
        if not is_training_due(self._session.database, self._user_id, self._session.now()):
            return []
        return self._retrain(is_weekly=True)

    def _ended(self, running: _Running) -> list[Message]:
        """Serve what the finished process has promoted, and say how it went."""
        assert running.thread is not None
        running.thread.join()
        self._session.serving.adopt()
        self._session.forget_bundles()
        ending, self._running = running.ending, None
        if isinstance(ending, JobStoppedError):
            log.info("The training was stopped: %s", ending)
            return [served_text.training_stopped()]
        if isinstance(ending, TaskclfError):
            log.warning("The training failed: %s", ending)
            if running.is_weekly:
                self._check_at = time.monotonic() + RETRY_SECONDS
                return []
            return [served_text.training_failed(ending.title, ending.next_step)]
        assert ending is not None
        sentences = [str(sentence) for sentence in ending["sentences"]]
        if ending["outcome"] == "promoted":
            return [served_text.model_promoted(str(ending["model"]), sentences)]
        return [served_text.model_refused(sentences)]

    # -- the way back, and how it stands ----------------------------------------------------------------------

    def _roll_back(self) -> list[Message]:
        if self._running is not None:
            return [served_text.training_already()]
        if not self._session.serving.follows_policy:
            return [served_text.model_named_at_start()]
        now = roll_back(self._session.models_dir, before_switch=self._reinfer)
        self._session.serving.adopt()
        self._session.forget_bundles()
        return [served_text.rolled_back(now.bundle_id, has_policy=now.policy is not None)]

    def _earlier_choice(self) -> EarlierChoice | None:
        """What a roll-back would return to; read again when the policy or its history has changed."""
        if self._policy_watch.has_changed():
            try:
                self._earlier = earlier_choice(self._session.models_dir)
            except OSError:
                self._earlier = None
                self._policy_watch.forget()
        return self._earlier

    def _status(self) -> Message:
        resolved, database = self._session.serving.resolved, self._session.database
        return served_text.model_status(
            None if resolved is None else resolved.bundle_id,
            None if resolved is None else resolved.metadata,
            None if resolved is None else resolved.reject_threshold,
            load_last_training(database, self._user_id),
            new_blocks(database, self._user_id),
            promise=self._promise(),
            head=None if resolved is None else resolved.stored_head,
        )

    def _promise(self) -> str:
        """What the threshold promises, and what was kept; empty for no promise."""
        resolved = self._session.serving.resolved
        tuning = None if resolved is None or resolved.policy is None else resolved.policy.tuning
        if tuning is None:
            return ""
        kept = kept_promise(self._session.database, self._user_id, float(tuning["target_accuracy"]))
        return served_text.promise_line(kept, tuning)


def has_libraries() -> bool:
    """Whether what trainings need is installed."""
    return all(importlib.util.find_spec(name) is not None for name in _LIBRARIES)


def _run(running: _Running) -> None:
    """Wait for the process of a training, in the training's thread."""

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            running.percent = 100 * int(event["done"]) // max(1, int(event["total"]))
        elif event["event"] == "step":
            log.info("Training: %s", event["text"])
        elif event["event"] == "warning":
            log.warning("Training: %s", event["text"])

    try:
        running.ending = running.job.run(on_event)
    except Exception as error:  # noqa: BLE001 - the edge of a thread: whatever it is, the worker says it
        running.ending = as_problem(error)
