"""The attention budget: when to ask, and about which block.

A pure function of the moment and of the memory. It uses no clock, no random numbers and no state, so its decisions
survive a restart.

Every question waits in the queue anyway; this module decides about interrupting. It interrupts only at a breakpoint or
shortly after it, never in a state that forbids it, and at a limited rate; and then about the block with the highest
acquisition score. One question in ten is about a random block: the other answers come from where the model is unsure,
and would not tell how often it is right.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from taskclf_tray.core.config import Config
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.core.zones import zone
from taskclf_tray.labels.asking_state import effective_cap
from taskclf_tray.store.requests import RequestReason

LONGEST_DEFERRAL: Final = timedelta(minutes=15)
"""The longest time after a breakpoint; later the person is in the middle of new work, and the block stays queued."""

REST_AFTER_RESUME: Final = timedelta(minutes=10)

LONGEST_MEMORY: Final = timedelta(hours=2)
"""The age limit of a block to ask about; older blocks only wait in the queue."""

LATEST_QUEUED: Final = timedelta(minutes=10)
"""A block that was queued later than this after its end was back-filled."""

GAP_MEMORY: Final = timedelta(minutes=15)
RANDOM_ONE_IN: Final = 10
BAR_DAYS: Final = 7
_RARE_POWER: Final = 4
"""High, so that rarity dominates: the model knows little of a rare label, however confident it is, and the lowest
minute of a block is a coarse measure of uncertainty. Chosen on simulated people."""

_LONGEST_MINUTES: Final = 1440.0


class Why(StrEnum):
    """The first reason that applies, for asking or for not asking."""

    ASK = "ask"
    OFF = "off"
    FIRST_DAY = "first_day"
    CAP = "cap"
    SNOOZED = "snoozed"
    NOT_TODAY = "not_today"
    QUIET_HOURS = "quiet_hours"
    DARK = "dark"
    AWAY = "away"
    MEETING = "meeting"
    FULL_SCREEN = "full_screen"
    DO_NOT_DISTURB = "do_not_disturb"
    AFTER_RESUME = "after_resume"
    SPACING = "spacing"
    NO_BREAKPOINT = "no_breakpoint"
    NOTHING = "nothing"
    BELOW_BAR = "below_bar"


@dataclass(frozen=True, slots=True)
class AskSettings:
    """The person's settings. A quiet span may cross midnight; one that ends at its start is the whole day."""

    asks_per_day: int = 4
    spacing_seconds: float = 3600.0
    quiet_hours: tuple[tuple[time, time], ...] = ()

    @classmethod
    def from_config(cls, config: Config) -> AskSettings:
        """Build from `config.toml`, which has checked the times."""
        spans = (span.split("-") for span in config.quiet_hours)
        quiet = tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in spans)
        return cls(config.asks_per_day, config.ask_spacing_minutes * 60.0, quiet)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block that waits for a label. `created`: when it was queued; a gap has no confidence and no prediction."""

    request_id: str
    start: datetime
    end: datetime
    created: datetime
    confidence: float | None
    predicted_label: str | None
    reason: RequestReason


@dataclass(frozen=True, slots=True)
class Moment:
    """The present, and what the person is doing.

    `breakpoint_at`: the newest end of a block or return from away. `resumed_at`: the newest end of a pause, of private
    mode or of sleep, or the program's start. `is_dark`: a pause or private mode is open.
    """

    now: datetime
    time_zone: str
    breakpoint_at: datetime | None
    resumed_at: datetime | None
    is_meeting: bool
    is_full_screen: bool
    is_do_not_disturb: bool
    is_away: bool
    is_dark: bool

    @property
    def local(self) -> datetime:
        """The present in local time."""
        return self.now.astimezone(zone(self.time_zone))


@dataclass(frozen=True, slots=True)
class AskMemory:
    """The memory of earlier asks and answers.

    `first_day`: the first local day of the record, None without one. `asked_today`: asks of today's local date.
    `last_ask_at`: of the last ask, even if the clock was put back and an older one has a later time. `label_counts`:
    labelled blocks by label. `later_scores`: the result of `scores_later_in_day`; an empty one sets no bar.
    """

    first_day: date | None
    last_ask_at: datetime | None
    asked_today: int
    asked_ever: int
    is_on: bool
    snoozed_until: datetime | None
    quiet_until: datetime | None
    cap_halvings: int
    label_counts: Mapping[str, int] = field(default_factory=dict)
    gaps_asked_today: int = 0
    later_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """`ask`: the block to interrupt for, None for not now. `is_first`: the first ask ever, which offers Never ask."""

    ask: Candidate | None
    why: Why
    is_random: bool = False
    is_first: bool = False


def decide(
    candidates: Sequence[Candidate], moment: Moment, memory: AskMemory, settings: AskSettings, *, user_id: str
) -> Decision:
    """Decide whether to interrupt now, and for which block.

    Fresh gaps come first, because nothing else keeps them, but take at most half of the daily cap: a label for a coffee
    break teaches little. On a random turn they wait, unless there is no block to draw.

    Args:
        candidates: the blocks that wait and were not asked about; not used while there is `silence`. Confident blocks,
            which are not queued otherwise, come with the reason `audit` and only take part in a random turn.
        moment: the present.
        memory: earlier asks and answers.
        settings: the person's settings.
        user_id: seeds the random turns.
    """
    why = silence(moment, memory, settings)
    if why is not None:
        return Decision(None, why)
    fresh = [candidate for candidate in candidates if _is_fresh(candidate, moment.now)]
    blocks = [candidate for candidate in fresh if candidate.reason != "gap"]
    cap = effective_cap(settings.asks_per_day, memory.cap_halvings)
    is_first = memory.asked_ever == 0
    if blocks and is_random_turn(user_id, memory.asked_ever):
        drawn = min(blocks, key=lambda block: _digest(user_id, memory.asked_ever, to_us(block.start)))
        return Decision(drawn, Why.ASK, is_random=True, is_first=is_first)
    gaps = [gap for gap in fresh if gap.reason == "gap" and moment.now - gap.end <= GAP_MEMORY]
    if gaps and 2 * memory.gaps_asked_today < cap:
        return Decision(max(gaps, key=lambda gap: (gap.end, gap.start)), Why.ASK, is_first=is_first)
    best, why = _best([block for block in blocks if block.reason != "audit"], moment, memory, cap)
    return Decision(best, why, is_first=is_first and best is not None)


def _best(blocks: Sequence[Candidate], moment: Moment, memory: AskMemory, cap: int) -> tuple[Candidate | None, Why]:
    """Return the block with the highest score, if it is above the bar; ties: the newer one."""
    if not blocks:
        return None, Why.NOTHING
    best = max(blocks, key=lambda block: (score_of(block, memory.label_counts), block.end, block.start))
    if score_of(best, memory.label_counts) < _bar(moment, memory, cap - memory.asked_today):
        return None, Why.BELOW_BAR
    return best, Why.ASK


def is_random_turn(user_id: str, asked_ever: int) -> bool:
    """Whether the next question is about a random block: one in ten, fixed for each user and turn."""
    return int.from_bytes(_digest(user_id, asked_ever)[:8]) % RANDOM_ONE_IN == 0


def score_of(block: Candidate, label_counts: Mapping[str, int]) -> float:
    """Return the acquisition score of a block; 0 without a prediction."""
    if block.confidence is None or block.predicted_label is None:
        return 0.0
    minutes = (block.end - block.start).total_seconds() / 60
    return acquisition_score(block.confidence, minutes, block.predicted_label, label_counts)


def scores_later_in_day(
    queued: Iterable[Candidate], moment: Moment, label_counts: Mapping[str, int]
) -> tuple[float, ...]:
    """Return the scores of last week's unsure blocks that ended later in the day than now, for the bar.

    `queued`: every block that was queued, answered or not. Only blocks that could have been asked about in time count.
    """
    since, clock, here = moment.now - timedelta(days=BAR_DAYS), moment.local.time(), zone(moment.time_zone)
    return tuple(
        score_of(block, label_counts)
        for block in queued
        if since <= block.end <= moment.now and block.end.astimezone(here).time() > clock
        if block.reason == "low_confidence" and _is_prompt(block)
    )


def silence(moment: Moment, memory: AskMemory, settings: AskSettings) -> Why | None:
    """Return the first reason that forbids asking; None when a block may be asked about now."""
    return next((why for why, holds in _rules(moment, memory, settings) if holds), None)


def _rules(moment: Moment, memory: AskMemory, settings: AskSettings) -> Iterator[tuple[Why, bool]]:
    now, local = moment.now, moment.local
    cap = effective_cap(settings.asks_per_day, memory.cap_halvings)
    yield Why.OFF, not memory.is_on or cap == 0
    yield Why.FIRST_DAY, _is_first_day(local.date(), memory.first_day)
    yield Why.CAP, memory.asked_today >= cap
    yield Why.SNOOZED, memory.snoozed_until is not None and now < memory.snoozed_until
    yield Why.NOT_TODAY, memory.quiet_until is not None and now < memory.quiet_until
    yield Why.QUIET_HOURS, any(_is_within(local.time(), span) for span in settings.quiet_hours)
    yield Why.DARK, moment.is_dark
    yield Why.AWAY, moment.is_away
    yield Why.MEETING, moment.is_meeting
    yield Why.FULL_SCREEN, moment.is_full_screen
    yield Why.DO_NOT_DISTURB, moment.is_do_not_disturb
    yield Why.AFTER_RESUME, _is_near(now, moment.resumed_at, REST_AFTER_RESUME)
    yield Why.SPACING, _is_near(now, memory.last_ask_at, timedelta(seconds=settings.spacing_seconds))
    yield Why.NO_BREAKPOINT, not _is_recent(now, moment.breakpoint_at, LONGEST_DEFERRAL)


def _is_first_day(today: date, first_day: date | None) -> bool:
    """Whether today is the first day, or the date before it, as after a flight over the date line."""
    return first_day is None or first_day - timedelta(days=1) <= today <= first_day


def _is_within(clock: time, span: tuple[time, time]) -> bool:
    start, end = span
    return start <= clock < end if start < end else clock >= start or clock < end


def _is_near(now: datetime, then: datetime | None, distance: timedelta) -> bool:
    """Whether two moments are near, on either side, because a clock put back may leave `then` in the future."""
    return then is not None and abs(now - then) < distance


def _is_recent(now: datetime, then: datetime | None, longest: timedelta) -> bool:
    return then is not None and timedelta(0) <= now - then <= longest


def _is_prompt(candidate: Candidate) -> bool:
    """Whether a block was queued in time and not back-filled. It may have grown since, and end later."""
    return candidate.created - candidate.end <= LATEST_QUEUED


def _is_fresh(candidate: Candidate, now: datetime) -> bool:
    return _is_prompt(candidate) and _is_recent(now, candidate.end, LONGEST_MEMORY)


def _bar(moment: Moment, memory: AskMemory, asks_left: int) -> float:
    """Return the lowest score to ask for, so that the rest of the budget goes to the best blocks still to come today.

    Over last week's blocks from this time of day on, it is the bar that `asks_left` a day would have passed. The bar
    falls as the day passes with the budget unspent. It is 0 once no more blocks are expected than may be asked about,
    and in the first week, without experience.
    """
    is_first_week = memory.first_day is None or moment.local.date() - memory.first_day < timedelta(days=BAR_DAYS)
    passing = asks_left * BAR_DAYS
    if is_first_week or len(memory.later_scores) <= passing:
        return 0.0
    return heapq.nlargest(passing, memory.later_scores)[-1]


def _digest(*parts: object) -> bytes:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).digest()


def acquisition_score(
    confidence: float, minutes: float, predicted_label: str, label_counts: Mapping[str, int]
) -> float:
    """Compute the acquisition score: uncertainty × minutes × rarity⁴ of the predicted label; finite, ≥ 0.

    Source: a base measure (least confidence: Lewis and Gale, "A sequential algorithm for training text classifiers",
    SIGIR 1994) times weights, one with an exponent that sets its influence, as in information density (Settles and
    Craven, "An analysis of active learning strategies for sequence labeling tasks", EMNLP 2008). Rarity is the inverse
    of the label's relative frequency with one more of each label added (Laplace's rule), over eight: 1 while nothing is
    labelled. `tests/bench/bench_asking.py` measures the score.

    Args:
        confidence: the lowest calibrated probability of the block; clipped to [0, 1].
        minutes: length of the block; clipped to a day.
        predicted_label: the most probable label.
        label_counts: labelled blocks by label.

    Returns:
        The score; 0 for a confidence or length that is not finite.
    """
    if not (math.isfinite(confidence) and math.isfinite(minutes)):
        return 0.0
    unsure = min(max(1.0 - confidence, 0.0), 1.0)
    total = sum(label_counts.values()) + len(LABEL_SET_V1)
    rarity = total / ((label_counts.get(predicted_label, 0) + 1) * len(LABEL_SET_V1))
    return unsure * min(max(minutes, 0.0), _LONGEST_MINUTES) * rarity**_RARE_POWER
