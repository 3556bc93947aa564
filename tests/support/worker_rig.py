"""A worker on a home on disk, with a source and a notifier that tests hold in their hands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.app.serving import Overrides
from taskclf_tray.app.session import Session
from taskclf_tray.app.snapshot import Snapshot
from taskclf_tray.app.worker import Settings, TrayRuntime
from taskclf_tray.core.config import Config
from taskclf_tray.core.errors import AWConnectionError
from taskclf_tray.core.types import SourceEvents
from taskclf_tray.notify.base import Notice, Notifier, NotifyCapability, PressHandler
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.system.paths import HomePaths, prepare_home, require_home
from tests.support.processes import wait_until
from tests.support.worker_home import MORNING, copy_home, simulated_source

START = MORNING + timedelta(minutes=40)
BUNDLE = "2026-11-21_082102_run-9643"
FAST = Settings(
    poll_seconds=0.02, away_poll_seconds=0.02, simulated_poll_seconds=0.02, retry_seconds=(0.02, 0.04, 0.06)
)


class HeldSource(ActivitySource):
    """A simulated person that can be made to fail, and remembers what was asked."""

    name = "held"

    def __init__(self, clock: ManualClock) -> None:
        self._inner = simulated_source(clock)
        self.asked: list[tuple[datetime, datetime]] = []
        self.error: Exception | None = None
        self.during_read: Callable[[], None] = lambda: None
        self.is_open = True

    def now(self) -> datetime:
        return self._inner.now()

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        self.asked.append((start, end))
        self.during_read()
        if self.error is not None:
            raise self.error
        return self._inner.read(start, end)

    def status(self) -> SourceStatus:
        return self._inner.status()

    def close(self) -> None:
        self.is_open = False


class RecordingNotifier(Notifier):
    """Keeps what it was to show; presses its buttons when told."""

    name = "recording"

    def __init__(self, on_press: PressHandler | None = None) -> None:
        super().__init__(on_press)
        self.notices: list[Notice] = []
        self.withdrawn: list[str] = []
        self.can = frozenset({NotifyCapability.BODY, NotifyCapability.BUTTONS})
        self.error: Exception | None = None

    @property
    def capabilities(self) -> frozenset[NotifyCapability]:
        return self.can

    def _show(self, notice: Notice) -> None:
        if self.error is not None:
            raise self.error
        self.notices.append(notice)

    def _withdraw(self, tag: str) -> None:
        self.withdrawn.append(tag)

    def press(self, notice: Notice, key: str) -> None:
        self._pressed(notice, key)

    def questions(self) -> list[Notice]:
        return [notice for notice in self.notices if notice.tag is not None]

    def told(self, words: str) -> list[Notice]:
        return [notice for notice in self.notices if words in f"{notice.title} {notice.body}"]


class Watcher:
    """A listener that keeps everything."""

    shows_messages = False

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.steps: list[StepResult] = []
        self.messages: list[tuple[str, str]] = []

    def on_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)

    def on_step(self, step: StepResult) -> None:
        self.steps.append(step)

    def on_message(self, message: tuple[str, str]) -> None:
        self.messages.append(message)


class Rig:
    """One home; its worker can be started again and again."""

    def __init__(self, folder: Path, *, settings: Settings = FAST, overrides: Overrides | None = None) -> None:
        self.paths: HomePaths = prepare_home(copy_home(folder / "home"))
        self.clock = ManualClock(START)
        self.source = HeldSource(self.clock)
        self.notifier = RecordingNotifier(lambda tag, key: self.press(tag, key))
        self.press: PressHandler = lambda tag, key: None
        self.config = Config()
        self.watcher = Watcher()
        self.settings = settings
        self.overrides = overrides
        self.open_error: Exception | None = None
        self.switch = threading.Event()
        self.opened = 0
        self.time_zone = "UTC"

    def session(self, before_request: Callable[[], None] = lambda: None) -> Session:
        if self.open_error is not None:
            raise self.open_error
        require_home(self.paths, was_used=self.opened > 0)
        self.opened += 1
        return Session(
            self.paths,
            self.config,
            lambda _: self.source,
            overrides=self.overrides,
            time_zone=lambda: self.time_zone,
            before_request=before_request,
        )

    def runtime(self) -> TrayRuntime:
        def should_switch() -> bool:
            is_due = self.switch.is_set()
            self.switch.clear()
            return is_due

        runtime = TrayRuntime(
            self.session,
            self.notifier,
            settings=self.settings,
            listeners=[self.watcher],
            should_switch=should_switch,
        )
        self.press = runtime.pressed
        return runtime

    @contextmanager
    def running(self, *, is_patient: bool = True) -> Iterator[TrayRuntime]:
        runtime = self.runtime()
        runtime.start(is_patient=is_patient)
        try:
            yield runtime
        finally:
            runtime.stop()
            assert runtime.wait(120)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait at most 10 s."""
    wait_until(condition, what, 10)


def unreachable() -> AWConnectionError:
    """What an ActivityWatch that is down raises."""
    return AWConnectionError("No ActivityWatch server answers at http://localhost:5600.", "Start ActivityWatch.")
