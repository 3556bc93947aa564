"""Switch to a new model: the switch replaces one file, `models/inference_policy.json`.

Everything a promotion writes before the switch leaves the served model as it is, wherever it is interrupted. Without a
policy the new bundle would be the best model as soon as it appears, so first a policy pins the served model.

The replaced policy is kept, for a roll back (`history.py`).
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.atomic import json_text, sync_directory, write_bytes_atomic
from taskclf_tray.core.errors import ModelFormatError, PolicyValidationError, TaskclfError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.strict_json import read_json_object
from taskclf_tray.infer.calibrator_files import save_calibrator_store
from taskclf_tray.infer.calibrators import CalibratorStore
from taskclf_tray.infer.head import PersonalHead
from taskclf_tray.models.bundle import load_model_bundle
from taskclf_tray.models.draft_policy import draft_policy_for_edit
from taskclf_tray.models.head_files import HeadEntry, save_head
from taskclf_tray.models.history import (
    NO_POLICY,
    POLICY,
    earlier_entries,
    present_policy,
    read_entry,
    write_entry,
)
from taskclf_tray.models.policy import (
    CALIBRATION_METHODS,
    TUNING_KEY,
    InferencePolicy,
    build_inference_policy,
    parse_policy_text,
    policy_path,
    read_inference_policy,
    save_inference_policy,
    validate_policy,
)
from taskclf_tray.models.registry import relative_to_home
from taskclf_tray.models.resolve import (
    Explicit,
    ModelResolutionError,
    ResolvedInferenceConfig,
    build_config,
    resolve_policy,
    resolve_without_policy,
)
from taskclf_tray.models.retention import TRAINING_FILE, calibrators_of, remove_old_heads

log = logging.getLogger(__name__)

SOURCE: Final = "retrain"
PINNED: Final = "pinned"
"""The source of a policy that only pins the model served without one."""


ANSWER: Final = "answer"
"""The source of a policy that got its first head from answers; without a head, a person has removed that."""
TAKEN_BACK: Final = "answer-undone"
"""The source of a policy whose head was removed because too few labels are left."""
_OF_ANSWERS: Final = (PINNED, ANSWER, TAKEN_BACK)


@dataclass(frozen=True, slots=True)
class HeadBasis:
    """What a head was fitted beside; where any of it has changed since, the head is out of date."""

    model_dir: str
    calibrator_store_dir: str | None
    head_sha256: str | None

    @classmethod
    def of(cls, policy: InferencePolicy) -> HeadBasis:
        """Of a policy."""
        head = policy.personal_head
        return cls(policy.model_dir, policy.calibrator_store_dir, None if head is None else head.sha256)


class OtherModelServedError(TaskclfError):
    """The model that a new one was compared with is not served any more."""


def promote(
    models_dir: Path,
    staged: Path,
    store: CalibratorStore,
    *,
    reject_threshold: float,
    replaces: str | None,
    notes: Mapping[str, Any] | None = None,
    head: PersonalHead | None = None,
    labelled_minutes: int = 0,
) -> Path:
    """Serve the staged bundle with these calibrators and this threshold. Returns its folder in `models/`.

    When anything fails, or the process ends before the policy is replaced, the served model stays.

    Args:
        staged: the bundle in the staging folder.
        store: its calibrators.
        reject_threshold: of the new policy.
        replaces: the id of the bundle it was compared with, None for none; if another one is served now, nothing
            changes.
        notes: extra keys of the policy.
        head: the personal head that was judged with the bundle, if any.
        labelled_minutes: how many labelled minutes the head has learnt from.

    Raises:
        OtherModelServedError: another model is served than `replaces`.
        PolicyValidationError: the new policy, or the one in force, is not valid.
        ModelError, CalibratorError, HeadError, OSError, HomeBusyError: a file cannot be read or written.
    """
    models_dir = Path(models_dir)
    home, bundle = models_dir.parent, models_dir / staged.name
    store_dir = calibrators_of(models_dir, staged.name)
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
            if head is not None:
                entry = save_head(head, home, fitted_at=datetime.now(UTC), labelled_minutes=labelled_minutes)
                policy = policy.model_copy(update={"personal_head": entry})
            build_config(models_dir, bundle, "policy", policy, Explicit())
            save_inference_policy(policy, models_dir)
        except BaseException:
            if not _names(models_dir, bundle):
                for folder in (bundle, store_dir):
                    shutil.rmtree(folder, ignore_errors=True)
            raise
        remove_old_heads(models_dir)
    log.info("Promoted %s, threshold %g.", bundle.name, reject_threshold)
    return bundle


def _policy_for(
    home: Path, bundle: Path, store_dir: Path, reject_threshold: float, notes: Mapping[str, Any]
) -> InferencePolicy:
    _, metadata, _ = load_model_bundle(bundle)
    method = read_json_object(store_dir / "store.json").get("method")
    policy = build_inference_policy(
        model_dir=relative_to_home(home, bundle),
        model_schema_hash=metadata.schema_hash,
        model_label_set=metadata.label_set,
        reject_threshold=reject_threshold,
        calibrator_store_dir=relative_to_home(home, store_dir),
        calibration_method=method if method in CALIBRATION_METHODS else None,
        source=SOURCE,
    )
    policy = InferencePolicy.model_validate(policy.model_dump() | dict(notes))
    validate_policy(policy, bundle.parent)
    return policy


def _names(models_dir: Path, bundle: Path) -> bool:
    """Whether the policy on disk is for this bundle."""
    try:
        return parse_policy_text(present_policy(models_dir) or b"").model_dir.endswith(f"/{bundle.name}")
    except (OSError, PolicyValidationError):
        return False


def served_now(models_dir: Path) -> ResolvedInferenceConfig | None:
    """Return the served config; None without a usable model. Raises PolicyValidationError for an invalid policy."""
    models_dir = Path(models_dir)
    if present_policy(models_dir) is not None:
        return resolve_policy(models_dir, Explicit())
    try:
        return resolve_without_policy(models_dir, Explicit())
    except ModelResolutionError:
        return None


def policy_to_learn_on(models_dir: Path) -> InferencePolicy:
    """Return the policy in force; without one, a policy that pins the model served. Writes nothing.

    Raises PolicyValidationError, ModelError, ModelResolutionError, OSError.
    """
    models_dir = Path(models_dir)
    if present_policy(models_dir) is None:
        return draft_policy_for_edit(models_dir).model_copy(update={"source": PINNED})
    policy = read_inference_policy(models_dir)
    validate_policy(policy, models_dir)
    return policy


def may_learn(served: ResolvedInferenceConfig) -> bool:
    """Whether answers may give what is served a head, or change the one it has.

    Not where a person has removed the head that answers had given the policy, and not where a training on this person
    has done without one.
    """
    policy = served.policy
    if policy is not None and policy.personal_head is not None:
        return True
    return not is_personal(served) and (policy is None or policy.source != ANSWER)


def is_personal(served: ResolvedInferenceConfig) -> bool:
    """Whether the model was trained on this person, by a retraining or by hand: its answers to labels prove nothing."""
    return served.metadata.data_provenance != "synthetic" or (served.bundle_dir / TRAINING_FILE).exists()


def switch_head(
    models_dir: Path, basis: HeadBasis, head: HeadEntry | None, threshold: Mapping[str, Any] | None = None
) -> bool:
    """Put a head fitted after an answer in force, or None in place of the one there is.

    The policy is read again under the lock, so an edit made meanwhile stays. The history gets no entry: a roll back
    undoes a training, not an answer.

    Args:
        models_dir: the folder of the bundles.
        basis: what the head was fitted beside.
        head: the policy's key for it; its file is written.
        threshold: the policy's keys of the reject threshold that follows from it; a threshold of a training or of the
            person stays.

    Returns:
        False, with nothing written, when the basis has changed.

    Raises:
        PolicyValidationError, ModelError, ModelResolutionError: no valid policy can be written.
        OSError, HomeBusyError: a file cannot be read or written.
    """
    models_dir = Path(models_dir)
    with home_lock(models_dir.parent):
        policy = policy_to_learn_on(models_dir)
        if HeadBasis.of(policy) != basis:
            return False
        source = policy.source if policy.source == SOURCE else ANSWER if head is not None else TAKEN_BACK
        changes = {"personal_head": head, "source": source, "created_at": datetime.now(UTC).isoformat()}
        is_edited = bool((policy.model_extra or {}).get(TUNING_KEY)) and policy.tuning is None
        if policy.source in _OF_ANSWERS and not is_edited:
            changes |= threshold or {}
        save_inference_policy(policy.model_copy(update=changes), models_dir)
        remove_old_heads(models_dir)
    return True


def _check_still_served(models_dir: Path, replaces: str | None) -> None:
    served = served_now(models_dir)
    if (None if served is None else served.bundle_id) != replaces:
        raise OtherModelServedError(
            "Another model was chosen while this one was trained, so it was compared with the wrong one.",
            "Train again.",
        )


def _remember_present(models_dir: Path) -> None:
    """Keep the policy in force; without one, note that and pin the served model. Raises OSError, HomeBusyError."""
    present, stack = present_policy(models_dir), earlier_entries(models_dir)
    newest = read_entry(stack[-1]) if stack else None
    if present is not None:
        if newest is None or not newest.is_present(present):
            write_entry(models_dir, POLICY, present)
        return
    served = served_now(models_dir)
    if served is None:
        return  # nothing to go back to
    pin = json_text(draft_policy_for_edit(models_dir).model_copy(update={"source": PINNED}).model_dump())
    model_dir = relative_to_home(models_dir.parent, served.bundle_dir)
    write_entry(models_dir, NO_POLICY, json_text({"model_dir": model_dir, "pin": pin}).encode())
    write_bytes_atomic(policy_path(models_dir), pin.encode())
