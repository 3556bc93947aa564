"""The history of served models and policies, and the roll back.

Two histories are kept, because what is served is named by two files. `active_history.jsonl` has a line per switch of
`active.json`, in the format of the taskclf tool. `policy_history/` has the earlier policies, as numbered bytes:
`000001.json` is a policy a promotion replaced; `000001.none` says that there was none, with the model that was served
then and the policy that pinned it. A roll back marks the entry it goes to as used (`000001.used.json`) and keeps the
policy it leaves as `000002.left.json`, which no roll back goes to.

A roll back goes to the newest kept policy that differs from the one in force. So a second roll back goes back further,
and no policy is ever lost. Only without a kept policy does `active.json` go back.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.atomic import sync_directory, write_bytes_atomic
from taskclf_tray.core.errors import CalibratorError, ModelError, ModelFormatError, PolicyValidationError, TaskclfError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.regular_files import Links, read_regular
from taskclf_tray.core.strict_json import BadJsonError, parse_json_object
from taskclf_tray.models.bundle import load_model_bundle
from taskclf_tray.models.policy import (
    MAX_POLICY_BYTES,
    InferencePolicy,
    parse_policy_text,
    policy_path,
    remove_inference_policy,
    validate_policy,
)
from taskclf_tray.models.registry import (
    HISTORY_FILE,
    POLICY_HISTORY,
    ActivePointer,
    bundle_at,
    folder_of,
    pointer_of,
    read_active,
    set_active,
)
from taskclf_tray.models.resolve import Explicit, build_config, resolve_without_policy

log = logging.getLogger(__name__)

POLICY: Final = "json"
NO_POLICY: Final = "none"
LEFT: Final = "left.json"
_ENTRY: Final = re.compile(r"(\d{6})\.(json|none)")
_NUMBERED: Final = re.compile(r"(\d{6})\..*")
ROLL_BACK: Final = "roll back"
"""The note of a switch of `active.json` that goes back."""
_MAX_HISTORY_LINE: Final = 100_000
_MAX_HISTORY_BYTES: Final = 64 << 20


class NothingEarlierError(TaskclfError):
    """There is nothing to roll back to."""


# -- earlier policies ---------------------------------------------------------------------------------------------


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


def kept_policies(models_dir: Path, most: int | None = None) -> Iterator[InferencePolicy]:
    """Yield the policy in force and those kept, whatever became of them, newest first; what is no policy is left out.

    `most`: how many of the kept ones to return. Raises OSError.
    """
    kept = [path for path in reversed(_files(models_dir)) if path.suffix == f".{POLICY}"]
    for path in [policy_path(models_dir), *kept[:most]]:
        with contextlib.suppress(PolicyValidationError, FileNotFoundError):
            yield parse_policy_text(read_regular(path, MAX_POLICY_BYTES, Links.TRUSTED))


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


def roll_back(models_dir: Path, *, before_switch: Callable[[str], None] = lambda _: None) -> EarlierChoice:
    """Put the earlier policy in force again, byte for byte, or the state without a policy. Returns that choice.

    Args:
        before_switch: called with the id of the model that will be served.

    Raises:
        NothingEarlierError: no earlier choice is kept.
        PolicyValidationError: the earlier choice cannot be served any more.
        OSError, HomeBusyError: a file cannot be read or written.
    """
    models_dir = Path(models_dir)
    with home_lock(models_dir.parent):
        earlier, present = earlier_choice(models_dir), present_policy(models_dir)
        if earlier is None:
            raise NothingEarlierError(
                "There is no earlier choice of a model to go back to.", "Choose a model under Prediction Model."
            )
        _check_servable(models_dir, earlier)
        before_switch(earlier.bundle_id)
        if present is not None:
            write_entry(models_dir, LEFT, present)
        if earlier.policy is not None:
            write_bytes_atomic(policy_path(models_dir), earlier.policy)
        else:
            _restore_absence(models_dir, earlier)
        use_up(models_dir, earlier)
    log.info("Rolled back to %s%s.", earlier.bundle_id, "" if earlier.policy is not None else ", without a policy")
    return earlier


def _check_servable(models_dir: Path, earlier: EarlierChoice) -> None:
    try:
        if earlier.policy is not None:
            policy = parse_policy_text(earlier.policy)
            validate_policy(policy, models_dir)
            build_config(models_dir, models_dir.parent / policy.model_dir, "policy", policy, Explicit())
        else:
            build_config(models_dir, models_dir.parent / earlier.model_dir, "best", None, Explicit())
    except (PolicyValidationError, ModelError, CalibratorError) as error:
        raise PolicyValidationError(
            f"The earlier choice cannot be served any more: {error.title}", "Choose a model under Prediction Model."
        ) from error


def _restore_absence(models_dir: Path, earlier: EarlierChoice) -> None:
    """Remove the policy; if another model ranks higher by now, the active pointer names the one of that time."""
    folder = bundle_at(models_dir, earlier.model_dir)
    if resolve_without_policy(models_dir, Explicit()).bundle_dir.resolve() != folder.resolve():
        set_active(models_dir, folder, {"note": "served before there was a policy"})
    remove_inference_policy(models_dir)


# -- earlier switches of active.json --------------------------------------------------------------------------------


def roll_back_active(models_dir: Path) -> ActivePointer:
    """Make the model active that was so before the present one; again and again goes further back.

    A roll back is a switch in the history like any other. Raises ModelFormatError when there is nothing to go back to
    or the model is gone, ModelError when it cannot be served, OSError, HomeBusyError.
    """
    models_dir = Path(models_dir)
    if _previous(models_dir) is None:  # the lock would make a home where there is none
        raise _no_model_before()
    with home_lock(models_dir.parent):
        pointer = _previous(models_dir)
        if pointer is None:
            raise _no_model_before()
        folder = folder_of(pointer, models_dir)
        load_model_bundle(folder)
        return set_active(models_dir, folder, {"note": ROLL_BACK})


def _no_model_before() -> ModelFormatError:
    return ModelFormatError(
        "The history has no model that was active before.", "Choose one with `taskclf-tray model set-active`."
    )


def _previous(models_dir: Path) -> ActivePointer | None:
    """The pointer before the present one: switches are a stack, from which a roll back has taken the topmost."""
    stack: list[dict[str, Any]] = []
    for entry in active_history(models_dir):
        reason = entry["new"].get("reason")
        if isinstance(reason, dict) and reason.get("note") == ROLL_BACK:
            while stack and stack[-1].get("model_dir") != entry["new"].get("model_dir"):
                stack.pop()
        elif not stack and isinstance(entry.get("old"), dict):
            stack.append(entry["old"])
        stack.append(entry["new"])
    present = _present_dir(models_dir)
    while stack and stack[-1].get("model_dir") == present:
        stack.pop()
    try:
        return pointer_of(stack[-1]) if stack else None
    except BadJsonError:
        return None


def _present_dir(models_dir: Path) -> str | None:
    try:
        pointer = read_active(models_dir)
    except ModelFormatError:
        return None
    return None if pointer is None else pointer.model_dir


def active_history(models_dir: Path) -> list[dict[str, Any]]:
    """The switches {at, old, new}, oldest first; `old` and `new` are pointers. Damaged lines are left out."""
    try:
        lines = read_regular(Path(models_dir) / HISTORY_FILE, _MAX_HISTORY_BYTES, Links.NONE).splitlines()
    except OSError:
        return []
    history = []
    for line in lines:
        try:
            entry = parse_json_object(line[:_MAX_HISTORY_LINE])
        except BadJsonError:
            continue
        if isinstance(entry.get("new"), dict):
            history.append(entry)
    return history
