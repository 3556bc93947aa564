"""The facts behind a question, and its form.

Reads from the database what the asking policy decides on, notices the return from time away, and turns a question into
a notification whose buttons have keys.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from taskclf_tray.adapters.apps import shown_app
from taskclf_tray.app import text
from taskclf_tray.core.intervals import union
from taskclf_tray.core.time import from_us, local_date, to_us
from taskclf_tray.core.types import LABEL_SET_V1, CoreLabel
from taskclf_tray.labels.asking_state import AskingState, load_asking, update_asking
from taskclf_tray.labels.blocks import Block
from taskclf_tray.labels.budget import BAR_DAYS, LONGEST_MEMORY, AskMemory, Candidate, Moment, scores_later_in_day
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.notify.base import Button, Notice
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest

_ASKS_READ = timedelta(days=3)
"""As far back as a local day and the longest spacing can reach."""

SHORTEST_AWAY: Final = timedelta(minutes=10)
LONGEST_AWAY: Final = timedelta(hours=4)
"""What is longer was a night or a day off, and needs no question."""
_REVISED: Final = timedelta(minutes=30)
"""The idle rule looks back: that far before the last sign of life its true beginning is sought."""

ASK_TAG: Final = "ask:"
LABEL_KEY: Final = "label_"
OTHER_KEY: Final = "other"
STAYS_SECONDS: Final = 60
"""How long a question stays on the screen. Desktops left to themselves take it away after 5 to 10 seconds."""
_GAP_GUESSES: Final = (CoreLabel.MEET.value, CoreLabel.BREAK_IDLE.value)


class AskFacts:
    """Reads what the asking policy needs to know about one user. Raises StoreError."""

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._user_id = user_id

    def state(self, moment: Moment) -> AskingState:
        """What the person has switched. Stores today as the first day when there is none yet."""
        state = load_asking(self._database, self._user_id)
        if state.first_day is not None:
            return state
        today = moment.local.date()
        return update_asking(
            self._database, self._user_id, lambda s: dataclasses.replace(s, first_day=s.first_day or today)
        )

    def candidates(self, now: datetime, recent: Mapping[int, tuple[datetime, Block]]) -> list[Candidate]:
        """Every waiting block that was not asked about yet, and as `audit` every other recent block without a label.

        `recent` maps the start of a block, in microseconds, to the moment it was noticed and the block.
        """
        oldest = now - LONGEST_MEMORY
        waiting = LabelStore(self._database, self._user_id).waiting(now)
        with self._database.reading():
            queued = self._database.requests.since(self._user_id, to_us(oldest - LONGEST_MEMORY))
            asks = self._database.asks.since(self._user_id, to_us(oldest - LONGEST_MEMORY))
        asked, known = {ask.request_id for ask in asks}, {request.start_us for request in queued}
        open_ones = [candidate_of(r) for r in waiting if r.request_id not in asked and r.bucket_end_ts >= oldest]
        others = [
            _audit(block, noticed)
            for start_us, (noticed, block) in recent.items()
            if start_us not in known and not self._is_labelled(block)
        ]
        return open_ones + others

    def memory(self, moment: Moment) -> AskMemory:
        """What was asked before, and which questions the person has allowed."""
        now, today, state = moment.now, moment.local.date().isoformat(), self.state(moment)
        with self._database.reading():
            asks = self._database.asks.since(self._user_id, to_us(now - _ASKS_READ))
            asked_ever = self._database.asks.count(self._user_id)
            queued = self._database.requests.since(self._user_id, to_us(now - timedelta(days=BAR_DAYS)))
            counts = self._database.labels.counts(self._user_id)
        gaps = {request.request_id for request in queued if request.reason == "gap"}
        todays = [ask for ask in asks if ask.local_day == today]
        return AskMemory(
            first_day=state.first_day,
            last_ask_at=from_us(max(asks, key=lambda ask: ask.id).at_us) if asks else None,
            asked_today=len(todays),
            asked_ever=asked_ever,
            is_on=state.is_on,
            snoozed_until=state.snoozed_until,
            quiet_until=state.quiet_until,
            cap_halvings=state.cap_halvings,
            label_counts=counts,
            gaps_asked_today=sum(ask.request_id in gaps for ask in todays),
            later_scores=scores_later_in_day(map(candidate_of, queued), moment, counts),
        )

    def app_of(self, start_us: int, end_us: int) -> str | None:
        """The app with the most seconds in front, as a question names it; None when no name is known."""
        seconds: Counter[str] = Counter()
        with self._database.reading():
            records = self._database.buckets.between(self._user_id, start_us, end_us)
        for record in records:
            row = record.row()
            seconds[row.app_id] += round(row.app_foreground_time_ratio * row.bucket_seconds)
        return shown_app(seconds.most_common(1)[0][0]) if seconds else None

    def _is_labelled(self, block: Block) -> bool:
        with self._database.reading():
            spans = self._database.labels.between(self._user_id, block.start_us, block.end_us)
        return any(span.provenance != "auto" for span in spans)


def candidate_of(request: LabelRequest) -> Candidate:
    """Convert an entry of the queue for the asking policy."""
    return Candidate(
        request.request_id,
        request.bucket_start_ts,
        request.bucket_end_ts,
        request.created_at,
        request.confidence,
        request.predicted_label,
        request.reason,
    )


def _audit(block: Block, noticed: datetime) -> Candidate:
    return Candidate(
        f"audit:{block.start_us}",
        from_us(block.start_us),
        from_us(block.end_us),
        noticed,
        block.confidence,
        block.predicted_label,
        "audit",
    )


class AwayWatch:
    """Notices the end of each time away, once."""

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._user_id = user_id
        self._present: datetime | None = None

    def returned(self, live: LiveLabel, zone_name: str) -> tuple[datetime, datetime] | None:
        """The time away that ends with this live label, if it is one to ask about.

        That is ten minutes to four hours within one local day, without a pause or private mode in it, and without a
        minute of work.
        """
        if live.is_away:
            return None
        back, last = live.prediction.bucket_start_ts, self._present
        self._present = live.prediction.bucket_end_ts
        if last is None or back - last < SHORTEST_AWAY / 2:
            return None
        gap = (self._last_work(last), back)
        length = gap[1] - gap[0]
        is_one_day = len({local_date(moment, zone_name) for moment in gap}) == 1
        if not SHORTEST_AWAY <= length <= LONGEST_AWAY or not is_one_day or self._is_dark(*gap):
            return None
        return gap

    def _last_work(self, last: datetime) -> datetime:
        """End of the last recorded minute that was not away."""
        with self._database.reading():
            recent = self._database.buckets.between(self._user_id, to_us(last - _REVISED), to_us(last))
        worked = [record.end_us for record in recent if record.decided_by != "idle_rule"]
        return from_us(worked[-1]) if worked else last

    def _is_dark(self, start: datetime, end: datetime) -> bool:
        with self._database.reading():
            found = self._database.blackouts.overlapping(to_us(start), to_us(end))
        return bool(union((b.start_us, to_us(end) if b.end_us is None else b.end_us) for b in found))


def question_notice(request: LabelRequest, *, has_buttons: bool, is_first: bool, app: str | None) -> Notice:
    """Build the notification for a block. `app` is the app most in front, where notifications may name it."""
    is_gap = request.reason == "gap"
    return Notice(
        text.question_title(request.bucket_start_ts, request.bucket_end_ts, request.predicted_label, is_gap=is_gap),
        text.question_body(is_gap=is_gap, has_buttons=has_buttons, is_first=is_first, app=app),
        _buttons(request) if has_buttons else (),
        tag=ASK_TAG + request.request_id,
        stays_seconds=STAYS_SECONDS,
    )


def label_of_key(key: str) -> str | None:
    """The label a button stands for; None for the other buttons."""
    number = key.removeprefix(LABEL_KEY)
    return LABEL_SET_V1[int(number)] if number != key and number in map(str, range(len(LABEL_SET_V1))) else None


def _buttons(request: LabelRequest) -> tuple[Button, ...]:
    """The two most likely labels and Other…: no desktop cuts off three. Skip and Ask me are in the menu."""
    is_gap = request.reason == "gap"
    guesses = _GAP_GUESSES if is_gap else (request.predicted_label, request.second_label)
    labels = [
        Button(text.answer_button(label, is_gap=is_gap), f"{LABEL_KEY}{LABEL_SET_V1.index(label)}")
        for label in guesses
        if label in LABEL_SET_V1
    ]
    return (*labels, Button(text.ANSWER_OTHER, OTHER_KEY))
