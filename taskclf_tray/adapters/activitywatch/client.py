"""The public door to ActivityWatch by single calls (the inference documents' path)."""

from taskclf_tray.adapters.activitywatch import (
    fetch_aw_events,
    fetch_aw_input_events,
    find_input_bucket_id,
    find_window_bucket_id,
)
from taskclf_tray.adapters.export import parse_aw_export
from taskclf_tray.core.errors import AWConnectionError, AWNotFoundError, AWTimeoutError
from taskclf_tray.core.types import AWEvent, AWInputEvent

__all__ = [
    "AWConnectionError",
    "AWEvent",
    "AWInputEvent",
    "AWNotFoundError",
    "AWTimeoutError",
    "fetch_aw_events",
    "fetch_aw_input_events",
    "find_input_bucket_id",
    "find_window_bucket_id",
    "parse_aw_export",
]
