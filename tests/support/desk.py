"""The real worker at a told desk: windows and time away by the second, and a model that answers as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from taskclf_tray.adapters.base import ActivitySource, SourceStatus
from taskclf_tray.app.session import Session
from taskclf_tray.app.session_loop import SessionLoop
from taskclf_tray.app.snapshot import Snapshot
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.config import Config
from taskclf_tray.core.types import LABEL_SET_V1, AWAwayEvent, SourceEvents
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.labels.current import current_block
from taskclf_tray.simulation.person import ManualClock
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import prepare_home
from tests.support.events import at, win
from tests.support.worker_home import USER, copy_home
from tests.support.worker_rig import RecordingNotifier

AWAY_AFTER = 180
"""The away watcher reports so many seconds later, backwards."""


class Told(ActivitySource):
    """What was in front and when nobody was there, in seconds after 08:00; nothing is known of the future."""

    name = "told"

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.front: list[tuple[float, float, str]] = []
        self.gone: list[tuple[float, float]] = []

    def now(self) -> datetime:
        return self.clock.now()

    def read(self, start: datetime, end: datetime) -> SourceEvents:
        now = (min(self.now(), end) - at(0)).total_seconds()
        begin = (start - at(0)).total_seconds()
        window = [
            win(max(a, begin), min(b, now) - max(a, begin), app, event_id=number)
            for number, (a, b, app) in enumerate(self.front)
            if a < now and b > begin
        ]
        away, present = [], 0.0
        for a, b in self.gone:
            if now >= a + AWAY_AFTER:
                away += [_word(present, a, begin, now, is_away=False), _word(a, b, begin, now, is_away=True)]
                present = b
        away.append(_word(present, now, begin, now, is_away=False))
        return SourceEvents(start, end, tuple(window), away=tuple(word for word in away if word is not None))

    def status(self) -> SourceStatus:
        return SourceStatus(self.name, True, frozenset(), "Told.")


def _word(a: float, b: float, begin: float, now: float, *, is_away: bool) -> AWAwayEvent | None:
    a, b = max(a, begin), min(b, now)
    return AWAwayEvent(at(a), b - a, is_away) if a < b else None


class ToldModel:
    """Every row is `label`, as sure as `share`."""

    label = "Build"
    share = 0.9

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        answer = np.full((len(matrix), 8), (1 - self.share) / 7)
        answer[:, LABEL_SET_V1.index(self.label)] = self.share
        return answer


class Desk:
    """The worker of a home, polled by hand. Times are seconds after 08:00."""

    def __init__(self, home: Path, **config: Any) -> None:
        self.paths = prepare_home(copy_home(home))
        self.paths.taxonomy.unlink()
        self.clock = ManualClock(at(0))
        self.source, self.model = Told(self.clock), ToldModel()
        self.config = {"model": self.model, "reject_threshold": 0.55, "config_id": "told", **config}
        self.start()

    def start(self) -> None:
        """The app starts."""
        self.runtime = TrayRuntime(lambda _: self.session, RecordingNotifier())
        self.session = Session(self.paths, Config(), lambda _: self.source, time_zone=lambda: "UTC")
        self.session.database._connection.execute("PRAGMA synchronous = OFF")  # no question of the disk
        self.session.serving.config = PipelineConfig(**self.config)
        self.loop = self.runtime._loop = SessionLoop(self.session, self.runtime._context)

    def stop(self) -> None:
        """The app ends, if it runs."""
        self.loop.close()

    def kill(self) -> None:
        """The app is gone without a word."""
        self.session.note_block = lambda *_: None  # type: ignore[method-assign]
        self.session._block_note.remove = lambda: None  # type: ignore[method-assign]
        self.stop()

    @property
    def seconds(self) -> float:
        """What the clock shows."""
        return (self.clock.now() - at(0)).total_seconds()

    def sit(self, app: str, seconds: float) -> None:
        """This app is in front for so long, from now on; the clock does not move."""
        self.source.front.append((self.seconds, self.seconds + seconds, app))

    def poll(self, seconds: float = 0.0, *, every: float = 5.0) -> Snapshot:
        """Let time pass, with a poll now and then, and one at the end; what shows then."""
        until = self.seconds + seconds
        while self.seconds < until:
            self.clock.advance(min(every, until - self.seconds))
            self.look()
        return self.runtime.snapshot

    def look(self) -> Snapshot:
        """One poll."""
        while self.loop._poll() == 0.0:
            pass
        self.loop._tick()
        self.loop._refresh()
        return self.runtime.snapshot

    def work(self, app: str, seconds: float, *, every: float = 5.0) -> Snapshot:
        """Work in an app for so long."""
        self.sit(app, seconds)
        return self.poll(seconds, every=every)

    def command_starts(self) -> float | None:
        """Where `labels now` would begin, in another process."""
        database = Database(self.paths.database, read_only=True)
        try:
            block = current_block(database, USER, self.clock.now())
        finally:
            database.close()
        return None if block is None else (block[0] - at(0)).total_seconds()

    def tray_starts(self) -> float | None:
        """Where `Label this as` would begin."""
        start = self.runtime.snapshot.block_start
        return None if start is None else (start - at(0)).total_seconds()

    def label(self, label: str) -> None:
        """`labels now`, in this process."""
        start = self.command_starts()
        assert start is not None
        self.session.labels.add(at(start), self.clock.now(), label, at=self.clock.now(), is_growing=True)


@contextmanager
def desk_in(folder: Path, **config: Any) -> Iterator[Desk]:
    """A desk, its worker ended in the end."""
    desk = Desk(folder / "home", **config)
    try:
        yield desk
    finally:
        desk.stop()
