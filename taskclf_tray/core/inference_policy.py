"""`models/inference_policy.json`: which model is served, with which calibrators and reject thresholds.

A person edits this file by hand, so every way in which it can be wrong has one sentence that names the key and the
remedy. Values are checked when an `InferencePolicy` is made (no wrong one exists); `validate_policy` checks it against
the models and stores on the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.atomic import json_text, sync_directory, write_text_atomic
from taskclf_tray.core.defaults import DEFAULT_REJECT_THRESHOLD
from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.policy_checks import check_bundle, check_store, check_values, wrong
from taskclf_tray.core.strict_json import BadJsonError, parse_json_object, read_bounded

_log = logging.getLogger(__name__)

POLICY_FILE: Final = "inference_policy.json"
POLICY_VERSION: Final = "v1"
MAX_POLICY_BYTES: Final = 1_000_000

_TEMPLATE_CREATED_AT: Final = "2000-01-01T00:00:00+00:00"
_HELP: Final = {
    "policy_version": "The version of this file's format; leave it at v1.",
    "model_dir": "The folder of the model, relative to the folder that holds models/, such as models/<run_id>.",
    "model_schema_hash": "The schema_hash in the metadata.json of that model.",
    "model_label_set": "The label_set in the metadata.json of that model.",
    "calibrator_store_dir": "The folder of a calibrator store, relative like model_dir, or null for none.",
    "calibration_method": "The method of that store, temperature or isotonic, or null.",
    "reject_threshold": "A number from 0 to 1: a minute the model is less sure of than this shows as Mixed/Unknown.",
    "per_user_reject_thresholds": 'Thresholds of single users by user id, such as {"<user_id>": 0.6}, or null.',
    "created_at": "When this file was made, in ISO 8601.",
    "source": "What made this file: manual when a person did.",
    "git_commit": "The version of the program that made this file; may stay empty.",
}


@dataclass(frozen=True, slots=True)
class InferencePolicy:
    """One policy; keys the file has beyond these are in `extra`, in their order.

    `model_dir` and `calibrator_store_dir` are relative to the home (the parent of models/), with `/`.
    Raises PolicyValidationError for a value of a wrong type or out of range.
    """

    policy_version: str
    model_dir: str
    model_schema_hash: str
    model_label_set: tuple[str, ...]
    calibrator_store_dir: str | None
    calibration_method: str | None
    reject_threshold: float
    per_user_reject_thresholds: Mapping[str, float] | None = None
    created_at: str = ""
    source: str = "manual"
    git_commit: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels: object = self.model_label_set
        if isinstance(labels, list):
            object.__setattr__(self, "model_label_set", tuple(labels))
        check_values({name: getattr(self, name) for name in _KNOWN})

    def to_dict(self) -> dict[str, Any]:
        """As in the file: the contract's keys in its order, then the extra ones."""
        data = {name: getattr(self, name) for name in _KNOWN}
        data["model_label_set"] = list(self.model_label_set)
        if self.per_user_reject_thresholds is not None:
            data["per_user_reject_thresholds"] = dict(self.per_user_reject_thresholds)
        return data | dict(self.extra)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> InferencePolicy:
        """Reverse of `to_dict`. Raises PolicyValidationError, also for a missing key."""
        for name in ("policy_version", "model_dir", "model_schema_hash", "model_label_set", "reject_threshold"):
            if name not in data:
                raise wrong(name, f"The key {name} is missing", f"add it ({_HELP[name].rstrip('.')})")
        known: dict[str, Any] = {"calibrator_store_dir": None, "calibration_method": None}
        known |= {name: value for name, value in data.items() if name in _KNOWN}
        return cls(**known, extra={name: value for name, value in data.items() if name not in _KNOWN})


_KNOWN: Final = tuple(item.name for item in fields(InferencePolicy) if item.name != "extra")


def build_inference_policy(
    *,
    model_dir: str,
    model_schema_hash: str,
    model_label_set: Sequence[str],
    reject_threshold: float = DEFAULT_REJECT_THRESHOLD,
    calibrator_store_dir: str | None = None,
    calibration_method: str | None = None,
    source: str = "manual",
) -> InferencePolicy:
    """A policy made now. Raises PolicyValidationError for wrong values.

    `git_commit` says "unknown": an installed program has no repository to ask.
    """
    return InferencePolicy(
        policy_version=POLICY_VERSION,
        model_dir=model_dir,
        model_schema_hash=model_schema_hash,
        model_label_set=tuple(sorted(model_label_set)),
        calibrator_store_dir=calibrator_store_dir,
        calibration_method=calibration_method,
        reject_threshold=reject_threshold,
        created_at=datetime.now(UTC).isoformat(),
        source=source,
        git_commit="unknown",
    )


