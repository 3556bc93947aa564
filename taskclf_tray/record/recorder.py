"""The recorder: from events to finalised, smoothed, stored buckets, each exactly once.

One step reads a range of time, builds its rows, predicts them, lets late reports of the away watcher revise the
unsettled ones, smooths, and commits all of it together with the builder's state. A kill between two commits repeats the
step from the same state, so nothing is lost and nothing is stored twice.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskclf_tray.core.defaults import (
    AWAY_RUN_SECONDS,
    DEFAULT_CATCH_UP_DAYS,
    DEFAULT_GRACE_SECONDS,
    DEFAULT_IDLE_GAP_SECONDS,
    HIGH_WATER_LEAD_SECONDS,
    SETTLE_SECONDS,
)
from taskclf_tray.core.intervals import Interval
from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.time import US_PER_SECOND, floor_bucket, from_us, local_midnight, seconds_to_us, to_us
from taskclf_tray.core.types import AWAwayEvent, FeatureRow, SourceEvents
from taskclf_tray.features.build import BuilderState, advance
from taskclf_tray.features.idle import AwayReports, IdleState, listening_times, next_idle_state, with_idle_rule
from taskclf_tray.infer.forward_state import ForwardState, ahead_buckets
from taskclf_tray.infer.head import CONTEXT_BUCKETS, context_rows
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows, finish, redecide
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy_resolver import TaxonomyResolver
from taskclf_tray.record.ahead_events import AheadEvents
from taskclf_tray.record.guard import GuardedReader
from taskclf_tray.record.live_label import LOOK_BACK, LiveAnswers, LiveLabel
from taskclf_tray.record.memory import ConfigMemory, PastMemory
from taskclf_tray.store.buckets import BucketRecord, pack_row
from taskclf_tray.store.database import Database

log = logging.getLogger(__name__)

CHUNK = timedelta(hours=6)
_LOOK_AHEAD = timedelta(seconds=AWAY_RUN_SECONDS + 100)
_LIVE_SPAN = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of one step; `is_caught_up`: the record reaches up to now."""

    finalised: tuple[WindowPrediction, ...] = ()
    revised: tuple[WindowPrediction, ...] = ()
    live: LiveLabel | None = None
    is_caught_up: bool = True


@dataclass(frozen=True, slots=True)
class _Bucket:
    """A bucket during a step."""

    row: FeatureRow
    prediction: WindowPrediction
    is_settled: bool


