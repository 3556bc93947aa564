"""What the commands about models, policy and taxonomy print in common."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from taskclf_tray.cli.arguments import add_home
from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.system.console import OutputError, can_show, complain, give_up

if TYPE_CHECKING:
    from taskclf_tray.models.resolve import ModelResolutionError, ResolvedInferenceConfig
    from taskclf_tray.system.paths import HomePaths

    Actions = argparse._SubParsersAction[argparse.ArgumentParser]

Handler = Callable[[argparse.Namespace], int]

_BY = {
    "policy": "as models/inference_policy.json says",
    "active": "as models/active.json says",
    "best": "as the best there is",
    "starter": "as the home holds no model yet",
}


def add_actions(parser: argparse.ArgumentParser) -> Actions:
    """Make room for the actions of a command group, one of which must be named."""
    return parser.add_subparsers(dest="action", metavar="ACTION", required=True)


def add_action(actions: Actions, name: str, handler: Handler, help_text: str) -> argparse.ArgumentParser:
    """One action, with the options that all of them have."""
    parser = actions.add_parser(name, help=help_text, description=f"{help_text[:1].upper()}{help_text[1:]}.")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.set_defaults(handler=handler)
    return parser


def paths_of(options: argparse.Namespace) -> HomePaths:
    """The places of the home; makes none. What is logged is printed by the commands themselves."""
    from taskclf_tray.system.paths import HomePaths, home_dir

    logging.getLogger("taskclf_tray").addHandler(logging.NullHandler())
    return HomePaths(home_dir(options.home))


def tell(options: argparse.Namespace, facts: Mapping[str, Any], lines: Iterable[str], *, is_done: bool = False) -> None:
    """Print the facts as JSON, or the lines.

    `is_done`: something was changed or written before, so an answer that cannot be printed is no failure. Raises
    OutputError.
    """
    if options.json:
        print_json(facts, is_done=is_done)
    else:
        print_answer("".join(f"{line}\n" for line in lines), is_done=is_done)


def print_json(value: Mapping[str, Any] | Sequence[Any], *, indent: int | None = 2, is_done: bool = False) -> None:
    """Print the value as JSON, in escapes where the output lacks a character. Raises OutputError."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if not can_show(text, sys.stdout):
        text = json.dumps(value, indent=indent)
    print_answer(f"{text}\n", is_done=is_done)


def print_answer(text: str, *, is_done: bool = False) -> None:
    """Print to standard output, at once. Raises OutputError."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        give_up(sys.stdout)
        raise OutputError(error, is_done=is_done) from error


def print_error(error: TaskclfError, *, is_json: bool = False, is_stream: bool = False) -> None:
    """Print the sentence and its next step to standard error; for programs also as a JSON line to standard output.

    `is_stream`: the line is one of many, which are told apart by their `event`.
    """
    complain(f"taskclf-tray: {error}")
    if is_json:
        further = str(error).removeprefix(error.title).strip()  # of a resolution also the bundles passed over
        with contextlib.suppress(OutputError):
            facts = {"error": error.title, "next_step": further}
            print_json({"event": "error", **facts} if is_stream else facts, indent=None)


def settle_output() -> None:
    """Flush what argparse or a library printed; a reader that is gone is no error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # ValueError: a closed one
            give_up(stream)


class Served:
    """What a home serves now and why, or why it serves nothing."""

    def __init__(self, paths: HomePaths) -> None:
        from taskclf_tray.models.resolve import ModelResolutionError, resolve_inference_config

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
            *(f"  · {warning}" for warning in config.warnings),
        ]

    def _store(self) -> str | None:
        store = None if self.config is None else self.config.calibrator_store_dir
        if store is None:
            return None
        return store.relative_to(self._paths.home).as_posix() if store.is_relative_to(self._paths.home) else str(store)
