"""What accompanies the record of a session: the seam of its services, and those that are a few lines long."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from taskclf_tray.app import text
from taskclf_tray.app.commands import Command, StartAtLogin
from taskclf_tray.app.failures import Tell, as_problem
from taskclf_tray.app.session import Session
from taskclf_tray.app.stream_watch import StreamWatch
from taskclf_tray.app.text import Message
from taskclf_tray.core.errors import RecordMovedError, SystemToolError
from taskclf_tray.core.time import from_us, local_date, local_day_bounds, to_us
from taskclf_tray.labels.blocks import MAX_BLOCK_SECONDS
from taskclf_tray.labels.presence import EXCURSION
from taskclf_tray.labels.queue_list import QueueList
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.record.rewrite import HistoryRewriter
from taskclf_tray.system.autostart import login_start

log = logging.getLogger(__name__)

OUTPUT_SECONDS = 60.0
"""The files beside the record are brought up to date this often at most."""
LOGIN_SECONDS: Final = 5.0
"""How often the entry for the start at login is looked at."""
MINUTES_A_TICK: Final = 1000
"""How many aged minutes a tick deletes."""
REWRITE_RETRY_SECONDS: Final = 600.0
"""Wait between two attempts to re-infer the record."""
TODAY_SECONDS: Final = 1.0
"""How long a tick may re-infer today after an answer."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What a service is told about once a second."""

    is_caught_up: bool
    """The record reaches up to now, and no pause keeps it from that."""
    has_resumed: bool = False
    """A pause or private mode has ended since the last tick."""
    has_new_labels: bool = False
    """The label writer or another process has written since the last tick."""


class Service:
    """One concern beside the record. A session opens its services and closes them in order.

    Each method runs in the worker's thread and may raise TaskclfError, which costs neither a minute nor another
    service. What a method returns is told to the person.
    """

    def on_step(self, step: StepResult) -> list[Message]:
        """Follow the record, which has just come up to now."""
        return []

    def on_tick(self, tick: Tick) -> list[Message]:
        """Look at files and timers, about once a second."""
        return []

    def on_command(self, command: Command) -> list[Message] | None:
        """Carry out a command of this service. Returns None for a command of another one."""
        return None

    def close(self) -> None:
        """End what this service has begun."""


class PutBackClock(Service):
    """Returns what a wrong clock has set aside. Every view has counted without it, so the session restarts."""

    def __init__(self, session: Session) -> None:
        self._clock = session.clock
        self.has_given_back = False

    def on_step(self, step: StepResult) -> list[Message]:
        """Return it once the record is up to date."""
        if not self._clock.is_due:
            return []
        messages = self._clock.give_back()
        self.has_given_back = True
        return messages


class GrowingLabel(Service):
    """Extends the label that the person gave to the current block, until the block ends."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._growth = LabelGrowth(session.labels, session.front_at)

    def on_step(self, step: StepResult) -> list[Message]:
        """Extend it, or end it."""
        now = self._session.now()
        self._growth.follow(step.live, now, is_dark=lambda: bool(self._session.open_blackouts()))
        return []


class DamagedMinutes(Service):
    """Records damaged minutes again."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def on_step(self, step: StepResult) -> list[Message]:
        """Read a few of them from the source again."""
        return self._session.mend()


