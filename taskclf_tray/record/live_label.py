"""The live label: the prediction for the seconds up to now, shown between two polls and never recorded.

It begins where its label began in the record, or where the app in front came there. It ends with a gap, a pause or time
away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from taskclf_tray.core.defaults import AWAY_RUN_SECONDS, DEFAULT_BUCKET_SECONDS, DEFAULT_GRACE_SECONDS
from taskclf_tray.core.intervals import Interval
from taskclf_tray.core.time import MICROSECOND, US_PER_SECOND, from_us, seconds_to_us, to_us
from taskclf_tray.core.types import CoreLabel, FeatureRow, SourceEvents
from taskclf_tray.features.buckets import MEETING_CATEGORY
from taskclf_tray.features.build import BuilderState, live_row
from taskclf_tray.features.idle import AwayReports, IdleState, decide, listening_times, with_idle_rule
from taskclf_tray.infer.head import CONTEXT_BUCKETS
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows, finish
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy_resolver import TaxonomyResolver
from taskclf_tray.labels.categories import Categories
from taskclf_tray.labels.current import block_start, run_before
from taskclf_tray.labels.presence import Presence
from taskclf_tray.store.database import Database

LOOK_BACK: Final = timedelta(seconds=AWAY_RUN_SECONDS + 10)
"""An away run counts from 300 s on, so as much is read on either side of what is decided. This also fills the hole of
up to 2 s that may lie at the high-water mark."""
_LOOK_BACK_US: Final = LOOK_BACK // MICROSECOND
_CONTEXT_US: Final = CONTEXT_BUCKETS * DEFAULT_BUCKET_SECONDS * US_PER_SECOND
_LIVE_GAP_US: Final = 180_000_000
"""The minutes between the record and the live row are not final yet: they are no gap."""


@dataclass(frozen=True, slots=True)
class LiveLabel:
    """The live prediction, never recorded. `since` is when its label began."""

    prediction: WindowPrediction
    since: datetime
    is_meeting: bool = False
    """A meeting app is in front, or the model says Meet."""
    is_still: bool = False
    """Neither keyboard nor mouse moved lately, as far as the source tells: perhaps the person has just left."""
    is_call: bool = False
    """A call window is in front."""
    is_listening: bool = False
    """Nothing has been touched for minutes, but a call window is in front: the person listens to it, or has left."""
    changed_at: datetime | None = None
    """When the app in front came there or the person came back, where that was after the label's block began."""
    app: str | None = None
    """The app in front."""
    is_typing: bool = False
    """A terminal came to the front less than a minute ago: perhaps to type a command."""
    unbroken_since: datetime | None = None
    """End of the last gap, pause or private mode, as far as the live events reach back."""
    back_at: datetime | None = None
    """When the person last came back to the keyboard."""
    away_since: datetime | None = None
    """When the person left who is away now."""

    @property
    def is_away(self) -> bool:
        """Nobody is at the keyboard."""
        return self.prediction.decided_by == "idle_rule"

    @property
    def is_unsure(self) -> bool:
        """The prediction is rejected, or no window has the focus."""
        return self.prediction.is_rejected or self.prediction.ui_label not in self.prediction.mapped_probs

    @property
    def block_start(self) -> datetime:
        """Start of the current block: a label given now holds from there."""
        return block_start(self.since, self.prediction.bucket_end_ts, self.changed_at)


