"""Entries of the queue by what a person types of their ids."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from taskclf_tray.cli import time_options
from taskclf_tray.core.errors import LabelError

if TYPE_CHECKING:
    from taskclf_tray.cli.context import Record
    from taskclf_tray.labels.request import LabelRequest

SHORTEST_ID: Final = 4
_SHOWN_ID: Final = 8


def waiting_in(record: Record) -> list[LabelRequest]:
    """What waits, the least sure first."""
    from taskclf_tray.labels.queue import ActiveLabelingQueue

    waiting = {request.request_id for request in record.labels.waiting(record.now)}
    pending = ActiveLabelingQueue.over(record.database).get_pending(user_id=record.user_id)
    return [request for request in pending if request.request_id in waiting]


def short_ids(requests: list[LabelRequest]) -> dict[str, str]:
    """By id: its first eight characters, or as many as tell it from the others."""
    ids = sorted((request.request_id for request in requests), key=str.casefold)
    needed = dict.fromkeys(ids, _SHOWN_ID)
    for left, right in pairwise(ids):
        common = _common_length(left.casefold(), right.casefold()) + 1
        needed[left], needed[right] = max(needed[left], common), max(needed[right], common)
    return {name: name[:length] for name, length in needed.items()}


def _common_length(left: str, right: str) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(left), len(right)))


def find(record: Record, word: str) -> LabelRequest:
    """What waits under this id, or under the only id that begins so. Raises LabelError."""
    from taskclf_tray.labels.request import from_record

    with record.database.reading():
        every = [from_record(one) for one in record.database.requests.all(record.user_id)]
    exact = next((request for request in every if request.request_id == word), None)
    if exact is not None:
        return _still_waiting(exact)
    named = _named(every, word)
    found = [request for request in named if request.status == "pending"]
    if len(found) == 1:
        return found[0]
    if found:
        names = short_ids(every)
        these = ", ".join(names[request.request_id] for request in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise LabelError(f"{_shown(word)} begins {len(found)} ids: {these}{more}.", "Type more of the one you mean.")
    if len(named) == 1:
        return _still_waiting(named[0])
    raise LabelError(f"No block waits under {_shown(word)}.", "`taskclf-tray queue list` shows what waits.")


def _named(requests: list[LabelRequest], word: str) -> list[LabelRequest]:
    begin = word.strip().casefold()
    found = [request for request in requests if begin and request.request_id.casefold().startswith(begin)]
    if found and len(begin) < SHORTEST_ID:
        raise LabelError(f"{_shown(word)} is too short for an id.", f"Type {SHORTEST_ID} characters of it or more.")
    return found


def _still_waiting(request: LabelRequest) -> LabelRequest:
    if request.status != "pending":
        raise closed(request)
    return request


def closed(request: LabelRequest) -> LabelError:
    """What to say of an entry that was answered before."""
    span = time_options.span(request.bucket_start_ts, request.bucket_end_ts)
    return LabelError(
        f"{span} needs no answer any more: it was labelled or skipped before.",
        "Nothing was changed; `taskclf-tray labels add` labels it anew.",
    )


def _shown(word: str) -> str:
    from taskclf_tray.labels.spans import printable

    return f"“{printable(word)}”"