class Retention(Service):
    """Deletes recorded minutes older than `retention_days`, once a day, a few on each tick; labels stay."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._done_on: date | None = None
        self._deleted = 0

    def on_tick(self, tick: Tick) -> list[Message]:
        """Delete the next of them while the record is up to date."""
        session, now = self._session, self._session.now()
        today = local_date(now, session.time_zone())
        if not tick.is_caught_up or self._done_on == today:
            return []
        before_us = to_us(now - timedelta(days=session.config.retention_days))
        with session.database.transaction():
            deleted = session.database.aged.delete(session.identity.user_id, before_us, MINUTES_A_TICK)
        self._deleted += deleted
        is_done = deleted < MINUTES_A_TICK and (not self._deleted or session.database.fold())  # the log holds them, too
        if is_done:
            if self._deleted:
                log.info("%d minutes older than retention_days were deleted.", self._deleted)
            self._done_on, self._deleted = today, 0
        return []


class RecordRewriting(Service):
    """Re-infers the record after another model or head is served, a chunk of buckets on each tick.

    What an answer has changed of today is re-inferred at once, in one tick.
    """

    def __init__(self, session: Session, stepped: Callable[[StepResult], None]) -> None:
        """`stepped`: passes revised buckets on to the views."""
        self._session = session
        self._stepped = stepped
        self._rewriter = HistoryRewriter(session.database, session.identity.user_id)
        self._config_id: str | None = None
        self._retry_at = 0.0
        self._is_today = False

    def begin(self, bundle_id: str) -> None:
        """Re-infer all of the record with this model, once it is served."""
        self._rewriter.begin(bundle_id)
        self._is_today = False

    def begin_today(self, bundle_id: str) -> None:
        """Re-infer today with this model, which is served."""
        now = self._session.now()
        self._rewriter.begin_at(bundle_id, local_day_bounds(now, self._session.time_zone())[0])
        self._is_today = True

    @property
    def relabelled(self) -> list[datetime] | None:
        """Starts of the buckets of today that have another label since `begin_today`; None before it is done."""
        return self._rewriter.relabelled() if self._rewriter.is_done else None

    def on_tick(self, tick: Tick) -> list[Message]:
        """Re-infer some of it. A failure is logged, and tried again later."""
        until = time.monotonic() + TODAY_SECONDS
        while tick.is_caught_up and time.monotonic() >= self._retry_at and self._advanced():
            if not self._is_today or self._rewriter.is_done or time.monotonic() >= until:
                break
        return []

    def _advanced(self) -> bool:
        """Re-infer a chunk. Returns False when there was nothing to do, or it failed."""
        serving = self._session.serving
        if serving.config is None or serving.resolved is None:
            return False
        try:
            if self._config_id != serving.config.config_id:
                self._rewriter.follow()
                self._config_id = serving.config.config_id
            is_pending = self._rewriter.is_pending(serving.resolved.bundle_id)
            revised = self._rewriter.advance(serving.config, serving.resolved.bundle_id, self._session.now())
        except Exception as error:  # noqa: BLE001 - what was recorded stays; minutes to come must not suffer
            log.warning("The record could not be re-inferred: %s", as_problem(error))
            self._retry_at = time.monotonic() + REWRITE_RETRY_SECONDS
            return False
        if revised:
            self._stepped(StepResult(revised=tuple(revised)))
        return is_pending


class SharedQueueList(Service):
    """Keeps the taskclf tool's list of questions in step with the queue."""

    def __init__(self, session: Session) -> None:
        session.paths.tool_queue.parent.mkdir(parents=True, exist_ok=True)
        self._list = QueueList(session.paths.tool_queue, session.database)
        self._time_zone = session.time_zone

    def on_step(self, step: StepResult) -> list[Message]:
        """Write the list after a new minute; else read what the tool has changed."""
        in_step = self._list.push if step.finalised or step.revised else self._list.pull
        in_step(self._time_zone())
        return []


class ServedFiles(Service):
    """Follows edits of policy, model and taxonomy files."""

    def __init__(self, session: Session, without_own: Callable[[list[Message]], list[Message]]) -> None:
        """`without_own` drops the messages about changes that this program has made itself."""
        self._serving = session.serving
        self._without_own = without_own

    def on_tick(self, tick: Tick) -> list[Message]:
        """Serve what has changed."""
        return self._without_own(self._serving.check())


class SourceStreams(Service):
    """Says once what the source delivers and the app does not read, and when windows stay away."""

    def __init__(self, session: Session, tell: Tell) -> None:
        self._session = session
        self._watch = StreamWatch(session.database, tell)

    def on_step(self, step: StepResult) -> list[Message]:
        """Look at the buckets of the source."""
        self._watch.look(self._session.source.buckets(), self._session.now())
        return []


class LoginEntry(Service):
    """Whether the app starts at login, which other programs may change as well."""

    def __init__(self, session: Session) -> None:
        self._entry = login_start(session.config_path.parent)
        self._due = 0.0
        self.is_on = False
        self._look()

    def on_tick(self, tick: Tick) -> list[Message]:
        """Look at the entry now and then."""
        if time.monotonic() >= self._due:
            self._look()
        return []

    def on_command(self, command: Command) -> list[Message] | None:
        """Switch it. Raises SystemToolError."""
        if not isinstance(command, StartAtLogin):
            return None
        self.is_on = self._entry.switch(command.is_on).is_on
        return []

    def _look(self) -> None:
        self._due = time.monotonic() + LOGIN_SECONDS
        with contextlib.suppress(SystemToolError):  # `doctor` and a click say what is wrong with it
            self.is_on = self._entry.state().is_on


