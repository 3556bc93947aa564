"""The values that every room shares: frozen, with aware UTC times, without window titles or URLs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal

from taskclf_tray.core.intervals import Interval
from taskclf_tray.core.schema import SCHEMAS, SKETCH_BINS
from taskclf_tray.core.time import as_utc, from_us, parse_time, to_us

DecidedBy = Literal["model", "idle_rule", "no_window"]
Sketch = tuple[tuple[int, float], ...]
"""A sparse 128-bin title sketch: (bin, relative frequency) in order of bin, zero bins left out."""
WORD_BUCKETS: Final = 4096
"""The salted buckets of title words, 0–4095, and …"""
PROGRAM_BUCKETS: Final = 512
"""… those of programs, which follow them."""
WordSeconds = tuple[tuple[int, int], ...]
"""What was in front in words: (bucket, whole seconds) in order of bucket."""


class CoreLabel(StrEnum):
    """The eight core labels in label order (sorted by name; the id is the position)."""

    BREAK_IDLE = "BreakIdle"
    BUILD = "Build"
    COMMUNICATE = "Communicate"
    DEBUG = "Debug"
    MEET = "Meet"
    READ_RESEARCH = "ReadResearch"
    REVIEW = "Review"
    WRITE = "Write"


LABEL_SET_V1: Final[tuple[str, ...]] = tuple(label.value for label in CoreLabel)
LABEL_VERSION: Final = "labels_v1"
BREAK_IDLE_ID: Final = LABEL_SET_V1.index(CoreLabel.BREAK_IDLE)


@dataclass(frozen=True, slots=True)
class LabelLook:
    """The look of a core label: one letter and one colour (`#rrggbb`)."""

    letter: str
    color: str


LABEL_LOOKS: Final = MappingProxyType(
    {
        CoreLabel.BREAK_IDLE: LabelLook("Z", "#bfdfdb"),
        CoreLabel.BUILD: LabelLook("B", "#0b52a8"),
        CoreLabel.COMMUNICATE: LabelLook("C", "#57b3ff"),
        CoreLabel.DEBUG: LabelLook("D", "#bc530f"),
        CoreLabel.MEET: LabelLook("M", "#6d226a"),
        CoreLabel.READ_RESEARCH: LabelLook("R", "#2d926c"),
        CoreLabel.REVIEW: LabelLook("V", "#faf87d"),
        CoreLabel.WRITE: LabelLook("W", "#f4b40f"),
    }
)
"""Hues that stay apart for every kind of colour blindness, on eight different steps of grey (checked by a test)."""


@dataclass(frozen=True, slots=True)
class AWEvent:
    """One event of the foreground window, with its title reduced to numbers and dropped.

    `event_id` is the source's id (or the position in the file): it identifies an event that grows between reads and
    breaks ties between events that start together. `is_locker`: a real screen locker, by the list of this program.

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    >>> AWEvent(noon, 90.0, "org.mozilla.firefox", "browser", True, False, False, "0" * 12).duration_seconds
    90.0
    """

    timestamp: datetime
    duration_seconds: float
    app_id: str
    app_category: str
    is_browser: bool
    is_editor: bool
    is_terminal: bool
    window_title_hash: str
    title_token_sketch: Sketch = ()
    title_char3_sketch: Sketch = ()
    title_char_count: int = 0
    title_token_count: int = 0
    title_unique_token_ratio: float = 0.0
    title_digit_ratio: float = 0.0
    title_separator_count: int = 0
    event_id: int = 0
    is_locker: bool = False
    is_unknown: bool = False
    """ActivityWatch's `unknown`/`unknown`: no window had the focus."""
    is_call: bool = False
    """A program or page for calls, where the person may listen without input."""
    word_buckets: tuple[int, ...] = ()
    """The salted buckets of the title's words and of the program, rising."""


@dataclass(frozen=True, slots=True)
class AWInputEvent:
    """Keyboard and mouse counts of one 5 s sample; an event of n × 5 s with counts stands for n equal samples.

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    >>> AWInputEvent(noon, 5.0, presses=14, clicks=1, delta_x=80, delta_y=40, scroll_x=0, scroll_y=3).presses
    14
    """

    timestamp: datetime
    duration_seconds: float
    presses: int
    clicks: int
    delta_x: int
    delta_y: int
    scroll_x: int
    scroll_y: int
    event_id: int = 0


@dataclass(frozen=True, slots=True)
class AWAwayEvent:
    """One event of the away watcher: the person is away (`is_away`) or at the computer."""

    timestamp: datetime
    duration_seconds: float
    is_away: bool
    event_id: int = 0


@dataclass(frozen=True, slots=True)
class AWTabEvent:
    """One event of the browser watcher: the category of the tab's domain, and whether the tab plays sound."""

    timestamp: datetime
    duration_seconds: float
    domain_category: str
    is_audible: bool
    event_id: int = 0


