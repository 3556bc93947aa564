"""Policies written for a person: by “Edit Inference Policy”, and by a choice in the menu.

Both describe exactly what would be served without them, so writing one changes no label.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from taskclf_tray.models.history import kept_policies
from taskclf_tray.models.policy import (
    CALIBRATION_METHODS,
    InferencePolicy,
    build_inference_policy,
    load_inference_policy,
    validate_policy,
)
from taskclf_tray.models.registry import bundle_at, relative_to_home
from taskclf_tray.models.resolve import (
    Explicit,
    ResolvedInferenceConfig,
    build_config,
    load_explicit,
    resolve_without_policy,
)


def draft_policy_for_edit(models_dir: Path) -> InferencePolicy:
    """Draft the policy that changes nothing: the served model, threshold and bound store; source `tray-edit`.

    Writes nothing. Raises ModelResolutionError when no model can be served, PolicyValidationError, ModelError.
    """
    models_dir = Path(models_dir)
    return _policy_of(resolve_without_policy(models_dir, Explicit()), models_dir, "tray-edit")


def policy_for_bundle(models_dir: Path, bundle_dir: Path, source: str) -> InferencePolicy:
    """The policy for a picked bundle, with its own threshold and bound store, so that a pick loses neither.

    The learnt transitions do not depend on the model and stay; a personal head belongs to the model and calibrators
    that it was fitted with, and returns with them. Writes nothing.
    Raises ModelError when the bundle cannot be served, PolicyValidationError, OSError.
    """
    models_dir = Path(models_dir)
    config = build_config(models_dir, Path(bundle_dir), "best", None, Explicit())
    return _with_learnt(_policy_of(config, models_dir, source), models_dir)


def policy_by_hand(
    models_dir: Path,
    *,
    model_dir: str | None = None,
    reject_threshold: float | None = None,
    calibrator_store: Path | None = None,
    without_calibrators: bool = False,
) -> InferencePolicy:
    """Build the policy of a command line; omitted values are those that are served without a policy. Writes nothing.

    Args:
        models_dir: the folder of the bundles.
        model_dir: the model: a path, a path relative to the home, or a name.
        reject_threshold: from 0 to 1.
        calibrator_store: folder of the store.
        without_calibrators: use no calibrators.

    Raises:
        ModelError: the model cannot be served.
        ModelResolutionError: there is no such model.
        CalibratorError: the store cannot be read.
        PolicyValidationError: the values do not fit together.
    """
    models_dir = Path(models_dir)
    store = None if calibrator_store is None else found_store(models_dir.parent, calibrator_store)
    if model_dir is None:
        config = resolve_without_policy(models_dir, load_explicit(reject_threshold, store, None))
    else:
        folder = bundle_at(models_dir, model_dir)
        config = build_config(models_dir, folder, "best", None, load_explicit(reject_threshold, store, None))
    if without_calibrators:
        config = replace(config, calibrator_store=None, calibrator_store_dir=None)
    return _with_learnt(_policy_of(config, models_dir, "manual"), models_dir)


def _with_learnt(policy: InferencePolicy, models_dir: Path) -> InferencePolicy:
    """The policy with the transitions of the one there is, and the head of the newest for this model."""
    present = load_inference_policy(models_dir)
    smoothing = None if present is None else present.smoothing
    alike = (kept for kept in kept_policies(models_dir) if _answers_alike(kept, policy))
    head = next((kept.personal_head for kept in alike), None)
    return policy.model_copy(update={"smoothing": smoothing, "personal_head": head})


def _answers_alike(kept: InferencePolicy, policy: InferencePolicy) -> bool:
    """Whether both name the model and the calibrators that a head was fitted with."""
    return (kept.model_dir, kept.calibrator_store_dir) == (policy.model_dir, policy.calibrator_store_dir)


def found_store(home: Path, store_dir: Path) -> Path:
    """The folder of a calibrator store: in the home when it is there, else as given."""
    return store_dir.resolve() if not (home / store_dir).is_dir() and store_dir.is_dir() else home / store_dir


def with_store(policy: InferencePolicy, config: ResolvedInferenceConfig, home: Path) -> InferencePolicy:
    """The policy with the calibrators of `config`. Raises ModelError for a store outside the home."""
    store, store_dir = config.calibrator_store, config.calibrator_store_dir
    method = None if store is None or store.method not in CALIBRATION_METHODS else store.method
    place = None if store_dir is None else relative_to_home(home, store_dir)
    return policy.model_copy(update={"calibrator_store_dir": place, "calibration_method": method})


def _policy_of(config: ResolvedInferenceConfig, models_dir: Path, source: str) -> InferencePolicy:
    store, store_dir = config.calibrator_store, config.calibrator_store_dir
    home = models_dir.parent
    method = store.method if store is not None else None
    policy = build_inference_policy(
        model_dir=relative_to_home(home, config.bundle_dir),
        model_schema_hash=config.metadata.schema_hash,
        model_label_set=config.metadata.label_set,
        reject_threshold=config.reject_threshold,
        calibrator_store_dir=relative_to_home(home, store_dir) if store_dir is not None else None,
        calibration_method=method if method in CALIBRATION_METHODS else None,
        source=source,
        transitions=config.transitions,
    )
    validate_policy(policy, models_dir)
    return policy
