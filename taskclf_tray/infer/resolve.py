"""The public door to resolution and reload (contract, section 14); each idea has its own file."""

from taskclf_tray.models.draft_policy import draft_policy_for_edit, policy_for_bundle
from taskclf_tray.models.reload import ActiveModelReloader, InferencePolicyReloader
from taskclf_tray.models.resolve import (
    MISSING_POLICY,
    ModelResolutionError,
    ResolvedInferenceConfig,
    resolve_inference_config,
    resolve_model_dir,
)
from taskclf_tray.models.selection import ExclusionRecord, SelectionPolicy, SelectionReport, find_bound_calibrator_store

__all__ = [
    "MISSING_POLICY",
    "ActiveModelReloader",
    "ExclusionRecord",
    "InferencePolicyReloader",
    "ModelResolutionError",
    "ResolvedInferenceConfig",
    "SelectionPolicy",
    "SelectionReport",
    "draft_policy_for_edit",
    "find_bound_calibrator_store",
    "policy_for_bundle",
    "resolve_inference_config",
    "resolve_model_dir",
]
