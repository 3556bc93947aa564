"""The door to the policy file, as the inference documents name it."""

from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.models.policy import (
    InferencePolicy,
    build_inference_policy,
    load_inference_policy,
    remove_inference_policy,
    render_default_inference_policy_template_json,
    save_inference_policy,
    validate_policy,
    write_inference_policy_starter_template,
)

__all__ = [
    "InferencePolicy",
    "PolicyValidationError",
    "build_inference_policy",
    "load_inference_policy",
    "remove_inference_policy",
    "render_default_inference_policy_template_json",
    "save_inference_policy",
    "validate_policy",
    "write_inference_policy_starter_template",
]
