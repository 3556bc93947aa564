"""Selection without a policy: the bundle to serve, the reason for each excluded bundle, and the bundle's calibrators.

The active pointer or the ranking selects the bundle. A calibrator store belongs to a bundle only if its `store.json`
says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskclf_tray.core.errors import ModelError
from taskclf_tray.core.strict_json import BadJsonError, read_json_object
from taskclf_tray.core.time import parse_time
from taskclf_tray.models.bundle import METRICS_FILE, bundle_problem, load_model_bundle, read_metadata
from taskclf_tray.models.registry import (
    ActivePointer,
    BundleInfo,
    active_bundle_dir,
    bundle_info,
    list_bundles,
    set_active,
)

if TYPE_CHECKING:
    from taskclf_tray.infer.forest import Forest  # for reading alone: see load_model_bundle

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SelectionPolicy:
    """The version of the ranking of bundles; 1 is the only one (contract, section 9). Raises ValueError for another.
    >>> SelectionPolicy().version
    1
    """

    version: int = 1

    def __post_init__(self) -> None:
        if self.version != 1:
            raise ValueError(f"selection policy {self.version} is not known, only 1 is")


@dataclass(frozen=True, slots=True)
class ExclusionRecord:
    """A bundle that cannot be served, with the reason."""

    model_id: str
    reason: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class SelectionReport:
    """The bundles that can be served, best first, and the excluded ones with their reasons.

    >>> SelectionReport(excluded=[ExclusionRecord("run-1", "metrics.json is missing")]).best is None
    True
    """

    ranked: list[BundleInfo] = field(default_factory=list)
    excluded: list[ExclusionRecord] = field(default_factory=list)
    policy: SelectionPolicy = field(default_factory=SelectionPolicy)

    @property
    def best(self) -> BundleInfo | None:
        """The first of `ranked`."""
        return self.ranked[0] if self.ranked else None


def resolve_active_model(
    models_dir: Path, policy: SelectionPolicy | None = None
) -> tuple[BundleInfo | None, SelectionReport | None]:
    """Find the bundle that active.json names, or else the best one. Writes nothing, even when the pointer is damaged.

    Args:
        models_dir: the folder of the bundles.
        policy: the ranking.

    Returns:
        (the active bundle, None); without a usable pointer (the best bundle or None, the report).
    """
    models_dir = Path(models_dir)
    try:
        folder = active_bundle_dir(models_dir)
    except ModelError:
        folder = None
    if folder is not None:
        info = bundle_info(folder)
        if info.problem is None:
            return info, None
    report = select(models_dir, policy)
    return report.best, report


def select(models_dir: Path, policy: SelectionPolicy | None = None) -> SelectionReport:
    """Rank every bundle in `models_dir`."""
    found = list_bundles(models_dir)
    ranked = [info for info in found if info.problem is None]
    excluded = [ExclusionRecord(info.name, info.problem, info.path) for info in found if info.problem is not None]
    return SelectionReport(ranked, excluded, policy or SelectionPolicy())


def write_active_atomic(
    models_dir: Path,
    bundle: BundleInfo,
    policy: SelectionPolicy | None = None,
    reason: str | Mapping[str, Any] | None = None,
) -> ActivePointer:
    """Point active.json at the bundle atomically, and append the switch to the history.

    Args:
        models_dir: the folder of the bundles.
        bundle: the bundle to serve.
        policy: the ranking, which is only checked.
        reason: a note, stored beside the bundle's scores; or the whole reason as an object.

    Raises:
        ModelFormatError: the bundle lies outside the home.
        HomeBusyError: another program holds the lock of the home.
        OSError: the file cannot be written.
    """
    if policy is not None:
        SelectionPolicy(policy.version)
    if isinstance(reason, str):
        reason = {"metric": "macro_f1", "macro_f1": bundle.macro_f1, "weighted_f1": bundle.weighted_f1, "note": reason}
    return set_active(models_dir, bundle.path, reason)


@dataclass(frozen=True, slots=True)
class _Store:
    path: Path
    bundle_id: str | None
    schema_hash: str | None
    created_at: datetime


def find_bound_calibrator_store(home: Path, bundle: BundleInfo) -> Path | None:
    """Return the folder of the store that the bundle is served with: the first bound one, or None."""
    if bundle.metadata is None:
        return None
    return next(iter(bound_calibrator_stores(home, bundle.name, bundle.metadata.schema_hash)), None)


def bound_calibrator_stores(home: Path, bundle_id: str, schema_hash: str) -> list[Path]:
    """List the stores under `artifacts/` that are bound to the bundle, the preferred one first (contract, section 10).

    A store is bound when `store.json` names this bundle, or names no bundle but this schema hash. Stores that name the
    bundle come before those that name only the schema; then the newest first, then by path.
    """
    stores = [store for store in _stores(Path(home) / "artifacts") if _is_bound(store, bundle_id, schema_hash)]
    stores.sort(key=lambda store: store.path.as_posix())
    stores.sort(key=lambda store: (store.bundle_id is not None, store.created_at), reverse=True)
    return [store.path for store in stores]


def _is_bound(store: _Store, bundle_id: str, schema_hash: str) -> bool:
    if store.bundle_id is None:
        return store.schema_hash == schema_hash
    return store.bundle_id == bundle_id and store.schema_hash in (None, schema_hash)


def _stores(artifacts: Path) -> Iterator[_Store]:
    for folder, subfolders, files in os.walk(artifacts):  # follows no links
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name != "users"]
        if "store.json" in files:
            store = _read(Path(folder))
            if store is not None:
                yield store


def _read(folder: Path) -> _Store | None:
    """Read a store's head; None for an unreadable one, because an unbound store is never used."""
    try:
        data = read_json_object(folder / "store.json")
    except BadJsonError:
        return None
    bundle_id, schema_hash = data.get("model_bundle_id"), data.get("model_schema_hash")
    if not all(value is None or isinstance(value, str) for value in (bundle_id, schema_hash)):
        return None
    return _Store(folder, bundle_id, schema_hash, _time(data.get("created_at")))


def _time(value: object) -> datetime:
    try:
        return parse_time(value) if isinstance(value, str) else _LONG_AGO
    except ValueError:
        return _LONG_AGO


# -- one bundle ---------------------------------------------------------------------------------------------------


def inspect_bundle(home: Path, run_dir: Path) -> dict[str, Any]:
    """Load the bundle as for serving and describe it;

    `problem` holds the reason when it cannot be served. Never raises.

    `bound_calibrator_stores`: the stores bound to the bundle relative to the home, the served one first.
    """
    metadata, problem = None, None
    forest: Forest | None = None
    try:
        metadata = read_metadata(run_dir)
        forest = load_model_bundle(run_dir)[0]
        problem = bundle_problem(run_dir)  # metrics and all, as the registry sees it
    except ModelError as error:
        problem = error.title
    stores = [] if metadata is None else bound_calibrator_stores(home, run_dir.name, metadata.schema_hash)
    return {
        "model": run_dir.name,
        "folder": str(run_dir),
        "problem": problem,
        "metadata": {} if metadata is None else metadata.model_dump(mode="json"),
        "metrics": _metrics(run_dir),
        "trees": None if forest is None else forest.num_trees,
        "features": None if forest is None else len(forest.feature_names),
        "sha256": None if forest is None else forest.sha256,
        "is_sha256_verified": None if forest is None else forest.verified,
        "bound_calibrator_stores": [store.relative_to(home).as_posix() for store in stores],
    }


def _metrics(run_dir: Path) -> dict[str, Any]:
    try:
        return read_json_object(run_dir / METRICS_FILE)
    except BadJsonError:
        return {}
