"""The policies that were in force before, as bytes, in `models/policy_history/`: what a roll back goes to.

Numbered: `000001.json` (a policy that a promotion replaced), `000001.none` (there was none; which model was served
then, and the policy that was written in place of none). What a roll back has gone to is marked as used
(`000001.used.json`), and what it left is kept as `000002.left.json`, which nothing goes back to.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskclf_tray.core.atomic import sync_directory, write_bytes_atomic
from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.core.regular_files import Links, read_regular
from taskclf_tray.core.strict_json import BadJsonError, parse_json_object
from taskclf_tray.models.policy import MAX_POLICY_BYTES, parse_policy_text, policy_path
from taskclf_tray.models.registry import POLICY_HISTORY

log = logging.getLogger(__name__)

POLICY: Final = "json"
NO_POLICY: Final = "none"
LEFT: Final = "left.json"
_ENTRY: Final = re.compile(r"(\d{6})\.(json|none)")
_NUMBERED: Final = re.compile(r"(\d{6})\..*")


@dataclass(frozen=True, slots=True)
class EarlierChoice:
    """What was served before. `policy`: the bytes of its file, None when there was none; `model_dir`: relative to the
    home; `pin`: the policy that was written in place of none."""

    path: Path
    policy: bytes | None
    model_dir: str
    pin: bytes | None = None

    @property
    def bundle_id(self) -> str:
        """The name of the model's folder."""
        return self.model_dir.rpartition("/")[2]

    def is_present(self, present: bytes | None) -> bool:
        """Whether this is what is in force, by the policy file as it is (None for no file)."""
        return present == self.policy or (self.pin is not None and present == self.pin)


def earlier_choice(models_dir: Path) -> EarlierChoice | None:
    """What a roll back would go to; None for nothing. Raises OSError."""
    present = present_policy(models_dir)
    for path in reversed(earlier_entries(models_dir)):
        entry = read_entry(path)
        if entry is not None and not entry.is_present(present):
            return entry
    return None


def present_policy(models_dir: Path) -> bytes | None:
    """The policy file as it is; None when there is none."""
    try:
        return read_regular(policy_path(models_dir), MAX_POLICY_BYTES, Links.TRUSTED)
    except FileNotFoundError:
        return None


def earlier_entries(models_dir: Path) -> list[Path]:
    """What may be gone back to, oldest first."""
    return [path for path in _files(models_dir) if _ENTRY.fullmatch(path.name)]


def _files(models_dir: Path) -> list[Path]:
    folder = Path(models_dir) / POLICY_HISTORY
    return sorted(path for path in folder.iterdir() if _NUMBERED.fullmatch(path.name)) if folder.is_dir() else []


def read_entry(path: Path) -> EarlierChoice | None:
    """One that cannot be read is passed over."""
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
    """Add one: `POLICY`, `NO_POLICY` or `LEFT`. Raises OSError."""
    files = _files(models_dir)
    number = 1 + (int(files[-1].name[:6]) if files else 0)
    write_bytes_atomic(Path(models_dir) / POLICY_HISTORY / f"{number:06d}.{kind}", data)


def use_up(models_dir: Path, earlier: EarlierChoice) -> None:
    """Mark the entry, and those after it that said what was in force, as used."""
    for path in earlier_entries(models_dir):
        if path.name >= earlier.path.name:
            path.rename(path.with_name(f"{path.stem}.used{path.suffix}"))
    sync_directory(models_dir / POLICY_HISTORY)
