"""The person's categories over the whole record: views name every minute by today's categories.

The record keeps the name from the time of the prediction, for `predictions.csv` and the law of parity. Views use this
module instead, so a renamed category is renamed on every day. The last valid file is kept in the database: a half-saved
or invalid file changes no view.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.errors import StoreError, TaxonomyError
from taskclf_tray.infer.prediction import PREDICTION_FIELDS
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.infer.taxonomy_resolver import TaxonomyResolver
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database

log = logging.getLogger(__name__)

_KEPT: Final = "taxonomy"
_CORE_PROBS: Final = PREDICTION_FIELDS.index("core_probs")
Shown = tuple[str, bool]
"""The shown label, and whether it is the mixed name."""


class Categories:
    """Names stored buckets by one taxonomy, or by their core labels when it is None.

    Buckets that were mapped by the same rules are renamed by a table. The others are mapped again from the smoothed
    label and the calibrated probabilities. A bucket with an unknown configuration keeps its name.
    """

    def __init__(self, database: Database, taxonomy: TaxonomyConfig | None) -> None:
        self.taxonomy = taxonomy
        self._database = database
        self._resolver = None if taxonomy is None else TaxonomyResolver(taxonomy)
        self._namers: dict[str, Callable[[BucketRecord], Shown]] = {}

    def name(self, record: BucketRecord) -> Shown:
        """Return the shown label of a bucket. Raises StoreError."""
        namer = self._namers.get(record.config_id)
        if namer is None:
            namer = self._namers[record.config_id] = self._namer(record.config_id)
        return namer(record)

    def ui_label(self, record: BucketRecord) -> str:
        """Return the shown label alone. Raises StoreError."""
        return self.name(record)[0]

    def _namer(self, config_id: str) -> Callable[[BucketRecord], Shown]:
        with self._database.reading():
            content = self._database.configs.get(config_id)
        if content is None:
            return _stored
        resolver, document = self._resolver, content["taxonomy"]
        if resolver is None:
            return _core
        if document is not None:
            then = TaxonomyResolver(TaxonomyConfig.model_validate(document))
            names = dict(zip(then.label_names.tolist(), resolver.label_names.tolist(), strict=False))
            if then.rules == resolver.rules and len(names) == len(then.label_names):  # `Other` may be the mixed name
                return partial(_renamed, names)
        return partial(_mapped, resolver)


def _stored(record: BucketRecord) -> Shown:
    return record.ui_label, record.is_mixed


def _core(record: BucketRecord) -> Shown:
    return record.smoothed_label, record.smoothed_label == MIXED_UNKNOWN


def _renamed(names: Mapping[str, str], record: BucketRecord) -> Shown:
    return names[record.ui_label], record.is_mixed


def _mapped(resolver: TaxonomyResolver, record: BucketRecord) -> Shown:
    """Run stage 8 for a stored bucket."""
    raw = MIXED_UNKNOWN if record.is_rejected else record.core_label
    label = resolver.certain_label(record.smoothed_label, raw, record.confidence)
    if label is None:
        label = resolver.label(record.smoothed_label, raw, json.loads(record.prediction)[_CORE_PROBS])
    return label, label not in resolver.bucket_names


# -- the file, and the last one that was valid ----------------------------------------------------------------


def categories_in_force(database: Database, path: Path) -> tuple[TaxonomyConfig | None, TaxonomyError | None]:
    """Return the categories of a home's file, or of its last valid state with the error in the file.

    None without a file, and when no valid one was ever seen. Raises StoreError.
    """
    if not path.exists():
        return None, None
    from taskclf_tray.infer.taxonomy_file import load_taxonomy  # brings yaml

    try:
        return load_taxonomy(path), None
    except TaxonomyError as error:
        return KeptCategories(database).load(), error


class KeptCategories:
    """The last valid categories, in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> TaxonomyConfig | None:
        """Load the categories; None when there never was a valid file, or it was removed. Raises StoreError."""
        with self._database.reading():
            saved = self._database.state.get(_KEPT)
        try:
            return TaxonomyConfig.model_validate(json.loads(saved)) if saved else None
        except (TaxonomyError, KeyError, TypeError, ValueError) as error:  # written by a version that knows more
            log.warning("The kept categories cannot be read (%s).", type(error).__name__)
            return None

    def save(self, taxonomy: TaxonomyConfig | None) -> None:
        """Store the categories. A failed write is only logged, because no view depends on it now."""

        wanted = "" if taxonomy is None else json.dumps(taxonomy.model_dump())
        try:
            with self._database.reading():
                if (self._database.state.get(_KEPT) or "") == wanted:
                    return
            with self._database.transaction():
                self._database.state.set(_KEPT, wanted)
        except StoreError as error:
            log.warning("The categories could not be kept: %s", error)
