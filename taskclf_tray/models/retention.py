"""Keep earlier policies, for a roll back, and the bundles of trainings.

Earlier policies are in `models/policy_history/`, as numbered bytes. `000001.json` is a policy a promotion replaced;
`000001.none` says that there was none, with the model that was served then and the policy that pinned it. A roll back
marks the entry it goes to as used (`000001.used.json`) and keeps the policy it leaves as `000002.left.json`, which no
roll back goes to.

The bundles are the staged one, the refused ones and the replaced ones.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.atomic import json_text, sync_directory, write_bytes_atomic
from taskclf_tray.core.errors import ModelError, PolicyValidationError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.private_files import make_private_folder
from taskclf_tray.core.regular_files import Links, read_regular
from taskclf_tray.core.strict_json import BadJsonError, parse_json_object
from taskclf_tray.models.policy import MAX_POLICY_BYTES, parse_policy_text, policy_path
from taskclf_tray.models.registry import POLICY_HISTORY, REJECTED, read_active

log = logging.getLogger(__name__)

POLICY: Final = "json"
NO_POLICY: Final = "none"
LEFT: Final = "left.json"
_ENTRY: Final = re.compile(r"(\d{6})\.(json|none)")
_NUMBERED: Final = re.compile(r"(\d{6})\..*")

TRAINING_FILE: Final = "training.json"
"""Beside a bundle: how it was calibrated, tuned and judged. Only models trained on this person have it."""
REASONS_FILE: Final = "reasons.json"
REJECTED_KEPT: Final = 5
REPLACED_KEPT: Final = 5
_STAGING: Final = ".training"


@dataclass(frozen=True, slots=True)
class EarlierChoice:
    """An earlier choice of the served model.

    `policy`: the bytes of its file, None when there was none. `model_dir`: relative to the home. `pin`: the policy that
    was written in place of none.
    """

    path: Path
    policy: bytes | None
    model_dir: str
    pin: bytes | None = None

    @property
    def bundle_id(self) -> str:
        """The name of the model's folder."""
        return self.model_dir.rpartition("/")[2]

    def is_present(self, present: bytes | None) -> bool:
        """Whether this choice is in force, given the bytes of the policy file (None for no file)."""
        return present == self.policy or (self.pin is not None and present == self.pin)


def earlier_choice(models_dir: Path) -> EarlierChoice | None:
    """The choice that a roll back would go to; None without one. Raises OSError."""
    present = present_policy(models_dir)
    for path in reversed(earlier_entries(models_dir)):
        entry = read_entry(path)
        if entry is not None and not entry.is_present(present):
            return entry
    return None


def present_policy(models_dir: Path) -> bytes | None:
    """The bytes of the policy file; None when there is none."""
    try:
        return read_regular(policy_path(models_dir), MAX_POLICY_BYTES, Links.TRUSTED)
    except FileNotFoundError:
        return None


def earlier_entries(models_dir: Path) -> list[Path]:
    """The entries that a roll back may go to, oldest first."""
    return [path for path in _files(models_dir) if _ENTRY.fullmatch(path.name)]


def _files(models_dir: Path) -> list[Path]:
    folder = Path(models_dir) / POLICY_HISTORY
    return sorted(path for path in folder.iterdir() if _NUMBERED.fullmatch(path.name)) if folder.is_dir() else []


def read_entry(path: Path) -> EarlierChoice | None:
    """The entry; None for one that cannot be read."""
    data = read_regular(path, MAX_POLICY_BYTES, Links.NONE)
    try:
        if path.suffix == f".{NO_POLICY}":
            entry = parse_json_object(data)
            return EarlierChoice(path, None, str(entry["model_dir"]), str(entry["pin"]).encode())
        return EarlierChoice(path, data, parse_policy_text(data).model_dir)
    except (BadJsonError, KeyError, PolicyValidationError) as error:
        log.warning("%s is passed over: %s", path, error)
        return None


def write_entry(models_dir: Path, kind: str, data: bytes) -> None:
    """Add an entry of kind `POLICY`, `NO_POLICY` or `LEFT`. Raises OSError."""
    files = _files(models_dir)
    number = 1 + (int(files[-1].name[:6]) if files else 0)
    write_bytes_atomic(Path(models_dir) / POLICY_HISTORY / f"{number:06d}.{kind}", data)


def use_up(models_dir: Path, earlier: EarlierChoice) -> None:
    """Mark the entry and those after it as used."""
    for path in earlier_entries(models_dir):
        if path.name >= earlier.path.name:
            path.rename(path.with_name(f"{path.stem}.used{path.suffix}"))
    sync_directory(models_dir / POLICY_HISTORY)


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
