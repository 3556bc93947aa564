"""What a config id stood for: a bucket is always smoothed and mapped as it was in force when it was predicted."""

from __future__ import annotations

import json
from datetime import datetime

from taskclf_tray.core.smoothing import Transitions
from taskclf_tray.core.time import to_us
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.taxonomy import TaxonomyResolver, taxonomy_of
from taskclf_tray.infer.taxonomy_file import taxonomy_document
from taskclf_tray.store.database import Database

_CACHE_SIZE = 8
_Known = tuple[TaxonomyResolver | None, Transitions | None]


class ConfigMemory:
    """Reads and writes the descriptions in the database; keeps what the last few meant at hand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[str, _Known] = {}

    def remember(self, config: PipelineConfig, now: datetime) -> None:
        """Write the description once; inside the caller's transaction."""
        content = {
            "model_version": config.model_version,
            "schema_version": config.schema_version,
            "reject_threshold": config.reject_threshold,
            "per_user_reject_thresholds": dict(config.per_user_reject_thresholds or {}),
            "smooth_window": config.smooth_window,
            "transitions": None if config.transitions is None else config.transitions.to_lists(),
            "taxonomy": None if config.taxonomy is None else taxonomy_document(config.taxonomy),
        }
        self._database.configs.remember(config.config_id, json.dumps(content), to_us(now))

    def resolver(self, config_id: str) -> TaxonomyResolver | None:
        """The taxonomy of this config; None when it had none, or nothing is known of it."""
        return self._known(config_id)[0]

    def transitions(self, config_id: str) -> Transitions | None:
        """How this config smoothed: by the majority when None, also where nothing is known of it."""
        return self._known(config_id)[1]

    def _known(self, config_id: str) -> _Known:
        if config_id not in self._cache:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.pop(next(iter(self._cache)))
            self._cache[config_id] = self._load(config_id)
        return self._cache[config_id]

    def _load(self, config_id: str) -> _Known:
        with self._database.reading():
            content = self._database.configs.get(config_id)
        if content is None:
            return None, None
        known = json.loads(content)
        document, rows = known["taxonomy"], known.get("transitions")  # older records know no transitions
        resolver = None if document is None else TaxonomyResolver(taxonomy_of(document))
        return resolver, None if rows is None else Transitions(rows)
