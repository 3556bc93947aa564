"""The worker: one thread that owns source, feature state, pipeline and database, and publishes snapshots.

Commands come in through one queue, in which those of privacy go first. Frozen snapshots and steps go out. Nothing else
is shared. Nothing ends the worker but `stop`: a failure is told, and tried again after longer and longer waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from taskclf_tray.app import text
from taskclf_tray.app.commands import Command, NoticePressed, ReloadNow
from taskclf_tray.app.failures import as_problem
from taskclf_tray.app.publisher import Listener, Publisher
from taskclf_tray.app.session import Session
from taskclf_tray.app.session_loop import SessionLoop, Settings, WorkerContext
from taskclf_tray.app.snapshot import IconState, Snapshot
from taskclf_tray.app.text import Message
from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.notify.base import Notifier
from taskclf_tray.record.suggest import _LabelSuggester

__all__ = ["Listener", "Settings", "Snapshot", "TrayRuntime", "_LabelSuggester"]

log = logging.getLogger(__name__)


class TrayRuntime:
    """Starts, feeds and stops the worker thread.

    `open_session` runs in that thread, at the start and after a switch; its argument is to be called before every
    request to the source.
    """

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
        self._context = WorkerContext(
            settings or Settings(),
            self._publisher,
            should_switch=should_switch,
            take_raise_request=take_raise_request,
            banner=banner,
        )
        self._thread = threading.Thread(target=self._run, name="worker")
        self._loop: SessionLoop | None = None
        self._is_patient = False
        self.failure: TaskclfError | None = None

    # -- any thread -------------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        return self._publisher.snapshot

    def add_listener(self, listener: Listener) -> None:
        """Add a view; before `start` only."""
        self._publisher.add(listener)

    def start(self, *, is_patient: bool = False) -> None:
        """Start the worker. When the first session cannot be opened, the worker ends with `failure` set.

        A patient worker keeps trying, for a person who has an icon to look at and no exit code.
        """
        self._is_patient = is_patient
        self._thread.start()

    def send(self, command: Command) -> None:
        """Hand a command to the worker, or to the label writer."""
        self._context.commands.put(command)

    def tell(self, message: Message) -> None:
        """Show a message to the person: as a notification, in the log and in the terminal."""
        self._publisher.tell([message])

    def pressed(self, tag: str | None, key: str) -> None:
        """Take a press on a button of a notification; called in the notification service's thread."""
        if tag is not None:
            self.send(NoticePressed(tag, key, self.now() or datetime.now(UTC)))

    def now(self) -> datetime | None:
        """The source's clock, for stamping a click; None before the session is open."""
        loop = self._loop
        return None if loop is None else loop.session.now()

    def stop(self, timeout_seconds: float = 30.0) -> None:
        """Ask the worker to end, and wait for it."""
        self._context.stop.set()
        self._context.commands.wake()
        loop = self._loop
        if loop is not None:
            loop.session.source.interrupt()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the worker has ended; whether it has."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    # -- the worker -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Open one session after the other: each ends by `stop`, or by a switch of source, settings or time."""
        while (loop := self._opened()) is not None:
            try:
                self._welcome(loop.session)
                loop.run()
            finally:
                self._loop = None
                loop.close()

    def _opened(self) -> SessionLoop | None:
        """The next session; None when the worker ends before there is one."""
        while not self._context.stop.is_set():
            try:
                self._loop = self._new_loop()
                self._context.failures.paused()
                self._is_patient = True
                return self._loop
            except Exception as error:  # noqa: BLE001 - whatever it is, the person is told and may correct it
                problem = as_problem(error)
            if not self._is_patient:
                log.error("The worker cannot start: %s", problem)
                self.failure = problem
                self._show(problem)
                return None
            wait = self._context.failures.failed(problem)
            self._show(problem)
            self._wait_without_session(wait, problem)
        return None

    def _new_loop(self) -> SessionLoop:
        session = self._open_session(self._take_privacy)
        try:
            return SessionLoop(session, self._context)
        except BaseException:
            session.close()
            raise

    def _show(self, problem: TaskclfError) -> None:
        self._publisher.publish(Snapshot(IconState.ATTENTION, problem.title, banner=self._context.banner()))

    def _wait_without_session(self, wait_seconds: float, problem: TaskclfError) -> None:
        """Answer every click with what is wrong, until it is time to try again or Reload now asks for it."""
        due = time.monotonic() + wait_seconds
        while not self._context.stop.is_set() and (left := due - time.monotonic()) > 0:
            for command in self._context.commands.others(left):
                if isinstance(command, ReloadNow):
                    return
                if command is not None:
                    self._publisher.tell([text.trouble(problem.title, problem.next_step)])

    def _welcome(self, session: Session) -> None:
        try:
            if self._context.banner() is None and session.is_first_start():
                self._publisher.tell([text.welcome(session.config.asks_per_day)])
        except TaskclfError as error:
            self._context.failures.failed(error)
        self._publisher.tell(session.messages)

    def _take_privacy(self) -> None:
        """Before every request to the source. Raises StoreError: then nothing is read."""
        if self._loop is not None:
            self._loop.take_privacy()
