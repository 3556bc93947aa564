"""The worker's loop over one session: poll the source, carry out commands, let the services follow, publish.

The session's services stand in one list. Each follows the record after a step (`on_step`), looks at its files and
timers once a second (`on_tick`) and carries out its own commands (`on_command`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from taskclf_tray.app import record_text, text
from taskclf_tray.app.actions import MenuCommands
from taskclf_tray.app.answer_learning import AnswerLearning
from taskclf_tray.app.asking import Asker
from taskclf_tray.app.clock_watch import ZoneWatch
from taskclf_tray.app.commands import Command, CommandQueue, PickModel, ReloadNow
from taskclf_tray.app.drift_watch import DriftWatch
from taskclf_tray.app.failures import NamelessWatch, RetryPolicy, as_problem
from taskclf_tray.app.label_writer import LabelWriter, WriterSurroundings
from taskclf_tray.app.publisher import Publisher
from taskclf_tray.app.rescue import Rescue
from taskclf_tray.app.retraining import LearningWatch
from taskclf_tray.app.services import (
    DamagedMinutes,
    GrowingLabel,
    LoginEntry,
    OutputFiles,
    PutBackClock,
    RecordRewriting,
    Retention,
    ServedFiles,
    Service,
    SharedQueueList,
    SourceStreams,
    Tick,
)
from taskclf_tray.app.session import Session
from taskclf_tray.app.snapshot import IconState, LearningView, TodayView
from taskclf_tray.app.status import snapshot_of
from taskclf_tray.core.defaults import DEFAULT_AWAY_POLL_SECONDS, DEFAULT_LIVE_POLL_SECONDS
from taskclf_tray.core.errors import RecordMovedError, TaskclfError
from taskclf_tray.record.guard import BlackoutOpenError
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.store.blackouts import Blackout

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""How often files and timed pauses are looked at: an edited policy is live within two seconds."""
RETRY_SECONDS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Waits after something has failed once, twice, …; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the worker keeps time, in seconds of the wall clock."""

    poll_seconds: float = DEFAULT_LIVE_POLL_SECONDS
    away_poll_seconds: float = DEFAULT_AWAY_POLL_SECONDS
    simulated_poll_seconds: float = 1.0
    retry_seconds: tuple[float, ...] = RETRY_SECONDS


class WorkerContext:
    """What outlives a session: settings, views, commands, and the memory of what was told."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        *,
        should_switch: Callable[[], bool],
        take_raise_request: Callable[[], bool],
        banner: Callable[[], str | None],
    ) -> None:
        self.settings = settings
        self.publisher = publisher
        self.should_switch = should_switch
        self.take_raise_request = take_raise_request
        self.banner = banner
        self.commands = CommandQueue()
        self.stop = threading.Event()
        self.failures = RetryPolicy(publisher.tell, settings.retry_seconds)
        self.nameless = NamelessWatch(publisher.tell)
        self.zones = ZoneWatch(publisher.tell)


