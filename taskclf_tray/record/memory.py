"""What later steps need of the record: the meaning of config ids, and the forward state before the tail.

A bucket is always smoothed and mapped by the configuration that predicted it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.time import to_us
from taskclf_tray.infer.forward_state import ForwardState, forward_state_after
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.infer.taxonomy_resolver import TaxonomyResolver
from taskclf_tray.store.database import Database

_CACHE_SIZE = 8
_Known = tuple[TaxonomyResolver | None, Transitions | None]


class ConfigMemory:
    """Stores what config ids stand for, and caches the last few."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[str, _Known] = {}

    def remember(self, config: PipelineConfig, now: datetime) -> None:
        """Store the description once, inside the caller's transaction."""
        own = {
            "model_version": config.model_version,
            "schema_version": config.schema_version,
            "reject_threshold": config.reject_threshold,
            "per_user_reject_thresholds": dict(config.per_user_reject_thresholds or {}),
            "target_accuracy": config.target_accuracy,
            "smooth_window": config.smooth_window,
        }
        common = {
            "transitions": None if config.transitions is None else config.transitions.to_lists(),
            "taxonomy": None if config.taxonomy is None else config.taxonomy.model_dump(),
        }
        self._database.configs.remember(config.config_id, own, common, to_us(now))

    def resolver(self, config_id: str) -> TaxonomyResolver | None:
        """The taxonomy of this config; None when it had none or is unknown."""
        return self._known(config_id)[0]

    def transitions(self, config_id: str) -> Transitions | None:
        """The transitions this config smoothed with; None for the majority vote and for an unknown config."""
        return self._known(config_id)[1]

    def _known(self, config_id: str) -> _Known:
        if config_id not in self._cache:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.pop(next(iter(self._cache)))
            self._cache[config_id] = self._load(config_id)
        return self._cache[config_id]

    def _load(self, config_id: str) -> _Known:
        with self._database.reading():
            known = self._database.configs.get(config_id)
        if known is None:
            return None, None
        document, rows = known["taxonomy"], known.get("transitions")  # older records know no transitions
        resolver = None if document is None else TaxonomyResolver(TaxonomyConfig.model_validate(document))
        return resolver, None if rows is None else Transitions(rows)


class PastMemory:
    """The forward state of the label, for a smoother that looks at a whole run.

    The state moves with the record from step to step. Only the first step of a process, and one after another writer,
    computes it from the start of the run.
    """

    def __init__(
        self,
        database: Database,
        user_id: str,
        transitions_of: Callable[[str], Transitions | None],
        bucket_seconds: int,
    ) -> None:
        self._database = database
        self._user_id = user_id
        self._transitions_of = transitions_of
        self._step = timedelta(seconds=bucket_seconds)
        self._kept: tuple[ForwardState, int] | None = None
        """With the number of the newest change to the record then."""

    def before(self, predictions: Sequence[WindowPrediction]) -> ForwardState | None:
        """The forward state before these recorded predictions. Raises StoreError."""
        if not predictions or self._transitions_of(predictions[0].config_id) is None:
            return None
        start_us = to_us(predictions[0].bucket_start_ts)
        with self._database.reading():
            last = self._database.buckets.before(self._user_id, start_us, 1)
            if not last or last[0].end_us != start_us:
                return None
            change = self._database.buckets.last_change()
            if self._kept is not None and (to_us(self._kept[0].end), self._kept[1]) == (start_us, change):
                return self._kept[0]
            begin_us = self._database.buckets.run_start_us(self._user_id, start_us)
            run = self._database.buckets.between(self._user_id, begin_us, start_us)
        past = self._after([WindowPrediction.of(record) for record in run], None)
        self._kept = None if past is None else (past, change)
        return past

    def move(self, past: ForwardState | None, predictions: Sequence[WindowPrediction]) -> None:
        """Keep the forward state behind these stored predictions; `past` is the one before them. Raises StoreError."""
        past = self._after(predictions, past) if predictions else past
        self._kept = None
        if past is not None:
            with self._database.reading():
                self._kept = past, self._database.buckets.last_change()

    def _after(self, predictions: Sequence[WindowPrediction], past: ForwardState | None) -> ForwardState | None:
        return forward_state_after(
            predictions, step=self._step, transitions_of=self._transitions_of, forward_state=past
        )
