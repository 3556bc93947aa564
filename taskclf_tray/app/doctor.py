"""The check-up: every part that can be missing on a person's machine, each with the next step."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.apps import AppRegistry
from taskclf_tray.adapters.base import BucketState, Stream, Unread
from taskclf_tray.adapters.exclusions import names_covered
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.app import record_text, served_text
from taskclf_tray.app.builtin import builtin_obstacle
from taskclf_tray.app.home_checks import (
    Check,
    CheckResult,
    Verdict,
    check_disk,
    check_identity,
    check_login,
    check_permissions,
    check_record,
    check_time_zone,
    check_tool_files,
    nearest_there,
)
from taskclf_tray.core.config import Config, load_config, settings_without_effect
from taskclf_tray.core.errors import TaskclfError, file_error
from taskclf_tray.core.strict_json import shorten
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from taskclf_tray.models.registry import list_bundles
from taskclf_tray.models.resolve import MISSING_POLICY, ModelResolutionError, resolve_inference_config
from taskclf_tray.notify.base import NotifyCapability
from taskclf_tray.notify.factory import choose_notifier
from taskclf_tray.system.attention import Sense, attention_backend, senses_now
from taskclf_tray.system.paths import HomeNotWritableError, HomePaths, home_dir, prepare_home

_NAMES_SHOWN = 12
_OTHER_HOME = "Is another one meant, name it with --home."
_OPEN_POLICY = "Advanced → Edit Inference Policy opens the policy."
_LOOK_INTO_LOG = "Advanced → Open Log, or tray/tray.log in the home, has the details."
_STREAMS = {Stream.WINDOW: "windows", Stream.AWAY: "away", Stream.INPUT: "input", Stream.TAB: "browser tabs"}
_ORIGINS = {
    "explicit": "named by hand",
    "policy": "chosen by the policy",
    "active": "chosen by active.json",
    "best": "the best there is",
    "starter": "the starter, which the first start brings",
}


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
    parent = nearest_there(folder)
    if not os.access(parent, os.W_OK):
        return CheckResult("Home", "failed", f"{folder} cannot be made: {parent} is not yours to write to", _OTHER_HOME)
    return CheckResult("Home", "note", f"{folder} is not there yet; the first start makes it", _OTHER_HOME)


def _source(_paths: HomePaths, config: Config) -> Iterator[CheckResult]:
    if config.source == "builtin":
        yield _builtin("")
        return
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
        built_in = _builtin(f"no ActivityWatch server answers at {config.aw_host}")
        is_used = config.source == "auto" and (built_in.verdict == "ok" or "WAYLAND_DISPLAY" in os.environ)
        yield (
            built_in
            if is_used
            else CheckResult(
                "Activity source",
                "failed",
                status.detail,
                "ActivityWatch is at https://activitywatch.net; taskclf-tray demo shows the app without it.",
            )
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


def _builtin(why: str) -> CheckResult:
    """Check the built-in watcher. `why` it is used: half a sentence, empty where the person chose it."""
    obstacle = builtin_obstacle(os.environ)
    if obstacle is None:
        reason = f", for {why}" if why else ""
        return CheckResult("Activity source", "ok", f"the built-in watcher sees windows and idle time{reason}")
    reason = f" ({why})" if why else ""
    return CheckResult("Activity source", "failed", f"{obstacle.title}{reason}", obstacle.next_step)


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
    if resolved.stored_head is not None:
        yield CheckResult("Words", "ok", served_text.head_facts(resolved.stored_head))
    elif resolved.head_problem is not None:
        yield CheckResult("Words", "failed", resolved.head_problem, _OPEN_POLICY)
    for warning in resolved.warnings:
        if warning not in (MISSING_POLICY, resolved.head_problem):
            yield CheckResult("Policy", "failed", warning, _OPEN_POLICY)
    if resolved.policy is not None:
        yield CheckResult("Policy", "ok", f"threshold {resolved.reject_threshold:g}")
    elif MISSING_POLICY in resolved.warnings:
        yield CheckResult("Policy", "ok", f"none, so the model's threshold {resolved.reject_threshold:g} holds")


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
    seen = senses_now(os.environ, sys.platform)
    unseen = [sense.value for sense in Sense if sense not in seen]
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
    "Disk": check_disk,
    "Permissions": check_permissions,
    "Identity": check_identity,
    "Record": check_record,
    "Time zone": check_time_zone,
    "Start at login": check_login,
    "Exclusions": _exclusions,
    "Activity source": _source,
    "Model": _model,
    "Categories": _taxonomy,
    "Taskclf tool": check_tool_files,
}
_OF_NOTICES: dict[str, Check] = {
    "Notifications": _notifications,
    "Attention": _attention,
}
_OF_A_HOME = frozenset({"Permissions", "Identity", "Record", "Taskclf tool"})
"""What can be looked at only where there is a home."""
