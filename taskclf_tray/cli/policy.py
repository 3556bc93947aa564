"""`taskclf-tray policy`: write, show, check and remove `models/inference_policy.json`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from taskclf_tray.cli.arguments import Commands, name_or_path
from taskclf_tray.cli.model import Served
from taskclf_tray.cli.output import add_action, add_actions, paths_of, tell
from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.core.strict_json import BadJsonError, read_bounded
from taskclf_tray.models.draft_policy import policy_by_hand
from taskclf_tray.models.policy import (
    MAX_POLICY_BYTES,
    read_inference_policy,
    remove_inference_policy,
    save_inference_policy,
)
from taskclf_tray.models.resolve import find_policy_problems, resolve_inference_config


def add_parser(commands: Commands) -> None:
    """Add the command."""
    actions = add_actions(commands.add_parser("policy", help="write, show, check and remove the inference policy"))
    create = add_action(actions, "create", handle_create, "write the policy for what is served now, or for a model")
    create.add_argument(
        "--model-dir",
        type=name_or_path,
        metavar="DIR",
        help="the model (default: what would be served without a policy)",
    )
    create.add_argument(
        "--reject-threshold", type=_threshold, metavar="NUMBER", help="from 0 to 1 (default: the model's)"
    )
    create.add_argument(
        "--calibrator-store",
        type=name_or_path,
        metavar="DIR",
        help="the calibrators, or none (default: those made for the model)",
    )
    create.add_argument("--force", action="store_true", help="replace the policy there is")
    add_action(actions, "show", handle_show, "the policy, and what is served and why")
    add_action(actions, "validate", handle_validate, "name everything that is wrong with the policy")
    add_action(actions, "remove", handle_remove, "remove the policy: the active or the best model is served")


def _threshold(word: str) -> float:
    number = float(word)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError("a threshold lies between 0 and 1")
    return number


def handle_create(options: argparse.Namespace) -> int:
    """Write the policy; an existing one is replaced only with --force."""
    paths = paths_of(options)
    if not options.force and (paths.policy.exists() or paths.policy.is_symlink()):
        raise PolicyValidationError(f"There is already a policy: {paths.policy}.", "Add --force to replace it.")
    store = options.calibrator_store
    policy = policy_by_hand(
        paths.models,
        model_dir=options.model_dir,
        reject_threshold=options.reject_threshold,
        calibrator_store=None if store in (None, "none") else Path(store),
        without_calibrators=store == "none",
    )
    save_inference_policy(policy, paths.models)
    served = Served(paths)
    facts = {"path": str(paths.policy), "policy": policy.model_dump(), "served": served.facts()}
    tell(options, facts, [f"Written: {paths.policy}", *served.lines()], is_done=True)
    return 0


def handle_show(options: argparse.Namespace) -> int:
    """Print the file, its problems, and what is served."""
    paths = paths_of(options)
    text, problems = _content(paths.policy), _problems(paths.models)
    served = Served(paths)
    facts = {
        "path": str(paths.policy),
        "exists": text is not None,
        "policy": _policy(paths.models),
        "problems": [_fact(problem) for problem in problems] if text is not None else [],
        "served": served.facts(),
    }
    if text is None:
        lines = [f"There is no policy at {paths.policy}."]
    else:
        lines = [f"{paths.policy}:", text.rstrip("\n"), "", *(f"! {problem.title}" for problem in problems)]
    tell(options, facts, [*lines, *served.lines()])
    return 0


def handle_validate(options: argparse.Namespace) -> int:
    """Print every problem; returns 0 when the policy is in force, 1 when it is not."""
    paths = paths_of(options)
    problems = _problems(paths.models)
    facts = {"path": str(paths.policy), "is_valid": not problems, "problems": [_fact(p) for p in problems]}
    if problems:
        is_there = paths.policy.exists() or paths.policy.is_symlink()
        next_step = problems[-1].next_step if is_there else "`taskclf-tray policy create` writes one."
        lines = [*(f"✗ {problem.title}" for problem in problems), next_step]
    else:
        lines = [f"✓ {paths.policy} is valid."]
        head_problem = resolve_inference_config(paths.models).head_problem
        if head_problem is not None:
            facts["head_problem"] = head_problem
            lines.append(f"! {head_problem}")
    tell(options, facts, lines)
    return 1 if problems else 0


def handle_remove(options: argparse.Namespace) -> int:
    """Remove the policy. It is no failure when there is none."""
    paths = paths_of(options)
    was_there = remove_inference_policy(paths.models)
    served = Served(paths)
    first = f"Removed: {paths.policy}" if was_there else f"There was no policy at {paths.policy}."
    facts = {"path": str(paths.policy), "removed": was_there, "served": served.facts()}
    tell(options, facts, [first, *served.lines()], is_done=True)
    return 0


def _problems(models_dir: Path) -> list[PolicyValidationError]:
    return find_policy_problems(models_dir)


def _fact(problem: PolicyValidationError) -> dict[str, Any]:
    return {"key": problem.key, "problem": problem.title, "next_step": problem.next_step}


def _policy(models_dir: Path) -> dict[str, Any] | None:
    try:
        return read_inference_policy(models_dir).model_dump()
    except PolicyValidationError:
        return None


def _content(path: Path) -> str | None:
    """The text of the file, empty when it cannot be read as text; None when there is no file."""
    if not path.exists() and not path.is_symlink():
        return None
    try:
        return read_bounded(path, MAX_POLICY_BYTES).decode("utf-8-sig", "replace")
    except BadJsonError:
        return ""
