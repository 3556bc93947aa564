"""Asking the person: keeps the queue in step with the record, and puts a question when the budget allows it.

`labels.budget` decides. This module collects what it decides on and shows the question. An interruption is stored
before it is shown, so that a kill in between can only make the app ask less.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from datetime import datetime, timedelta
from typing import Final

from taskclf_tray.app import text
from taskclf_tray.app.publisher import Publisher
from taskclf_tray.app.questions import ASK_TAG, AskFacts, AwayWatch, question_notice
from taskclf_tray.app.services import Service, Tick
from taskclf_tray.app.session import Session
from taskclf_tray.app.text import Message
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.labels.asking_state import effective_cap, load_asking, review_backoff, update_asking
from taskclf_tray.labels.blocks import Block, is_long_enough
from taskclf_tray.labels.budget import (
    LATEST_QUEUED,
    LONGEST_DEFERRAL,
    LONGEST_MEMORY,
    AskSettings,
    Candidate,
    Decision,
    Moment,
    decide,
)
from taskclf_tray.labels.finalised_blocks import close_blocks
from taskclf_tray.labels.learning import unproven_below
from taskclf_tray.labels.queue import ActiveLabelingQueue
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.record.recorder import StepResult
from taskclf_tray.store.requests import LabelRequest
from taskclf_tray.system.attention import attention_now
from taskclf_tray.system.paths import home_dir

log = logging.getLogger(__name__)

_SLEEP: Final = timedelta(minutes=10)
"""The clock went on by so much between two looks at it: the machine slept."""
_REVIEW_EVERY: Final = timedelta(hours=1)


class Asker(Service):
    """Queues blocks and asks about them; one for each session, in the worker's thread. Raises StoreError."""

    def __init__(self, session: Session, publisher: Publisher) -> None:
        self._session = session
        self._publisher = publisher
        self._database = session.database
        self._user_id = session.identity.user_id
        self._settings = AskSettings.from_config(session.config)
        self._queue = ActiveLabelingQueue.over(session.database, time_zone=session.time_zone)
        self._facts = AskFacts(session.database, self._user_id)
        self._away = AwayWatch(session.database, self._user_id)
        self._resumed_at = self._seen_at = session.now()
        self._review_at = self._seen_at
        self._breakpoint_at: datetime | None = None
        self._is_in_call = False
        self._recent: dict[int, tuple[datetime, Block]] = {}
        self._failed: set[int] = set()
        self._open: str | None = None

    def on_tick(self, tick: Tick) -> list[Message]:
        """Note the end of a pause, and take back a question that was answered in another place."""
        if tick.has_resumed:
            self._resumed_at = self._session.now()
        if tick.has_new_labels:
            self._withdraw_answered()
        return []

    def on_step(self, step: StepResult) -> list[Message]:
        """Queue the blocks that have closed, and ask when it is worth it."""
        self._follow(step.live, has_new_minutes=bool(step.finalised or step.revised))
        return []

    def _follow(self, live: LiveLabel | None, *, has_new_minutes: bool) -> None:
        now = self._session.now()
        if now - self._seen_at > _SLEEP:
            self._resumed_at = now
        self._seen_at = now
        if has_new_minutes:
            self._queue_closed_blocks(now)
        if live is None:
            return
        self._queue_gap(live, now)
        self._follow_call(live, now)
        self._review_backoff(now)
        if self._breakpoint_at is not None and now - self._breakpoint_at <= LONGEST_DEFERRAL:
            self._ask_if_worth_it(live, now)

    def _withdraw_answered(self) -> None:
        """Withdraw the open question when it was answered elsewhere."""
        if self._open is None:
            return
        with self._database.reading():
            request = self._database.requests.get(self._open)
        if request is None or request.status != "pending":
            self.close()

    def close(self) -> None:
        """Withdraw the open question, since nobody would receive the answer. Its block waits in the queue."""
        if self._open is not None:
            self._publisher.withdraw(ASK_TAG + self._open)
            self._open = None

    # -- the queue --------------------------------------------------------------------------------------------

    def _queue_closed_blocks(self, now: datetime) -> None:
        recorder = self._session.recorder
        if recorder is None or recorder.high_water_mark is None:
            return
        until_us, ahead = to_us(recorder.high_water_mark), recorder.smoothing_buckets
        unproven = unproven_below(self._database, self._user_id) if self._session.serving.is_starter else 0.0
        with self._database.transaction():
            closed = close_blocks(self._database, self._user_id, until_us=until_us, ahead_buckets=ahead)
            askable = [item.block for item in closed if is_long_enough(item.block) and item.block.is_askable]
            waiting = self._database.requests.pending(self._user_id)
            audits = {request.start_us for request in waiting if request.reason == "audit"}
            low = [dataclasses.replace(block, is_low=True) for block in askable if self._is_low(block, unproven)]
            kept = {block.start_us for block in low} | (audits & {block.start_us for block in askable})
            if closed.open_us is not None:
                kept.add(closed.open_us)
            self._queue.withdraw_missing(self._user_id, closed.start_us, closed.end_us, kept)
            self._queue.enqueue_blocks(self._user_id, low, at=now, zone=self._session.time_zone())
        self._remember(askable, now)

    def _is_low(self, block: Block, unproven_below: float) -> bool:
        below = self._session.overrides.ask_below
        return block.is_low or block.confidence < unproven_below if below is None else block.confidence < below

    def _remember(self, blocks: list[Block], now: datetime) -> None:
        """Keep the blocks of the last two hours. The end of a block is a breakpoint."""
        oldest_us = to_us(now - LONGEST_MEMORY)
        self._recent = {start_us: seen for start_us, seen in self._recent.items() if start_us >= oldest_us}
        self._failed = {start_us for start_us in self._failed if start_us in self._recent}
        for block in blocks:
            is_new = block.start_us not in self._recent
            if is_new and now - from_us(block.end_us) <= LATEST_QUEUED:
                self._breakpoint_at = now
            if block.start_us >= oldest_us:
                self._recent[block.start_us] = (now if is_new else self._recent[block.start_us][0], block)

    def _queue_gap(self, live: LiveLabel, now: datetime) -> None:
        zone_name = self._session.time_zone()
        gap = self._away.returned(live, zone_name)
        if gap is not None:
            self._breakpoint_at = now
            self._queue.enqueue_gap(self._user_id, *gap, at=now, zone=zone_name)

    def _follow_call(self, live: LiveLabel, now: datetime) -> None:
        """Follow a call: it lasts while its window is in front after somebody has listened. Its end is a breakpoint."""
        was_in_call, self._is_in_call = self._is_in_call, live.is_listening or (self._is_in_call and live.is_call)
        if was_in_call and not self._is_in_call:
            self._breakpoint_at = now

    # -- asking -----------------------------------------------------------------------------------------------

    def _ask_if_worth_it(self, live: LiveLabel, now: datetime) -> None:
        moment = self._moment(live, now)
        candidates = [c for c in self._facts.candidates(now, self._recent) if to_us(c.start) not in self._failed]
        memory = self._facts.memory(moment)
        decision = decide(candidates, moment, memory, self._settings, user_id=self._user_id)
        if decision.ask is not None:  # the desktop is looked at only when it matters
            moment = _attentive(moment)
            decision = decide(candidates, moment, memory, self._settings, user_id=self._user_id)
        if decision.ask is not None:
            self._ask(decision.ask, decision, moment)

    def _moment(self, live: LiveLabel, now: datetime) -> Moment:
        return Moment(
            now=now,
            time_zone=self._session.time_zone(),
            breakpoint_at=self._breakpoint_at,
            resumed_at=self._resumed_at,
            is_meeting=live.is_meeting or self._is_in_call,
            is_full_screen=False,
            is_do_not_disturb=False,
            is_away=live.is_away or live.is_still,
            is_dark=bool(self._session.open_blackouts()),
        )

    def _ask(self, candidate: Candidate, decision: Decision, moment: Moment) -> None:
        request = self._request_of(candidate, moment)
        if request is None:
            return
        today = moment.local.date().isoformat()
        with self._database.transaction():
            ask_id = self._database.asks.add(
                self._user_id, request.request_id, to_us(moment.now), today, is_random=decision.is_random
            )
        private = self._session.config.privacy_notifications
        notice = question_notice(
            request,
            has_buttons=self._publisher.has_buttons(),
            is_first=decision.is_first,
            app=None if private or request.reason == "gap" else self._facts.app_of(request.start_us, request.end_us),
        )
        self.close()
        if self._publisher.ask(notice, self._in_terminal(request)):
            log.info("Asked about %d minutes.", (request.end_us - request.start_us) // 60_000_000)
            self._open = request.request_id
            return
        log.warning("A question could not be shown; it waits in the queue.")
        self._failed.add(request.start_us)
        with self._database.transaction():
            self._database.asks.remove(ask_id)

    def _in_terminal(self, request: LabelRequest) -> str:
        home = self._session.paths.home
        return text.question_in_terminal(request.request_id, None if home == home_dir(None) else str(home))

    def _request_of(self, candidate: Candidate, moment: Moment) -> LabelRequest | None:
        """The queue entry of a candidate; created here for a block that was chosen at random."""
        start_us = to_us(candidate.start)
        with self._database.transaction():
            if self._database.requests.at(self._user_id, start_us) is None and start_us in self._recent:
                block = self._recent[start_us][1]
                self._queue.enqueue_blocks(self._user_id, [block], at=moment.now, zone=moment.time_zone, reason="audit")
            request = self._database.requests.at(self._user_id, start_us)
        return request if request is not None and request.status == "pending" else None

    # -- the back-off -----------------------------------------------------------------------------------------

    def _review_backoff(self, now: datetime) -> None:
        """Check once an hour how many questions of the last week were answered."""
        if now < self._review_at:
            return
        self._review_at = now + _REVIEW_EVERY
        state = load_asking(self._database, self._user_id)
        with self._database.reading():
            asks = self._database.asks.since(
                self._user_id, 0 if state.reviewed_at is None else to_us(state.reviewed_at)
            )
        cap = self._settings.asks_per_day
        found = review_backoff(
            asks, now, cap_halvings=state.cap_halvings, reviewed_at=state.reviewed_at, asks_per_day=cap
        )
        update_asking(
            self._database,
            self._user_id,
            lambda s: dataclasses.replace(s, cap_halvings=found.cap_halvings, reviewed_at=found.reviewed_at),
        )
        if found.is_changed:
            after = effective_cap(cap, found.cap_halvings)
            is_less = found.cap_halvings > state.cap_halvings
            self._publisher.tell([text.asking_halved(after) if is_less else text.asking_restored(after)])


def _attentive(moment: Moment) -> Moment:
    """Add what the desktop says about the person's attention to the moment."""
    attention = attention_now(os.environ, sys.platform)
    return dataclasses.replace(
        moment, is_full_screen=attention.is_full_screen, is_do_not_disturb=attention.is_do_not_disturb
    )
