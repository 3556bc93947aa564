"""The three feature schemas: row columns with their types, the hash, and the model's columns in model order."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

SKETCH_BINS: Final = 128
TOKEN_SKETCH: Final = "title_token_sketch"  # noqa: S105 - a column name
CHAR3_SKETCH: Final = "title_char3_sketch"

Column = tuple[str, str]

_IDENTITY: Final[tuple[Column, ...]] = (
    ("device_id", "str"),
    ("session_id", "str"),
    ("bucket_start_ts", "datetime"),
    ("bucket_end_ts", "datetime"),
    ("schema_version", "str"),
    ("schema_hash", "str"),
    ("source_ids", "list"),
)
_APP: Final[tuple[Column, ...]] = (
    ("app_id", "str"),
    ("app_category", "str"),
    ("window_title_hash", "str"),
    ("is_browser", "bool"),
    ("is_editor", "bool"),
    ("is_terminal", "bool"),
    ("app_switch_count_last_5m", "int"),
    ("app_foreground_time_ratio", "float"),
    ("app_change_count", "int"),
    ("app_dwell_time_seconds", "float"),
    ("app_entropy_5m", "float"),
    ("app_entropy_15m", "float"),
    ("top2_app_concentration_15m", "float"),
    ("idle_return_indicator", "bool"),
)
_INPUT: Final[tuple[Column, ...]] = (
    ("keys_per_min", "float"),
    ("backspace_ratio", "float"),
    ("shortcut_rate", "float"),
    ("clicks_per_min", "float"),
    ("scroll_events_per_min", "float"),
    ("mouse_distance", "float"),
    ("active_seconds_keyboard", "float"),
    ("active_seconds_mouse", "float"),
    ("active_seconds_any", "float"),
    ("max_idle_run_seconds", "float"),
    ("event_density", "float"),
)
_CONTEXT: Final[tuple[Column, ...]] = (
    ("domain_category", "str"),
    ("window_title_bucket", "int"),
    ("title_repeat_count_session", "int"),
    ("keys_per_min_rolling_5", "float"),
    ("keys_per_min_rolling_15", "float"),
    ("mouse_distance_rolling_5", "float"),
    ("mouse_distance_rolling_15", "float"),
    ("keys_per_min_delta", "float"),
    ("clicks_per_min_delta", "float"),
    ("mouse_distance_delta", "float"),
    ("app_switch_count_last_15m", "int"),
    ("hour_of_day", "int"),
    ("day_of_week", "int"),
    ("session_length_so_far", "float"),
)
_TITLE: Final[tuple[Column, ...]] = (
    *((f"{TOKEN_SKETCH}_{i:03d}", "float") for i in range(SKETCH_BINS)),
    *((f"{CHAR3_SKETCH}_{i:03d}", "float") for i in range(SKETCH_BINS)),
    ("title_char_count", "int"),
    ("title_token_count", "int"),
    ("title_unique_token_ratio", "float"),
    ("title_digit_ratio", "float"),
    ("title_separator_count", "int"),
)
_USER: Final[tuple[Column, ...]] = (("user_id", "str"),)
_NOT_MODEL: Final = "window_title_hash"
_CATEGORICAL: Final = ("app_id", "app_category", "domain_category")


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """One version of the feature table."""

    version: str
    row_columns: tuple[Column, ...]
    model_columns: tuple[str, ...]
    categorical_columns: tuple[str, ...]
    schema_hash: str


def _schema(version: str, rows: tuple[Column, ...], extra_model: tuple[Column, ...] = ()) -> FeatureSchema:
    features = [c for c in (*_APP, *_INPUT, *_CONTEXT) if c[0] != _NOT_MODEL]
    model = tuple(name for name, _ in (*features, *extra_model))
    categorical = tuple(name for name in model if name in _CATEGORICAL or name == "user_id")
    compact = json.dumps([list(column) for column in rows], separators=(",", ":"))
    digest = hashlib.sha256(compact.encode()).hexdigest()[:12]
    return FeatureSchema(version, rows, model, categorical, digest)


_BASE: Final = (*_IDENTITY, *_APP, *_INPUT, *_CONTEXT)
SCHEMAS: Final[dict[str, FeatureSchema]] = {
    "v1": _schema("v1", (*_USER, *_BASE), _USER),
    "v2": _schema("v2", _BASE),
    "v3": _schema("v3", (*_USER, *_BASE, *_TITLE), _TITLE),
}
NEWEST_SCHEMA: Final = "v3"


def schema_of_hash(schema_hash: str) -> FeatureSchema | None:
    """Return the schema with this hash, or None."""
    return next((schema for schema in SCHEMAS.values() if schema.schema_hash == schema_hash), None)
