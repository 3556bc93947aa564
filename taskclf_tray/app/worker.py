"""The worker: one thread that owns source, builder state, pipeline and database, and publishes snapshots.

Commands come in through queues, frozen snapshots and steps go out; nothing else is shared. Commands that touch
privacy have a queue of their own, which is also emptied right before every request to the source; one that cannot
be written down stays in it, and nothing is read until it is.

Nothing ends the worker but `stop`: what fails is said, and tried again at growing distances.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from taskclf_tray.app import actions, text
from taskclf_tray.app.clock_watch import ZoneWatch
from taskclf_tray.app.commands import (
    Command,
    LabelCommand,
    LearningCommand,
    NoticePressed,
    Pause,
    PickModel,
    PrivacyCommand,
    PrivateMode,
    ReloadNow,
    Resume,
    TellStatus,
)
from taskclf_tray.app.failures import NamelessWatch, RetryPolicy, as_problem
from taskclf_tray.app.label_writer import LabelCommands
from taskclf_tray.app.publisher import Listener, Publisher
from taskclf_tray.app.rescue import Rescue
from taskclf_tray.app.session import Session
from taskclf_tray.app.session_services import SessionServices
from taskclf_tray.app.snapshot import IconState, LearningView, Snapshot, TodayView
from taskclf_tray.app.status import snapshot_of
from taskclf_tray.core.defaults import DEFAULT_AWAY_POLL_SECONDS, DEFAULT_LIVE_POLL_SECONDS
from taskclf_tray.core.errors import RecordMovedError, TaskclfError
from taskclf_tray.notify.base import Notifier
from taskclf_tray.record.guard import BlackoutOpenError
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.record.suggest import _LabelSuggester
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.system.memory import give_back

__all__ = ["Listener", "Settings", "Snapshot", "TrayRuntime", "_LabelSuggester"]

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""Files and timed pauses are looked at this often: an edited policy is live within two seconds."""
RETRY_SECONDS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Waits after something has failed once, twice, …; the last one repeats."""
OUTPUT_SECONDS = 60.0
"""The files beside the record are brought up to date this often at most."""

GIVE_BACK_SECONDS = 600.0
"""Free pages go back to the system after a catch-up, and then this often."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the worker keeps time, in seconds of the wall clock."""

    poll_seconds: float = DEFAULT_LIVE_POLL_SECONDS
    away_poll_seconds: float = DEFAULT_AWAY_POLL_SECONDS
    simulated_poll_seconds: float = 1.0
    retry_seconds: tuple[float, ...] = RETRY_SECONDS


