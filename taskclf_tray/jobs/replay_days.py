"""The days of an export, lived through in order with the app's own recorder, questions and learning.

Each day is served by what was learnt on the days before it: the starter model at first, with a personal head once there
are labels, then what Retrain made of the labels known in the evening and put in use through its gates. The head is
fitted again after each answer, and when the labels of a day are taken in. The record is a real one, in a home of its
own.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final

import numpy as np

from taskclf_tray.adapters.base import ActivitySource
from taskclf_tray.core.config import Config
from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, MIXED_UNKNOWN, SETTLE_SECONDS
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.core.time import US_PER_SECOND, day_bounds, from_us, local_date, local_midnight, seconds_to_us, to_us
from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan
from taskclf_tray.infer.forward_state import smoothed_labels
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.jobs import refit
from taskclf_tray.jobs.replay_questions import ReplayedQuestions
from taskclf_tray.labels.budget import AskSettings
from taskclf_tray.labels.learning import unproven_below
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.bundle import copy_starter
from taskclf_tray.models.head_files import HeadEntry
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.models.promotion import HeadBasis, served_now, switch_head
from taskclf_tray.models.resolve import ResolvedInferenceConfig
from taskclf_tray.record.guard import GuardedReader
from taskclf_tray.record.live_label import LiveLabel
from taskclf_tray.record.memory import ConfigMemory
from taskclf_tray.record.recorder import Recorder
from taskclf_tray.record.rewrite import HistoryRewriter
from taskclf_tray.store.blackouts import Blackout
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.dataset import NO_LABEL, IntArray
from taskclf_tray.train.dataset_sources import project_labels
from taskclf_tray.train.replay_figures import ReplayedMinute
from taskclf_tray.train.retrain_run import Retraining
from taskclf_tray.train.train_request import RetrainRequest

_BUCKET_US: Final = DEFAULT_BUCKET_SECONDS * US_PER_SECOND
_SETTLING: Final = -(-SETTLE_SECONDS // DEFAULT_BUCKET_SECONDS) + 1
"""So many minutes after its start a minute is settled, whatever follows."""
TRAINING_GROWTH: Final = 1.2
"""Retrain is pressed in the evening when there is this much more labelled time than at the last training: with less
that is new it takes as long, and changes little."""
_TRAINING_UNITS: Final = 200
"""Of the progress; a training takes about as long as this many minutes of the record."""


@dataclass(frozen=True, slots=True)
class Evening:
    """What was learnt after a day.

    Args:
        labelled_minutes: what the person had labelled by then, of all days so far.
        outcome: `promoted`, `refused`, `too_few_labels`, or `not_due` where too little was new since the last training.
        sentences: what the app would have said.
        macro_f1, previous_macro_f1: of the new model and of the one in use, on the same minutes; None without a
            new model.
    """

    day: int
    labelled_minutes: int
    outcome: str
    sentences: tuple[str, ...] = ()
    macro_f1: float | None = None
    previous_macro_f1: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dataclasses.asdict(self) | {"day": date.fromordinal(self.day).isoformat()}


@dataclass(slots=True)
class _Known:
    """What was known of a minute when it ended.

    `final`: its prediction before a later label re-inferred it. `plain_from`: below this the app says "Perhaps".
    """

    prediction: WindowPrediction | None = None
    live_label: str | None = None
    final: WindowPrediction | None = None
    plain_from: float = 0.0


class ReplayedLife:
    """One life: `run` it once. Everything it writes is in its home."""

    def __init__(
        self,
        paths: HomePaths,
        source: ActivitySource,
        span: tuple[datetime, datetime],
        config: Config,
        labels: Sequence[LabelSpan],
        say: ProgressCallback,
        *,
        time_zone: str,
        answers_per_day: int | None = None,
        blackouts: Sequence[Blackout] = (),
        after_training: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare a home that nobody has used yet.

        Args:
            paths: the home, whose identity is made already.
            span: the time of the source to live through.
            config: the person's settings.
            labels: what the person says of the time.
            answers_per_day: how many questions a day are answered from `labels`; None for all labels at the day's end.
            blackouts: the person's pauses and private times.
            after_training: called after each training, which may have changed the process's signal handlers.
        """
        self._paths, self._config, self._labels, self._say = paths, config, labels, say
        self._zone, self._after_training = time_zone, after_training
        self._user_id = load_or_create_identity(paths.home).user_id
        copy_starter(paths.models)
        self._database = Database(paths.database)
        with self._database.transaction():
            for blackout in blackouts:
                self._database.blackouts.replace(blackout, [blackout])
        self._minutes = _minutes_of(source, *span)
        self._store = LabelStore(self._database, self._user_id)
        self._recorder = Recorder(
            self._database,
            GuardedReader(source, self._database, lambda: None),
            self._config_of(self._served()),
            user_id=self._user_id,
            device_id="replay",
            time_zone=lambda: time_zone,
        )
        self._rewriter = HistoryRewriter(self._database, self._user_id)
        self._asker = None
        if answers_per_day is not None:
            settings = dataclasses.replace(AskSettings.from_config(config), asks_per_day=answers_per_day)
            self._asker = ReplayedQuestions(self._database, self._store, self._user_id, settings, labels, time_zone)
        self._waiting = [] if self._asker else sorted(labels, key=lambda label: label.end_ts)
        self._known: dict[int, _Known] = {}
        self._last_us: int | None = None
        self._trained_us = 0

    def labelled_days(self) -> list[tuple[int, int]]:
        """The ordinal of each local day with windows, and its labelled minutes."""
        is_labelled = self._truths(self._minutes) != NO_LABEL
        found = Counter({self._day_of(start): 0 for start in self._minutes})
        found.update(self._day_of(self._minutes[place]) for place in np.flatnonzero(is_labelled).tolist())
        return sorted(found.items())

    def _truths(self, starts_us: Sequence[int]) -> IntArray:
        starts = np.array(starts_us, dtype=np.int64)
        return project_labels(starts, starts + _BUCKET_US, self._labels)

    def run(self) -> tuple[list[ReplayedMinute], list[Evening]]:
        """Live through all days. Returns the recorded minutes in order, and what was learnt in the evenings.

        Raises StoreError, SourceError, OSError.
        """
        days = [(day, list(minutes)) for day, minutes in groupby(self._minutes, self._day_of)]
        total = len(self._minutes) + _TRAINING_UNITS * (len(days) - 1)
        done = 0
        evenings: list[Evening] = []
        try:
            for number, (day, minutes) in enumerate(days, 1):
                for minute_us in minutes:
                    self._live_through(minute_us)
                    done += 1
                    self._tell_more(done, total, 0)
                self._settle(minutes[-1])
                if number < len(days):
                    evenings.append(self._learn(day, partial(self._tell_more, done, total)))
                    done += _TRAINING_UNITS
            return self._answers(), evenings
        finally:
            self._database.close()

    def _tell_more(self, done: int, total: int, more: int) -> None:
        self._say({"event": "progress", "done": done + more, "total": total})

    def _day_of(self, start_us: int) -> int:
        return local_date(from_us(start_us), self._zone).toordinal()

    # -- a day ------------------------------------------------------------------------------------------------

    def _live_through(self, minute_us: int) -> None:
        """Poll when the minute ends; and through a gap before it, as long as anything can settle."""
        if self._last_us is not None and minute_us - self._last_us > _BUCKET_US:
            self._settle(self._last_us, until_us=minute_us)
        self._last_us = minute_us
        known = self._known.setdefault(minute_us, _Known())
        live = self._poll(minute_us + _BUCKET_US)
        if live is not None and to_us(live.prediction.bucket_end_ts) > minute_us:
            known.live_label = live.prediction.ui_label

    def _settle(self, minute_us: int, until_us: int | None = None) -> None:
        """Poll twice after a minute that no other one follows: when it is finalised, and when it is settled."""
        for later in (2, _SETTLING):
            now_us = minute_us + later * _BUCKET_US
            if until_us is None or now_us <= until_us:
                self._poll(now_us)

    def _poll(self, now_us: int) -> LiveLabel | None:
        now = from_us(now_us)
        while True:
            step = self._recorder.step(now)
            for prediction in step.finalised:
                known = self._known.setdefault(to_us(prediction.bucket_start_ts), _Known())
                known.prediction, known.plain_from = prediction, self._plain_from()
            if step.is_caught_up:
                break
        if self._asker is not None and self._asker.after_step(self._recorder, step.live, now):
            self._refit(now)
        return step.live

    def _plain_from(self) -> float:
        """The probability from which on a label is shown as such."""
        return unproven_below(self._database, self._user_id) if self._is_starter else 0.0

    def _refit(self, now: datetime) -> None:
        """Fit the head again, as the app does after each label, and re-infer today.

        A label says nothing of how well earlier minutes were known, so those keep the label they had for the figures.
        """
        models = self._paths.models
        request = {"home": str(self._paths.home), "models_dir": str(models), "now_us": to_us(now)}
        fitted = refit.run(request | {"time_zone": self._zone}, lambda _event: None)
        if fitted["outcome"] != "fitted":
            return
        head = None if fitted["head"] is None else HeadEntry.model_validate(fitted["head"])
        switch_head(models, HeadBasis(**fitted["basis"]), head, fitted["threshold"])
        today = local_midnight(now, self._zone)
        with self._database.reading():
            for record in self._database.buckets.between(self._user_id, to_us(today), to_us(now)):
                known = self._known[record.start_us]
                known.final = known.final or WindowPrediction.of(record)
        served = self._use_served()
        self._rewriter.begin_at(served.bundle_id, today)
        while not self._rewriter.is_done:
            self._rewriter.advance(self._config_of(served), served.bundle_id, now)

    # -- an evening -------------------------------------------------------------------------------------------

    def _learn(self, day: int, tell: Callable[[int], None]) -> Evening:
        """Take in the labels of the day, fit the head again, and retrain when there are enough new ones."""
        now = day_bounds(date.fromordinal(day), self._zone)[1]
        given = [label for label in self._waiting if label.end_ts <= now]
        self._waiting = self._waiting[len(given) :]
        self._store.import_spans([dataclasses.replace(label, user_id=None) for label in given], at=now)
        if given:
            self._refit(now)
        labelled_us = sum(span.end_us - span.start_us for span in self._store.everything())
        evening = Evening(day, labelled_us // _BUCKET_US, "not_due")
        if not labelled_us or labelled_us < TRAINING_GROWTH * self._trained_us:
            return evening
        try:
            facts = self._retrain(now, tell)
        except LabelError as error:
            return dataclasses.replace(evening, outcome="too_few_labels", sentences=(error.title,))
        self._trained_us = labelled_us
        self._use_served()
        return dataclasses.replace(
            evening,
            outcome=facts["outcome"],
            sentences=tuple(facts["sentences"]),
            macro_f1=facts["macro_f1"],
            previous_macro_f1=facts["previous_macro_f1"],
        )

    def _retrain(self, now: datetime, tell: Callable[[int], None]) -> dict[str, Any]:
        """Retrain as the tray does; what came of it. Raises LabelError where there are too few labels."""

        def on_event(event: dict[str, Any]) -> None:
            if event["event"] == "progress":
                tell(_TRAINING_UNITS * event["done"] // event["total"])

        request = RetrainRequest(
            home=str(self._paths.home),
            now_us=to_us(now),
            time_zone=self._zone,
            target_accuracy=self._config.target_accuracy,
            smooth_window=self._config.smooth_window,
            smoother=self._config.smoother,
        )
        try:
            return Retraining(request, self._paths, on_event).run()
        finally:
            self._after_training()

    def _served(self) -> ResolvedInferenceConfig:
        resolved = served_now(self._paths.models)
        assert resolved is not None, "the starter model is there"
        self._is_starter = resolved.metadata.data_provenance == "synthetic"
        return resolved

    def _use_served(self) -> ResolvedInferenceConfig:
        served = self._served()
        self._recorder.use(self._config_of(served))
        if self._asker is not None:
            self._asker.is_starter = served.metadata.data_provenance == "synthetic"
        return served

    def _config_of(self, served: ResolvedInferenceConfig) -> PipelineConfig:
        return PipelineConfig.from_resolved(
            served, taxonomy=None, smooth_window=self._config.smooth_window, smoother=self._config.smoother
        )

    # -- the answers ------------------------------------------------------------------------------------------

    def _answers(self) -> list[ReplayedMinute]:
        with self._database.reading():
            records = self._database.buckets.between(self._user_id, 0, 1 << 62)
        truths = self._truths([record.start_us for record in records]).tolist()
        finals = self._final_labels(
            [self._known[record.start_us].final or WindowPrediction.of(record) for record in records]
        )
        return [
            self._minute(record.start_us, final_label, None if truth == NO_LABEL else LABEL_SET_V1[truth])
            for record, final_label, truth in zip(records, finals, truths, strict=True)
        ]

    def _final_labels(self, predictions: Sequence[WindowPrediction]) -> list[str]:
        """Smooth as the app does, as if nothing had been rejected: `is_rejected` says what the app would not show."""
        return smoothed_labels(
            [p if p.decided_by == "no_window" else p.model_copy(update={"is_rejected": False}) for p in predictions],
            smooth_window=self._config.smooth_window,
            step=timedelta(seconds=DEFAULT_BUCKET_SECONDS),
            transitions_of=ConfigMemory(self._database).transitions,
        )

    def _minute(self, start_us: int, final_label: str, truth: str | None) -> ReplayedMinute:
        known = self._known[start_us]
        prediction = known.prediction
        assert prediction is not None
        confidence = max(prediction.model_probs)
        threshold = prediction.reject_threshold
        least = max(known.plain_from, threshold or 0.0)
        is_rejected = prediction.decided_by == "no_window" or confidence < least
        raw_label = LABEL_SET_V1[prediction.model_probs.index(confidence)]
        return ReplayedMinute(
            bucket_start_ts=prediction.bucket_start_ts,
            day=self._day_of(start_us),
            raw_label=raw_label,
            raw_confidence=confidence,
            live_label=known.live_label or (MIXED_UNKNOWN if is_rejected else raw_label),
            final_label=final_label,
            is_rejected=is_rejected,
            target_accuracy=self._config.target_accuracy,
            truth=truth,
            is_models=prediction.decided_by == "model",
        )


def _minutes_of(source: ActivitySource, start: datetime, end: datetime) -> list[int]:
    """The starts of the minutes in which a window was in front, in order."""
    found: set[int] = set()
    for event in source.read(start, end).window:
        start_us = to_us(event.timestamp)
        last_us = max(start_us, start_us + seconds_to_us(event.duration_seconds) - 1)
        found.update(range(start_us // _BUCKET_US, last_us // _BUCKET_US + 1))
    return [minute * _BUCKET_US for minute in sorted(found)]
