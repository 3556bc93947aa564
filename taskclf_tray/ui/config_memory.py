"""What a config id stood for: a bucket is always mapped by the taxonomy in force when it was predicted."""

from __future__ import annotations

import json
from datetime import datetime

from taskclf_tray.core.time import to_us
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.taxonomy import TaxonomyResolver
from taskclf_tray.infer.taxonomy_file import parse_taxonomy, taxonomy_document
from taskclf_tray.store.database import Database

_CACHE_SIZE = 8


class ConfigMemory:
    """Reads and writes the descriptions in the database; keeps the last few resolvers at hand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._resolvers: dict[str, TaxonomyResolver | None] = {}

    def remember(self, config: PipelineConfig, now: datetime) -> None:
        """Write the description once; inside the caller's transaction."""
        content = {
            "model_version": config.model_version,
            "schema_version": config.schema_version,
            "reject_threshold": config.reject_threshold,
            "per_user_reject_thresholds": dict(config.per_user_reject_thresholds or {}),
            "smooth_window": config.smooth_window,
            "taxonomy": None if config.taxonomy is None else taxonomy_document(config.taxonomy),
        }
        self._database.configs.remember(config.config_id, json.dumps(content), to_us(now))

    def resolver(self, config_id: str) -> TaxonomyResolver | None:
        """The taxonomy of this config; None when it had none, or nothing is known of it."""
        if config_id not in self._resolvers:
            if len(self._resolvers) >= _CACHE_SIZE:
                self._resolvers.pop(next(iter(self._resolvers)))
            self._resolvers[config_id] = self._load(config_id)
        return self._resolvers[config_id]

    def _load(self, config_id: str) -> TaxonomyResolver | None:
        with self._database.reading():
            content = self._database.configs.get(config_id)
        document = None if content is None else json.loads(content)["taxonomy"]
        return None if document is None else TaxonomyResolver(parse_taxonomy(json.dumps(document)))