@dataclass(frozen=True, slots=True)
class SourceEvents:
    """The events of a source in [start, end): cleaned, clipped, gaps filled, each list in order of time."""

    start: datetime
    end: datetime
    window: tuple[AWEvent, ...] = ()
    input: tuple[AWInputEvent, ...] = ()
    away: tuple[AWAwayEvent, ...] = ()
    tab: tuple[AWTabEvent, ...] = ()

    @property
    def newest_end(self) -> datetime | None:
        """End of the newest window event, None when there is none."""
        if not self.window:
            return None
        return from_us(max(to_us(e.timestamp) + round(e.duration_seconds * 1e6) for e in self.window))


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """The features of one bucket in schema v3, a superset of v1 and v2 (contract, section 4); None means missing.

    Sketches are sparse; `as_dict` and `model_dump` expand the row to the columns of a schema. `model_dump` adds the
    fields from `time_zone` on: they are not model input, but control how the bucket is decided and counted.
    """

    user_id: str
    device_id: str
    session_id: str
    bucket_start_ts: datetime
    bucket_end_ts: datetime
    app_id: str
    app_category: str
    window_title_hash: str
    is_browser: bool
    is_editor: bool
    is_terminal: bool
    app_switch_count_last_5m: int
    app_foreground_time_ratio: float
    app_change_count: int
    app_dwell_time_seconds: float
    app_entropy_5m: float
    app_entropy_15m: float
    top2_app_concentration_15m: float
    idle_return_indicator: bool
    keys_per_min: float | None
    clicks_per_min: float | None
    scroll_events_per_min: float | None
    mouse_distance: float | None
    active_seconds_keyboard: float | None
    active_seconds_mouse: float | None
    active_seconds_any: float | None
    max_idle_run_seconds: float | None
    event_density: float | None
    domain_category: str
    window_title_bucket: int
    title_repeat_count_session: int
    keys_per_min_rolling_5: float | None
    keys_per_min_rolling_15: float | None
    mouse_distance_rolling_5: float | None
    mouse_distance_rolling_15: float | None
    keys_per_min_delta: float | None
    clicks_per_min_delta: float | None
    mouse_distance_delta: float | None
    app_switch_count_last_15m: int
    hour_of_day: int
    day_of_week: int
    session_length_so_far: float
    title_token_sketch: Sketch
    title_char3_sketch: Sketch
    title_char_count: int
    title_token_count: int
    title_unique_token_ratio: float
    title_digit_ratio: float
    title_separator_count: int
    backspace_ratio: float | None = None
    shortcut_rate: float | None = None
    source_ids: tuple[str, ...] = ()
    schema_version: str = "v3"
    time_zone: str = "UTC"
    covered_seconds: float = 0.0
    """Foreground seconds of any window in the bucket."""
    unknown_seconds: float = 0.0
    """The covered seconds without a focused window (`unknown`/`unknown`)."""
    locked_seconds: float = 0.0
    """Seconds with a real screen locker in front."""
    attended_seconds: float = 0.0
    """Seconds with a call window or an audible tab in front: the person may listen without input."""
    decided_by: DecidedBy = "model"
    """Who decides this bucket: see `features.idle`."""
    audible_seconds: float = 0.0
    """The attended seconds with an audible tab."""
    call_spans: tuple[Interval, ...] = ()
    """Intervals with a call window in front, in microseconds."""
    lock_spans: tuple[Interval, ...] = ()
    """Intervals with a real screen locker in front, in microseconds."""
    word_seconds: WordSeconds = ()
    """Seconds with each salted bucket of words and programs in front; empty in rows of earlier versions."""

    @property
    def bucket_seconds(self) -> int:
        """Length of the bucket in seconds."""
        return (self.bucket_end_ts - self.bucket_start_ts) // timedelta(seconds=1)

    def model_dump(self) -> dict[str, Any]:
        """Return the columns of the row's schema, and the fields beside it."""
        return self.as_dict(self.schema_version) | {name: getattr(self, name) for name in _BESIDE}

    def model_dump_json(self) -> str:
        """Return `model_dump` as JSON, with times in ISO 8601."""
        return json.dumps(self.model_dump(), default=datetime.isoformat)

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> FeatureRow:
        """Return the row with some fields replaced."""
        return dataclasses.replace(self, **(update or {}))

    @classmethod
    def model_validate(cls, values: FeatureRow | Mapping[str, Any]) -> FeatureRow:
        """Build a row from columns of any schema version; columns that the schema lacks are missing.

        Raises ValueError for a row without its times.
        """
        if isinstance(values, FeatureRow):
            return values
        present = {name: value for name, value in values.items() if not _is_nan(value)}
        known: dict[str, Any] = {**_WHERE_A_SCHEMA_LACKS_IT, **dict.fromkeys(_MAY_BE_MISSING), **present}
        known.setdefault("device_id", "")
        for stem in ("title_token_sketch", "title_char3_sketch"):
            if stem not in known:
                bins = [(position, present.get(f"{stem}_{position:03d}")) for position in range(SKETCH_BINS)]
                known[stem] = [(position, float(share)) for position, share in bins if share]
            known[stem] = tuple((int(position), float(share)) for position, share in known[stem])
        row = {name: known[name] for name in ROW_FIELDS if name in known}
        for name in ("bucket_start_ts", "bucket_end_ts"):
            if name not in row:
                raise ValueError(f"{name} is missing")
            moment = row[name].to_pydatetime() if hasattr(row[name], "to_pydatetime") else row[name]
            row[name] = parse_time(moment) if isinstance(moment, str) else as_utc(moment)
        row["source_ids"] = tuple(row.get("source_ids", ()))
        for name in ("call_spans", "lock_spans", "word_seconds"):
            row[name] = _spans(row.get(name, ()))
        return cls(**row)

    def pack(self) -> list[Any]:
        """Pack the row into a list for JSON (field order; times in microseconds); `unpack` reverses it."""
        values: list[Any] = []
        for name in ROW_FIELDS:
            value = getattr(self, name)
            values.append(to_us(value) if isinstance(value, datetime) else value)
        return values

    @classmethod
    def unpack(cls, values: Sequence[Any]) -> FeatureRow:
        """Reverse `pack`, also after a trip through JSON, and for rows packed by an earlier version.

        Raises ValueError for a wrong length.
        """
        if not _FIRST_ROW_FIELDS <= len(values) <= len(ROW_FIELDS):
            raise ValueError(f"a packed row has {len(ROW_FIELDS)} values, not {len(values)}")
        fields: dict[str, Any] = dict(zip(ROW_FIELDS, values, strict=False))
        # an earlier version did not separate calls from tabs: the minutes it left to the model stay there
        fields.setdefault("audible_seconds", fields["attended_seconds"])
        for name in ("bucket_start_ts", "bucket_end_ts"):
            fields[name] = from_us(fields[name])
        for name in ("title_token_sketch", "title_char3_sketch"):
            fields[name] = tuple((int(i), float(v)) for i, v in fields[name])
        for name in ("call_spans", "lock_spans", "word_seconds"):
            fields[name] = _spans(fields.get(name, ()))
        fields["source_ids"] = tuple(fields["source_ids"])
        return cls(**fields)

    def as_dict(self, schema_version: str = "v3") -> dict[str, Any]:
        """Expand the row to the columns of a schema version, in order, with dense sketches.

        Raises KeyError for an unknown one.
        """
        schema = SCHEMAS[schema_version]
        dense = {
            "title_token_sketch": dict(self.title_token_sketch),
            "title_char3_sketch": dict(self.title_char3_sketch),
        }
        special: Mapping[str, Any] = {
            "schema_version": schema_version,
            "schema_hash": schema.schema_hash,
            "source_ids": list(self.source_ids),
        }
        row: dict[str, Any] = {}
        for name, _ in schema.row_columns:
            stem, _, number = name.rpartition("_")
            if stem in dense:
                row[name] = dense[stem].get(int(number), 0.0)
            else:
                row[name] = special[name] if name in special else getattr(self, name)
        return row


