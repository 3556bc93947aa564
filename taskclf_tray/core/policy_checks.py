"""What can be wrong with an inference policy, each as one sentence that names the key and the remedy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

from taskclf_tray.core.errors import ModelError, PolicyValidationError
from taskclf_tray.core.model_io import check_compatible, read_metadata
from taskclf_tray.core.strict_json import BadJsonError, describe, is_number, read_json_object, shorten
from taskclf_tray.core.time import parse_time

CALIBRATION_METHODS: Final = ("temperature", "isotonic")
_SAVE_AGAIN: Final = "Correct the policy file and save it again."


def wrong(key: str, what: str, remedy: str) -> PolicyValidationError:
    """The error for one key: `what` is wrong, and the `remedy`, as one sentence."""
    remedy = remedy.rstrip(".")
    return PolicyValidationError(f"{what}: {remedy[:1].lower()}{remedy[1:]}.", _SAVE_AGAIN, key=key)


def check_values(values: Mapping[str, Any]) -> None:
    """Types and ranges of every known key, without looking at the disk. Raises PolicyValidationError."""
    if values["policy_version"] != "v1":
        raise _not("policy_version", values["policy_version"], 'write "v1"')
    _check_path("model_dir", values["model_dir"], "such as models/2026-01-31_120000_run-1A2B")
    schema_hash = values["model_schema_hash"]
    if not isinstance(schema_hash, str) or not schema_hash:
        raise _not("model_schema_hash", schema_hash, "copy schema_hash from the metadata.json of the model")
    _check_labels(values["model_label_set"])
    if values["calibrator_store_dir"] is not None:
        _check_path(
            "calibrator_store_dir", values["calibrator_store_dir"], "such as artifacts/calibrator_store, or null"
        )
    if values["calibration_method"] not in (None, *CALIBRATION_METHODS):
        raise _not("calibration_method", values["calibration_method"], "write temperature, isotonic or null")
    _check_threshold("reject_threshold", values["reject_threshold"])
    _check_user_thresholds(values["per_user_reject_thresholds"])
    _check_notes(values)


def _check_path(key: str, value: object, example: str) -> None:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise _not(key, value, f"write the path of a folder, {example}")
    if PurePosixPath(value).is_absolute() or PureWindowsPath(value).drive or PureWindowsPath(value).root:
        raise _not(key, value, f"write a path relative to the folder that holds models/, {example}")
    if ".." in PurePosixPath(value).parts or ".." in PureWindowsPath(value).parts:
        raise _not(key, value, f"write a path without .., {example}")


def _check_labels(value: object) -> None:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(label, str) for label in value):
        raise _not("model_label_set", value, "copy label_set from the metadata.json of the model")
    if len(set(value)) != len(value):
        raise wrong("model_label_set", "model_label_set has a label twice", "write every label once")


def _check_threshold(key: str, value: object) -> None:
    if not is_number(value) or not 0 <= value <= 1:
        raise _not(key, value, "write a number from 0 to 1, such as 0.55")


def _check_user_thresholds(value: object) -> None:
    key = "per_user_reject_thresholds"
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise _not(key, value, 'write an object such as {"<user_id>": 0.6}, or null')
    for user, threshold in value.items():
        if not is_number(threshold) or not 0 <= threshold <= 1:
            what = f"{key} has {describe(threshold)} for the user {shorten(user)}"
            raise wrong(key, what, "write a number from 0 to 1, such as 0.55")


def _check_notes(values: Mapping[str, Any]) -> None:
    for key in ("source", "git_commit", "created_at"):
        if not isinstance(values[key], str):
            raise _not(key, values[key], "write a text in quotation marks")
    try:
        parse_time(values["created_at"] or "2000-01-01")
    except ValueError:
        raise _not("created_at", values["created_at"], "write a time such as 2026-01-31T12:00:00+00:00") from None


def check_bundle(home: Path, model_dir: str, schema_hash: str, labels: Sequence[str]) -> str:
    """The id of the bundle at `model_dir`, if it is the one the policy means. Raises PolicyValidationError."""
    run_dir = inside(home, model_dir, "model_dir")
    if not os.path.isdir(run_dir):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        raise _not("model_dir", model_dir, "write the path of a model's folder; there is none here")
    try:
        metadata = read_metadata(run_dir)
        check_compatible(run_dir, metadata)
    except ModelError as error:
        raise wrong("model_dir", f"model_dir is unusable: {error.title.rstrip('.')}", "name another model") from error
    if metadata.schema_hash != schema_hash:
        raise _not("model_schema_hash", schema_hash, f'write "{metadata.schema_hash}", which is the model\'s')
    if sorted(metadata.label_set) != sorted(labels):
        raise wrong(
            "model_label_set", "model_label_set is not the label set of the model", "copy it from metadata.json"
        )
    return run_dir.name


def check_store(home: Path, store_dir: str, bundle_id: str, schema_hash: str, method: str | None) -> None:
    """The calibrator store is there and not another model's. Raises PolicyValidationError."""
    key = "calibrator_store_dir"
    path = inside(home, store_dir, key)
    if not os.path.isdir(path):  # noqa: PTH112 - as above
        raise _not(key, store_dir, "write the path of a calibrator store, or null; there is none here")
    try:
        store = read_json_object(path / "store.json")
    except BadJsonError as error:
        raise wrong(key, f"{key} is unusable: its store.json {error}", "name another store, or write null") from error
    owner = store.get("model_bundle_id")
    if owner is not None and owner != bundle_id:
        raise wrong(key, f"{key} belongs to the model {shorten(owner)}", f"name a store of {bundle_id}, or write null")
    if store.get("model_schema_hash") not in (None, schema_hash):
        raise wrong(key, f"{key} belongs to another feature schema", f"name a store of {bundle_id}, or write null")
    if method is not None and store.get("method") != method:
        raise _not("calibration_method", method, f"write {describe(store.get('method'))}, which is the store's")


def inside(home: Path, relative: str, key: str) -> Path:
    """home/relative, which may not leave the home through a symbolic link. Raises PolicyValidationError."""
    path = Path(home) / relative
    try:
        if not path.resolve().is_relative_to(Path(home).resolve()):
            raise _not(key, relative, "name a folder inside the home; this one leads out of it through a link")
    except (OSError, RuntimeError, ValueError):
        raise _not(key, relative, "name a folder that exists; this path cannot be followed") from None
    return path


def _not(key: str, value: object, remedy: str) -> PolicyValidationError:
    return wrong(key, f"{key} is {describe(value)}", remedy)