class TrayRuntime:
    """Starts, feeds and stops the worker thread. `open_session` runs in the worker, at start and after a switch."""

    def __init__(
        self,
        open_session: Callable[[Callable[[], None]], Session],
        notifier: Notifier,
        *,
        settings: Settings | None = None,
        listeners: Sequence[Listener] = (),
        should_switch: Callable[[], bool] = lambda: False,
        take_raise_request: Callable[[], bool] = lambda: False,
        banner: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._open_session = open_session
        self._publisher = Publisher(notifier, listeners)
        self._settings = settings or Settings()
        self._should_switch = should_switch
        self._take_raise_request = take_raise_request
        self._banner = banner
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._privacy: deque[PrivacyCommand] = deque()
        self._said: LabelCommands = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker")
        self._session: Session | None = None
        self._services: SessionServices | None = None
        self._is_patient = False
        self._step: StepResult | None = None
        self._blackouts: list[Blackout] = []
        self._today = TodayView()
        self._troubles = RetryPolicy(self._publisher.tell, self._settings.retry_seconds)
        self._nameless = NamelessWatch(self._publisher.tell)
        self._zones = ZoneWatch(self._publisher.tell)
        self._give_back_at = 0.0
        self._write_at = 0.0
        self._outputs_failed = False
        self._labels_seen = 0
        self._is_clock_changed = False
        self._rescue: Rescue | None = None
        self.failure: TaskclfError | None = None

    # -- any thread -------------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        return self._publisher.snapshot

    def add_listener(self, listener: Listener) -> None:
        """Before `start` only."""
        self._publisher.add(listener)

    def start(self, *, is_patient: bool = False) -> None:
        """Start the worker. When the first session cannot be opened it ends with `failure` set; a patient one goes on
        trying, for a person who has an icon to look at and no exit code."""
        self._is_patient = is_patient
        self._thread.start()

    def send(self, command: Command) -> None:
        """Hand a command to the worker, or to the label writer."""
        if isinstance(command, Pause | Resume | PrivateMode):
            self._privacy.append(command)
            self._commands.put(None)  # wakes the worker
        elif isinstance(command, LabelCommand):
            self._said.put(command)
        else:
            self._commands.put(command)

    def pressed(self, tag: str | None, key: str) -> None:
        """A button of a notification; called in the notification service's thread."""
        if tag is not None:
            self.send(NoticePressed(tag, key, self.now() or datetime.now(UTC)))

    def now(self) -> datetime | None:
        """The source's clock, for stamping a click; None before the session is open."""
        session = self._session
        return None if session is None else session.now()

    def stop(self, timeout_seconds: float = 30.0) -> None:
        """Ask the worker to end, and wait for it."""
        self._stop.set()
        self._commands.put(None)
        session = self._session
        if session is not None:
            session.source.interrupt()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the worker has ended; whether it has."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    # -- the worker -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                session = self._opened()
                if session is None:
                    return
                self._run_session(session)
        finally:
            self._close_session()

    def _opened(self) -> Session | None:
        """The next session; None when the worker ends before there is one."""
        while not self._stop.is_set():
            try:
                self._session = self._open_session(self._take_privacy)
                self._troubles.paused()
                return self._session
            except Exception as error:  # noqa: BLE001 - whatever it is, the person is told and may correct it
                problem = as_problem(error)
            if not self._is_patient:
                log.error("The worker cannot start: %s", problem)
                self.failure = problem
                self._publisher.publish(Snapshot(IconState.ATTENTION, problem.title, banner=self._banner()))
                return None
            wait = self._fail(problem)
            self._publisher.publish(Snapshot(IconState.ATTENTION, problem.title, banner=self._banner()))
            self._wait_without_session(wait, problem)
        return None

    def _wait_without_session(self, wait_seconds: float, problem: TaskclfError) -> None:
        """Answer every click with what is wrong, until it is time to try again or Reload now asks for it."""
        due = time.monotonic() + wait_seconds
        while not self._stop.is_set() and (left := due - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                command = self._commands.get(timeout=left)
                if isinstance(command, ReloadNow):
                    return
                if command is not None:
                    self._publisher.tell([text.trouble(problem.title, problem.next_step)])

    def _run_session(self, session: Session) -> None:
        """From opening a session to its end: by `stop`, or by a switch to another source or other settings."""
        self._is_patient = True
        try:
            self._services = SessionServices(session, self._publisher, self._said)
            self._welcome(session)
            self._loop(session)
        finally:
            self._close_session()

    def _welcome(self, session: Session) -> None:
        try:
            if self._banner() is None and session.is_first_start():
                self._publisher.tell([text.welcome(session.config.asks_per_day)])
        except TaskclfError as error:
            self._fail(error)
        self._publisher.tell(session.messages)

    def _close_session(self) -> None:
        session, self._session = self._session, None
        services, self._services = self._services, None
        if services is not None:
            services.close()
        if session is not None and not self._is_clock_changed and self._rescue is None:
            is_caught_up = self._step is not None and self._step.is_caught_up
            self._write_outputs(session, is_caught_up=is_caught_up, is_last=True)
        if session is not None:
            with contextlib.suppress(TaskclfError):
                session.close()
        self._step, self._is_clock_changed = None, False
        if self._rescue is not None:
            self._finish(self._rescue)

    def _finish(self, rescue: Rescue) -> None:
        """Every connection to the record that has lost its place is closed by now."""
        self._rescue, self._write_at = None, 0.0
        try:
            rescue.finish()
            self._publisher.tell(rescue.told)
        except OSError as error:
            problem = as_problem(error)
            self._publisher.tell([text.record_not_saved(problem.title, problem.next_step)])

    def _loop(self, session: Session) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                if session.database.is_displaced():
                    self._rescue = session.rescue()
                    return
                if time.monotonic() >= due:
                    due = time.monotonic() + self._poll(session)
                    self._refresh(session)
                if self._serve(session, min(TICK_SECONDS, max(0.0, due - time.monotonic()))):
                    due = time.monotonic()
                if self._should_switch():
                    log.info("The session ends: another source or other settings are to be used.")
                    return
                if self._is_clock_changed or session.clock.look():
                    log.info("The session restarts: the clock was changed.")
                    self._is_clock_changed = True  # what this session has counted is of another time
                    return
            except Exception as error:  # noqa: BLE001 - the record must go on after a mistake of ours
                due = time.monotonic() + self._fail(as_problem(error))
                self._publisher.publish(
                    dataclasses.replace(self._publisher.snapshot, state=IconState.ATTENTION, line=text.ATTENTION)
                )
                self._stop.wait(TICK_SECONDS)  # whatever failed may fail again at once

    def _serve(self, session: Session, wait_seconds: float) -> bool:
        """Wait for commands, carry them out, look at the files; whether to poll at once."""
        hurry = False
        with contextlib.suppress(queue.Empty):
            command = self._commands.get(timeout=wait_seconds)
            while True:
                hurry = self._handle(session, command) or hurry
                command = self._commands.get_nowait()
        return self._check_files_and_timers(session) or hurry

    def _handle(self, session: Session, command: Command | None) -> bool:
        """Carry out one command; whether the source should be read at once."""
        try:
            if command is None:
                self._take_privacy_or_say()
            elif isinstance(command, TellStatus):
                self._publisher.tell([actions.tell_status(session, self._publisher.snapshot)])
            elif isinstance(command, LearningCommand):
                self._publisher.tell(self._services.obey(command) if self._services is not None else [])
            else:
                self._publisher.tell(actions.perform(session, command))
        except Exception as error:  # noqa: BLE001 - a click must never end the record
            problem = as_problem(error)
            log.warning("%s", problem)
            self._publisher.tell([text.trouble(problem.title, problem.next_step)])
        self._refresh(session)
        return command is None or isinstance(command, ReloadNow | PickModel)

    def _take_privacy(self) -> None:
        """Write down every pause, resume and switch of private mode that was clicked so far. Raises StoreError."""
        session = self._session
        while session is not None and self._privacy:
            command = self._privacy[0]
            session.obey(command)
            self._privacy.popleft()  # only now: what could not be written still keeps from reading
            self._step = None
            log.info("%s", type(command).__name__)

    def _take_privacy_or_say(self) -> None:
        try:
            self._take_privacy()
        except TaskclfError as error:
            self._fail(error)

    def _check_files_and_timers(self, session: Session) -> bool:
        if session.database.is_displaced():
            return True
        was_open = bool(self._publisher.snapshot.is_paused or self._publisher.snapshot.is_private)
        try:
            is_open = bool(session.open_blackouts())
            is_caught_up = self._step is not None and self._step.is_caught_up and not is_open
            messages = [] if self._services is None else self._services.tick(is_caught_up=is_caught_up)
            self._follow_labels(session)
        except TaskclfError as error:
            if self._troubles.problem is None:
                self._fail(error)
                self._refresh(session)
            return False
        if self._take_raise_request():
            self._publisher.tell([(text.APP_NAME, self._publisher.snapshot.line)])
        self._publisher.tell(messages)
        if was_open and not is_open and self._services is not None:
            self._services.resumed()
        has_moved = self._zones.look()
        if messages or has_moved or was_open != is_open or self._learning_view() != self._publisher.snapshot.learning:
            self._refresh(session)
        return bool(messages) or (was_open and not is_open)  # an edit shows at once, not at the next poll

    def _follow_labels(self, session: Session) -> None:
        """Show what the label writer or another process has written since."""
        version = session.database.seen_version()
        if version != self._labels_seen:
            self._labels_seen = version
            self._refresh(session)
            if self._services is not None:
                self._services.labels_changed()

    # -- polling ----------------------------------------------------------------------------------------------

    def _poll(self, session: Session) -> float:
        """One step of the record; returns the seconds until the next."""
        try:
            self._take_privacy()
            recorder = session.recorder
            if recorder is None or session.open_blackouts():
                self._step = None
                self._troubles.paused()
                return self._seconds_to_wait(is_away=False)
            now = session.now()
            if self._step is None and not self._troubles.failures:
                self._step = StepResult(live=recorder.live(now), is_caught_up=False)
                self._refresh(session)
            step = recorder.step(now)
        except BlackoutOpenError:
            return 0.0
        except TaskclfError as error:
            return self._fail(error)
        live = step.live if step.is_caught_up or self._step is None else self._step.live
        self._step = dataclasses.replace(step, live=live)
        self._troubles.worked()
        self._nameless.look(step.finalised)
        if step.finalised or step.revised:
            self._publisher.stepped(step)
        if not step.is_caught_up:
            return 0.0
        self._after_step(session, step)
        self._tidy_up(session)
        return self._seconds_to_wait(is_away=step.live is not None and step.live.is_away)

    def _give_back(self, session: Session) -> None:
        """What was kept apart and comes back changes what every view has counted."""
        if session.clock.is_due:
            self._publisher.tell(session.clock.give_back())
            self._is_clock_changed = True

    def _after_step(self, session: Session, step: StepResult) -> None:
        """What goes along with the record. Failing, it costs no minute."""
        try:
            self._give_back(session)
            if self._services is not None:
                self._services.after_step(step)
            self._publisher.tell(session.mend())
        except TaskclfError as error:
            self._fail(error)

    def _seconds_to_wait(self, *, is_away: bool) -> float:
        if self._banner() is not None:
            return self._settings.simulated_poll_seconds
        return self._settings.away_poll_seconds if is_away else self._settings.poll_seconds

    def _tidy_up(self, session: Session) -> None:
        """What can wait until the record is up to date: the files beside it, and memory a catch-up needed."""
        now = time.monotonic()
        if now >= self._write_at:
            self._write_at = now + OUTPUT_SECONDS
            self._write_outputs(session)
        if now >= self._give_back_at:
            self._give_back_at = now + GIVE_BACK_SECONDS
            give_back()

    def _write_outputs(self, session: Session, *, is_caught_up: bool = True, is_last: bool = False) -> None:
        """A folder that cannot be written is told once; the record goes on."""
        if session.database.is_displaced():
            return  # with it its folder may have gone, which must not be made again
        try:
            try:
                self._publisher.tell(session.copy_labels(is_last=is_last))
            finally:
                session.write_outputs(is_caught_up=is_caught_up, is_last=is_last)
            self._outputs_failed = False
        except RecordMovedError:
            return  # the loop notices it, and tells it
        except Exception as error:  # noqa: BLE001 - files for other tools must not cost the record
            problem = as_problem(error)
            if not self._outputs_failed:
                log.warning("%s", problem)
                self._publisher.tell([text.trouble(problem.title, problem.next_step)])
            self._outputs_failed = True

    def _fail(self, error: TaskclfError) -> float:
        """Something failed: how long to wait before the next try."""
        self._step = None
        if isinstance(error, RecordMovedError):
            return 0.0  # the loop saves what can be saved, and tells it
        return self._troubles.failed(error)

    def _refresh(self, session: Session) -> None:
        with contextlib.suppress(TaskclfError):  # else what was known last still holds
            self._blackouts = session.open_blackouts()
        with contextlib.suppress(TaskclfError):
            self._today = session.today_view()
        snapshot = snapshot_of(
            session,
            self._step or StepResult(is_caught_up=False),
            blackouts=self._blackouts,
            problem=self._troubles.problem,
            banner=self._banner(),
        )
        with contextlib.suppress(TaskclfError):  # a command then looks at the record alone
            session.note_block(snapshot.block_start, None if self._step is None else self._step.live)
        self._publisher.publish(dataclasses.replace(snapshot, today=self._today, learning=self._learning_view()))
        with contextlib.suppress(TaskclfError):
            self._publisher.show_labels(session.label_view)

    def _learning_view(self) -> LearningView:
        return LearningView() if self._services is None else self._services.learning()