ROW_FIELDS: Final[tuple[str, ...]] = tuple(field.name for field in dataclasses.fields(FeatureRow))
_FIRST_ROW_FIELDS: Final = ROW_FIELDS.index("decided_by") + 1
"""The number of values of a row in the first version; later versions only added to the end."""
_BESIDE: Final = ROW_FIELDS[ROW_FIELDS.index("time_zone") :]
_MAY_BE_MISSING: Final = tuple(field.name for field in dataclasses.fields(FeatureRow) if field.type == "float | None")
_WHERE_A_SCHEMA_LACKS_IT: Final[Mapping[str, Any]] = {
    "user_id": "",
    "title_char_count": 0,
    "title_token_count": 0,
    "title_unique_token_ratio": 0.0,
    "title_digit_ratio": 0.0,
    "title_separator_count": 0,
}
"""Schema v2 has no user, v1 and v2 no measures of titles."""


def _spans(values: Iterable[Sequence[Any]]) -> tuple[tuple[int, int], ...]:
    """Restore pairs of whole numbers after a trip through JSON."""
    return tuple((int(start), int(end)) for start, end in values)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


@dataclass(frozen=True, slots=True)
class LabelSpan:
    """A core label for [start_ts, end_ts) with its provenance."""

    start_ts: datetime
    end_ts: datetime
    label: str
    provenance: str = "manual"
    user_id: str | None = None
    confidence: float | None = None
