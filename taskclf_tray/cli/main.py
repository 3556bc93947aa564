"""The command `taskclf-tray`: finds the command, and turns errors into one sentence and an exit code.

Exit codes: 0 ok, 1 failed, 2 usage, 3 not running (`status`), 130, 143 and 129 stopped by Ctrl-C, SIGTERM and SIGHUP.
"""

from __future__ import annotations

if __name__ == "__main__":  # as `python -m taskclf_tray`: handlers of stop signals before any import
    import runpy

    runpy.run_module("taskclf_tray", run_name="__main__")  # ends with SystemExit

import argparse
import contextlib
import importlib
import logging
import signal
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from taskclf_tray import __version__
from taskclf_tray.cli.arguments import ALONE, DEFAULT_COMMAND, Parser, UsageError, parse
from taskclf_tray.cli.output import print_error, settle_output
from taskclf_tray.core.errors import TaskclfError, describe_bug, file_error
from taskclf_tray.core.zones import UPDATE_STEP, forget_unknown_zones, unknown_zones, unknown_zones_note
from taskclf_tray.system.console import OutputError, complain, prepare_output
from taskclf_tray.system.stop_signals import Unwinding, exit_code

_GROUPS: Final = {
    "run": "run", "demo": "run", "doctor": "doctor", "labels": "labels", "queue": "queue", "report": "report",
    "monitor": "monitor", "infer": "infer", "train": "train", "model": "model", "policy": "policy",
    "taxonomy": "config", "config": "config", "status": "status", "autostart": "autostart", "selftest": "selftest",
    "why": "why",
}  # fmt: skip
"""Each command, and the module of `taskclf_tray.cli` that adds it.

A module is imported when its command may be meant: all of them together take 150 ms and 20 MiB that the app and
`labels now` have no use for.
"""


def build_parser(commands: Iterable[str] = tuple(_GROUPS)) -> Parser:
    """Build the command line with these commands, by default with all."""
    parser = Parser(
        prog="taskclf-tray",
        description="A private, live label for what kind of work the last minute was.",
        epilog="Options may stand before the command or behind it; all commands know --home DIR and --debug.",
    )
    parser.add_argument("--version", action="version", version=f"taskclf-tray {__version__}")
    actions = parser.add_subparsers(dest="command", metavar="COMMAND")
    for group in dict.fromkeys(_GROUPS[command] for command in commands):
        importlib.import_module(f"taskclf_tray.cli.{group}").add_parser(actions)
    return parser


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """Parse the words. Raises UsageError, SystemExit.

    At first only the commands that occur among the words are imported. Where that does not suffice, as for help and for
    a mistyped command, all of them are.
    """
    if words == ["--version"]:
        return build_parser(()).parse_args(words)  # no command has to be loaded for it
    named = [word for word in words if word in _GROUPS]
    if named or all(word.startswith("-") and word not in ALONE for word in words):
        with contextlib.suppress(UsageError):
            return parse(build_parser(named or [DEFAULT_COMMAND]), words)
    return parse(build_parser(), words)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    prepare_output()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["--selftest"]:  # what people try on a program that was just installed
        words[0] = "selftest"
    try:
        options = _parsed(words)
    except UsageError as error:
        complain(str(error))
        raise SystemExit(2) from None
    finally:
        settle_output()
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())  # else warnings of a command without a log go to the screen
    try:
        return _run(options)
    finally:
        settle_output()


def _run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code. Without --debug every error is a sentence."""
    is_json, is_stream = getattr(options, "json", False), hasattr(options, "headless")
    forget_unknown_zones()
    try:
        with Unwinding():
            code = int(options.handler(options))
        note = unknown_zones_note(unknown_zones())
        if note is not None:
            complain(f"{note} {UPDATE_STEP}")
        return code
    except UsageError as error:
        complain(str(error))
        return 2
    except OutputError as error:
        if not error.is_reader_gone:
            print_error(error)
        return 0 if error.is_done else 1
    except TaskclfError as error:
        if options.debug:
            raise
        print_error(error, is_json=is_json, is_stream=is_stream)
        return 1
    except KeyboardInterrupt:
        return exit_code(signal.SIGINT)
    except BrokenPipeError:
        return 1  # whoever read us is gone; so is the need to say so
    except Exception as error:
        if options.debug:
            raise
        print_error(_as_sentence(error), is_json=is_json, is_stream=is_stream)
        return 1


def _as_sentence(error: Exception) -> TaskclfError:
    """Convert an error: an OSError to a sentence that names its file, anything else to a bug that goes to the log."""
    if isinstance(error, OSError) and error.errno is not None:
        return file_error(error)
    logging.getLogger(__name__).error("Unexpected: %s", describe_bug(error))
    return TaskclfError(f"Something unexpected went wrong ({type(error).__name__}).", "--debug shows where.")


def main_windowed() -> int:
    """Run the app without a console."""
    return main(["run"])
