"""The door to model bundles, as the inference documents name it."""

from taskclf_tray.models.bundle import load_model_bundle, read_metadata, save_model_bundle
from taskclf_tray.models.metadata import ModelMetadata

__all__ = ["ModelMetadata", "load_model_bundle", "read_metadata", "save_model_bundle"]
