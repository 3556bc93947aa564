"""The worker: one thread that owns source, builder state, pipeline and database, and publishes snapshots.

Commands come in through queues, frozen snapshots and steps go out; nothing else is shared. Commands that touch
privacy have a queue of their own, which is also emptied right before every request to the source.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from taskclf_tray.core.defaults import DEFAULT_AWAY_POLL_SECONDS, DEFAULT_LIVE_POLL_SECONDS
from taskclf_tray.core.errors import SourceError, TaskclfError
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.system.memory import give_back
from taskclf_tray.ui import actions, text
from taskclf_tray.ui.commands import Command, Pause, PrivacyCommand, PrivateMode, Resume, TellStatus
from taskclf_tray.ui.guard import BlackoutOpenError
from taskclf_tray.ui.icon import IconState
from taskclf_tray.ui.notify.base import Notice, Notifier
from taskclf_tray.ui.recorder import Step
from taskclf_tray.ui.serving import Message
from taskclf_tray.ui.session import Session
from taskclf_tray.ui.snapshot import Snapshot
from taskclf_tray.ui.status import snapshot_of
from taskclf_tray.ui.suggest import _LabelSuggester

__all__ = ["Listener", "Settings", "Snapshot", "TrayRuntime", "_LabelSuggester"]

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""Files and timed pauses are looked at this often: an edited policy is live within two seconds."""
RETRY_SECONDS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Waits after a source has failed once, twice, …; the last one repeats."""

GIVE_BACK_SECONDS = 600.0
"""Free pages go back to the system after a catch-up, and then this often."""


class Listener(Protocol):
    """Told by the worker, in its thread: be quick, hand over."""

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Something that shows has changed."""

    def on_step(self, step: Step) -> None:
        """Buckets were finalised or revised; they are on disk."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the worker keeps time, in seconds of the wall clock."""

    poll_seconds: float = DEFAULT_LIVE_POLL_SECONDS
    away_poll_seconds: float = DEFAULT_AWAY_POLL_SECONDS


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
        self._notifier = notifier
        self._settings = settings or Settings()
        self._listeners = list(listeners)
        self._should_switch = should_switch
        self._take_raise_request = take_raise_request
        self._banner = banner
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._privacy: queue.SimpleQueue[PrivacyCommand] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker")
        self._snapshot = Snapshot(IconState.NO_SOURCE, text.STARTING)
        self._session: Session | None = None
        self._step = Step()
        self._problem: TaskclfError | None = None
        self._failures = 0
        self._told: set[str] = set()
        self._give_back_at = 0.0
        self.failure: TaskclfError | None = None

    # -- any thread -------------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        return self._snapshot

    def add_listener(self, listener: Listener) -> None:
        """Before `start` only."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Start the worker."""
        self._thread.start()

    def send(self, command: Command) -> None:
        """Hand a command to the worker."""
        if isinstance(command, Pause | Resume | PrivateMode):
            self._privacy.put(command)
            self._commands.put(None)  # wakes the worker
        else:
            self._commands.put(command)

    def now(self) -> datetime | None:
        """The source's clock, for stamping a click; None before the session is open."""
        session = self._session
        return None if session is None else session.now()

    def stop(self, timeout_seconds: float = 30.0) -> None:
        """Ask the worker to end, and wait for it."""
        self._stop.set()
        self._commands.put(None)
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
                self._run_session()
        except TaskclfError as error:
            log.error("The worker cannot go on: %s", error)
            self.failure = error
            self._publish(Snapshot(IconState.ATTENTION, error.title, banner=self._banner()))
            self._tell([text.trouble(error.title, error.next_step)])
        finally:
            self._close_session()

    def _run_session(self) -> None:
        """From opening a session to its end: by `stop`, or by a switch to another source."""
        self._session = session = self._open_session(self._take_privacy)
        try:
            if session.is_first_start() and self._banner() is None:
                self._tell([text.welcome()])
            self._tell(session.messages)
            self._loop(session)
        finally:
            self._close_session()

    def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(TaskclfError):
                session.close()
        self._step = Step()

    def _loop(self, session: Session) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            if time.monotonic() >= due:
                wait = self._poll(session)
                due = time.monotonic() + wait
                self._refresh(session)
            if self._serve(session, min(TICK_SECONDS, max(0.0, due - time.monotonic()))):
                due = time.monotonic()
            if self._should_switch():
                log.info("A real activity source has appeared: the simulation ends.")
                return

    def _serve(self, session: Session, wait_seconds: float) -> bool:
        """Wait for commands, carry them out, look at the files; whether to poll at once."""
        hurry = False
        try:
            command = self._commands.get(timeout=wait_seconds)
            while True:
                hurry = self._obey(session, command) or hurry
                command = self._commands.get_nowait()
        except queue.Empty:
            pass
        return self._look_around(session) or hurry

    def _obey(self, session: Session, command: Command | None) -> bool:
        try:
            if command is None:
                self._take_privacy()
            elif isinstance(command, TellStatus):
                self._tell([actions.tell_status(session, self._snapshot)])
            else:
                self._tell(actions.perform(session, command))
        except TaskclfError as error:
            log.warning("%s", error)
            self._tell([text.trouble(error.title, error.next_step)])
        self._refresh(session)
        return True

    def _take_privacy(self) -> None:
        """Write down every pause, resume and switch of private mode that was clicked so far."""
        session = self._session
        while session is not None:
            try:
                command = self._privacy.get_nowait()
            except queue.Empty:
                return
            session.obey(command)
            log.info("%s", type(command).__name__)

    def _look_around(self, session: Session) -> bool:
        try:
            was_open = bool(self._snapshot.is_paused or self._snapshot.is_private)
            is_open = bool(session.open_blackouts())
            messages = session.serving.check()
        except TaskclfError as error:
            self._fail(error)
            return False
        if self._take_raise_request():
            self._tell([text.trouble(text.APP_NAME, self._snapshot.line)])
        self._tell(messages)
        if messages or was_open != is_open:
            self._refresh(session)
        return was_open and not is_open

    # -- polling ----------------------------------------------------------------------------------------------

    def _poll(self, session: Session) -> float:
        """One step of the record; returns the seconds until the next."""
        try:
            recorder = session.recorder
            if recorder is None or session.open_blackouts():
                return self._settings.poll_seconds
            now = session.now()
            if self._step.live is None and not self._failures:
                self._step = Step(live=recorder.live(now), is_caught_up=False)
                self._refresh(session)
            step = recorder.step(now)
        except BlackoutOpenError:
            return 0.0
        except TaskclfError as error:
            return self._fail(error)
        self._problem, self._failures = None, 0
        self._step = step if step.is_caught_up else Step(step.finalised, step.revised, self._step.live, False)
        if step.finalised or step.revised:
            for listener in self._listeners:
                listener.on_step(step)
        if not step.is_caught_up:
            return 0.0
        if time.monotonic() >= self._give_back_at:
            give_back()
            self._give_back_at = time.monotonic() + GIVE_BACK_SECONDS
        is_away = step.live is not None and step.live.prediction.decided_by == "idle_rule"
        return self._settings.away_poll_seconds if is_away else self._settings.poll_seconds

    def _fail(self, error: TaskclfError) -> float:
        """A source or the database failed: nothing moved on; say it once, try again ever later."""
        if not isinstance(error, SourceError):
            log.error("%s", error)
            if error.title not in self._told:
                self._told.add(error.title)
                self._tell([text.trouble(error.title, error.next_step)])
        elif self._failures == 0:
            log.warning("%s", error)
        wait = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._problem, self._failures = error, self._failures + 1
        self._step = Step()
        return wait

    # -- telling ----------------------------------------------------------------------------------------------

    def _refresh(self, session: Session) -> None:
        blackouts: list[Blackout] = []
        with contextlib.suppress(TaskclfError):
            blackouts = session.open_blackouts()
        self._publish(
            snapshot_of(session, self._step, blackouts=blackouts, problem=self._problem, banner=self._banner())
        )

    def _publish(self, snapshot: Snapshot) -> None:
        if snapshot == self._snapshot:
            return
        self._snapshot = snapshot
        for listener in self._listeners:
            listener.on_snapshot(snapshot)

    def _tell(self, messages: Sequence[Message]) -> None:
        for title, body in messages:
            log.info("Told: %s. %s", title, body)
            self._notifier.notify(Notice(title, body))
