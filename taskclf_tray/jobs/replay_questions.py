"""The app's questions in a replay: asked by its own policy, answered from the person's labels."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from taskclf_tray.core.defaults import DEFAULT_MAX_ASKS_PER_DAY
from taskclf_tray.core.time import from_us, local_date, to_us
from taskclf_tray.core.types import LabelSpan
from taskclf_tray.labels.blocks import Block, is_long_enough
from taskclf_tray.labels.budget import (
    BAR_DAYS,
    LATEST_QUEUED,
    LONGEST_MEMORY,
    AskMemory,
    AskSettings,
    Candidate,
    Moment,
    decide,
    scores_later_in_day,
    silence,
)
from taskclf_tray.labels.finalised_blocks import close_blocks
from taskclf_tray.labels.learning import unproven_below
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.store.database import Database

_SLEEP: Final = timedelta(minutes=10)
"""A longer time between two polls means that the machine slept."""


@dataclass(slots=True)
class ReplayedQuestions:
    """Asks about blocks by the app's own policy, and answers as the labels say; time away is not asked about.

    A block that no label covers to one half stays unanswered, and the question counts all the same.
    """

    database: Database
    store: LabelStore
    user_id: str
    settings: AskSettings
    labels: Sequence[LabelSpan]
    time_zone: str
    is_starter: bool = True
    """Whether the model in use was trained on simulated people only."""
    _open: dict[int, Candidate] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _queued: list[Candidate] = field(default_factory=list)
    _asks: list[datetime] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _first_day: date | None = None
    _breakpoint_at: datetime | None = None
    _resumed_at: datetime | None = None
    _polled_at: datetime | None = None

    def after_step(self, recorder: Recorder, live: LiveLabel | None, now: datetime) -> bool:
        """Note the blocks that have closed, and ask about one when it is worth it; whether that was answered."""
        if self._polled_at is None or now - self._polled_at > _SLEEP:
            self._resumed_at = now
        self._polled_at = now
        self._first_day = self._first_day or local_date(now, self.time_zone)
        self._note_closed(recorder, now)
        return live is not None and self._breakpoint_at is not None and self._is_answered(live, now)

    def _note_closed(self, recorder: Recorder, now: datetime) -> None:
        assert recorder.high_water_mark is not None
        unproven = unproven_below(self.database, self.user_id) if self.is_starter else 0.0
        with self.database.transaction():
            closed = close_blocks(
                self.database,
                self.user_id,
                until_us=to_us(recorder.high_water_mark),
                ahead_buckets=recorder.smoothing_buckets,
            )
        for block in (item.block for item in closed):
            if is_long_enough(block) and block.is_askable:
                self._note(dataclasses.replace(block, is_low=block.is_low or block.confidence < unproven), now)
        self._open = {start: found for start, found in self._open.items() if now - found.end <= LONGEST_MEMORY}

    def _note(self, block: Block, now: datetime) -> None:
        is_new = block.start_us not in self._seen
        self._seen.add(block.start_us)
        if is_new and now - from_us(block.end_us) <= LATEST_QUEUED:
            self._breakpoint_at = now
        if not is_new and block.start_us not in self._open:
            return  # asked about already, or too long ago
        created = now if is_new else self._open[block.start_us].created
        today = local_date(now, self.time_zone)
        queued = sum(local_date(found.created, self.time_zone) == today for found in self._queued)
        is_low = block.is_low and (not is_new or queued < DEFAULT_MAX_ASKS_PER_DAY)
        candidate = Candidate(
            str(block.start_us), from_us(block.start_us), from_us(block.end_us), created, block.confidence,
            block.predicted_label, "low_confidence" if is_low else "audit",
        )  # fmt: skip
        self._open[block.start_us] = candidate
        if is_low and is_new:
            self._queued = [found for found in self._queued if now - found.end <= timedelta(days=BAR_DAYS + 1)] + [
                candidate
            ]

    def _is_answered(self, live: LiveLabel, now: datetime) -> bool:
        """Ask about a block if it is worth it; whether that was answered."""
        moment = Moment(
            now=now,
            time_zone=self.time_zone,
            breakpoint_at=self._breakpoint_at,
            resumed_at=self._resumed_at,
            is_meeting=live.is_meeting,
            is_full_screen=False,
            is_do_not_disturb=False,
            is_away=live.is_away or live.is_still,
            is_dark=False,
        )
        today = moment.local.date()
        memory = AskMemory(
            first_day=self._first_day,
            last_ask_at=self._asks[-1] if self._asks else None,
            asked_today=sum(local_date(at, self.time_zone) == today for at in self._asks),
            asked_ever=len(self._asks),
            is_on=True,
            snoozed_until=None,
            quiet_until=None,
            cap_halvings=0,
            label_counts=self._counts,
        )
        if silence(moment, memory, self.settings) is not None:
            return False
        later = scores_later_in_day(self._queued, moment, self._counts)
        memory = dataclasses.replace(memory, later_scores=later)
        decision = decide(list(self._open.values()), moment, memory, self.settings, user_id=self.user_id)
        return decision.ask is not None and self._ask(decision.ask, now)

    def _ask(self, block: Candidate, now: datetime) -> bool:
        self._asks.append(now)
        del self._open[to_us(block.start)]
        label = self._answer(to_us(block.start), to_us(block.end))
        if label is not None:
            self._counts[label] += 1
            self.store.add(block.start, block.end, label, at=now, provenance="answer")
        return label is not None

    def _answer(self, start_us: int, end_us: int) -> str | None:
        """The label of most of the block; None where that is less than half of it."""
        held_us: Counter[str] = Counter()
        for label, begin_us, stop_us in self._near(start_us, end_us):
            held_us[label] += min(end_us, stop_us) - max(start_us, begin_us)
        label, most_us = max(held_us.items(), key=lambda item: item[1], default=("", 0))
        return label if 2 * most_us >= end_us - start_us and most_us else None

    def _near(self, start_us: int, end_us: int) -> Iterator[tuple[str, int, int]]:
        for label in self.labels:
            begin_us, stop_us = to_us(label.start_ts), to_us(label.end_ts)
            if begin_us < end_us and stop_us > start_us:
                yield label.label, begin_us, stop_us
