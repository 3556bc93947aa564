"""A bucket as ActivityWatch's `buckets/` and its exports describe it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.browsers import browser_of_bucket
from taskclf_tray.adapters.machines import Bucket
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.time import parse_time, to_us

_COPY_MARK: Final = "-synced-from-"
_ORIGIN_KEY: Final = "$aw.sync.origin"
_TYPES: Final = {stream.value: stream for stream in Stream}
_PHONE: Final = re.compile(r"(?:^|[^a-z])(?:android|ios|iphone|ipad|screentime)(?:[^a-z]|$)")
_LONGEST: Final = 512


def parse_bucket(bucket_id: str, item: object) -> Bucket | None:
    """The bucket of an entry of `buckets/` or of an export, of whatever type; None when it is damaged.

    `last_updated` is there in Python's server for a bucket with events, and null in aw-server-rust, which has
    `metadata` with `start` and `end` instead.
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
    """Whether a window event has what only a phone's watcher says."""
    return "package" in event.data or "classname" in event.data


def _watcher(name: str) -> str:
    """A watcher's own name; what follows the first underscore is a host's, and may say anything."""
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
