"""Policies written for a person: what “Edit Inference Policy” opens, and what a pick in the menu writes.

Both write down exactly what would be served without them, so that writing changes no label.
"""

from __future__ import annotations

from pathlib import Path

from taskclf_tray.core.inference_policy import InferencePolicy, build_inference_policy, validate_policy
from taskclf_tray.core.policy_checks import CALIBRATION_METHODS
from taskclf_tray.infer.registry import relative_to_home
from taskclf_tray.infer.resolution import Explicit, ResolvedInferenceConfig, build_config, resolve_without_policy


def draft_policy_for_edit(models_dir: Path) -> InferencePolicy:
    """The policy that serves what is served without one: model, threshold, bound store; source `tray-edit`.

    Writes nothing. Raises ModelResolutionError when no model can be served, PolicyValidationError, ModelError.
    """
    models_dir = Path(models_dir)
    return _policy_of(resolve_without_policy(models_dir, Explicit()), models_dir, "tray-edit")


def policy_for_bundle(models_dir: Path, bundle_dir: Path, source: str) -> InferencePolicy:
    """The policy for a picked bundle, with its own threshold and bound store, so that a pick loses neither.

    Writes nothing. Raises ModelError when the bundle cannot be served, PolicyValidationError.
    """
    models_dir = Path(models_dir)
    return _policy_of(build_config(models_dir, Path(bundle_dir), "best", None, Explicit()), models_dir, source)


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
    )
    validate_policy(policy, models_dir)
    return policy