class OutputFiles(Service):
    """Keeps the files beside the record up to date. A folder that cannot be written is told once."""

    def __init__(self, session: Session, tell: Tell, is_caught_up: Callable[[], bool]) -> None:
        """`is_caught_up` says at the end whether the record reaches up to now."""
        self._session = session
        self._tell = tell
        self._is_caught_up = is_caught_up
        self._due = 0.0
        self._has_failed = False
        self.is_void = False
        """What this session has counted is of another time, so nothing is written at its end."""

    def on_step(self, step: StepResult) -> list[Message]:
        """Write what has changed, at most once in `OUTPUT_SECONDS`."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + OUTPUT_SECONDS
            self._write()
        return []

    def close(self) -> None:
        """Write everything, including the reports of unfinished days."""
        if not self.is_void:
            self._write(is_caught_up=self._is_caught_up(), is_last=True)

    def _write(self, *, is_caught_up: bool = True, is_last: bool = False) -> None:
        if self._session.database.is_displaced():
            return  # its folder may have gone with it, and must not be made again
        try:
            try:
                self._tell(self._session.copy_labels(is_last=is_last))
            finally:
                self._session.write_outputs(is_caught_up=is_caught_up, is_last=is_last)
            self._has_failed = False
        except RecordMovedError:
            return  # the loop notices it, and tells it
        except Exception as error:  # noqa: BLE001 - files for other tools must not cost the record
            problem = as_problem(error)
            if not self._has_failed:
                log.warning("%s", problem)
                self._tell([text.trouble(problem.title, problem.next_step)])
            self._has_failed = True


_MAX_BLOCK: Final = timedelta(seconds=MAX_BLOCK_SECONDS)


class LabelGrowth:
    """Extends a label that was given to the current block until the work changes.

    While it is extended, the label holds for every later moment, whatever the model predicts at a single poll. It ends
    30 min after its start, as a block does; at once with a pause, a gap or time away; and when the model has predicted
    other work for three minutes. While the same app stays in front, a rejected prediction is not other work, and
    neither is another prediction in the first three minutes of the label: the live label follows a change of work only
    after a minute or two.
    """

    def __init__(self, labels: LabelStore, front_at: Callable[[datetime], str | None]) -> None:
        """`front_at`: the app in front at a moment, None where that is not known any more."""
        self._labels = labels
        self._front_at = front_at
        self._span_id: int | None = None
        self._app: str | None = None
        """The app it was given to."""
        self._ui_label: str | None = None
        """The model's answer that the label goes along with."""
        self._answered: str | None = None
        """The model's last answer; None while it does not know."""

    def follow(self, live: LiveLabel | None, now: datetime, *, is_dark: Callable[[], bool]) -> None:
        """Extend the label with its block, or end it. `is_dark`: whether a pause or private mode is on."""
        before = self._answered
        self._answered = None if live is None or live.is_unsure else live.prediction.ui_label
        growing = self._labels.growing()
        if growing is None:
            return
        if growing.id != self._span_id:
            self._span_id, self._ui_label = growing.id, before
            self._app = self._front_at(from_us(growing.start_us))
        start = from_us(growing.start_us)
        if live is not None and live.is_away:
            self._labels.stop_growing(at=live.away_since or live.prediction.bucket_start_ts)
        elif is_dark() or (live is not None and live.unbroken_since is not None and live.unbroken_since > start):
            self._labels.stop_growing()
        elif live is not None and live.prediction.bucket_end_ts - from_us(growing.end_us) > _MAX_BLOCK:
            self._labels.stop_growing()  # it was given to a time that is long over: nothing after it is meant
        elif live is not None and self._goes_on(live, start):
            self._labels.grow(min(live.prediction.bucket_end_ts, start + _MAX_BLOCK))
            if live.prediction.bucket_end_ts >= start + _MAX_BLOCK:
                self._labels.stop_growing()
        elif now - from_us(growing.end_us) > EXCURSION:
            self._labels.stop_growing()

    def _goes_on(self, live: LiveLabel, start: datetime) -> bool:
        """Whether this answer speaks of the work that began at `start`."""
        is_sure = self._answered is not None
        if is_sure and self._answered == self._ui_label:
            return True
        is_same_app = self._app in (None, live.app)
        if self._ui_label is None:
            goes_on = is_same_app or live.since <= start
        else:
            goes_on = is_same_app and (not is_sure or live.since <= start + EXCURSION)
        if goes_on and is_sure:
            self._ui_label = self._answered
        return goes_on