def policy_path(models_dir: Path) -> Path:
    """Where the policy of these models is."""
    return Path(models_dir) / POLICY_FILE


def save_inference_policy(policy: InferencePolicy, models_dir: Path) -> Path:
    """Replace the policy file as a whole, under the home's lock; return its path. Raises OSError, HomeBusyError."""
    path = policy_path(models_dir)
    with home_lock(Path(models_dir).parent):
        write_text_atomic(path, json_text(policy.to_dict()))
    _log.info(
        "inference policy written: %s, threshold %g, source %s",
        policy.model_dir,
        policy.reject_threshold,
        policy.source,
    )
    return path


def parse_policy_text(text: str | bytes) -> InferencePolicy:
    """The policy in a text; a byte order mark is tolerated. Raises PolicyValidationError."""
    try:
        return InferencePolicy.from_dict(parse_json_object(text))
    except BadJsonError as error:
        raise _unreadable(error) from error


def read_inference_policy(models_dir: Path) -> InferencePolicy:
    """The policy of these models, its values checked. Raises PolicyValidationError, also when there is none."""
    try:
        data = read_bounded(policy_path(models_dir), MAX_POLICY_BYTES)
    except BadJsonError as error:
        raise _unreadable(error) from error
    return parse_policy_text(data)


def load_inference_policy(models_dir: Path) -> InferencePolicy | None:
    """The policy of these models; None when it is missing or invalid, and then the log says why."""
    try:
        return read_inference_policy(models_dir)
    except PolicyValidationError as error:
        if policy_path(models_dir).exists():
            _log.warning("inference policy not used: %s", error)
        return None


def remove_inference_policy(models_dir: Path) -> bool:
    """Remove the policy file; whether there was one. Raises OSError, HomeBusyError."""
    path = policy_path(models_dir)
    if not path.is_symlink() and not path.exists():
        return False
    with home_lock(Path(models_dir).parent):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync_directory(path.parent)
    return True


def validate_policy(policy: InferencePolicy, models_dir: Path) -> None:
    """Raise PolicyValidationError unless what the policy names is in the home and fits (contract, section 10)."""
    home = Path(models_dir).parent
    bundle_id = check_bundle(home, policy.model_dir, policy.model_schema_hash, policy.model_label_set)
    if policy.calibrator_store_dir is not None:
        check_store(home, policy.calibrator_store_dir, bundle_id, policy.model_schema_hash, policy.calibration_method)


def render_default_inference_policy_template_json() -> str:
    """The text of `configs/inference_policy.template.json`, always the same bytes."""
    return json_text(_template(_TEMPLATE_CREATED_AT, "", "template").to_dict())


def write_inference_policy_starter_template(models_dir: Path) -> Path:
    """Put a policy with placeholders where a person can fill it in; an existing file is left as it is.

    The placeholders fail `validate_policy`, so nothing is served by it before it is filled in.
    """
    path = policy_path(models_dir)
    with home_lock(Path(models_dir).parent):
        if not path.exists():
            template = _template(datetime.now(UTC).isoformat(), "unknown", "starter-template")
            write_text_atomic(path, json_text(template.to_dict()))
    return path


def _template(created_at: str, git_commit: str, source: str) -> InferencePolicy:
    return InferencePolicy(
        policy_version=POLICY_VERSION,
        model_dir="models/<run_id>",
        model_schema_hash="<schema_hash>",
        model_label_set=("<label>",),
        calibrator_store_dir=None,
        calibration_method=None,
        reject_threshold=DEFAULT_REJECT_THRESHOLD,
        created_at=created_at,
        source=source,
        git_commit=git_commit,
        extra={"_help": dict(_HELP)},
    )


def _unreadable(error: BadJsonError) -> PolicyValidationError:
    return PolicyValidationError(
        f"The file {POLICY_FILE} {error}.", "Correct it, or remove the file to serve the active or the best model."
    )