class LiveAnswers:
    """Builds the live labels of one user; owned by the worker thread."""

    def __init__(
        self,
        database: Database,
        user_id: str,
        blackouts: Callable[[datetime, datetime], list[Interval]],
        config: PipelineConfig,
    ) -> None:
        """`blackouts` returns those that touch [start, end), in microseconds."""
        self._database = database
        self._user_id = user_id
        self._blackouts = blackouts
        self._config = config
        self._categories = Categories(database, config.taxonomy)
        self._presence = Presence(config.bucket_seconds)
        self._returns: dict[int, bool] = {}
        self._shown: tuple[str, datetime, datetime] | None = None

    def use(self, config: PipelineConfig) -> None:
        """Use another configuration from the next prediction on."""
        if config.taxonomy != self._categories.taxonomy:
            self._categories = Categories(self._database, config.taxonomy)
        self._config = config

    def forget(self) -> None:
        """Forget the label shown last, since the record has changed."""
        self._shown = None

    def answer(
        self,
        state: BuilderState,
        events: SourceEvents,
        now: datetime,
        idle: IdleState,
        seen: Sequence[FeatureRow],
        *,
        resolver_of: Callable[[str], TaxonomyResolver | None],
    ) -> LiveLabel | None:
        """Predict the seconds up to `now`; None where nothing is known of them.

        `seen`: the rows since `idle`, including those that are not final. Raises StoreError.
        """
        dark = self._blackouts(events.start, now)
        skip = [(from_us(a), from_us(b)) for a, b in dark]
        row = live_row(state, events, now, skip=skip)
        if row is None:
            return None
        reports = AwayReports.of(events.away)
        reports = AwayReports(_lengthened(reports, to_us(row.bucket_end_ts)), reports.present)
        listening = listening_times(idle, [*seen, row], reports, blackouts=dark, shortest_gap_us=_LIVE_GAP_US)
        row = with_idle_rule(row, reports.away, listening)
        is_listening = row.decided_by != "idle_rule" and decide(row, reports.away) == "idle_rule"
        answer = decide_rows(self._config, [row], before=_context_of(row, seen, dark), is_one_run=True)
        prediction = finish(
            answer,
            smooth_window=1,
            bucket_seconds=self._config.bucket_seconds,
            resolver_of=resolver_of,
        )[0]
        self._presence.read(events, reports.away, to_us(row.bucket_end_ts))
        unbroken_since = self._unbroken_since(skip)
        since = self._held_since(prediction) or self._since(prediction)
        since = since if unbroken_since is None else max(since, unbroken_since)
        self._shown = (prediction.ui_label, since, prediction.bucket_end_ts)
        is_meeting = row.app_category == MEETING_CATEGORY or prediction.core_label_name == CoreLabel.MEET
        back_at = self._back_at()
        return LiveLabel(
            prediction,
            since,
            is_meeting,
            is_still=row.active_seconds_any == 0 or is_listening,
            is_call=bool(row.call_spans),
            is_listening=is_listening,
            changed_at=self._changed_at(block_start(since, prediction.bucket_end_ts), back_at),
            app=row.app_id,
            is_typing=self._presence.is_typing,
            unbroken_since=unbroken_since,
            back_at=back_at,
            away_since=next((from_us(a) for a, b in reports.away if a <= to_us(row.bucket_start_ts) < b), None),
        )

    def front_at(self, moment: datetime) -> str | None:
        """The app in front at a moment; None where the events of the last half hour do not say."""
        return self._presence.front_at(to_us(moment))

    def _unbroken_since(self, skip: Sequence[tuple[datetime, datetime]]) -> datetime | None:
        gap_end = _moment(self._presence.gap_end_us)
        return max([*(end for _, end in skip), *([] if gap_end is None else [gap_end])], default=None)

    def _back_at(self) -> datetime | None:
        away = self._presence.away
        return from_us(away[1]) if away is not None and self._is_return(*away) else None

    def _changed_at(self, began: datetime, back_at: datetime | None) -> datetime | None:
        """The last change of app or return to the keyboard in a block that began at `began`."""
        moments = (_moment(self._presence.changed_us(to_us(began))), back_at)
        return max((moment for moment in moments if moment is not None and moment > began), default=None)

    def _is_return(self, begin_us: int, end_us: int) -> bool:
        """Whether a time away was real: nobody who listened (a meeting, an audible tab) was away."""
        if end_us not in self._returns:
            with self._database.reading():
                near = self._database.buckets.between(self._user_id, max(begin_us, end_us - _LOOK_BACK_US), end_us)
            minutes = [record for record in near if record.end_us <= end_us]
            is_long = end_us - begin_us >= seconds_to_us(AWAY_RUN_SECONDS)
            listened = bool(minutes) and all(
                minute.decided_by != "idle_rule" and (is_long or minute.row().attended_seconds > 0)
                for minute in minutes
            )
            self._returns = {end_us: not listened}
        return self._returns[end_us]

    def _held_since(self, live: WindowPrediction) -> datetime | None:
        """Start of the label shown last, if it is the same and no gap or blackout lies between."""
        if self._shown is None or self._shown[0] != live.ui_label:
            return None
        _, since, end = self._shown
        if live.bucket_start_ts > end + 3 * timedelta(seconds=self._config.bucket_seconds) or self._blackouts(
            since, live.bucket_end_ts
        ):
            return None
        return since

    def _since(self, live: WindowPrediction) -> datetime:
        """Start of the recorded run of this label up to the live row; else the start of the live row."""
        start = live.bucket_start_ts
        run = run_before(
            self._database,
            self._user_id,
            to_us(start) + 1,
            label=live.ui_label,
            named=self._categories.ui_label,
            with_away=live.decided_by == "idle_rule",
        )
        if run is None or from_us(run[-1].end_us) < start - 3 * timedelta(seconds=self._config.bucket_seconds):
            return start
        since = min(start, from_us(run[0].start_us))
        dark = self._blackouts(since, start)
        return from_us(max(to_us(since), *(end for _, end in dark))) if dark else since


def _context_of(row: FeatureRow, seen: Sequence[FeatureRow], dark: Sequence[Interval]) -> list[FeatureRow]:
    """The rows shortly before the live one, whose words a head takes into account; none from before a blackout."""
    first_us = max([to_us(row.bucket_start_ts) - _CONTEXT_US, *(end for _, end in dark)])
    return [each for each in seen if to_us(each.bucket_start_ts) >= first_us][-CONTEXT_BUCKETS:]


def _lengthened(reports: AwayReports, end_us: int) -> list[Interval]:
    """Extend a time away that nothing has ended to `end_us`: the away watcher reports later than the window watcher."""
    away = reports.away
    if not away or away[-1][1] >= end_us or away[-1][1] < end_us - seconds_to_us(DEFAULT_GRACE_SECONDS):
        return list(away)
    is_over = bool(reports.present) and reports.present[-1][1] >= away[-1][1]
    return list(away) if is_over else [*away[:-1], (away[-1][0], end_us)]


def _moment(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)
