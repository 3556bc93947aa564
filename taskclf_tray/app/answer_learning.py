"""Learning from each answer: after a label the personal head is fitted again, and today is re-inferred at once.

A job process fits the head from the labels in force, about a second at low priority; a thread waits for it. The worker
puts the head in force, so the usual message about an edited policy does not come, and says in the menu what has changed
of today. Undo is a change of labels like any other: the head is fitted without them.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from taskclf_tray.app import served_text
from taskclf_tray.app.actions import file_trouble
from taskclf_tray.app.failures import as_problem
from taskclf_tray.app.retraining import has_libraries
from taskclf_tray.app.services import RecordRewriting, Service, Tick
from taskclf_tray.app.session import Session
from taskclf_tray.app.text import Message
from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.core.time import local_day_bounds, to_us
from taskclf_tray.jobs.child import ChildJob, JobStoppedError
from taskclf_tray.labels.learning import LabelState, label_state, load_learnt, save_learnt
from taskclf_tray.labels.overlay import is_person
from taskclf_tray.models.head_files import HeadEntry
from taskclf_tray.models.promotion import HeadBasis, may_learn, switch_head
from taskclf_tray.record.recorder import StepResult

log = logging.getLogger(__name__)

JOB: Final = "taskclf_tray.jobs.refit"
LONGEST_SECONDS: Final = 120.0
NICENESS: Final = 10
BURST_SECONDS: Final = 1.5
"""Labels that follow each other within this time are learnt together."""
SHOWN_SECONDS: Final = 1800.0
"""How long the menu says what was learnt."""
_TOLD: Final = "told_learning"


@dataclass(slots=True)
class _Running:
    """A job under way. Its thread sets `ending`. `labels`: what it learns."""

    job: ChildJob
    labels: LabelState
    thread: threading.Thread | None = None
    ending: dict[str, Any] | TaskclfError | None = None


class AnswerLearning(Service):
    """Learns the labels of a session, in the worker's thread. Raises StoreError."""

    def __init__(self, session: Session, rewriting: RecordRewriting, *, job_module: str = JOB) -> None:
        self._session = session
        self._rewriting = rewriting
        self._job_module = job_module
        self._user_id = session.identity.user_id
        self._can_fit = has_libraries()
        self._running: _Running | None = None
        self._is_first = True
        self._wanted: LabelState | None = None
        """Labels that are not learnt yet."""
        self._due = 0.0
        self._failed: LabelState | None = None
        self._has_told_failure = False
        self._reported: LabelState | None = None
        """Labels whose effect on today is to be told once it is known."""
        self._line: str | None = None
        self._line_until = 0.0
        self._line_of = load_learnt(session.database, self._user_id)

    @property
    def line(self) -> str | None:
        """What the menu says was learnt lately."""
        return self._line if time.monotonic() < self._line_until else None

    def on_step(self, step: StepResult) -> list[Message]:
        """Notice that a label of the current block has ended: the session itself ends it."""
        if step.finalised:
            self._look()
        return []

    def on_tick(self, tick: Tick) -> list[Message]:
        """Notice new labels, start the job once the burst is over, take in what it has fitted."""
        if tick.has_new_labels or self._is_first:
            self._is_first = False
            self._look()
        running = self._running
        if running is not None and running.ending is not None:
            return self._ended(running)
        if self._reported is not None and self._rewriting.relabelled is not None:
            return self._told(self._reported, self._rewriting.relabelled)
        if running is None and self._wanted is not None and time.monotonic() >= self._due:
            self._start_unless_paused(self._wanted)
        return []

    def close(self) -> None:
        """Cancel a job that is under way. The next session starts it again."""
        running, self._running = self._running, None
        if running is not None and running.thread is not None:
            running.job.cancel()
            running.thread.join()

    def _look(self) -> None:
        database = self._session.database
        labels = label_state(database, self._user_id)
        if labels == self._wanted:
            return
        under_way = None if self._running is None else self._running.labels
        is_known = labels in (under_way, self._failed, load_learnt(database, self._user_id))
        self._wanted = labels if not is_known and self._is_of_use() else None
        self._due = time.monotonic() + BURST_SECONDS

    def _is_of_use(self) -> bool:
        """Whether there may be a head: the policy is followed, its model may get one, and there are two labels."""
        serving, database = self._session.serving, self._session.database
        served = serving.resolved
        if not self._can_fit or not self._session.config.personal_words:
            return False
        if not serving.follows_policy or served is None or not may_learn(served):
            return False
        with database.reading():
            return served.head is not None or len(database.labels.counts(self._user_id)) > 1

    def _start_unless_paused(self, labels: LabelState) -> None:
        """Start the job; labels given in a pause or private mode are learnt after it."""
        session = self._session
        if session.open_blackouts():
            return
        request = {
            "home": str(session.paths.home),
            "models_dir": str(session.models_dir),
            "now_us": to_us(session.now()),
            "time_zone": session.time_zone(),
            "niceness": NICENESS,
        }
        self._wanted = None
        running = _Running(ChildJob(self._job_module, request, timeout_seconds=LONGEST_SECONDS), labels)
        self._running = running
        running.thread = threading.Thread(target=_run, args=(running,), name="learning")
        running.thread.start()

    # -- what comes of it ---------------------------------------------------------------------------------------

    def _ended(self, running: _Running) -> list[Message]:
        assert running.thread is not None
        running.thread.join()
        ending, self._running = running.ending, None
        try:
            if isinstance(ending, TaskclfError):
                raise ending
            assert ending is not None
            with file_trouble():
                self._adopt(ending, running.labels)
        except JobStoppedError as error:
            log.info("Learning from an answer was stopped: %s", error)
        except TaskclfError as error:
            return self._fail(error, running.labels)
        return []

    def _adopt(self, fitted: dict[str, Any], labels: LabelState) -> None:
        """Put the head in force, or leave everything as it is. Raises TaskclfError."""
        session = self._session
        if fitted["outcome"] == "fitted":
            head = None if fitted["head"] is None else HeadEntry.model_validate(fitted["head"])
            if not switch_head(session.models_dir, HeadBasis(**fitted["basis"]), head, fitted["threshold"]):
                log.info("The policy was changed while an answer was learnt: it is learnt again.")
                self._wanted = self._wanted or labels
                return
            session.serving.adopt()
            assert session.serving.resolved is not None
            self._rewriting.begin_today(session.serving.resolved.bundle_id)
            self._reported = labels
        save_learnt(session.database, self._user_id, labels)
        self._has_told_failure = False

    def _fail(self, error: TaskclfError, labels: LabelState) -> list[Message]:
        """Say a failure once; these labels are learnt with the next ones, or at the next start."""
        log.warning("An answer was not learnt: %s", error)
        self._failed = labels
        is_told, self._has_told_failure = self._has_told_failure, True
        return [] if is_told else [served_text.answer_not_learnt(error.title, error.next_step)]

    def _told(self, labels: LabelState, relabelled: list[datetime]) -> list[Message]:
        """Show in the menu what has changed of today; the first time in a home, say it too."""
        self._reported = None
        count = self._shown(relabelled)
        said, self._line_of = self._line_of, labels
        if said == labels or (not count and said == replace(labels, is_growing=True)):
            return []  # a training has let them be learnt again, or the label has only ended to grow
        self._line = line = served_text.learnt_line(count, is_undone=labels.is_undone)
        self._line_until = time.monotonic() + SHOWN_SECONDS
        log.info("%s.", line)
        database = self._session.database
        with database.reading():
            is_known = database.state.get(_TOLD)
        if is_known:
            return []
        with database.transaction():
            database.state.set(_TOLD, "1")
        return [served_text.first_learnt(line)]

    def _shown(self, relabelled: list[datetime]) -> int:
        """How many of these minutes show their new label: those that the person has not labelled."""
        session = self._session
        start, end = local_day_bounds(session.now(), session.time_zone())
        own = [(span.start_us, span.end_us) for span in session.labels.between(start, end) if is_person(span)]
        return sum(not any(begin <= to_us(at) < stop for begin, stop in own) for at in relabelled)


def _run(running: _Running) -> None:
    """Wait for the job, in its thread."""
    try:
        running.ending = running.job.run(lambda _: None)
    except Exception as error:  # noqa: BLE001 - the edge of a thread: whatever it is, the worker says it
        running.ending = as_problem(error)
