"""The queue as a JSON list, in the format of the taskclf command-line tool, and the store beside it.

The tool knows two reasons: `audit` is written as `low_confidence`, and requests about time away (`gap`) are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, model_validator

from taskclf_tray.core.atomic import json_text, write_text_atomic
from taskclf_tray.core.atomic import replace as replace_file
from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.person_files import Share, about, checked, misplaced, where
from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.core.strict_json import BadJsonError, describe, parse_json_list, read_bounded
from taskclf_tray.core.time import as_utc, local_date, parse_time, to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import LabelRequest

STORE_SUFFIX: Final = ".sqlite3"
LIST_SUFFIX: Final = ".json"
_BOM: Final = b"\xef\xbb\xbf"
_SQLITE: Final = b"SQLite format 3\x00"
MAX_FILE_BYTES: Final = 20_000_000
MAX_TEXT_CHARS: Final = 200
_YEARS: Final = range(1971, 2200)
_LABELS: Final = frozenset({*LABEL_SET_V1, MIXED_UNKNOWN})


def export_queue(requests: Iterable[LabelRequest]) -> str:
    """Return the entries as JSON text, in the given order."""
    return json_text([entry_of(request) for request in requests if request.reason != "gap"])


def write_queue_file(path: Path, requests: Iterable[LabelRequest]) -> None:
    """Replace the file by the entries atomically. Raises LabelError."""
    try:
        write_text_atomic(path, export_queue(requests), 0o600)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise LabelError(f"The file {path} cannot be written ({why}).", "Choose another place for it.") from error


def read_queue_file(path: Path) -> list[LabelRequest]:
    """Read every entry of the list, in its order. Raises LabelError, which names the first wrong entry."""
    try:
        return parse_queue(read_bounded(path, MAX_FILE_BYTES))
    except BadJsonError as error:
        raise LabelError(f"The queue file {path} {error}.", "Nothing in it was used.") from error


def parse_queue(data: bytes | str) -> list[LabelRequest]:
    """Parse the entries in the text. Raises BadJsonError, whose message continues a sentence after the file's name."""
    return parse_entries(parse_json_list(data))


def parse_entries(values: Iterable[Any]) -> list[LabelRequest]:
    """Parse the entries of a list. Raises BadJsonError, which names the first wrong entry."""
    requests: list[LabelRequest] = []
    ids: dict[str, int] = {}
    for number, value in enumerate(values):
        try:
            request = _request(value)
        except ValueError as error:
            raise BadJsonError(f"has a wrong entry [{number}]: {error}") from error
        if request.request_id in ids:
            raise BadJsonError(f"has the request_id of entry [{ids[request.request_id]}] again in entry [{number}]")
        ids[request.request_id] = number
        requests.append(request)
    return requests


