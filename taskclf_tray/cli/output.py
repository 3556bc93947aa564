"""How commands print: an answer as text or JSON, an error as one sentence and its next step."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from taskclf_tray.cli.arguments import add_home
from taskclf_tray.core.errors import TaskclfError
from taskclf_tray.system.console import OutputError, can_show, complain, give_up
from taskclf_tray.system.paths import HomePaths, home_dir

Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

Handler = Callable[[argparse.Namespace], int]


def add_actions(parser: argparse.ArgumentParser) -> Actions:
    """Add the actions of a command group, one of which must be named."""
    return parser.add_subparsers(dest="action", metavar="ACTION", required=True)


def add_action(actions: Actions, name: str, handler: Handler, help_text: str) -> argparse.ArgumentParser:
    """Add one action, with the options that all actions have."""
    parser = actions.add_parser(name, help=help_text, description=f"{help_text[:1].upper()}{help_text[1:]}.")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.set_defaults(handler=handler)
    return parser


def paths_of(options: argparse.Namespace) -> HomePaths:
    """The places of the home. Creates none of them. Warnings are printed by the commands themselves."""
    logging.getLogger("taskclf_tray").addHandler(logging.NullHandler())
    return HomePaths(home_dir(options.home))


def tell(options: argparse.Namespace, facts: Mapping[str, Any], lines: Iterable[str], *, is_done: bool = False) -> None:
    """Print the facts as JSON, or the lines. Raises OutputError.

    `is_done`: the command has changed something already, so an answer that cannot be printed is no failure.
    """
    if options.json:
        print_json(facts, is_done=is_done)
    else:
        print_answer("".join(f"{line}\n" for line in lines), is_done=is_done)


def print_json(value: Mapping[str, Any] | Sequence[Any], *, indent: int | None = 2, is_done: bool = False) -> None:
    """Print the value as JSON, in escapes where the output lacks a character. Raises OutputError."""
    print_answer(f"{json_line(value, indent=indent)}\n", is_done=is_done)


def json_line(value: Mapping[str, Any] | Sequence[Any], *, indent: int | None = None) -> str:
    """The value as JSON, in escapes where standard output lacks a character."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text if can_show(text, sys.stdout) else json.dumps(value, indent=indent)


def print_answer(text: str, *, is_done: bool = False) -> None:
    """Print to standard output, at once. Raises OutputError."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        give_up(sys.stdout)
        raise OutputError(error, is_done=is_done) from error


def print_error(error: TaskclfError, *, is_json: bool = False, is_stream: bool = False) -> None:
    """Print the sentence and its next step to standard error; with `is_json` also as a JSON line to standard output.

    `is_stream`: the line is one of many, which are told apart by their `event`.
    """
    complain(f"taskclf-tray: {error}")
    if is_json:
        further = str(error).removeprefix(error.title).strip()  # of a resolution also the bundles passed over
        with contextlib.suppress(OutputError):
            facts = {"error": error.title, "next_step": further}
            print_json({"event": "error", **facts} if is_stream else facts, indent=None)


def settle_output() -> None:
    """Flush what argparse or a library has printed. A reader that is gone is no error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # ValueError: a closed one
            give_up(stream)
