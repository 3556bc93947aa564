"""The daily drift check: when it is due, its process, and the one notification that may follow.

The worker only starts the process and sees whether it has ended. A thread waits for the process and stores what it
found over a database connection of its own, so nothing here can delay the record.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from taskclf_tray.app import served_text
from taskclf_tray.app.publisher import Publisher
from taskclf_tray.app.services import Service
from taskclf_tray.app.session import Session
from taskclf_tray.app.text import Message
from taskclf_tray.core.errors import TaskclfError, describe_bug
from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.time import local_date as date_in_zone
from taskclf_tray.drift.memory import DriftMemory, Told, load_memory, take_in, update_memory
from taskclf_tray.drift.story import Story, stories_of, too_little_data, words
from taskclf_tray.drift.wording import TOO_SHORT
from taskclf_tray.jobs.child import ChildJob, JobStoppedError
from taskclf_tray.labels.blocks import Block
from taskclf_tray.labels.queue import ActiveLabelingQueue
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.report.days import local_date, near_us
from taskclf_tray.store.database import Database

log = logging.getLogger(__name__)

JOB: Final = "taskclf_tray.jobs.drift"
QUEUED_BLOCKS: Final = 50
"""How many of the least confident blocks are queued after a drift."""
LONGEST_SECONDS: Final = 300.0
NICENESS: Final = 15
ACTIVE_MINUTES: Final = 30
"""A day's check waits for half an hour of activity: not in the rush of logging in, and not for a day of absence."""
RETRY_SECONDS: Final = 3600.0
TRIES_A_DAY: Final = 3
_MAX_REPORT_BYTES: Final = 16 << 20
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)


@dataclass(slots=True)
class _ActiveMinutes:
    """Counts how many minutes of a day the person was active. Each minute is read once."""

    day: date
    count: int = 0
    seen_us: int = 0

    def count_on(self, database: Database, user_id: str) -> int:
        """Add the minutes recorded since the last call; returns the count of the day. Raises StoreError."""
        start_us, end_us = near_us(self.day)
        with database.reading():
            for record in database.buckets.iterate(user_id, max(start_us, self.seen_us), end_us):
                self.seen_us = record.start_us + 1
                self.count += record.decided_by != "idle_rule" and local_date(record) == self.day
        return self.count


