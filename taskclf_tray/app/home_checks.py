"""The checks of a home: disk, permissions, identity, record, clock and the files of the taskclf tool."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from taskclf_tray.app import record_text
from taskclf_tray.app.tool_files import tool_files
from taskclf_tray.app.unreadable import damaged_minutes
from taskclf_tray.core.config import Config, load_config
from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.private_files import foreign_owner, open_parents, open_places
from taskclf_tray.core.time import from_us
from taskclf_tray.core.zones import UPDATE_STEP, known_zone, unknown_zones_note
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.record.clock_marks import EARLIEST, TOLERANCE, newest_mark
from taskclf_tray.store.connection import advice_for_damage
from taskclf_tray.store.database import Database
from taskclf_tray.system.autostart import login_start
from taskclf_tray.system.local_zone import local_zone
from taskclf_tray.system.paths import HomePaths

Verdict = Literal["ok", "note", "failed"]
MIN_FREE_BYTES = 200_000_000
_PLACES_NAMED = 10
_CLOSE = "Start taskclf-tray, which closes them."


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. `failed`: something a person expects does not work; `note`: worth knowing.

    `facts`: the same for programs, where there is more than the sentence says.
    """

    subject: str
    verdict: Verdict
    detail: str
    next_step: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


Check = Callable[[HomePaths, Config], Iterator[CheckResult]]


def nearest_there(folder: Path) -> Path:
    """The folder itself, or the nearest of its parents that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def check_disk(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    """Check that the disk has some room left."""
    free = shutil.disk_usage(nearest_there(paths.home)).free
    enough = free >= MIN_FREE_BYTES
    yield CheckResult(
        "Disk",
        "ok" if enough else "failed",
        f"{free / 1e9:.1f} GB free",
        "" if enough else "Free some space: when the disk is full, recording waits.",
    )


def check_permissions(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    """Check that the home belongs to the user, and that other users can neither read nor replace its files."""
    found, parents = open_places(paths.home), open_parents(paths.home)
    for parent in parents:
        yield CheckResult(
            "Permissions",
            "failed",
            f"other users of this computer can replace what is in {parent}",
            f"Run: chmod go-w {parent}",
        )
    foreign = [
        folder
        for folder in (paths.tray, paths.models, paths.configs, paths.processed)
        if foreign_owner(folder) is not None
    ]
    for folder in foreign:
        yield CheckResult(
            "Permissions", "failed", f"{folder} belongs to another user", f"Run: sudo chown -R $(id -u) {paths.home}"
        )
    # in a closed home nothing is within reach: an editor's file mode is worth knowing, and no more
    verdict: Verdict = "failed" if any(place.path == paths.home for place in found) else "note"
    for place in found[:_PLACES_NAMED]:
        detail = f"{place.path} is open to other users of this computer (mode {place.mode:04o})"
        yield CheckResult("Permissions", verdict, detail, _CLOSE)
    if len(found) > _PLACES_NAMED:
        yield CheckResult(
            "Permissions", verdict, f"{len(found) - _PLACES_NAMED} more files and folders are open", _CLOSE
        )
    if not (found or parents or foreign):
        yield CheckResult("Permissions", "ok", "the home is yours, and closed to other users of this computer")


def check_identity(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    """Check that user id and title secret are there, for the user alone. Raises IdentityError."""
    load_or_create_identity(paths.home)
    secret = paths.processed / ".title_secret"
    if os.name == "posix" and secret.stat().st_mode & 0o077:
        yield CheckResult(
            "Identity", "failed", "other users of this computer can read the title secret", f"Run: chmod 600 {secret}"
        )
        return
    yield CheckResult("Identity", "ok", "user id and title secret are there, readable by you alone")


def _opened(paths: HomePaths) -> Database:
    """Open the record, read-only where there is one: it may lie on a read-only disk. Raises StoreError."""
    return Database(paths.database, read_only=paths.database.exists())


def check_record(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    """Read all of the record: size, damaged minutes, open pauses, unknown zones, the clock. Raises StoreError."""
    identity = load_or_create_identity(paths.home)
    with closing(_opened(paths)) as database:
        with database.reading():
            count = database.buckets.count(identity.user_id)
            is_open = bool(database.blackouts.open_ones())
            zones = database.buckets.time_zones(identity.user_id)
            is_sound = database.is_sound()
            for _ in database.buckets.iterate(identity.user_id, -1 << 62, 1 << 62):
                pass
            LabelStore(database, identity.user_id).everything()
            damaged, labels = damaged_minutes(database, identity.user_id), database.labels.unreadable
        clock = list(_clock(database, identity.user_id))
    yield CheckResult("Record", "ok", f"{count} minute{'' if count == 1 else 's'}")
    if damaged:
        yield CheckResult(
            "Record", "failed", record_text.minutes_left_out(damaged), "Check the disk, and let taskclf-tray run."
        )
    if labels or not is_sound:
        what = f"{labels} label{'' if labels == 1 else 's'} of the record cannot be read" if labels else ""
        yield CheckResult("Record", "failed", what or f"{paths.database} is damaged", advice_for_damage(paths.database))
    yield from clock
    note = unknown_zones_note(name for name in zones if known_zone(name) != name)
    if note is not None:
        yield CheckResult("Record", "failed", note, UPDATE_STEP)
    if is_open:
        yield CheckResult("Pause", "note", "paused or private: nothing is read", "Resume in the menu.")


def _clock(database: Database, user_id: str) -> Iterator[CheckResult]:
    """Check whether the record reaches ahead of the clock, and what is kept apart."""
    now, newest = datetime.now(UTC), newest_mark(database, user_id)
    if now < EARLIEST:
        yield CheckResult("Clock", "failed", *record_text.clock_without_battery(now))
    elif newest is not None and newest > now + TOLERANCE:
        yield CheckResult("Clock", "failed", record_text.record_ahead(newest), record_text.RECORD_AHEAD_STEP)
    with database.reading():
        for change in database.ahead.kept_apart(user_id):
            first_us = database.ahead.first_us(change.id)
            if first_us is not None:
                minutes, labels = database.ahead.minutes(change.id), database.ahead.labels(change.id)
                yield CheckResult(
                    "Clock",
                    "note",
                    record_text.kept_apart(minutes, labels, from_us(first_us), from_us(change.found_us)),
                )


def check_time_zone(_paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    """Check that the time zone of the computer can be used."""
    here = local_zone()
    if here.problem is None:
        yield CheckResult("Time zone", "ok", f"{here.name} (from {here.source})")
    else:
        yield CheckResult(
            "Time zone", "failed", f"{here.problem} Days are counted in {here.name}.", record_text.ZONE_STEP
        )


def check_login(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    """Check that the program of the login entry exists. Raises SystemToolError."""
    state = login_start(paths.home).state()
    if state.missing is not None:
        detail = f"the login entry {state.place} starts {state.missing}, which does not exist"
        yield CheckResult("Start at login", "failed", detail, "Run: taskclf-tray autostart on")
    elif state.is_on:
        yield CheckResult("Start at login", "ok", f"on ({state.place})")
    else:
        yield CheckResult("Start at login", "ok", "off")


def check_tool_files(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    """List what the taskclf tool has in the same home."""
    user_id = load_or_create_identity(paths.home).user_id
    try:
        database = _opened(paths)
    except StoreError:
        return  # the record says so itself
    try:
        for file in tool_files(paths, database, user_id, load_config(paths.config)[0]):
            yield CheckResult("Taskclf tool", "note", file.detail, file.next_step)
    finally:
        database.close()
