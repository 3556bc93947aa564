"""The state of the feature builder between two reads, and its JSON form."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, DEFAULT_IDLE_GAP_SECONDS
from taskclf_tray.core.time import floor_bucket, from_us, to_us
from taskclf_tray.core.zones import zone
from taskclf_tray.features.spans import Key
from taskclf_tray.features.windows import BucketApps

ROWS_KEPT: Final = 15
"""The number of rows of the longest rolling mean."""

_FORMAT: Final = 1
_SHORT_WINDOW_SECONDS: Final = 300
InputTriple = tuple[float | None, float | None, float | None]
"""keys_per_min, clicks_per_min and mouse_distance of one row."""


@dataclass(frozen=True, slots=True)
class BuilderState:
    """The feature builder between two reads; immutable, and equal states build equal rows.

    `until`: end of the processed time, None before the first event. `last_end_us`: end of the newest event seen, for
    the session gap. `history`: apps of the buckets of the last 15 minutes. `recent`: input values of the last 15 rows.
    `titles`: rows of this session per title hash. `open_*`: true starts of events that reached `until`.
    """

    user_id: str
    device_id: str
    time_zone: str
    bucket_seconds: int
    idle_gap_seconds: float
    until: datetime | None = None
    session_start: datetime | None = None
    last_end_us: int | None = None
    dwell_app: str | None = None
    dwell_us: int = 0
    titles: Mapping[str, int] = field(default_factory=dict)
    history: tuple[BucketApps, ...] = ()
    recent: tuple[InputTriple, ...] = ()
    open_window: Mapping[Key, int] = field(default_factory=dict)
    open_input: Mapping[Key, int] = field(default_factory=dict)
    open_tab: Mapping[Key, int] = field(default_factory=dict)

    @classmethod
    def initial(
        cls,
        user_id: str,
        device_id: str,
        *,
        time_zone: str,
        bucket_seconds: int = DEFAULT_BUCKET_SECONDS,
        idle_gap_seconds: float = DEFAULT_IDLE_GAP_SECONDS,
        session_start: datetime | None = None,
    ) -> BuilderState:
        """Return the state before any event.

        Args:
            user_id: the user noted in the rows.
            device_id: the machine noted in the rows.
            time_zone: IANA name or POSIX rules, for the hour and the weekday.
            bucket_seconds: length of a bucket in seconds, a divisor of 300.
            idle_gap_seconds: seconds without events that end a session.
            session_start: aware start of a session that began earlier.

        Raises:
            ValueError: the zone is unknown, or the bucket length does not divide 5 minutes.
        """
        if bucket_seconds < 1 or _SHORT_WINDOW_SECONDS % bucket_seconds:
            raise ValueError(f"bucket_seconds must divide {_SHORT_WINDOW_SECONDS}, {bucket_seconds} does not")
        zone(time_zone)
        start = None if session_start is None else floor_bucket(session_start, bucket_seconds)
        return cls(user_id, device_id, time_zone, bucket_seconds, idle_gap_seconds, session_start=start)

    def to_json(self) -> str:
        """Return the state as one line of JSON; `from_json` restores an equal state."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("until", "session_start"):
            fields[name] = None if fields[name] is None else to_us(fields[name])
        for name in ("open_window", "open_input", "open_tab"):
            fields[name] = [[list(key), start] for key, start in fields[name].items()]
        return json.dumps({"format": _FORMAT, **fields}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, *, time_zone: str | None = None) -> BuilderState:
        """Reverse `to_json`. Raises ValueError when the text is damaged or of another format.

        `time_zone`: the zone of the coming rows, in place of the saved one, which this computer may not know.
        """
        try:
            data = json.loads(text)
            return _parse(data if time_zone is None else data | {"time_zone": time_zone})
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError("the saved feature state is damaged") from error


def _parse(data: Any) -> BuilderState:
    if data["format"] != _FORMAT:
        raise ValueError("the saved feature state has an unknown format")
    fields = {f.name: _READ[f.name](data[f.name]) for f in dataclasses.fields(BuilderState)}
    if _SHORT_WINDOW_SECONDS % fields["bucket_seconds"]:
        raise ValueError("the saved feature state is damaged")
    zone(fields["time_zone"])
    return BuilderState(**fields)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _positive(value: Any) -> int:
    if _whole(value) < 1:
        raise ValueError("the saved feature state is damaged")
    return int(value)


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError
    return value


def _maybe(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _time(value: Any) -> datetime:
    return from_us(_whole(value))


def _counts(value: Any) -> dict[str, int]:
    return {_text(name): _whole(count) for name, count in value.items()}


def _history(value: Any) -> tuple[BucketApps, ...]:
    return tuple((_whole(start), _counts(apps)) for start, apps in value)


def _triple(value: Any) -> InputTriple:
    keys, clicks, distance = (_maybe(_number)(part) for part in value)
    return keys, clicks, distance


def _triples(value: Any) -> tuple[InputTriple, ...]:
    return tuple(_triple(part) for part in value)


def _key_part(value: Any) -> int | str:
    return value if isinstance(value, str) else _whole(value)


def _open(value: Any) -> dict[Key, int]:
    return {tuple(_key_part(part) for part in key): _whole(start) for key, start in value}


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "user_id": _text,
    "device_id": _text,
    "time_zone": _text,
    "bucket_seconds": _positive,
    "idle_gap_seconds": _number,
    "until": _maybe(_time),
    "session_start": _maybe(_time),
    "last_end_us": _maybe(_whole),
    "dwell_app": _maybe(_text),
    "dwell_us": _whole,
    "titles": _counts,
    "history": _history,
    "recent": _triples,
    "open_window": _open,
    "open_input": _open,
    "open_tab": _open,
}