class DriftWatch(Service):
    """Runs the drift check once a day; one for each session, in the worker's thread. Raises StoreError."""

    def __init__(self, session: Session, publisher: Publisher, *, job_module: str = JOB) -> None:
        self._session = session
        self._publisher = publisher
        self._job_module = job_module
        self._user_id = session.identity.user_id
        self._checked = load_memory(session.database, self._user_id).checked_day
        self._job: ChildJob | None = None
        self._thread: threading.Thread | None = None
        self._tried: tuple[date | None, int] = (None, 0)
        self._retry_at = 0.0
        self._active = _ActiveMinutes(date.min)

    @property
    def is_checking(self) -> bool:
        """Whether a check is under way."""
        return self._thread is not None and self._thread.is_alive()

    def on_step(self, step: StepResult) -> list[Message]:
        """Begin the day's check when it is due."""
        if not self.is_checking:
            if self._thread is not None:
                self._finish()
            if step.finalised:
                self._start_if_due()
        return []

    def _start_if_due(self) -> None:
        now, zone_name = self._session.now(), self._session.time_zone()
        today = date_in_zone(now, zone_name)
        if self._is_due(today - _DAY) and self._has_begun(today):
            self._start(today - _DAY)

    def close(self) -> None:
        """Cancel a check that is under way. It is repeated after the next start."""
        if self._job is not None and self._thread is not None:
            self._job.cancel()
            self._thread.join()

    # -- when -------------------------------------------------------------------------------------------------

    def _is_due(self, day: date) -> bool:
        """Whether the check of this day is due: once for each day that is over, even where a date comes twice.

        A failed check is repeated a few times. A check by a clock that was wrong by days does not count.
        """
        is_checked = self._checked is not None and day <= self._checked <= day + _DAY
        if is_checked or time.monotonic() < self._retry_at:
            return False
        return self._tried[0] != day or self._tried[1] < TRIES_A_DAY

    def _has_begun(self, today: date) -> bool:
        """Whether the person was active for half an hour of the day."""
        if self._active.day != today:
            self._active = _ActiveMinutes(today)
        return self._active.count_on(self._session.database, self._user_id) >= ACTIVE_MINUTES

    # -- the check --------------------------------------------------------------------------------------------

    def _start(self, day: date) -> None:
        """Begin the check of a day. A record that is too young is noted without a process."""
        if not self._is_old_enough(day):
            self._take_in(self._session.database, [], day, TOO_SHORT)
            self._checked = day
            return
        self._tried = (day, self._tried[1] + 1 if self._tried[0] == day else 1)
        self._job = ChildJob(self._job_module, self._request(day), timeout_seconds=LONGEST_SECONDS)
        self._thread = threading.Thread(target=self._run, args=(self._job, day), name="drift")
        self._thread.start()

    def _is_old_enough(self, day: date) -> bool:
        """Whether the record reaches back before both weeks that the check compares."""
        with self._session.database.reading():
            reach = self._session.database.buckets.reach(self._user_id)
        return reach is not None and reach[0] < near_us(day - _WEEK)[1]

    def _request(self, day: date) -> dict[str, Any]:
        serving = self._session.serving
        named = None if serving.follows_policy or serving.resolved is None else serving.resolved.bundle_dir
        return {
            "home": str(self._session.paths.home),
            "last_day": day.isoformat(),
            "models_dir": str(self._session.models_dir),
            "model_dir": None if named is None else str(named),
            "most_blocks": QUEUED_BLOCKS,
            "niceness": NICENESS,
        }

    def _finish(self) -> None:
        """Take note of what the finished thread has stored."""
        assert self._thread is not None
        self._thread.join()
        self._thread = self._job = None
        self._checked = load_memory(self._session.database, self._user_id).checked_day
        self._retry_at = 0.0 if self._checked == self._tried[0] else time.monotonic() + RETRY_SECONDS

    # -- the thread of a check --------------------------------------------------------------------------------

    def _run(self, job: ChildJob, day: date) -> None:
        """Run the check in its own thread. A failure is logged, and the check is repeated later."""
        try:
            answer = job.run(_log_warning)
            report = json.loads(read_regular(Path(answer["report"]), _MAX_REPORT_BYTES))
            if self._session.database.is_displaced():
                return  # opening would make a second, empty record
            with closing(Database(self._session.paths.database)) as database:
                self._take_in(
                    database, stories_of(report), day, too_little_data(report), [Block(**b) for b in answer["blocks"]]
                )
        except JobStoppedError as error:
            log.info("The drift check was stopped: %s", error)
        except TaskclfError as error:
            log.warning("The drift check failed: %s", error)
        except Exception as error:  # noqa: BLE001 - the edge of a thread: whatever it is, the app continues
            log.error("The drift check failed: %s", describe_bug(error))

    def _take_in(
        self, database: Database, stories: Sequence[Story], day: date, lacking: str | None, blocks: Sequence[Block] = ()
    ) -> None:
        """Store what was found. A new drift queues blocks, is stored as told, and then is told."""
        now = self._session.now()
        news: list[Told] = []

        def change(memory: DriftMemory) -> DriftMemory:
            after, story = take_in(memory, stories, day, now, lacking)
            if story is None:
                return after
            news.append(self._told(story, day, now, self._queued(database, blocks, now)))
            return after.noting(news[-1])

        update_memory(database, self._user_id, change)
        log.info("Checked for a drift up to %s: %s", day, lacking or f"{len(stories)} found, {len(news)} told.")
        self._publisher.tell([(told.title, told.body) for told in news])

    def _told(self, story: Story, day: date, now: datetime, queued: int) -> Told:
        names_apps = not self._session.config.privacy_notifications
        sentence = words(story, day + _DAY, names_apps=names_apps)
        return Told(now, day, story.key, *served_text.drift_notice(sentence, queued))

    def _queued(self, database: Database, blocks: Sequence[Block], now: datetime) -> int:
        """Queue the blocks that a label would help with; returns how many of them wait, with those that did before."""
        zone_name = self._session.time_zone()
        queue = ActiveLabelingQueue.over(database, time_zone=self._session.time_zone)
        queue.enqueue_blocks(self._user_id, blocks, at=now, zone=zone_name, reason="drift")
        with database.reading():
            waiting = {request.start_us for request in database.requests.pending(self._user_id)}
        return sum(block.start_us in waiting for block in blocks)


def _log_warning(event: dict[str, Any]) -> None:
    if event["event"] == "warning":
        log.warning("%s", event["text"])
