"""All that can be said about one bundle, for `model inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taskclf_tray.core.errors import ModelError
from taskclf_tray.core.strict_json import BadJsonError, read_json_object
from taskclf_tray.infer.forest import Forest
from taskclf_tray.models.bundle import METRICS_FILE, bundle_problem, load_model_bundle, read_metadata
from taskclf_tray.models.selection import bound_calibrator_stores


def inspect_bundle(home: Path, run_dir: Path) -> dict[str, Any]:
    """Load the bundle as for serving; what is known, and `problem`: why it cannot be served. Never raises.

    `bound_calibrator_stores`: those made for it, the one it is served with first; relative to the home.
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
