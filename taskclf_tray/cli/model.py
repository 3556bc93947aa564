"""`taskclf-tray model`: the bundles of a home, which one is served, and the active pointer."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

from taskclf_tray.app import served_text
from taskclf_tray.cli.arguments import Commands, name_or_path
from taskclf_tray.cli.output import add_action, add_actions, paths_of, tell
from taskclf_tray.core.errors import ModelError
from taskclf_tray.labels.learning import Reinference, save_reinference
from taskclf_tray.models.bundle import load_model_bundle
from taskclf_tray.models.history import earlier_choice, roll_back, roll_back_active
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.models.registry import (
    ActivePointer,
    BundleInfo,
    active_bundle_dir,
    bundle_at,
    list_bundles,
    read_active,
    set_active,
)
from taskclf_tray.models.resolve import ModelResolutionError, ResolvedInferenceConfig, resolve_inference_config
from taskclf_tray.models.selection import inspect_bundle
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths

_NAME_HELP = "the model's folder in models/, or its path"

_BY = {
    "policy": "as models/inference_policy.json says",
    "active": "as models/active.json says",
    "best": "as the best there is",
    "starter": "as the home holds no model yet",
}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    actions = add_actions(commands.add_parser("model", help="list, inspect and choose models"))
    add_action(actions, "list", handle_list, "the models, best first, the served and the active one marked")
    inspect = add_action(actions, "inspect", handle_inspect, "all about one model, and whether it can be served")
    inspect.add_argument("name", nargs="?", type=name_or_path, help=f"{_NAME_HELP} (default: the served one)")
    choose = add_action(actions, "set-active", handle_set_active, "serve a model, where no policy names another")
    which = choose.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", type=name_or_path, help=_NAME_HELP)
    which.add_argument("--model-id", metavar="NAME", help="the same, as the taskclf tool spells it")
    choose.add_argument("--reason", metavar="TEXT", help="why, for the history")
    add_action(actions, "rollback", handle_rollback, "take the last promotion back, or the last model set active")


def handle_list(options: argparse.Namespace) -> int:
    """Print the bundles."""
    paths = paths_of(options)
    bundles, served = list_bundles(paths.models, is_thorough=True), Served(paths)
    active, active_problem = _active(paths)
    table = [_row(rank, info, served.config, active) for rank, info in enumerate(bundles, 1)]
    facts = {
        "models_dir": str(paths.models),
        "served": served.facts(),
        "active": None if active is None else active.model_dir,
        "active_problem": active_problem,
        "models": table,
    }
    lines = [_line(row) for row in table] or [f"There is no model in {paths.models}."]
    legend = ["", "* served, > named by active.json"] if table else []
    trouble = [f"  · {active_problem}"] if active_problem else []
    tell(options, facts, [*lines, *legend, *served.lines(), *trouble])
    return 0


def _active(paths: HomePaths) -> tuple[ActivePointer | None, str | None]:
    try:
        pointer = read_active(paths.models)
        active_bundle_dir(paths.models)
    except ModelError as error:
        return None, error.title
    return pointer, None


def _row(
    rank: int, info: BundleInfo, served: ResolvedInferenceConfig | None, active: ActivePointer | None
) -> dict[str, Any]:
    metadata = info.metadata
    return {
        "rank": rank if info.problem is None else None,
        "model": info.name,
        "is_served": served is not None and served.bundle_dir.resolve() == info.path.resolve(),
        "is_active": active is not None and (info.path.parents[1] / active.model_dir).resolve() == info.path.resolve(),
        "data_provenance": None if metadata is None else metadata.data_provenance,
        "schema_version": None if metadata is None else metadata.schema_version,
        "macro_f1": info.macro_f1,
        "weighted_f1": info.weighted_f1,
        "created_at": None if metadata is None else metadata.created_at,
        "problem": info.problem,
    }


def _line(row: dict[str, Any]) -> str:
    marks = ("*" if row["is_served"] else " ") + (">" if row["is_active"] else " ")
    if row["problem"] is not None:
        return f"{marks}  –  {row['model']}  cannot be served: {row['problem']}"
    kind = f"{row['data_provenance']}, {row['schema_version']}"
    scores = f"macro F1 {row['macro_f1']:.3f}, weighted F1 {row['weighted_f1']:.3f}"
    created = f", made {row['created_at'][:16].replace('T', ' ')}" if row["created_at"] else ""
    return f"{marks} {row['rank']:2d}  {row['model']}  {kind}, {scores}{created}"


def handle_inspect(options: argparse.Namespace) -> int:
    """Print one bundle; 1 when it cannot be served."""
    paths = paths_of(options)
    served = Served(paths)
    if options.name is None and served.config is None:
        assert served.error is not None
        raise served.error
    folder = (
        served.config.bundle_dir if options.name is None and served.config else bundle_at(paths.models, options.name)
    )
    facts = inspect_bundle(paths.home, folder)
    facts["is_served"] = served.config is not None and served.config.bundle_dir.resolve() == folder.resolve()
    tell(options, facts, _inspection(facts))
    return 0 if facts["problem"] is None else 1


def _inspection(facts: dict[str, Any]) -> list[str]:
    lines = [f"{facts['model']}{' (served)' if facts['is_served'] else ''}", f"  folder: {facts['folder']}"]
    lines += [f"  {key}: {value}" for key, value in facts["metadata"].items() if value not in (None, "", {})]
    lines += [f"  {key}: {value}" for key, value in facts["metrics"].items() if key in ("macro_f1", "weighted_f1")]
    if facts["trees"] is not None:
        checked = "as recorded" if facts["is_sha256_verified"] else "nothing recorded to compare with"
        lines.append(f"  model.txt: {facts['trees']} trees, {facts['features']} features; SHA-256 {checked}")
    lines.append(f"  calibrator stores made for it: {', '.join(facts['bound_calibrator_stores']) or 'none'}")
    return [*lines, f"  cannot be served: {facts['problem']}" if facts["problem"] else "  can be served"]


def handle_set_active(options: argparse.Namespace) -> int:
    """Write the pointer and its history."""
    paths = paths_of(options)
    folder = bundle_at(paths.models, options.model_id or options.name)
    load_model_bundle(folder)
    note = {"note": options.reason or "manual set-active"}
    _tell_switch(options, paths, set_active(paths.models, folder, note))
    return 0


def handle_rollback(options: argparse.Namespace) -> int:
    """Restore the policy from before the last promotion; without one, the active pointer from before the last."""
    paths = paths_of(options)
    if earlier_choice(paths.models) is not None:
        _roll_back_policy(options, paths)
        return 0
    _tell_switch(options, paths, roll_back_active(paths.models))
    return 0


def _roll_back_policy(options: argparse.Namespace, paths: HomePaths) -> None:
    """Restore the policy. A running app re-infers its record, now or at its next start."""

    def remember(bundle_id: str) -> None:
        if not paths.database.exists():
            return
        with closing(Database(paths.database)) as database:
            save_reinference(database, load_or_create_identity(paths.home).user_id, Reinference(bundle_id))

    earlier = roll_back(paths.models, before_switch=remember)
    served, policy = Served(paths), earlier.policy
    how = "its policy is as it was" if policy is not None else "there is no policy, as it was"
    facts = {"rolled_back_to": earlier.bundle_id, "has_policy": policy is not None, "served": served.facts()}
    tell(options, facts, [f"Rolled back to {earlier.bundle_id}; {how}.", *served.lines()], is_done=True)


def _tell_switch(options: argparse.Namespace, paths: HomePaths, pointer: ActivePointer) -> None:
    served = Served(paths)
    notes = []
    named = pointer.model_dir.rpartition("/")[2]
    if served.config is not None and served.config.origin == "policy" and served.config.bundle_id != named:
        notes = [
            "A policy goes before active.json, so what is served has not changed. To serve the active model, "
            "remove the policy with `taskclf-tray policy remove`, or write one for it with "
            f"`taskclf-tray policy create --model-dir {pointer.model_dir} --force`."
        ]
    facts = {"active": pointer.model_dump(exclude_unset=True), "served": served.facts(), "notes": notes}
    tell(options, facts, [f"Active: {pointer.model_dir}", *served.lines(), *notes], is_done=True)


class Served:
    """What a home serves and why, or why it serves nothing."""

    def __init__(self, paths: HomePaths) -> None:
        self.config: ResolvedInferenceConfig | None = None
        self.error: ModelResolutionError | None = None
        self._paths = paths
        try:
            self.config = resolve_inference_config(paths.models)
        except ModelResolutionError as error:
            self.error = error

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        if self.config is None:
            assert self.error is not None
            excluded = [] if self.error.report is None else self.error.report.excluded
            report = [{"model": item.model_id, "reason": item.reason} for item in excluded]
            return {"model": None, "problem": self.error.title, "excluded": report}
        return {
            "model": self.config.bundle_id,
            "model_version": self.config.model_version,
            "by": self.config.origin,
            "reject_threshold": self.config.reject_threshold,
            "per_user_reject_thresholds": dict(self.config.per_user_reject_thresholds or {}),
            "calibrator_store": self._store(),
            "personal_head": self._head(),
            "warnings": list(self.config.warnings),
        }

    def lines(self) -> list[str]:
        """For the person."""
        if self.config is None:
            return [f"Served: nothing. {self.error}"]
        config, store = self.config, self._store()
        calibrated = f"calibrated by {store}" if store else "not calibrated"
        return [
            f"Served: {config.bundle_id}, {_BY.get(config.origin, config.origin)}; "
            f"reject threshold {config.reject_threshold:g}, {calibrated}.",
            *self._about_head(),
            *(f"  · {warning}" for warning in config.warnings),
        ]

    def _head(self) -> dict[str, Any] | None:
        stored = None if self.config is None else self.config.stored_head
        if stored is None:
            return None
        return {
            "file": stored.path.relative_to(self._paths.home).as_posix(),
            "sha256": stored.head.digest,
            "fitted_at": stored.fitted_at,
            "labelled_minutes": stored.labelled_minutes,
        }

    def _about_head(self) -> list[str]:
        stored = None if self.config is None else self.config.stored_head
        return [] if stored is None else [f"With your words: {served_text.head_facts(stored)}."]

    def _store(self) -> str | None:
        store = None if self.config is None else self.config.calibrator_store_dir
        if store is None:
            return None
        return store.relative_to(self._paths.home).as_posix() if store.is_relative_to(self._paths.home) else str(store)
