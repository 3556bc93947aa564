"""Switching to a new model and back again: each is the replacement of one file, `models/inference_policy.json`.

All that a promotion writes before leaves what is served as it is, wherever it is cut off. Where there is no policy,
the new bundle would be the best model as soon as it appears; so first a policy is written that serves what is served
without one.

What was replaced is kept as bytes in `models/policy_history/`, numbered: `000001.json` (a policy), `000001.none` (there
was none, and what was served then). Rolling back goes to the newest of these that is not what is in force, marks it as
used (`000001.used.json`), and keeps what it leaves as `000002.left.json`. So rolling back twice goes back further, and
no policy that somebody wrote is ever lost.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.atomic import json_text, sync_directory, write_bytes_atomic
from taskclf_tray.core.errors import CalibratorError, ModelError, ModelFormatError, PolicyValidationError, TaskclfError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.inference_policy import (
    InferencePolicy,
    build_inference_policy,
    parse_policy_text,
    policy_path,
    remove_inference_policy,
    save_inference_policy,
    validate_policy,
)
from taskclf_tray.core.model_io import load_model_bundle
from taskclf_tray.core.policy_checks import CALIBRATION_METHODS
from taskclf_tray.core.strict_json import BadJsonError, parse_json_object
from taskclf_tray.infer.calibration import CalibratorStore
from taskclf_tray.infer.calibrator_files import save_calibrator_store
from taskclf_tray.infer.draft_policy import draft_policy_for_edit
from taskclf_tray.infer.registry import POLICY_HISTORY, REJECTED, bundle_at, relative_to_home, set_active
from taskclf_tray.infer.resolution import (
    Explicit,
    ModelResolutionError,
    ResolvedInferenceConfig,
    build_config,
    resolve_policy,
    resolve_without_policy,
)

log = logging.getLogger(__name__)

SOURCE: Final = "retrain"
PINNED: Final = "pinned"
"""The source of a policy that only writes down what was served without one."""
REASONS_FILE: Final = "reasons.json"
REJECTED_KEPT: Final = 5
_STAGING: Final = ".training"
_ENTRY: Final = re.compile(r"(\d{6})\.(json|none)")
_NUMBERED: Final = re.compile(r"(\d{6})\..*")


class NothingEarlierError(TaskclfError):
    """There is nothing to roll back to."""


class OtherModelServedError(TaskclfError):
    """What a new model was compared with is not what is served any more."""


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


# -- before the switch --------------------------------------------------------------------------------------


def staging_dir(models_dir: Path) -> Path:
    """Where a bundle is made and judged: on the same disk as the models, and no model yet."""
    return Path(models_dir) / _STAGING


def clear_staging(models_dir: Path) -> None:
    """Remove what a training that was killed left. Only for who holds the training lock."""
    shutil.rmtree(staging_dir(models_dir), ignore_errors=True)


def keep_rejected(models_dir: Path, staged: Path, reasons: Mapping[str, Any]) -> Path:
    """Put a refused bundle aside with the reasons; the newest five are kept. Raises OSError."""
    aside = Path(models_dir) / REJECTED
    aside.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(staged / REASONS_FILE, json_text(dict(reasons)).encode())
    kept = staged.rename(aside / staged.name)
    sync_directory(aside)
    for old in rejected_bundles(models_dir)[:-REJECTED_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return kept


def rejected_bundles(models_dir: Path) -> list[Path]:
    """Bundles that were refused, oldest first."""
    aside = Path(models_dir) / REJECTED
    return sorted(path for path in aside.iterdir() if path.is_dir()) if aside.is_dir() else []


# -- the switch ---------------------------------------------------------------------------------------------


def promote(
    models_dir: Path,
    staged: Path,
    store: CalibratorStore,
    *,
    reject_threshold: float,
    replaces: str | None,
    notes: Mapping[str, Any] | None = None,
) -> Path:
    """Serve the staged bundle with these calibrators and this threshold; returns where it is now.

    `replaces`: the id of the bundle it was found better than, None for none: another one in force by now stops it.
    `notes`: extra keys of the policy. When anything fails, or the process ends before the policy is replaced, what is
    served stays. Raises ModelError, CalibratorError, PolicyValidationError (also for a policy in force that is
    broken), OtherModelServedError, OSError, HomeBusyError.
    """
    models_dir = Path(models_dir)
    home, bundle = models_dir.parent, models_dir / staged.name
    store_dir = home / "artifacts" / "calibrators" / staged.name
    if not load_model_bundle(staged)[0].verified:
        raise ModelFormatError(f"The model {staged.name} has no SHA-256 recorded.", "Train again.")
    with home_lock(home):
        _check_still_served(models_dir, replaces)
        _remember_present(models_dir)
        try:
            save_calibrator_store(replace(store, model_bundle_id=staged.name), store_dir)
            staged.rename(bundle)
            sync_directory(models_dir)
            policy = _policy_for(home, bundle, store_dir, reject_threshold, notes or {})
            build_config(models_dir, bundle, "policy", policy, Explicit())
            save_inference_policy(policy, models_dir)
        except BaseException:
            if not _names(models_dir, bundle):
                for folder in (bundle, store_dir):
                    shutil.rmtree(folder, ignore_errors=True)
            raise
    log.info("Promoted %s, threshold %g.", bundle.name, reject_threshold)
    return bundle


def _policy_for(
    home: Path, bundle: Path, store_dir: Path, reject_threshold: float, notes: Mapping[str, Any]
) -> InferencePolicy:
    _, metadata, _ = load_model_bundle(bundle)
    method = parse_json_object((store_dir / "store.json").read_bytes()).get("method")
    policy = build_inference_policy(
        model_dir=relative_to_home(home, bundle),
        model_schema_hash=metadata.schema_hash,
        model_label_set=metadata.label_set,
        reject_threshold=reject_threshold,
        calibrator_store_dir=relative_to_home(home, store_dir),
        calibration_method=method if method in CALIBRATION_METHODS else None,
        source=SOURCE,
    )
    policy = replace(policy, extra=dict(notes))
    validate_policy(policy, bundle.parent)
    return policy


def _names(models_dir: Path, bundle: Path) -> bool:
    """Whether the policy on disk is for this bundle."""
    try:
        return parse_policy_text(policy_path(models_dir).read_bytes()).model_dir.endswith(f"/{bundle.name}")
    except (OSError, PolicyValidationError):
        return False


def served_now(models_dir: Path) -> ResolvedInferenceConfig | None:
    """What is served now, None when nothing can be. Raises PolicyValidationError for a policy that is not in force."""
    models_dir = Path(models_dir)
    if _present(models_dir) is not None:
        return resolve_policy(models_dir, Explicit())
    try:
        return resolve_without_policy(models_dir, Explicit())
    except ModelResolutionError:
        return None


def _check_still_served(models_dir: Path, replaces: str | None) -> None:
    served = served_now(models_dir)
    if (None if served is None else served.bundle_id) != replaces:
        raise OtherModelServedError(
            "Another model was chosen while this one was trained, so it was compared with the wrong one.",
            "Train again.",
        )


def _remember_present(models_dir: Path) -> None:
    """Keep the policy in force; without one, write that down and pin what is served. Raises OSError, HomeBusyError."""
    present, stack = _present(models_dir), _entries(models_dir)
    newest = _read_entry(stack[-1]) if stack else None
    if present is not None:
        if newest is None or not newest.is_present(present):
            _write_entry(models_dir, "json", present)
        return
    served = served_now(models_dir)
    if served is None:
        return  # nothing to go back to
    pin = json_text(replace(draft_policy_for_edit(models_dir), source=PINNED).to_dict())
    model_dir = relative_to_home(models_dir.parent, served.bundle_dir)
    _write_entry(models_dir, "none", json_text({"model_dir": model_dir, "pin": pin}).encode())
    write_bytes_atomic(policy_path(models_dir), pin.encode())


# -- the way back -------------------------------------------------------------------------------------------


def earlier_choice(models_dir: Path) -> EarlierChoice | None:
    """What a roll back would go to; None for nothing. Raises OSError."""
    present = _present(models_dir)
    for path in reversed(_entries(models_dir)):
        entry = _read_entry(path)
        if entry is not None and not entry.is_present(present):
            return entry
    return None


def roll_back(models_dir: Path, *, before_switch: Callable[[str], None] = lambda _: None) -> EarlierChoice:
    """Put the earlier policy in force again, byte for byte, or the state without one; returns what is in force now.

    `before_switch` gets the id of the model to be served. Raises NothingEarlierError, PolicyValidationError when the
    earlier choice cannot be served any more, OSError, HomeBusyError.
    """
    models_dir = Path(models_dir)
    with home_lock(models_dir.parent):
        earlier, present = earlier_choice(models_dir), _present(models_dir)
        if earlier is None:
            raise NothingEarlierError(
                "There is no earlier choice of a model to go back to.", "Choose a model under Prediction Model."
            )
        _check_servable(models_dir, earlier)
        before_switch(earlier.bundle_id)
        if present is not None:
            _write_entry(models_dir, "left.json", present)
        if earlier.policy is not None:
            write_bytes_atomic(policy_path(models_dir), earlier.policy)
        else:
            _restore_absence(models_dir, earlier)
        _use_up(models_dir, earlier)
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
    """Remove the policy; where another model would then be the best, the pointer names the one of that time."""
    folder = bundle_at(models_dir, earlier.model_dir)
    if resolve_without_policy(models_dir, Explicit()).bundle_dir.resolve() != folder.resolve():
        set_active(models_dir, folder, {"note": "served before there was a policy"})
    remove_inference_policy(models_dir)


def _use_up(models_dir: Path, earlier: EarlierChoice) -> None:
    """Mark the entry, and those after it that said what was in force, as used."""
    for path in _entries(models_dir):
        if path.name >= earlier.path.name:
            path.rename(path.with_name(f"{path.stem}.used{path.suffix}"))
    sync_directory(models_dir / POLICY_HISTORY)


# -- the history --------------------------------------------------------------------------------------------


def _present(models_dir: Path) -> bytes | None:
    """The policy file as it is; None when there is none."""
    try:
        return policy_path(models_dir).read_bytes()
    except FileNotFoundError:
        return None


def _entries(models_dir: Path) -> list[Path]:
    """What may be gone back to, oldest first."""
    return [path for path in _files(models_dir) if _ENTRY.fullmatch(path.name)]


def _files(models_dir: Path) -> list[Path]:
    folder = Path(models_dir) / POLICY_HISTORY
    return sorted(path for path in folder.iterdir() if _NUMBERED.fullmatch(path.name)) if folder.is_dir() else []


def _read_entry(path: Path) -> EarlierChoice | None:
    """One that cannot be read is passed over."""
    data = path.read_bytes()
    try:
        if path.suffix == ".none":
            entry = parse_json_object(data)
            return EarlierChoice(path, None, str(entry["model_dir"]), str(entry["pin"]).encode())
        return EarlierChoice(path, data, parse_policy_text(data).model_dir)
    except (BadJsonError, KeyError, PolicyValidationError) as error:
        log.warning("%s is passed over: %s", path, error)
        return None


def _write_entry(models_dir: Path, kind: str, data: bytes) -> None:
    files = _files(models_dir)
    number = 1 + (int(files[-1].name[:6]) if files else 0)
    write_bytes_atomic(Path(models_dir) / POLICY_HISTORY / f"{number:06d}.{kind}", data)