class Recorder:
    """Records one user from one source; owned by the worker thread."""

    def __init__(
        self,
        database: Database,
        reader: GuardedReader,
        config: PipelineConfig,
        *,
        user_id: str,
        device_id: str,
        time_zone: Callable[[], str],
        is_closed: bool = False,
        grace_seconds: int = DEFAULT_GRACE_SECONDS,
        catch_up_days: int = DEFAULT_CATCH_UP_DAYS,
        idle_gap_seconds: float = DEFAULT_IDLE_GAP_SECONDS,
    ) -> None:
        self._database = database
        self._reader = reader
        self._ahead = AheadEvents(database, user_id)
        self._memory = ConfigMemory(database)
        self._past = PastMemory(database, user_id, self._transitions_of, config.bucket_seconds)
        self._config = config
        self._user_id = user_id
        self._time_zone = time_zone
        self._is_closed = is_closed
        self._grace = timedelta(seconds=grace_seconds)
        self._catch_up = timedelta(days=catch_up_days)
        self._bucket = timedelta(seconds=config.bucket_seconds)
        self._empty_until: datetime | None = None
        self._live = LiveAnswers(database, user_id, reader.blackouts, config)
        self._initial = BuilderState.initial(
            user_id,
            device_id,
            time_zone=time_zone(),
            bucket_seconds=config.bucket_seconds,
            idle_gap_seconds=idle_gap_seconds,
        )
        self.reload()

    @property
    def high_water_mark(self) -> datetime | None:
        """End of the last finalised range; None before the first step."""
        return self._state.until

    @property
    def smoothing_buckets(self) -> int:
        """How many later buckets a label waits for before it is worth a question; a head may still revise it."""
        return self._config.smoothing_buckets

    def use(self, config: PipelineConfig) -> None:
        """Use another configuration from the next bucket on. The states of smoothing and features stay."""
        self._live.use(config)
        self._config = config

    def reload(self) -> None:
        """Continue from the state in the database. Raises StoreError."""
        with self._database.reading():
            saved, idle, newest, warm_up = (
                self._database.state.get(self._name(what)) for what in ("builder", "idle", "newest_end_us", "warm_up")
            )
        self._is_cold = warm_up is not None
        try:
            self._newest_end = from_us(int(newest)) if newest else None
            self._state = BuilderState.from_json(saved, time_zone=self._time_zone()) if saved else self._initial
            self._idle = IdleState.from_json(idle) if idle else IdleState()
        except ValueError:
            self._begin_behind_the_record()
        self._ahead.reload(self._state.until)
        self._empty_until = None
        self._live.forget()

    def _begin_behind_the_record(self) -> None:
        """Continue after the last recorded minute, since the saved state is damaged. Raises StoreError."""
        log.warning("The saved state is damaged; recording continues after the last minute.")
        with self._database.reading():
            reach = self._database.buckets.reach(self._user_id)
        until = None if reach is None else from_us(reach[1])
        self._newest_end, self._idle = None, IdleState()
        self._state, self._is_cold = dataclasses.replace(self._initial, until=until), True

    def live(self, now: datetime) -> LiveLabel | None:
        """The live label alone, while the record is still behind (at the start). Raises the errors of `step`."""
        start = floor_bucket(now - _LIVE_SPAN, self._config.bucket_seconds)
        events = self._read(start, now)
        state = self._fresh_state(start)
        skip = [(from_us(a), from_us(b)) for a, b in self._reader.blackouts(start, now)]
        _, rows = advance(state, events, floor_bucket(now, self._config.bucket_seconds), skip=skip)
        return self._live.answer(state, events, now, IdleState(), rows, resolver_of=self._resolver_of)

    def step(self, now: datetime, *, settle_all: bool = False) -> StepResult:
        """Finalise what is due, at most `CHUNK` of it; revise and settle what the away watcher now explains.

        `settle_all`: count every finalised bucket as settled (a single catch-up run). Raises SourceError (the
        high-water mark stays), StoreError, BlackoutOpenError.
        """
        self._ahead.note(self._reader.read, now)
        state = self._warm(self._positioned(now))
        assert state.until is not None
        idle = self._idle_since(max(self._undecided_since(state.until), now - self._catch_up))
        assert idle.until_us is not None
        known_from = from_us(idle.until_us)
        begin = known_from - LOOK_BACK
        events, bound = self._read_ahead(state, begin, now)
        until = max(state.until, bound)
        dark = self._reader.blackouts(begin, now)
        skip = [(from_us(a), from_us(b)) for a, b in dark if b > to_us(state.until - LOOK_BACK)]
        new_state, rows = advance(state, events, until, skip=skip)
        reports = AwayReports.of(events.away)
        stored, tail = self._stored_tail(until)
        context = [WindowPrediction.of(record) for record in stored]
        past = self._past.before([*context, *(bucket.prediction for bucket in tail)])
        seen = [*(b.row for b in tail if b.row.bucket_start_ts >= known_from), *rows]
        listening = listening_times(idle, seen, reports, blackouts=dark)
        fresh = [with_idle_rule(row, reports.away, listening) for row in rows]
        before = {bucket.prediction.bucket_start_ts: bucket for bucket in tail}
        tail, decided = self._decided(stored, tail, fresh)
        buckets = [self._reconsidered(bucket, reports.away, listening, known_from) for bucket in tail]
        buckets += [_Bucket(row, prediction, False) for row, prediction in zip(fresh, decided, strict=True)]
        buckets = self._finished(context, buckets, past)
        report_end = max((_end_us(e.timestamp, e.duration_seconds) for e in events.away), default=None)
        run_start = _run_start([bucket.prediction for bucket in buckets], until)
        buckets = [
            self._settled(bucket, until, run_start, now, report_end, settle_all=settle_all) for bucket in buckets
        ]
        changed = [b for b in buckets if before.get(b.prediction.bucket_start_ts) != b]
        decided_until = next((to_us(b.row.bucket_start_ts) for b in buckets if not b.is_settled), to_us(until))
        if not (settle_all or self._is_closed):
            decided_until = min(decided_until, self._told_until(report_end, now))
        new_idle = next_idle_state(idle, max(idle.until_us, decided_until), seen, reports, blackouts=dark)
        self._commit(changed, new_state, new_idle, events, now)
        self._keep_past(context, buckets, past)
        finalised = tuple(b.prediction for b in changed if b.prediction.bucket_start_ts not in before)
        revised = tuple(
            b.prediction
            for b in changed
            if (old := before.get(b.prediction.bucket_start_ts)) is not None and old.prediction != b.prediction
        )
        caught_up = until >= floor_bucket(now - self._grace, self._config.bucket_seconds) or until == state.until
        live = None
        if caught_up:
            live = self._live.answer(new_state, events, now, idle, seen, resolver_of=self._resolver_of)
        return StepResult(finalised, revised, live, caught_up)

    def read_again(self, start: datetime, now: datetime) -> bool:
        """Record one settled bucket of the past again; False when the source has nothing of it.

        The hours before it give the state it begins with. Raises SourceError, StoreError, BlackoutOpenError.
        """
        begin, end = start - CHUNK, start + self._bucket
        events = self._read(begin, end + _LOOK_AHEAD)
        dark = self._reader.blackouts(begin, end)
        skip = [(from_us(a), from_us(b)) for a, b in dark]
        _, rows = advance(self._fresh_state(begin), events, end + self._bucket * CONTEXT_BUCKETS, skip=skip)
        place = next((k for k, row in enumerate(rows) if row.bucket_start_ts == start), None)
        if place is None:
            return False
        reports, rows_until = AwayReports.of(events.away), rows[: place + 1]
        listening = listening_times(IdleState(to_us(begin)), rows_until, reports, blackouts=dark)
        row = with_idle_rule(rows[place], reports.away, listening)
        around = rows[max(0, place - CONTEXT_BUCKETS) : place], rows[place + 1 :]
        bucket = _Bucket(row, decide_rows(self._config, [row], before=around[0], after=around[1])[0], True)
        with self._database.reading():
            before = self._database.buckets.before(self._user_id, to_us(start), self._config.smooth_window)
        bucket = self._finished([WindowPrediction.of(record) for record in before], [bucket], None)[0]
        with self._database.transaction():
            self._database.buckets.put([record_of(row, bucket.prediction, is_settled=True)])
            self._memory.remember(self._config, now)
        return True

    def front_at(self, moment: datetime) -> str | None:
        """The app in front at a moment; None where the events of the last half hour do not say."""
        return self._live.front_at(moment)

    # -- reading ----------------------------------------------------------------------------------------------

    def _positioned(self, now: datetime) -> BuilderState:
        """The state, placed at today's midnight at the first start, and never before the catch-up limit."""
        earliest = floor_bucket(now - self._catch_up, self._config.bucket_seconds)
        zone = self._time_zone()
        state = self._state if self._state.time_zone == zone else dataclasses.replace(self._state, time_zone=zone)
        if state.until is None:
            first = earliest if self._is_closed else local_midnight(now, zone)
            return dataclasses.replace(state, until=floor_bucket(first, self._config.bucket_seconds))
        return dataclasses.replace(state, until=earliest) if state.until < earliest else state

    def _read(self, start: datetime, end: datetime) -> SourceEvents:
        return self._ahead.left_out(self._reader.read(start, end))

    def _warm(self, state: BuilderState) -> BuilderState:
        """Rebuild the state from the hours before the mark, after the clock was put back."""
        if not self._is_cold or state.until is None:
            return state
        start = state.until - CHUNK
        events = self._read(start, state.until)
        skip = [(from_us(a), from_us(b)) for a, b in self._reader.blackouts(start, state.until)]
        state, _ = advance(dataclasses.replace(state, until=start), events, state.until, skip=skip)
        with self._database.transaction():
            self._database.state.set(self._name("builder"), state.to_json())
            self._database.state.remove(self._name("warm_up"))
        self._state, self._is_cold = state, False
        return state

    def _fresh_state(self, start: datetime) -> BuilderState:
        return dataclasses.replace(self._initial, time_zone=self._time_zone(), until=start)

    def _read_ahead(self, state: BuilderState, start: datetime, now: datetime) -> tuple[SourceEvents, datetime]:
        """Read on from `start` until an event lies past the high-water mark or `now` is reached.

        Returns the events, and the moment up to which they allow to finalise: never past the grace, and at most 5 min
        past the end of the newest event, so that a late or dead watcher loses nothing.
        """
        assert state.until is not None
        horizon = floor_bucket(now - self._grace, self._config.bucket_seconds)
        begin = max(state.until, min(self._empty_until or state.until, now - _LIVE_SPAN))
        away: tuple[AWAwayEvent, ...] = ()
        while True:
            goal = max(state.until, min(horizon, floor_bucket(begin + CHUNK, self._config.bucket_seconds)))
            events = self._read(start, max(start, min(now, goal + _LOOK_AHEAD)))
            away += events.away
            newest = _latest(self._newest_end, events.newest_end)
            if goal >= horizon or (newest is not None and newest > begin):
                break
            self._empty_until = begin = start = goal
        events = dataclasses.replace(events, away=away)
        if newest is None:
            return events, state.until
        lead = floor_bucket(newest + timedelta(seconds=HIGH_WATER_LEAD_SECONDS), self._config.bucket_seconds)
        return events, min(goal, lead)

    def _undecided_since(self, high_water_mark: datetime) -> datetime:
        """Start of the buckets that this step may predict, for the first time or again."""
        with self._database.reading():
            oldest = self._database.buckets.first_unsettled_us(self._user_id)
        return high_water_mark if oldest is None else min(high_water_mark, from_us(oldest))

    def _idle_since(self, undecided: datetime) -> IdleState:
        """The known state of an absence at `undecided`, or a little before it."""
        known = self._idle.until_us
        since_us = to_us(undecided)
        if known is not None and since_us - 2 * SETTLE_SECONDS * US_PER_SECOND <= known <= since_us:
            return self._idle
        return IdleState(since_us)

    def _told_until(self, report_end_us: int | None, now: datetime) -> int:
        """End of the whole buckets about which the away watcher has no more to report, in microseconds."""
        told = to_us(now) - SETTLE_SECONDS * US_PER_SECOND
        if report_end_us is not None:
            told = max(told, report_end_us - AWAY_RUN_SECONDS * US_PER_SECOND)
        return to_us(floor_bucket(from_us(told), self._config.bucket_seconds))

    # -- deciding ---------------------------------------------------------------------------------------------

    @property
    def _reach(self) -> int:
        """How many buckets before a changing one are looked at."""
        return max(self._config.smooth_window, CONTEXT_BUCKETS)

    def _stored_tail(self, until: datetime) -> tuple[list[BucketRecord], list[_Bucket]]:
        """The buckets that may still change, and before them those that their smoothing or a head looks at."""
        with self._database.reading():
            last = self._database.buckets.before(self._user_id, to_us(until), max(1, self._config.ahead_buckets))
            unsettled = self._database.buckets.first_unsettled_us(self._user_id)
            oldest = min(last[0].start_us if last else to_us(until), to_us(until) if unsettled is None else unsettled)
            stored = self._database.buckets.between(self._user_id, oldest, to_us(until))
            context = self._database.buckets.before(self._user_id, oldest, self._reach)
        tail = [_Bucket(r.row(), WindowPrediction.of(r), r.is_settled) for r in stored]
        return context, tail

    def _decided(
        self, stored: Sequence[BucketRecord], tail: list[_Bucket], fresh: Sequence[FeatureRow]
    ) -> tuple[list[_Bucket], list[WindowPrediction]]:
        """Predict new rows, and with a head again those before them that they are context for.

        What another configuration predicted stays as it is. Returns the tail and the new predictions.
        """
        if self._config.head is None or not fresh:
            return tail, decide_rows(self._config, fresh)
        starts = [*(bucket.row.bucket_start_ts for bucket in tail), fresh[0].bucket_start_ts]
        kept, own = len(tail) - context_rows(starts, self._bucket), self._config.config_id
        while kept < len(tail) and any(bucket.prediction.config_id != own for bucket in tail[kept:]):
            kept += 1
        again = [bucket.row for bucket in tail[kept:]]
        before = [*(record.row() for record in stored), *(bucket.row for bucket in tail[:kept])]
        decided = decide_rows(self._config, [*again, *fresh], before=before[-CONTEXT_BUCKETS:])
        redone = zip(tail[kept:], decided, strict=False)
        tail = [*tail[:kept], *(dataclasses.replace(bucket, prediction=prediction) for bucket, prediction in redone)]
        return tail, decided[len(again) :]

    def _reconsidered(
        self, bucket: _Bucket, away: Sequence[Interval], listening: Sequence[Interval], known_from: datetime
    ) -> _Bucket:
        """Apply the idle rule to an unsettled bucket again; the model's prediction is kept beside it.

        `known_from`: from where on the away events that were read suffice.
        """
        if bucket.is_settled or bucket.prediction.bucket_start_ts < known_from:
            return bucket
        row = with_idle_rule(bucket.row, away, listening)
        if row.decided_by == bucket.row.decided_by:
            return bucket
        return _Bucket(row, redecide(bucket.prediction, row.decided_by), False)

    def _finished(
        self, context: list[WindowPrediction], buckets: list[_Bucket], past: ForwardState | None
    ) -> list[_Bucket]:
        predictions = finish(
            [*context, *(bucket.prediction for bucket in buckets)],
            smooth_window=self._config.smooth_window,
            bucket_seconds=self._config.bucket_seconds,
            resolver_of=self._resolver_of,
            transitions_of=self._transitions_of,
            forward_state=past,
        )
        finished = predictions[len(context) :]
        return [dataclasses.replace(b, prediction=p) for b, p in zip(buckets, finished, strict=True)]

    def _keep_past(self, context: list[WindowPrediction], buckets: list[_Bucket], past: ForwardState | None) -> None:
        """Keep the state from which the next smoothing begins, `_reach` before the buckets that may still change."""
        ahead = max(1, self._config.ahead_buckets)
        unsettled = next((i for i, bucket in enumerate(buckets) if not bucket.is_settled), len(buckets))
        fixed = len(context) + min(unsettled, len(buckets) - ahead) - self._reach
        predictions = [*context, *(bucket.prediction for bucket in buckets)]
        self._past.move(past, predictions[: max(0, fixed)])

    def _resolver_of(self, config_id: str) -> TaxonomyResolver | None:
        if config_id == self._config.config_id:
            return self._config.resolver
        return self._memory.resolver(config_id)

    def _transitions_of(self, config_id: str) -> Transitions | None:
        if config_id == self._config.config_id:
            return self._config.transitions
        return self._memory.transitions(config_id)

    def _settled(
        self,
        bucket: _Bucket,
        until: datetime,
        run_start: datetime,
        now: datetime,
        report_end_us: int | None,
        *,
        settle_all: bool,
    ) -> _Bucket:
        """Mark a bucket as settled when nothing can change it any more, nor the later ones its label waits for.

        `run_start`: start of the buckets that later ones may join.
        """
        if bucket.is_settled:
            return bucket
        end = bucket.prediction.bucket_end_ts
        transitions = self._transitions_of(bucket.prediction.config_id)
        ahead = ahead_buckets(self._config.smooth_window, transitions, has_head=self._config.head is not None)
        is_smooth = end <= run_start or end + self._bucket * ahead <= until
        # an away run is known 300 s after it began, and one over the next bucket begins at this one's end at the latest
        last = end + self._bucket * max(0, ahead - 1)
        is_told = (
            report_end_us is not None and report_end_us >= to_us(last) + seconds_to_us(AWAY_RUN_SECONDS)
        ) or last + timedelta(seconds=SETTLE_SECONDS) <= now
        if settle_all or self._is_closed or (is_smooth and is_told):
            return dataclasses.replace(bucket, is_settled=True)
        return bucket

    # -- writing ----------------------------------------------------------------------------------------------

    def _commit(
        self, changed: Sequence[_Bucket], state: BuilderState, idle: IdleState, events: SourceEvents, now: datetime
    ) -> None:
        newest = _latest(self._newest_end, events.newest_end)
        if changed or state.until != self._state.until:
            with self._database.transaction():
                self._database.buckets.put(record_of(b.row, b.prediction, is_settled=b.is_settled) for b in changed)
                self._database.state.set(self._name("builder"), state.to_json())
                self._database.state.set(self._name("idle"), idle.to_json())
                if newest is not None:
                    self._database.state.set(self._name("newest_end_us"), str(to_us(newest)))
                if any(b.prediction.config_id == self._config.config_id for b in changed):
                    self._memory.remember(self._config, now)
            self._state, self._idle = state, idle
        self._newest_end = newest
        if changed:
            self._empty_until = None

    def _name(self, what: str) -> str:
        return f"{what}:{self._user_id}"


