"""What can be wrong with an inference policy, each as one sentence that names the key and the remedy."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

from taskclf_tray.core.errors import ModelError, PolicyValidationError
from taskclf_tray.core.smoothing import SMOOTHING_KEY, smoothing_problem
from taskclf_tray.core.strict_json import BadJsonError, describe, is_number, read_json_object, shorten
from taskclf_tray.core.time import parse_time
from taskclf_tray.models.bundle import check_compatible, read_metadata

CALIBRATION_METHODS: Final = ("temperature", "isotonic")
_THRESHOLD: Final = "write a number from 0 to 1, such as 0.55"
_SAVE_AGAIN: Final = "Correct the policy file and save it again."


def wrong(key: str, what: str, remedy: str) -> PolicyValidationError:
    """The error for one key: `what` is wrong, and the `remedy`, as one sentence."""
    remedy = remedy.rstrip(".")
    return PolicyValidationError(f"{what}: {remedy[:1].lower()}{remedy[1:]}.", _SAVE_AGAIN, key=key)


def value_problems(values: Mapping[str, Any]) -> Iterator[PolicyValidationError]:
    """Every known key of a wrong type or out of range, in the order of the file, without looking at the disk.

    `smoothing` is an extra key that may be missing.
    """
    if values["policy_version"] != "v1":
        yield _not("policy_version", values["policy_version"], 'write "v1"')
    yield from _path_problems("model_dir", values["model_dir"], "such as models/2026-01-31_120000_run-1A2B")
    schema_hash = values["model_schema_hash"]
    if not isinstance(schema_hash, str) or not schema_hash:
        yield _not("model_schema_hash", schema_hash, "copy schema_hash from the metadata.json of the model")
    yield from _label_problems(values["model_label_set"])
    if values["calibrator_store_dir"] is not None:
        example = "such as artifacts/calibrator_store, or null"
        yield from _path_problems("calibrator_store_dir", values["calibrator_store_dir"], example)
    if values["calibration_method"] not in (None, *CALIBRATION_METHODS):
        yield _not("calibration_method", values["calibration_method"], "write temperature, isotonic or null")
    if not _is_threshold(values["reject_threshold"]):
        yield _not("reject_threshold", values["reject_threshold"], _THRESHOLD)
    yield from _user_threshold_problems(values["per_user_reject_thresholds"])
    yield from _note_problems(values)
    smoothing = smoothing_problem(values.get(SMOOTHING_KEY))
    if smoothing is not None:
        yield wrong(SMOOTHING_KEY, *smoothing)


def _path_problems(key: str, value: object, example: str) -> Iterator[PolicyValidationError]:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        yield _not(key, value, f"write the path of a folder, {example}")
    elif PurePosixPath(value).is_absolute() or PureWindowsPath(value).drive or PureWindowsPath(value).root:
        yield _not(key, value, f"write a path relative to the folder that holds models/, {example}")
    elif ".." in PurePosixPath(value).parts or ".." in PureWindowsPath(value).parts:
        yield _not(key, value, f"write a path without .., {example}")


def _label_problems(value: object) -> Iterator[PolicyValidationError]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(label, str) for label in value):
        yield _not("model_label_set", value, "copy label_set from the metadata.json of the model")
    elif len(set(value)) != len(value):
        yield wrong("model_label_set", "model_label_set has a label twice", "write every label once")


def _is_threshold(value: object) -> bool:
    return is_number(value) and 0 <= value <= 1


def _user_threshold_problems(value: object) -> Iterator[PolicyValidationError]:
    key = "per_user_reject_thresholds"
    if value is not None and not isinstance(value, Mapping):
        yield _not(key, value, 'write an object such as {"<user_id>": 0.6}, or null')
    for user, threshold in value.items() if isinstance(value, Mapping) else ():
        if not _is_threshold(threshold):
            yield wrong(key, f"{key} has {describe(threshold)} for the user {shorten(user)}", _THRESHOLD)


def _note_problems(values: Mapping[str, Any]) -> Iterator[PolicyValidationError]:
    for key in ("source", "git_commit"):
        if not isinstance(values[key], str):
            yield _not(key, values[key], "write a text in quotation marks")
    created_at = values["created_at"]
    try:
        parse_time(created_at or "2000-01-01" if isinstance(created_at, str) else "")
    except ValueError:
        yield _not("created_at", created_at, 'write a time such as "2026-01-31T12:00:00+00:00"')


def bundle_problems(
    home: Path, model_dir: str, schema_hash: str, labels: Sequence[str]
) -> Iterator[PolicyValidationError]:
    """Why the bundle at `model_dir` is not one the policy can mean."""
    try:
        run_dir = inside(home, model_dir, "model_dir")
        if not os.path.isdir(run_dir):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            raise _not("model_dir", model_dir, "write the path of a model's folder; there is none here")
        metadata = read_metadata(run_dir)
        check_compatible(run_dir, metadata)
    except PolicyValidationError as error:
        yield error
        return
    except ModelError as error:
        yield wrong("model_dir", f"model_dir is unusable: {error.title.rstrip('.')}", "name another model")
        return
    if metadata.schema_hash != schema_hash:
        yield _not("model_schema_hash", schema_hash, f'write "{metadata.schema_hash}", which is the model\'s')
    if sorted(metadata.label_set) != sorted(labels):
        yield wrong(
            "model_label_set", "model_label_set is not the label set of the model", "copy it from metadata.json"
        )


def store_problems(
    home: Path, store_dir: str, bundle_id: str | None, schema_hash: str | None, method: str | None
) -> Iterator[PolicyValidationError]:
    """Why the calibrator store is not there, or another model's; None is not compared."""
    key = "calibrator_store_dir"
    try:
        path = inside(home, store_dir, key)
        if not os.path.isdir(path):  # noqa: PTH112 - as above
            raise _not(key, store_dir, "write the path of a calibrator store, or null; there is none here")
        store = read_json_object(path / "store.json")
    except PolicyValidationError as error:
        yield error
        return
    except BadJsonError as error:
        yield wrong(key, f"{key} is unusable: its store.json {error}", "name another store, or write null")
        return
    owner = store.get("model_bundle_id")
    if bundle_id is not None and owner not in (None, bundle_id):
        yield wrong(key, f"{key} belongs to the model {shorten(owner)}", f"name a store of {bundle_id}, or write null")
    elif schema_hash is not None and store.get("model_schema_hash") not in (None, schema_hash):
        yield wrong(key, f"{key} belongs to another feature schema", "name a store of the model, or write null")
    if method is not None and store.get("method") != method:
        yield _not("calibration_method", method, f"write {describe(store.get('method'))}, which is the store's")


def inside(home: Path, relative: str, key: str) -> Path:
    """home/relative, which may not leave the home through a symbolic link. Raises PolicyValidationError."""
    path = Path(home) / relative
    try:
        if not path.resolve().is_relative_to(Path(home).resolve()):
            through = "" if PurePosixPath(relative).is_absolute() or ".." in path.parts else " through a link"
            raise _not(key, relative, f"name a folder inside the home; this one leads out of it{through}")
        _refuse_circle(path)
    except (OSError, RuntimeError, ValueError):
        raise _not(key, relative, "name a folder that exists; this path cannot be followed") from None
    return path


def _refuse_circle(path: Path) -> None:
    """Raise OSError where links lead in a circle. Before Python 3.13 Path.resolve does so, with RuntimeError."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise


def _not(key: str, value: object, remedy: str) -> PolicyValidationError:
    return wrong(key, f"{key} is {describe(value)}", remedy)
