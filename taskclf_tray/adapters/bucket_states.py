"""Buckets as they may be shown: their names are hostile input, and made safe here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from taskclf_tray.adapters.base import BucketState, Stream, Unread
from taskclf_tray.adapters.machines import Bucket, Machine, Selection, newest_first
from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.core.time import from_us

MAX_SHOWN_CHARACTERS: Final = 80


def states(selection: Selection, used_until: Mapping[str, int] | None = None) -> tuple[BucketState, ...]:
    """Every bucket as it may be shown: those that are read first, of these the one used last. `used_until`: by id."""
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
        dataclasses.replace(state, used_until=_moment(used[bucket.bucket_id])) if bucket.bucket_id in used else state
        for bucket, state in found
    )


def shown_name(name: str) -> str:
    """A bucket's id or a host's name, safe to show and not too long."""
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
        newest=None if bucket.last_us is None else _moment(bucket.last_us),
        machine=machine_name,
        is_newest=newest is None or bucket.stream is Stream.TAB or bucket.span_us[1] == newest,
        unread=unread,
    )


def _moment(us: int) -> datetime | None:
    try:
        return from_us(us)
    except OverflowError:
        return None
