"""What trainings leave beside what is served: the staged bundle, refused ones, replaced ones, and former heads."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from taskclf_tray.core.atomic import json_text, sync_directory, write_bytes_atomic
from taskclf_tray.core.errors import ModelError, PolicyValidationError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.private_files import make_private_folder
from taskclf_tray.models.head_files import HEADS
from taskclf_tray.models.history import earlier_entries, kept_policies, present_policy, read_entry
from taskclf_tray.models.policy import parse_policy_text
from taskclf_tray.models.registry import REJECTED, read_active

log = logging.getLogger(__name__)

TRAINING_FILE: Final = "training.json"
"""How a bundle was calibrated, tuned and evaluated; only bundles of trainings on this person have this file."""
REASONS_FILE: Final = "reasons.json"
REJECTED_KEPT: Final = 5
REPLACED_KEPT: Final = 5
HISTORY_KEPT: Final = 10
"""Policies of the history whose heads stay."""
_HEAD_KEPT_SECONDS: Final = 86_400.0
_STAGING: Final = ".training"


def staging_dir(models_dir: Path) -> Path:
    """The folder where a bundle is made and judged, on the same disk as the models."""
    return Path(models_dir) / _STAGING


def clear_staging(models_dir: Path) -> None:
    """Remove what a killed training left. The caller holds the training lock."""
    shutil.rmtree(staging_dir(models_dir), ignore_errors=True)


def keep_rejected(models_dir: Path, staged: Path, reasons: Mapping[str, Any]) -> Path:
    """Move a refused bundle aside with the reasons; the newest five are kept. Raises OSError."""
    aside = Path(models_dir) / REJECTED
    make_private_folder(aside)
    write_bytes_atomic(staged / REASONS_FILE, json_text(dict(reasons)).encode())
    kept = staged.rename(aside / staged.name)
    sync_directory(aside)
    for old in rejected_bundles(models_dir)[:-REJECTED_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return kept


def rejected_bundles(models_dir: Path) -> list[Path]:
    """The refused bundles, oldest first."""
    aside = Path(models_dir) / REJECTED
    return sorted(path for path in aside.iterdir() if path.is_dir()) if aside.is_dir() else []


def calibrators_of(models_dir: Path, bundle_id: str) -> Path:
    """The folder of the calibrators of a promoted bundle."""
    return Path(models_dir).parent / "artifacts" / "calibrators" / bundle_id


def remove_replaced(models_dir: Path, kept: int = REPLACED_KEPT) -> list[str]:
    """Remove replaced models of trainings. Returns their names.

    The newest `kept` stay, and what the policy, the active pointer or the next roll backs name. Models from elsewhere
    are never touched. Raises OSError, HomeBusyError.
    """
    models_dir = Path(models_dir)
    with home_lock(models_dir.parent):
        own = sorted(path for path in models_dir.iterdir() if (path / TRAINING_FILE).is_file())
        named = _named(models_dir, kept)
        gone = [path for path in own[:-kept] if path.name not in named]
        for path in gone:
            shutil.rmtree(path)
            shutil.rmtree(calibrators_of(models_dir, path.name), ignore_errors=True)
    return [path.name for path in gone]


def remove_old_heads(models_dir: Path, kept: int = HISTORY_KEPT) -> list[str]:
    """Remove the heads that neither the policy nor one of the newest `kept` policies of the history names.

    A head of the last day stays: a program may be about to read it, or a person may have the policy open in an editor.
    Nothing is removed while the policy cannot be read. Returns the names. A file that cannot be removed stays for the
    next time. Raises HomeBusyError.
    """
    models_dir = Path(models_dir)
    folder = models_dir.parent / HEADS
    if not folder.is_dir():
        return []
    with home_lock(models_dir.parent):
        try:
            return _removed_but(_heads_named(models_dir, kept), folder)
        except (OSError, PolicyValidationError) as error:
            log.warning("Former heads stay: %s", error)
            return []


def _heads_named(models_dir: Path, kept: int) -> Collection[str]:
    """Names of files. Raises PolicyValidationError for an invalid policy, which may name any; OSError."""
    present = present_policy(models_dir)
    if present is not None:
        parse_policy_text(present)
    policies = kept_policies(models_dir, kept)
    return {PurePosixPath(policy.personal_head.file).name for policy in policies if policy.personal_head is not None}


def _removed_but(named: Collection[str], folder: Path) -> list[str]:
    old = time.time() - _HEAD_KEPT_SECONDS
    gone = [path for path in sorted(folder.glob("*.json")) if path.name not in named and path.stat().st_mtime < old]
    for path in gone:
        path.unlink()
    return [path.name for path in gone]


def _named(models_dir: Path, kept: int) -> Collection[str]:
    entries = [read_entry(path) for path in earlier_entries(models_dir)[-kept:]]
    named = {entry.bundle_id for entry in entries if entry is not None}
    present = present_policy(models_dir)
    if present is not None:
        try:
            named.add(parse_policy_text(present).model_dir.rpartition("/")[2])
        except PolicyValidationError:
            named.update(path.name for path in models_dir.iterdir())  # it may mean any of them
    try:
        active = read_active(models_dir)
    except ModelError:
        active = None
    return named | ({active.model_dir.rpartition("/")[2]} if active is not None else set())