def write_entries(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Replace the list at `path` atomically. Raises OSError."""
    write_text_atomic(path, json_text(entries), 0o600)


def entry_of(request: LabelRequest) -> dict[str, Any]:
    """Return the request as an entry of the list."""
    return {
        "request_id": request.request_id,
        "user_id": request.user_id,
        "bucket_start_ts": as_utc(request.bucket_start_ts).isoformat(),
        "bucket_end_ts": as_utc(request.bucket_end_ts).isoformat(),
        "reason": "low_confidence" if request.reason == "audit" else request.reason,
        "confidence": request.confidence,
        "predicted_label": request.predicted_label,
        "created_at": as_utc(request.created_at).isoformat(),
        "status": request.status,
    }


def _moment(value: Any) -> datetime:
    try:
        moment = parse_time(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        raise ValueError from None
    if moment.year not in _YEARS:
        raise ValueError(f"lies in the year {moment.year}")
    return moment


def _is_name(text: str) -> bool:
    return bool(text.strip()) and len(text) <= MAX_TEXT_CHARS and text.isprintable()


_Name = Annotated[str, where(_is_name)]
_Moment = Annotated[datetime, BeforeValidator(_moment)]
_NAME: Final = f"a text of 1 to {MAX_TEXT_CHARS} characters"
_TIME: Final = f"a time in ISO 8601 between {_YEARS[0]} and {_YEARS[-1]}"


class _Entry(BaseModel):
    """An entry of the list; keys of other programs stay in the list."""

    request_id: _Name = about(expected=_NAME)
    user_id: _Name = about(expected=_NAME)
    bucket_start_ts: _Moment = about(expected=_TIME)
    bucket_end_ts: _Moment = about(expected=f"{_TIME}, after bucket_start_ts")
    reason: Literal["low_confidence", "drift", "audit"] = about(expected="low_confidence, drift or audit")
    confidence: Share | None = about(expected="a number from 0 to 1, or null", default=None)
    predicted_label: Annotated[str, where(_LABELS.__contains__)] | None = about(
        expected="one of the eight labels, or null", default=None
    )
    created_at: _Moment = about(expected=_TIME)
    status: Literal["pending", "labeled", "skipped"] = about(expected="pending, labeled or skipped")

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.bucket_start_ts >= self.bucket_end_ts:
            raise misplaced(("bucket_end_ts",), "is not after bucket_start_ts")
        return self


def _request(value: Any) -> LabelRequest:
    if not isinstance(value, dict):
        raise ValueError(f"it is {describe(value)} instead of an object {{…}}")
    entry, mistakes = checked(_Entry, value)
    if entry is None:
        raise ValueError(str(mistakes[0]))
    return LabelRequest(**dict(entry))


# -- into the store -------------------------------------------------------------------------------------------


def import_into(database: Database, requests: Iterable[LabelRequest], zone_name: str) -> int:
    """Merge entries by key (user, start) in one transaction; returns how many were added or closed.

    Entries of the store stay, but a closed entry of the list closes a pending one; daily limits do not apply.
    """
    with database.transaction():
        return _merge(database, requests, zone_name)


def _merge(database: Database, requests: Iterable[LabelRequest], zone_name: str) -> int:
    changed = 0
    for request in requests:
        known = database.requests.at(request.user_id, to_us(request.bucket_start_ts))
        if known is None:
            database.requests.put(fresh_record(database, request, zone_name))
        elif known.status == "pending" and request.status != "pending":
            database.requests.close(known.request_id, request.status, None)
        else:
            continue
        changed += 1
    return changed


def fresh_record(database: Database, request: LabelRequest, zone_name: str) -> LabelRequest:
    """Return the request as it is stored; an id that another block has is replaced."""
    day = local_date(request.created_at, zone_name).isoformat()
    name = str(uuid4()) if database.requests.get(request.request_id) else request.request_id
    return replace(request, request_id=name, local_day=day)


def find_store(queue_path: Path) -> tuple[Path, Path | None]:
    """Return (the SQLite store, the JSON list beside it or None).

    A path that ends in `.json` is always a list, so a database is never written there; a database that an earlier
    version wrote there becomes the store. Any other path may hold a list too. Raises LabelError for anything but a
    file, StoreError.
    """
    beside = queue_path.with_name(queue_path.name + STORE_SUFFIX)
    is_named_list = queue_path.suffix.lower() == LIST_SUFFIX
    try:
        if not queue_path.exists():
            if is_named_list:
                queue_path.parent.mkdir(parents=True, exist_ok=True)
                return beside, queue_path
            return (beside if beside.exists() else queue_path), None
        if not queue_path.is_file():
            raise LabelError(f"The queue {queue_path} is not a file.", "Choose another path for it.")
        with open_regular(queue_path) as file:
            head = file.read(1024).removeprefix(_BOM).lstrip()
        if is_named_list and head.startswith(_SQLITE):
            _move_store(queue_path, beside)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise LabelError(f"The queue {queue_path} cannot be read ({why}).", "Check its permissions.") from error
    return (beside, queue_path) if is_named_list or head[:1] in (b"[", b"{") else (queue_path, None)


def _move_store(misplaced: Path, goal: Path) -> None:
    """Move the database from the place of the list. Raises StoreError when it is damaged."""
    if goal.exists():
        replace_file(misplaced, misplaced.with_name(misplaced.name + ".old"))  # the store is there already
        return
    Database(misplaced).close()  # moves the write-ahead log into the file
    replace_file(misplaced, goal)
