"""Parsing and display of buckets, as ActivityWatch's `buckets/` and its exports describe them.

Names of buckets and machines are hostile input: `shown_name` and `states` sanitise them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from taskclf_tray.adapters.base import BucketState, Stream, Unread
from taskclf_tray.adapters.browsers import browser_of_bucket
from taskclf_tray.adapters.machines import Bucket, Machine, Selection, newest_first
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.core.time import from_us, parse_time, to_us

_COPY_MARK: Final = "-synced-from-"
_ORIGIN_KEY: Final = "$aw.sync.origin"
_TYPES: Final = {stream.value: stream for stream in Stream}
_PHONE: Final = re.compile(r"(?:^|[^a-z])(?:android|ios|iphone|ipad|screentime)(?:[^a-z]|$)")
_LONGEST: Final = 512
MAX_SHOWN_CHARACTERS: Final = 80


def parse_bucket(bucket_id: str, item: object) -> Bucket | None:
    """Parse an entry of `buckets/` or of an export, of any type; None when it is damaged.

    Python's server sets `last_updated` for a bucket with events; in aw-server-rust it is null, and `metadata` has
    `start` and `end` instead.
    """
    if not isinstance(item, Mapping):
        return None
    kind, hostname, client = (_text(item, key) for key in ("type", "hostname", "client"))
    data, metadata = _mapping(item, "data"), _mapping(item, "metadata")
    stream = _TYPES.get(kind)
    last = _moment(item, "last_updated")
    last = _moment(metadata, "end") if last is None else last
    first = _moment(metadata, "start")
    is_tab = stream is Stream.TAB
    return Bucket(
        bucket_id=bucket_id,
        stream=stream,
        hostname=hostname,
        kind=kind,
        client=client,
        device_id=_text(data, "device_id"),
        first_us=_moment(item, "created") if first is None else first,
        last_us=last,
        browser=browser_of_bucket(bucket_id, hostname, client, data.get("browser")) if is_tab else "",
        is_phone=any(_PHONE.search(_watcher(name)) for name in (bucket_id, client)),
        is_copy=_COPY_MARK in bucket_id or _ORIGIN_KEY in data,
    )


def is_phone_event(event: RawEvent) -> bool:
    """Whether a window event has keys that only a phone's watcher writes."""
    return "package" in event.data or "classname" in event.data


def _watcher(name: str) -> str:
    """Return the watcher's own name: the text before the first underscore, because the host's name after it is
    arbitrary.
    """
    return name[:_LONGEST].lower().partition("_")[0]


def _mapping(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = item.get(key)
    return value if isinstance(value, Mapping) else {}


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _moment(item: Mapping[str, Any], key: str) -> int | None:
    try:
        return to_us(parse_time(item[key]))
    except (KeyError, ValueError, OverflowError, TypeError, AttributeError):
        return None


def states(selection: Selection, used_until: Mapping[str, int] | None = None) -> tuple[BucketState, ...]:
    """Describe every bucket for display: those that are read first, the one used last first.

    `used_until`: by bucket id.
    """
    found = [
        (bucket, _state(bucket, shown_name(machine.names[0]), machine))
        for machine in selection.machines
        for bucket in machine.buckets
    ]
    found += [(bucket, _state(bucket, "")) for bucket in selection.loose]
    left_out = sorted(selection.left_out, key=lambda pair: newest_first(pair[0]))
    found += [(bucket, _state(bucket, "", unread=reason)) for bucket, reason in left_out]
    used = used_until or {}
    return tuple(
        dataclasses.replace(state, used_until=_time_of(used[bucket.bucket_id])) if bucket.bucket_id in used else state
        for bucket, state in found
    )


def shown_name(name: str) -> str:
    """Sanitise and shorten a bucket's id or a host's name for display."""
    return plain_text(name, MAX_SHOWN_CHARACTERS) or "?"


def _state(
    bucket: Bucket, machine_name: str, machine: Machine | None = None, *, unread: Unread | None = None
) -> BucketState:
    newest = max((b.span_us[1] for b in machine.of(bucket.stream)), default=0) if machine and bucket.stream else None
    return BucketState(
        bucket_id=shown_name(bucket.bucket_id),
        kind=shown_name(bucket.kind),
        stream=bucket.stream,
        hostname=plain_text(bucket.hostname, MAX_SHOWN_CHARACTERS),
        newest=None if bucket.last_us is None else _time_of(bucket.last_us),
        machine=machine_name,
        is_newest=newest is None or bucket.stream is Stream.TAB or bucket.span_us[1] == newest,
        unread=unread,
    )


def _time_of(us: int) -> datetime | None:
    try:
        return from_us(us)
    except OverflowError:
        return None