def _run_start(predictions: Sequence[WindowPrediction], until: datetime) -> datetime:
    """Start of the contiguous buckets that reach up to `until`."""
    for prediction in reversed(predictions):
        if prediction.bucket_end_ts != until:
            break
        until = prediction.bucket_start_ts
    return until


def record_of(row: FeatureRow, prediction: WindowPrediction, *, is_settled: bool) -> BucketRecord:
    """Convert a bucket for the store."""
    return BucketRecord(
        prediction.user_id,
        to_us(prediction.bucket_start_ts),
        to_us(prediction.bucket_end_ts),
        row.time_zone,
        row.covered_seconds,
        prediction.config_id,
        prediction.decided_by,
        prediction.ui_label,
        prediction.core_label_name,
        prediction.smoothed_label_name,
        prediction.ui_label not in prediction.mapped_probs,
        prediction.is_rejected,
        prediction.confidence,
        _entropy_bits(prediction.core_probs),
        is_settled,
        pack_row(row),
        json.dumps(prediction.pack(), separators=(",", ":")),
    )


def _entropy_bits(probabilities: Sequence[float]) -> float:
    """Shannon entropy in bits: 0 for one certain label, 3 for eight equal ones."""
    return -sum(p * math.log2(p) for p in probabilities if p > 0) + 0.0  # no negative zero


def _end_us(timestamp: datetime, duration_seconds: float) -> int:
    return to_us(timestamp) + seconds_to_us(duration_seconds)


def _latest(left: datetime | None, right: datetime | None) -> datetime | None:
    if left is None or right is None:
        return left or right
    return max(left, right)
