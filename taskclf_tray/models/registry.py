"""The model bundles of a home: which there are, which is best, and which is active."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ConfigDict, Field, ValidationError

from taskclf_tray.core.atomic import append_line, write_json_atomic
from taskclf_tray.core.errors import ModelError, ModelFormatError, PolicyValidationError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.person_files import FileModel, Whole, salvaged
from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.core.strict_json import BadJsonError, describe, read_json_object, shorten
from taskclf_tray.models.bundle import ModelMetadata, bundle_problem, load_model_bundle, read_metadata, read_metrics
from taskclf_tray.models.policy_checks import inside

ACTIVE_FILE: Final = "active.json"
HISTORY_FILE: Final = "active_history.jsonl"
REJECTED: Final = "rejected"
POLICY_HISTORY: Final = "policy_history"
"""Folders beside the bundles that are none: models that were refused, and earlier policies."""
_PICK_AGAIN: Final = "Choose a model again, which rewrites the file."


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """One bundle directory. `problem`: why it cannot be served, None for one that can; then all else is known."""

    name: str
    path: Path
    metadata: ModelMetadata | None
    macro_f1: float | None
    weighted_f1: float | None
    problem: str | None

    @property
    def model_id(self) -> str:
        """The directory's name."""
        return self.name

    @property
    def valid(self) -> bool:
        """Whether it can be served."""
        return self.problem is None

    @property
    def invalid_reason(self) -> str | None:
        """The reason why the bundle cannot be served, None when it can."""
        return self.problem


class ActivePointer(FileModel):
    """The content of `active.json`; `model_dir` is relative to the home. `model_extra` keeps unknown keys.

    >>> ActivePointer(model_dir="models/run-1", selected_at="2026-01-05T12:00:00+00:00").policy_version
    1
    """

    model_config = ConfigDict(extra="allow")

    model_dir: str = Field(min_length=1)
    selected_at: str
    policy_version: Whole = 1
    model_id: str | None = None
    reason: dict[str, Any] | None = None


def bundle_info(run_dir: Path) -> BundleInfo:
    """Describe one bundle directory; never raises."""
    metadata: ModelMetadata | None = None
    scores: tuple[float | None, float | None] = (None, None)
    try:
        metadata = read_metadata(run_dir)
        scores = read_metrics(run_dir)
    except ModelError:
        pass  # bundle_problem has the sentence
    return BundleInfo(run_dir.name, run_dir, metadata, *scores, bundle_problem(run_dir))


def list_bundles(models_dir: Path, *, is_thorough: bool = False) -> list[BundleInfo]:
    """List all bundles: those that can be served first, best first; then the others by name.

    Args:
        models_dir: the folder of the bundles.
        is_thorough: load each bundle as for serving (0.1 s and more each), which also finds damage inside the trees.
    """
    models_dir = Path(models_dir)
    if not models_dir.is_dir():
        return []
    found = [_info_inside(models_dir, path) for path in sorted(models_dir.iterdir()) if _looks_like_bundle(path)]
    if is_thorough:
        found = [_tried(info) for info in found]
    usable = sorted((info for info in found if info.problem is None), key=_rank, reverse=True)
    return usable + [info for info in found if info.problem is not None]


def _info_inside(models_dir: Path, path: Path) -> BundleInfo:
    """Describe a bundle; a link out of the home is refused, because no policy could name it."""
    info, real = bundle_info(path), path.resolve()
    if any(real.is_relative_to(base.resolve()) for base in (models_dir, models_dir.parent)):
        return info
    return replace(info, problem=f"The model {path.name} is a link that leads out of the home.")


def _tried(info: BundleInfo) -> BundleInfo:
    """Describe a bundle after an attempt to load it."""
    if info.problem is not None:
        return info
    try:
        load_model_bundle(info.path)
    except ModelError as error:
        return replace(info, problem=error.title)
    return info


def holds_a_bundle(models_dir: Path) -> bool:
    """Whether the folder holds any bundle, sound or not."""
    folder = Path(models_dir)
    return folder.is_dir() and any(_looks_like_bundle(path) for path in folder.iterdir())


def _looks_like_bundle(path: Path) -> bool:
    return not path.name.startswith(".") and path.name not in (REJECTED, POLICY_HISTORY) and path.is_dir()


def best_bundle(models_dir: Path) -> BundleInfo | None:
    """Return the first of `list_bundles` that can be served."""
    return next((info for info in list_bundles(models_dir) if info.problem is None), None)


