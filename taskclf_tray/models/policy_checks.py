"""Checks of an inference policy against the disk, each problem as one sentence with the key and the remedy."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from taskclf_tray.core.errors import ModelError, PolicyValidationError
from taskclf_tray.core.strict_json import BadJsonError, describe, read_json_object, shorten
from taskclf_tray.models.bundle import check_compatible, read_metadata

SAVE_AGAIN: Final = "Correct the policy file and save it again."


def wrong(key: str, what: str, remedy: str) -> PolicyValidationError:
    """Return the error for one key, with the mistake `what` and the `remedy` in one sentence."""
    remedy = remedy.rstrip(".")
    return PolicyValidationError(f"{what}: {remedy[:1].lower()}{remedy[1:]}.", SAVE_AGAIN, key=key)


def bundle_problems(
    home: Path, model_dir: str, schema_hash: str, labels: Sequence[str]
) -> Iterator[PolicyValidationError]:
    """Yield the reasons why the policy cannot use the bundle at `model_dir`."""
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
    """Yield the reasons why the policy cannot use the calibrator store.

    Args:
        home: the home.
        store_dir: the store, relative to the home.
        bundle_id: the model; None is not compared.
        schema_hash: its feature schema; None is not compared.
        method: the method of the policy; None is not compared.
    """
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


def is_inner_path(text: str) -> bool:
    """Whether the text is a relative path without `..`."""
    windows = PureWindowsPath(text)
    is_relative = not (PurePosixPath(text).is_absolute() or windows.drive or windows.root)
    return bool(text.strip()) and "\0" not in text and is_relative and ".." not in windows.parts


def inside(home: Path, relative: str, key: str) -> Path:
    """Return home/relative, which may not leave the home through a symbolic link. Raises PolicyValidationError."""
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
    """Raise OSError for circular links, for which Path.resolve raises RuntimeError before Python 3.13."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise


def _not(key: str, value: object, remedy: str) -> PolicyValidationError:
    return wrong(key, f"{key} is {describe(value)}", remedy)
