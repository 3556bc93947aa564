"""The command `taskclf-tray`: finds the subcommand, turns errors into one sentence and an exit code.

Exit codes: 0 ok, 1 failed, 2 usage.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from taskclf_tray import __version__
from taskclf_tray.cli import demo, doctor, infer, labels, model, monitor, policy, queue, report, run, taxonomy, train
from taskclf_tray.core.errors import TaskclfError

_GROUPS = (run, demo, doctor, labels, queue, report, monitor, infer, train, model, policy, taxonomy)
_HIGH = frozenset({"-h", "--help", "--version"})


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; `run` is what happens when no command is named."""
    parser = argparse.ArgumentParser(
        prog="taskclf-tray",
        description="A private, live label for what kind of work the last minute was.",
    )
    parser.add_argument("--version", action="version", version=f"taskclf-tray {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for group in _GROUPS:
        group.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0].startswith("-") and words[0] not in _HIGH):
        words.insert(0, "run")
    options = build_parser().parse_args(words)
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())  # else warnings of a command without a log go to the screen
    try:
        return int(options.handler(options))
    except TaskclfError as error:
        if options.debug:
            raise
        print(f"taskclf-tray: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us is gone; so is the need to say so
        return 1
    except Exception as error:
        if options.debug:
            raise
        from taskclf_tray.ui.bugs import describe_bug

        logging.getLogger(__name__).error("Unexpected: %s", describe_bug(error))
        print(
            f"taskclf-tray: Something unexpected went wrong ({type(error).__name__}). --debug shows where.",
            file=sys.stderr,
        )
        return 1


def main_windowed() -> int:
    """The entry without a console."""
    return main(["run"])


if __name__ == "__main__":
    raise SystemExit(main())
