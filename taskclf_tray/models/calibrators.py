"""Which calibrator store belongs to a model, when no policy says so: never a guess."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from taskclf_tray.core.strict_json import BadJsonError, read_json_object
from taskclf_tray.core.time import parse_time
from taskclf_tray.models.registry import BundleInfo

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Store:
    path: Path
    bundle_id: str | None
    schema_hash: str | None
    created_at: datetime


def find_bound_calibrator_store(home: Path, bundle: BundleInfo) -> Path | None:
    """The directory of the store the bundle is served with, None for none: the first of `bound_calibrator_stores`."""
    if bundle.metadata is None:
        return None
    return next(iter(bound_calibrator_stores(home, bundle.name, bundle.metadata.schema_hash)), None)


def bound_calibrator_stores(home: Path, bundle_id: str, schema_hash: str) -> list[Path]:
    """All stores under `artifacts/` that are bound to the bundle, the one to use first (contract, section 10).

    Bound: `store.json` names exactly this bundle; or it names no bundle and this schema hash. A store that names the
    bundle comes before one that names only the schema; then the newest; then the first path.
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
    """None for a file that binds to nothing we can read: an unbound store is never used."""
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
