"""The check-up: every part that can be missing on a person's machine, each with the next step."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.apps import AppRegistry
from taskclf_tray.adapters.base import BucketState, Stream, Unread
from taskclf_tray.adapters.exclusions import names_covered
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.app import record_text, served_text
from taskclf_tray.app.tool_files import tool_files
from taskclf_tray.app.unreadable import damaged_minutes
from taskclf_tray.core.config import Config, load_config, settings_without_effect
from taskclf_tray.core.errors import StoreError, TaskclfError, file_error
from taskclf_tray.core.private_files import foreign_owner, open_parents, open_places
from taskclf_tray.core.strict_json import shorten
from taskclf_tray.core.time import from_us
from taskclf_tray.core.zones import UPDATE_STEP, known_zone, unknown_zones_note
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.models.registry import list_bundles
from taskclf_tray.models.resolve import MISSING_POLICY, ModelResolutionError, resolve_inference_config
from taskclf_tray.notify.base import NotifyCapability
from taskclf_tray.notify.factory import choose_notifier
from taskclf_tray.record.clock_marks import EARLIEST, TOLERANCE, newest_mark
from taskclf_tray.store.connection import advice_for_damage
from taskclf_tray.store.database import Database
from taskclf_tray.system.attention import SENSES, Sense, attention_backend
from taskclf_tray.system.local_zone import local_zone
from taskclf_tray.system.paths import HomeNotWritableError, HomePaths, home_dir, prepare_home

Verdict = Literal["ok", "note", "failed"]
MIN_FREE_BYTES = 200_000_000
_PLACES_NAMED = 10
_NAMES_SHOWN = 12
_CLOSE = "Start taskclf-tray, which closes them."
_OTHER_HOME = "Is another one meant, name it with --home."
_LOOK_INTO_LOG = "Advanced → Open Log, or tray/tray.log in the home, has the details."
_STREAMS = {Stream.WINDOW: "windows", Stream.AWAY: "away", Stream.INPUT: "input", Stream.TAB: "browser tabs"}
_ORIGINS = {
    "explicit": "named by hand",
    "policy": "chosen by the policy",
    "active": "chosen by active.json",
    "best": "the best there is",
    "starter": "the starter, which the first start brings",
}


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


def check_everything(
    *, home: Path | None = None, aw_host: str | None = None, screen: Mapping[str, Check] | None = None
) -> list[CheckResult]:
    """Run every check, within a few seconds. A missing home is not created.

    `screen`: checks of what is drawn, by subject; they come before those of notifications.
    """
    try:
        folder = home_dir(home)
        is_new = not folder.exists()
        paths = HomePaths(folder) if is_new else prepare_home(folder)
        first = _new_home(folder) if is_new else CheckResult("Home", "ok", str(folder))
    except HomeNotWritableError as error:
        if not HomePaths(folder).tray.is_dir():
            return [CheckResult("Home", "failed", error.title, error.next_step)]
        paths, first = HomePaths(folder), CheckResult("Home", "failed", error.title, error.next_step)
    except TaskclfError as error:
        return [CheckResult("Home", "failed", error.title, error.next_step)]
    config, problems = load_config(paths.config)
    if aw_host is not None:
        config = config.model_copy(update={"aw_host": aw_host})
    findings = [first]
    findings += [CheckResult("Settings", "failed", str(p), f"Correct {paths.config}.") for p in problems]
    findings += [CheckResult("Settings", "note", str(idle)) for idle in settings_without_effect(paths.config)]
    for subject, check in {**_CHECKS, **(screen or {}), **_OF_NOTICES}.items():
        if is_new and subject in _OF_A_HOME:
            continue
        try:
            findings += check(paths, config)
        except TaskclfError as error:
            findings.append(CheckResult(subject, "failed", error.title, error.next_step or _LOOK_INTO_LOG))
        except OSError as error:
            findings.append(CheckResult(subject, "failed", *_sentence(error)))
        except Exception as error:  # noqa: BLE001 - one check that breaks must not hide the others
            detail = f"this could not be checked ({type(error).__name__})"
            findings.append(CheckResult(subject, "failed", detail, _LOOK_INTO_LOG))
    return findings


def _sentence(error: OSError) -> tuple[str, str]:
    told = file_error(error)
    return told.title, told.next_step


def _new_home(folder: Path) -> CheckResult:
    parent = _nearest_there(folder)
    if not os.access(parent, os.W_OK):
        return CheckResult("Home", "failed", f"{folder} cannot be made: {parent} is not yours to write to", _OTHER_HOME)
    return CheckResult("Home", "note", f"{folder} is not there yet; the first start makes it", _OTHER_HOME)


def _nearest_there(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _disk(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    free = shutil.disk_usage(_nearest_there(paths.home)).free
    enough = free >= MIN_FREE_BYTES
    yield CheckResult(
        "Disk",
        "ok" if enough else "failed",
        f"{free / 1e9:.1f} GB free",
        "" if enough else "Free some space: when the disk is full, recording waits.",
    )


def _permissions(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
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


def _identity(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
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


def _record(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
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


def _time_zone(_paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    here = local_zone()
    if here.problem is None:
        yield CheckResult("Time zone", "ok", f"{here.name} (from {here.source})")
    else:
        yield CheckResult(
            "Time zone", "failed", f"{here.problem} Days are counted in {here.name}.", record_text.ZONE_STEP
        )


def _source(_paths: HomePaths, config: Config) -> Iterator[CheckResult]:
    if config.source == "builtin":
        yield CheckResult("Activity source", "note", served_text.NO_BUILTIN)
    if config.source == "simulated":
        yield CheckResult("Activity source", "note", "a simulated person (source in config.toml)")
        return
    source = ActivityWatchSource(
        config.aw_host,
        normaliser=Normaliser("0" * 64),
        api_key=config.aw_api_key or None,
        timeout_seconds=min(3.0, config.aw_timeout_seconds),
    )
    try:
        status = source.status()
    finally:
        source.close()
    if not status.reachable:
        yield CheckResult(
            "Activity source",
            "failed",
            status.detail,
            "ActivityWatch is at https://activitywatch.net; taskclf-tray demo shows the app without it.",
        )
        return
    yield CheckResult("Activity source", "ok", status.detail)
    advice: dict[Stream, tuple[Verdict, str]] = {
        Stream.WINDOW: ("failed", "Start aw-watcher-window (on Wayland: awatcher)"),
        Stream.AWAY: ("failed", "Start aw-watcher-afk: without it breaks are not recognised"),
        Stream.INPUT: ("note", "aw-watcher-input makes labels better: it counts keys and clicks, never which"),
        Stream.TAB: ("note", "aw-watcher-web makes labels better in the browser"),
    }
    for stream, (verdict, step) in advice.items():
        if stream not in status.streams:
            yield CheckResult(f"Activity source, {_STREAMS[stream]}", verdict, "no events", step)
    for bucket in status.buckets:
        yield _bucket(bucket, source.now())


def _bucket(bucket: BucketState, now: datetime) -> CheckResult:
    """Describe one bucket: the age of its newest event, whether it is read, and why not."""
    facts = {
        "bucket": bucket.bucket_id,
        "type": bucket.kind,
        "host": bucket.hostname,
        "computer": bucket.machine,
        "newest_event": None if bucket.newest is None else bucket.newest.isoformat(),
        "age_seconds": None if bucket.newest is None else round((now - bucket.newest).total_seconds()),
        "is_read": bucket.unread is None,
        "reason": None if bucket.unread is None else bucket.unread.value,
    }
    is_missed = bucket.unread not in (None, Unread.OTHER_TYPE)
    return CheckResult("Bucket", "note" if is_missed else "ok", record_text.bucket_line(bucket, now), facts=facts)


def _model(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    for bundle in list_bundles(paths.models, is_thorough=True):
        if bundle.problem is not None:
            yield CheckResult("Model", "note", f"{bundle.name} cannot be used: {bundle.problem}")
    try:
        resolved = resolve_inference_config(paths.models, with_starter=True)
    except ModelResolutionError as error:
        yield CheckResult("Model", "failed", error.title, error.next_step or _LOOK_INTO_LOG)
        return
    yield CheckResult(
        "Model", "ok", f"{resolved.bundle_id} ({resolved.metadata.data_provenance} data; {_ORIGINS[resolved.origin]})"
    )
    for warning in resolved.warnings:
        if warning != MISSING_POLICY:
            yield CheckResult("Policy", "failed", warning, "Advanced → Edit Inference Policy opens it.")
    if resolved.policy is not None:
        yield CheckResult("Policy", "ok", f"threshold {resolved.reject_threshold:g}")
    elif MISSING_POLICY in resolved.warnings:
        yield CheckResult("Policy", "ok", f"none, so the model's threshold {resolved.reject_threshold:g} holds")


def _tool(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
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


def _taxonomy(paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    if not paths.taxonomy.exists():
        yield CheckResult("Categories", "ok", "the eight core labels")
        return
    yield CheckResult("Categories", "ok", ", ".join(bucket.name for bucket in load_taxonomy(paths.taxonomy).buckets))


def _notifications(_paths: HomePaths, config: Config) -> Iterator[CheckResult]:
    choice = choose_notifier(enabled=config.notifications_enabled)
    try:
        can = choice.notifier.capabilities
    finally:
        choice.notifier.close()
    if not can:
        yield CheckResult(
            "Notifications", "note", choice.reason, "Everything a notification says is in the menu and the log."
        )
        return
    can_do = f"{choice.notifier.name}: {', '.join(sorted(c.value for c in can))}. {choice.reason}"
    if NotifyCapability.BUTTONS in can:
        yield CheckResult("Notifications", "ok", can_do)
    else:
        yield CheckResult("Notifications", "note", can_do, "Questions are answered in the menu, under Review.")


def _attention(_paths: HomePaths, _config: Config) -> Iterator[CheckResult]:
    backend = attention_backend(os.environ, sys.platform)
    unseen = [sense.value for sense in Sense if sense not in SENSES[backend]]
    if not unseen:
        yield CheckResult(
            "Attention", "ok", "no question comes while a program fills the screen or you asked for quiet"
        )
    elif backend != "none":
        yield CheckResult(
            "Attention",
            "note",
            f"what is not noticed here: {', '.join(unseen)}",
            "Quiet hours in config.toml, and Ask me in the menu, silence questions too.",
        )


def _exclusions(_paths: HomePaths, config: Config) -> Iterator[CheckResult]:
    registry = AppRegistry.default()
    for entry in config.exclude_apps:
        names = names_covered(registry, entry)
        known = f"covers {', '.join(names[:_NAMES_SHOWN])}" if names else "covers no known program"
        more = f" and {len(names) - _NAMES_SHOWN} more names" if len(names) > _NAMES_SHOWN else ""
        yield CheckResult("Exclusions", "ok", f"{shorten(entry)} {known}{more}; and every name with these words")
    if config.exclude_title_patterns:
        yield CheckResult(
            "Exclusions", "ok", f"titles are looked at with {len(config.exclude_title_patterns)} patterns"
        )


_CHECKS: dict[str, Check] = {
    "Disk": _disk,
    "Permissions": _permissions,
    "Identity": _identity,
    "Record": _record,
    "Time zone": _time_zone,
    "Exclusions": _exclusions,
    "Activity source": _source,
    "Model": _model,
    "Categories": _taxonomy,
    "Taskclf tool": _tool,
}
_OF_NOTICES: dict[str, Check] = {
    "Notifications": _notifications,
    "Attention": _attention,
}
_OF_A_HOME = frozenset({"Permissions", "Identity", "Record", "Taskclf tool"})
"""What can be looked at only where there is a home."""
