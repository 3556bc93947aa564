"""Which of a server's or a file's buckets are ours: by type and host, never by name (contract, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from taskclf_tray.adapters.base import Stream
from taskclf_tray.core.time import parse_time, to_us

_COPY_MARK: Final = "-synced-from-"
_TYPES: Final = {stream.value: stream for stream in Stream}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket worth reading; `updated_us` is 0 for one that never had an event."""

    bucket_id: str
    stream: Stream
    hostname: str
    updated_us: int = 0


def parse_bucket(bucket_id: str, item: object) -> Bucket | None:
    """The bucket of an entry of `buckets/` or of an export; None when it is of another type, damaged or a copy."""
    if not isinstance(item, Mapping) or _COPY_MARK in bucket_id:
        return None
    stream = _TYPES.get(str(item.get("type")))
    if stream is None:
        return None
    return Bucket(bucket_id, stream, str(item.get("hostname", "")), _updated(item))


def choose(buckets: Iterable[Bucket], hostname: str | None) -> dict[Stream, Bucket]:
    """One bucket a stream: of this host if it has any, else of any; the one updated last."""
    chosen: dict[Stream, Bucket] = {}
    for bucket in buckets:
        best = chosen.get(bucket.stream)
        if best is None or _rank(bucket, hostname) > _rank(best, hostname):
            chosen[bucket.stream] = bucket
    return chosen


def _rank(bucket: Bucket, hostname: str | None) -> tuple[bool, int, str]:
    return bucket.hostname == hostname, bucket.updated_us, bucket.bucket_id


def _updated(item: Mapping[str, Any]) -> int:
    try:
        return to_us(parse_time(str(item["last_updated"])))
    except (KeyError, ValueError, OverflowError):
        return 0
