"""What training on the command line does to what is served: a new bundle nothing, a tuned threshold only itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.models.draft_policy import draft_policy_for_edit, with_store
from taskclf_tray.models.policy import InferencePolicy, policy_path, save_inference_policy, validate_policy
from taskclf_tray.models.resolve import ModelResolutionError, ResolvedInferenceConfig, resolve_inference_config
from taskclf_tray.train.tune import RejectThresholdResult

PINNED: Final = "pinned"
"""The source of a policy that only writes down what was served without one."""
TUNED: Final = "tune-reject"


def served_bundle_id(models_dir: Path) -> str | None:
    """The name of the bundle that is served; None when none can be."""
    served = _served(models_dir)
    return None if served is None else served.bundle_id


def check_nothing_switches(models_dir: Path) -> None:
    """Raise PolicyValidationError where a new bundle would be served at once because the policy is not in force."""
    served = _served(models_dir)
    if served is not None and served.origin == "best" and _is_there(models_dir):
        raise PolicyValidationError(
            "The inference policy is not in force, so a new model would be served at once.",
            "`taskclf-tray policy validate` says what is wrong with it, `taskclf-tray policy remove` removes it.",
        )


def keep_what_is_served(models_dir: Path) -> None:
    """Pin the served model with a policy where none names it, because a new bundle may rank higher.

    Raises PolicyValidationError, OSError, HomeBusyError.
    """
    with home_lock(models_dir.parent):
        check_nothing_switches(models_dir)
        served = _served(models_dir)
        if served is not None and served.origin == "best":
            save_inference_policy(draft_policy_for_edit(models_dir).model_copy(update={"source": PINNED}), models_dir)


def write_threshold(
    models_dir: Path,
    resolved: ResolvedInferenceConfig,
    tuned: RejectThresholdResult,
    users: Collection[str],
    *,
    with_calibrators: bool = False,
) -> InferencePolicy:
    """Write the tuned threshold into the policy; it replaces personal thresholds of these users.

    Args:
        with_calibrators: whether to write the calibrators too, because the request named them.

    Raises:
        PolicyValidationError: another model is served, or the policy is not in force.
        OSError, HomeBusyError: the policy cannot be written.
    """
    assert tuned.threshold is not None
    with home_lock(models_dir.parent):
        served = _served(models_dir)
        if served is None or not _is_alike(served, resolved, but_calibrators=with_calibrators):
            raise PolicyValidationError(
                f"{resolved.bundle_id} is not what is served, so its threshold was not written.",
                f"Serve it first: taskclf-tray policy create --model-dir {resolved.bundle_id} --force",
            )
        if served.origin != "policy" and _is_there(models_dir):
            raise PolicyValidationError(
                "The inference policy is not in force, so nothing was written to it.",
                "`taskclf-tray policy validate` says what is wrong with it.",
            )
        policy = served.policy if served.policy is not None else draft_policy_for_edit(models_dir)
        if with_calibrators:
            policy = with_store(policy, resolved, models_dir.parent)
        policy = _with_threshold(policy, tuned, users)
        validate_policy(policy, models_dir)
        save_inference_policy(policy, models_dir)
    return policy


def _with_threshold(policy: InferencePolicy, tuned: RejectThresholdResult, users: Collection[str]) -> InferencePolicy:
    assert tuned.threshold is not None
    others = {user: limit for user, limit in (policy.per_user_reject_thresholds or {}).items() if user not in users}
    changes = {
        "reject_threshold": tuned.threshold,
        "per_user_reject_thresholds": others or None,
        "source": TUNED,
        "created_at": datetime.now(UTC).isoformat(),
        "tuned_reject": tuned.to_dict(),
    }
    return policy.model_copy(update=changes)


def _is_alike(served: ResolvedInferenceConfig, resolved: ResolvedInferenceConfig, *, but_calibrators: bool) -> bool:
    """The same bundle with the same calibrators."""
    if but_calibrators:
        return served.model_version == resolved.model_version
    stores = [one.calibrator_store.digest if one.calibrator_store else None for one in (served, resolved)]
    return served.model_version == resolved.model_version and stores[0] == stores[1]


def _served(models_dir: Path) -> ResolvedInferenceConfig | None:
    try:
        return resolve_inference_config(models_dir)
    except ModelResolutionError:
        return None


def _is_there(models_dir: Path) -> bool:
    path = policy_path(models_dir)
    return path.exists() or path.is_symlink()
