"""The public door to the model registry (the inference documents' path); the code is in `models/`."""

from taskclf_tray.models.registry import ActivePointer, BundleInfo, list_bundles, read_active
from taskclf_tray.models.selection import (
    ExclusionRecord,
    SelectionPolicy,
    SelectionReport,
    resolve_active_model,
    write_active_atomic,
)

ModelBundle = BundleInfo

__all__ = [
    "ActivePointer",
    "ExclusionRecord",
    "ModelBundle",
    "SelectionPolicy",
    "SelectionReport",
    "list_bundles",
    "read_active",
    "resolve_active_model",
    "write_active_atomic",
]
