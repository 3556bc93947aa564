"""Re-inference of the record after a promotion or a roll-back, a chunk of buckets at a time, oldest first.

It runs in the worker's thread, between two steps of the record: the two never write at once, the views see every change
like any other, and a chunk takes some tens of milliseconds. The progress is stored with each chunk, so a kill costs
nothing. Feature rows and labels are only read.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.infer.head import CONTEXT_BUCKETS
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows, finish
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy_resolver import TaxonomyResolver
from taskclf_tray.labels.learning import Reinference, load_reinference, save_reinference
from taskclf_tray.record.memory import ConfigMemory, PastMemory
from taskclf_tray.record.promise import bank
from taskclf_tray.record.recorder import record_of
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database

log = logging.getLogger(__name__)

CHUNK_BUCKETS: Final = 150
_FAR_US: Final = 1 << 62


class HistoryRewriter:
    """Re-infers the record; owned by the worker thread. Raises StoreError."""

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._user_id = user_id
        self._memory = ConfigMemory(database)
        self._config: PipelineConfig | None = None
        self._past: PastMemory | None = None
        self._since: datetime | None = None
        self._labels: dict[datetime, tuple[str, str]] = {}
        self._work = load_reinference(database, user_id)

    def begin(self, bundle_id: str) -> None:
        """Re-infer all of the record with this model, once it is served."""
        self._begin(Reinference(bundle_id))

    def begin_at(self, bundle_id: str, start: datetime) -> None:
        """Re-infer what this model has predicted since `start`, and what was still to be done before it."""
        pending = self._work if self._work is not None and self._work.bundle_id == bundle_id else None
        start_us = to_us(start)
        self._begin(Reinference(bundle_id, start_us if pending is None else min(start_us, pending.done_us)))
        self._since = start

    def _begin(self, work: Reinference) -> None:
        self._work, self._since, self._labels = work, None, {}
        save_reinference(self._database, self._user_id, work)

    @property
    def is_done(self) -> bool:
        """Whether nothing is pending."""
        return self._work is None

    def is_pending(self, bundle_id: str) -> bool:
        """Whether this model has something to re-infer."""
        return self._work is not None and self._work.bundle_id == bundle_id

    def relabelled(self) -> list[datetime]:
        """Starts of the buckets from the start of `begin_at` on that have got another label since, in order."""
        return sorted(start for start, (old, new) in self._labels.items() if old != new)

    def follow(self) -> None:
        """Read the pending re-inference again: a training in another process may have stored one."""
        self._work = load_reinference(self._database, self._user_id)

    def advance(self, config: PipelineConfig, bundle_id: str, now: datetime) -> list[WindowPrediction]:
        """Re-predict the next chunk of stored buckets that another configuration predicted.

        Returns the changed predictions, oldest first; an empty list when nothing is pending or another model is served.
        """
        work = self._work
        if work is None or not self.is_pending(bundle_id):
            return []
        self._use(config)
        with self._database.reading():
            found = self._database.buckets.iterate(self._user_id, work.done_us, _FAR_US)
            records = list(itertools.islice(found, CHUNK_BUCKETS))
        rest = Reinference(bundle_id, records[-1].start_us + 1) if len(records) == CHUNK_BUCKETS else None
        changed = self._rewritten(config, records) if records else []
        with self._database.transaction():
            if changed:
                bank(self._database, self._user_id, work.done_us, records[-1].end_us)
            self._database.buckets.put(changed)
            self._memory.remember(config, now)
            save_reinference(self._database, self._user_id, rest)
        self._work = rest
        if rest is None:
            log.info("The record is answered by %s.", bundle_id)
        return [WindowPrediction.of(record) for record in changed]

    def _use(self, config: PipelineConfig) -> None:
        if self._config is None or self._config.config_id != config.config_id:
            self._config = config
            self._past = PastMemory(self._database, self._user_id, self._transitions_of, config.bucket_seconds)

    def _rewritten(self, config: PipelineConfig, records: Sequence[BucketRecord]) -> list[BucketRecord]:
        """The changed buckets of the chunk, and of those before it whose smoothing looked at the chunk."""
        assert self._past is not None
        ahead = max(1, config.ahead_buckets)
        with self._database.reading():
            reach = ahead + config.smooth_window
            before = self._database.buckets.before(self._user_id, records[0].start_us, reach)
            after = list(
                itertools.islice(self._database.buckets.iterate(self._user_id, records[-1].end_us, _FAR_US), ahead)
            )
        known = [*before, *records]
        predictions = [*map(WindowPrediction.of, before), *_decided(config, records, before, after)]
        past = self._past.before(predictions)
        finished = finish(
            [*predictions, *map(WindowPrediction.of, after)],
            smooth_window=config.smooth_window,
            bucket_seconds=config.bucket_seconds,
            resolver_of=self._resolver_of,
            transitions_of=self._transitions_of,
            forward_state=past,
        )
        self._past.move(past, finished[: max(0, len(known) - reach)])
        kept = max(0, len(before) - ahead)
        pairs = (
            (record, WindowPrediction.of(record), new)
            for record, new in zip(known[kept:], finished[kept:], strict=False)
        )
        changed = []
        for record, old, new in pairs:
            if old != new:
                self._note(old, new)
                changed.append(record_of(record.row(), new, is_settled=record.is_settled))
        return changed

    def _note(self, old: WindowPrediction, new: WindowPrediction) -> None:
        start = old.bucket_start_ts
        if self._since is not None and start >= self._since:
            first, _ = self._labels.get(start, (old.ui_label, ""))
            self._labels[start] = first, new.ui_label

    def _resolver_of(self, config_id: str) -> TaxonomyResolver | None:
        assert self._config is not None
        return self._config.resolver if config_id == self._config.config_id else self._memory.resolver(config_id)

    def _transitions_of(self, config_id: str) -> Transitions | None:
        assert self._config is not None
        return self._config.transitions if config_id == self._config.config_id else self._memory.transitions(config_id)


def _decided(
    config: PipelineConfig,
    records: Sequence[BucketRecord],
    before: Sequence[BucketRecord],
    after: Sequence[BucketRecord],
) -> list[WindowPrediction]:
    """Predict the records with this configuration; where it has predicted one before, keep that."""
    if all(record.config_id == config.config_id for record in records):
        return [WindowPrediction.of(record) for record in records]
    near = (before[-CONTEXT_BUCKETS:], after[:CONTEXT_BUCKETS]) if config.head is not None else ((), ())
    fresh = decide_rows(config, _rows(records), before=_rows(near[0]), after=_rows(near[1]))
    return [
        WindowPrediction.of(record) if record.config_id == config.config_id else new
        for record, new in zip(records, fresh, strict=True)
    ]


def _rows(records: Sequence[BucketRecord]) -> list[FeatureRow]:
    return [record.known_row() for record in records]