class SessionLoop:
    """One session on its way from opening to its end; every method runs in the worker's thread. Raises StoreError."""

    def __init__(self, session: Session, context: WorkerContext) -> None:
        self.session = session
        self._context = context
        self._publisher = publisher = context.publisher
        self._failures = context.failures
        self._step: StepResult | None = None
        self._blackouts: list[Blackout] = []
        self._today = TodayView()
        self._labels_seen = 0
        self._rescue: Rescue | None = None
        self._clock = PutBackClock(session)
        rewriting = RecordRewriting(session, publisher.stepped)
        self._learning = LearningWatch(session, rewriting.begin)
        self._answers = AnswerLearning(session, rewriting)
        self._login = LoginEntry(session)
        self._outputs = OutputFiles(session, publisher.tell, lambda: self._is_caught_up)
        writer = _label_writer(session, context)
        self._services: list[Service] = [
            self._clock,
            GrowingLabel(session),
            SourceStreams(session, publisher.tell),
            Asker(session, publisher),
            DriftWatch(session, publisher),
            *([SharedQueueList(session)] if session.overrides.has_queue_list else []),
            DamagedMinutes(session),
            Retention(session),
            ServedFiles(session, self._learning.without_own),
            self._learning,
            rewriting,
            self._answers,
            self._login,
            MenuCommands(session, lambda: publisher.snapshot),
            writer,
            self._outputs,
        ]
        writer.start()

    @property
    def _is_caught_up(self) -> bool:
        return self._step is not None and self._step.is_caught_up

    def run(self) -> None:
        """Loop until the worker is stopped, another session is due, or the record or the clock has moved."""
        due = time.monotonic()
        while not self._context.stop.is_set():
            try:
                if self.session.database.is_displaced():
                    self._rescue = self.session.rescue()
                    return
                if time.monotonic() >= due:
                    due = time.monotonic() + self._poll()
                    self._refresh()
                if self._serve(min(TICK_SECONDS, max(0.0, due - time.monotonic()))):
                    due = time.monotonic()
                if self._is_over():
                    return
            except Exception as error:  # noqa: BLE001 - the record must continue after a mistake of ours
                due = time.monotonic() + self._fail(as_problem(error))
                self._publisher.publish(
                    dataclasses.replace(self._publisher.snapshot, state=IconState.ATTENTION, line=text.ATTENTION)
                )
                self._context.stop.wait(TICK_SECONDS)  # whatever failed may fail again at once

    def close(self) -> None:
        """Close the services, then the session. A record that was deleted is put back when nothing holds it open."""
        with ExitStack() as stack:
            stack.callback(self._finish_rescue)
            stack.callback(self._close_session)
            for service in reversed(self._services):
                stack.callback(service.close)

    def _close_session(self) -> None:
        with contextlib.suppress(TaskclfError):
            self.session.close()

    def _finish_rescue(self) -> None:
        if self._rescue is None:
            return
        try:
            self._rescue.finish()
            self._publisher.tell(self._rescue.told)
        except OSError as error:
            problem = as_problem(error)
            self._publisher.tell([record_text.record_not_saved(problem.title, problem.next_step)])

    def _is_over(self) -> bool:
        """Whether another session is due: for another source, other settings, or another time."""
        if self._context.should_switch():
            log.info("The session ends: another source or other settings are to be used.")
            return True
        if self._clock.has_given_back or self.session.clock.look():
            log.info("The session restarts: the clock was changed.")
            self._outputs.is_void = True
            return True
        return False

    # -- commands and timers ----------------------------------------------------------------------------------

    def take_privacy(self) -> None:
        """Write down every pause, resume and switch of private mode that was clicked so far. Raises StoreError."""
        for command in self._context.commands.private():
            self.session.apply_privacy(command)
            self._step = None
            log.info("%s", type(command).__name__)

    def _serve(self, wait_seconds: float) -> bool:
        """Wait for commands, carry them out, let the services look; whether the source should be read at once."""
        is_urgent = False
        for command in self._context.commands.others(wait_seconds):
            is_urgent = self._carry_out(command) or is_urgent
        return self._tick() or is_urgent

    def _carry_out(self, command: Command | None) -> bool:
        """Carry out one command, or those of privacy; whether the source should be read at once."""
        try:
            if command is None:
                self._take_privacy_or_say()
            else:
                answers = (service.on_command(command) for service in self._services)
                self._publisher.tell(next((told for told in answers if told is not None), []))
        except Exception as error:  # noqa: BLE001 - a click must never end the record
            problem = as_problem(error)
            log.warning("%s", problem)
            self._publisher.tell([text.trouble(problem.title, problem.next_step)])
        self._refresh()
        return command is None or isinstance(command, ReloadNow | PickModel)

    def _take_privacy_or_say(self) -> None:
        try:
            self.take_privacy()
        except TaskclfError as error:
            self._fail(error)

    def _tick(self) -> bool:
        """Let every service look at its files and timers; whether the source should be read at once."""
        if self.session.database.is_displaced():
            return True
        shown = self._publisher.snapshot
        was_open = shown.is_paused or shown.is_private
        try:
            is_open = bool(self.session.open_blackouts())
            tick = Tick(self._is_caught_up and not is_open, was_open and not is_open, self._has_new_labels())
        except TaskclfError as error:
            self._fail_on_tick(error)
            return False
        messages = self._messages_of(tick)
        if self._context.take_raise_request():
            self._publisher.tell([(text.APP_NAME, self._publisher.snapshot.line)])
        self._publisher.tell(messages)
        has_moved = self._context.zones.look()
        is_changed = tick.has_new_labels or has_moved or was_open != is_open
        is_changed = is_changed or self._login.is_on != shown.starts_at_login
        if messages or is_changed or self._learning_view() != shown.learning:
            self._refresh()
        return bool(messages) or tick.has_resumed  # an edit shows at once, not at the next poll

    def _messages_of(self, tick: Tick) -> list[text.Message]:
        """Let every service look. One that fails takes no message from another."""
        messages: list[text.Message] = []
        failed: TaskclfError | None = None
        for service in self._services:
            try:
                messages += service.on_tick(tick)
            except TaskclfError as error:
                failed = failed or error
        if failed is not None:
            self._fail_on_tick(failed)
        return messages

    def _fail_on_tick(self, error: TaskclfError) -> None:
        if self._failures.problem is None:
            self._fail(error)
            self._refresh()

    def _has_new_labels(self) -> bool:
        before, self._labels_seen = self._labels_seen, self.session.database.seen_version()
        return before != self._labels_seen

    # -- the record -------------------------------------------------------------------------------------------

    def _poll(self) -> float:
        """One step of the record; returns the seconds until the next."""
        try:
            self.take_privacy()
            recorder = self.session.recorder
            if recorder is None or self.session.open_blackouts():
                self._step = None
                self._failures.paused()
                return self._seconds_to_wait(is_away=False)
            now = self.session.now()
            if self._step is None and not self._failures.failures:
                self._step = StepResult(live=recorder.live(now), is_caught_up=False)
                self._refresh()
            step = recorder.step(now)
        except BlackoutOpenError:
            return 0.0
        except TaskclfError as error:
            return self._fail(error)
        live = step.live if step.is_caught_up or self._step is None else self._step.live
        self._step = dataclasses.replace(step, live=live)
        self._failures.worked()
        self._context.nameless.look(step.finalised)
        if step.finalised or step.revised:
            self._publisher.stepped(step)
        if not step.is_caught_up:
            return 0.0
        self._follow(step)
        return self._seconds_to_wait(is_away=step.live is not None and step.live.is_away)

    def _follow(self, step: StepResult) -> None:
        """Let every service follow the record. One that fails costs no minute, and none of the others."""
        failed: TaskclfError | None = None
        for service in self._services:
            try:
                self._publisher.tell(service.on_step(step))
            except TaskclfError as error:
                failed = failed or error
        if failed is not None:
            self._fail(failed)

    def _seconds_to_wait(self, *, is_away: bool) -> float:
        settings = self._context.settings
        if self._context.banner() is not None:
            return settings.simulated_poll_seconds
        return settings.away_poll_seconds if is_away else settings.poll_seconds

    def _fail(self, error: TaskclfError) -> float:
        """Something failed: how long to wait before the next try."""
        self._step = None
        if isinstance(error, RecordMovedError):
            return 0.0  # the loop saves what can be saved, and tells it
        return self._failures.failed(error)

    def _learning_view(self) -> LearningView:
        return dataclasses.replace(self._learning.view(), learnt=self._answers.line)

    def _refresh(self) -> None:
        """Publish what shows now. What cannot be read keeps its last value."""
        session = self.session
        with contextlib.suppress(TaskclfError):
            self._blackouts = session.open_blackouts()
        with contextlib.suppress(TaskclfError):
            self._today = session.today_view()
        snapshot = snapshot_of(
            session,
            self._step or StepResult(is_caught_up=False),
            blackouts=self._blackouts,
            problem=self._failures.problem,
            banner=self._context.banner(),
        )
        with contextlib.suppress(TaskclfError):  # a command then looks at the record alone
            session.note_block(snapshot.block_start, None if self._step is None else self._step.live)
        self._publisher.publish(
            dataclasses.replace(
                snapshot, today=self._today, learning=self._learning_view(), starts_at_login=self._login.is_on
            )
        )
        with contextlib.suppress(TaskclfError):
            self._publisher.show_labels(session.label_view)


def _label_writer(session: Session, context: WorkerContext) -> LabelWriter:
    around = WriterSurroundings(
        session.paths.database,
        session.identity.user_id,
        session.time_zone,
        session.taxonomy,
        context.publisher.tell,
        context.publisher.show_labels,
        session.database.is_displaced,
    )
    return LabelWriter(around, context.commands.labels)
