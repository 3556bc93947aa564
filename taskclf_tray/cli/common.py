"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_home(parser: argparse.ArgumentParser) -> None:
    """`--home` and `--debug`."""
    parser.add_argument("--home", type=Path, metavar="DIR", help="the home (default: TASKCLF_HOME, else user data)")
    parser.add_argument("--debug", action="store_true", help="show tracebacks instead of sentences")