def _rank(info: BundleInfo) -> tuple[bool, int, float, float, float, str]:
    """Rank (contract, section 9): real before synthetic, newest schema, macro F1, weighted F1, newest; then name."""
    metadata = info.metadata
    assert metadata is not None
    created = metadata.created
    return (
        metadata.data_provenance != "synthetic",
        list(SCHEMAS).index(metadata.schema_version),
        info.macro_f1 or 0.0,
        info.weighted_f1 or 0.0,
        created.timestamp() if created else 0.0,
        info.name,
    )


def read_active(models_dir: Path) -> ActivePointer | None:
    """Read the active pointer; None when there is none. Raises ModelFormatError for a damaged file."""
    path = Path(models_dir) / ACTIVE_FILE
    if not path.exists() and not path.is_symlink():
        return None
    try:
        return pointer_of(read_json_object(path))
    except BadJsonError as error:
        raise ModelFormatError(f"The file {ACTIVE_FILE} {error}.", _PICK_AGAIN) from error


def active_bundle_dir(models_dir: Path) -> Path | None:
    """Return the bundle directory that active.json names, inside the home; None when there is no pointer.

    Raises ModelFormatError for a damaged pointer, one that leaves the home, and one to a missing folder.
    """
    pointer = read_active(models_dir)
    return None if pointer is None else folder_of(pointer, Path(models_dir))


def folder_of(pointer: ActivePointer, models_dir: Path) -> Path:
    """The bundle directory of a pointer. Raises ModelFormatError for one that leads elsewhere or nowhere."""
    try:
        folder = inside(models_dir.parent, pointer.model_dir, "model_dir")
    except PolicyValidationError as error:
        raise ModelFormatError(error.title, _PICK_AGAIN) from error
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        raise ModelFormatError(f"model_dir is {shorten(pointer.model_dir)}: there is no model there.", _PICK_AGAIN)
    return folder


def bundle_at(models_dir: Path, name: str) -> Path:
    """The bundle directory a person means: its name in models/, a path in the home, or any path.

    Raises ModelFormatError when there is none.
    """
    models_dir = Path(models_dir)
    places = (models_dir / name, models_dir.parent / name, Path(name)) if Path(name).name not in ("", "..") else ()
    for path in places:
        if os.path.isdir(path) and not models_dir.resolve().is_relative_to(path.resolve()):  # noqa: PTH112
            return path
    raise ModelFormatError(f"There is no model {name} in {models_dir}.", "`taskclf-tray model list` shows the models.")


def pointer_of(data: Mapping[str, Any]) -> ActivePointer:
    """The pointer in the keys of its file; of the keys only `model_dir` is needed. Raises BadJsonError without it."""
    try:
        return salvaged(ActivePointer, {"selected_at": ""} | dict(data), {"selected_at": ""})[0]
    except ValidationError:
        raise BadJsonError(f"has {describe(data.get('model_dir'))} as model_dir instead of a path") from None


def set_active(models_dir: Path, bundle_dir: Path, reason: Mapping[str, Any] | None = None) -> ActivePointer:
    """Point at a bundle inside the home and append the switch to the history.

    Raises ModelFormatError for a bundle outside the home, OSError, HomeBusyError.
    """
    models_dir = Path(models_dir)
    data: dict[str, Any] = {
        "model_dir": relative_to_home(models_dir.parent, bundle_dir),
        "selected_at": datetime.now(UTC).isoformat(),
        "policy_version": 1,
        "model_id": Path(bundle_dir).name,
    }
    if reason is not None:
        data["reason"] = dict(reason)
    with home_lock(models_dir.parent):
        try:
            old = read_active(models_dir)
        except ModelFormatError:
            old = None
        write_json_atomic(models_dir / ACTIVE_FILE, data)
        line = {"at": data["selected_at"], "old": old.model_dump(exclude_unset=True) if old else None, "new": data}
        append_line(models_dir / HISTORY_FILE, json.dumps(line, ensure_ascii=False))
    return pointer_of(data)


def relative_to_home(home: Path, path: Path) -> str:
    """`path` as policies and pointers write it: relative to the home, with `/`. Raises ModelFormatError outside it."""
    for base, inner in ((home, Path(path)), (home.resolve(), Path(path).resolve())):
        if inner.is_relative_to(base) and ".." not in inner.relative_to(base).parts:
            return inner.relative_to(base).as_posix()
    raise ModelFormatError(f"{path} is outside the home {home}.", "Copy the folder into the home first.")
