"""The door to the person's categories, as the inference documents name it."""

from taskclf_tray.infer.taxonomy_config import (
    TaxonomyAdvanced,
    TaxonomyBucket,
    TaxonomyConfig,
    TaxonomyDisplay,
    TaxonomyReject,
    default_taxonomy,
)
from taskclf_tray.infer.taxonomy_file import load_taxonomy, save_taxonomy
from taskclf_tray.infer.taxonomy_resolver import TaxonomyResolver, TaxonomyResult

__all__ = [
    "TaxonomyAdvanced",
    "TaxonomyBucket",
    "TaxonomyConfig",
    "TaxonomyDisplay",
    "TaxonomyReject",
    "TaxonomyResolver",
    "TaxonomyResult",
    "default_taxonomy",
    "load_taxonomy",
    "save_taxonomy",
]
