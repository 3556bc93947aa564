"""`taskclf-tray train replay`: how well the app would have known somebody, day by day.

The work is done in a process of its own (`jobs/replay.py`); Ctrl-C ends it, and nothing half-written stays.
"""

from __future__ import annotations

import argparse
from typing import Final

from taskclf_tray.cli.arguments import add_host, add_times, file_path
from taskclf_tray.cli.context import zone_name
from taskclf_tray.cli.job_progress import run_with_bar
from taskclf_tray.cli.output import Actions, add_action, paths_of, tell

_JOB: Final = "taskclf_tray.jobs.replay"
_MOST_ANSWERS: Final = 24


def add_replay(actions: Actions) -> None:
    """`train replay`."""
    parser = add_action(
        actions,
        "replay",
        handle,
        "live through the days of an export as the app would have, and see how well it would have known you",
    )
    parser.add_argument(
        "--input", type=file_path, required=True, metavar="EXPORT.json", help="the ActivityWatch export"
    )
    parser.add_argument(
        "--labels", type=file_path, action="append", required=True, metavar="LABELS.csv",
        help="what the person says of these days; may be given several times",
    )  # fmt: skip
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--answers-per-day", type=_answers, metavar="NUMBER",
        help="learn only from the answers to this many questions a day, chosen as the app chooses them",
    )  # fmt: skip
    given.add_argument(
        "--all-labels", action="store_true", help="learn from all labels of a day at its end (the default)"
    )
    parser.add_argument(
        "--from-day", type=_day, default=1, metavar="NUMBER",
        help="judge from this day on, counted from 1; earlier days are only learnt from (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--out-dir", type=file_path, required=True, metavar="DIR", help="where the page, the picture and the files go"
    )
    add_host(parser)
    add_times(parser)


def _answers(word: str) -> int:
    number = int(word)
    if not 1 <= number <= _MOST_ANSWERS:
        raise argparse.ArgumentTypeError(f"there are 1 to {_MOST_ANSWERS} questions a day")
    return number


def _day(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError("days are counted from 1")
    return number


def handle(options: argparse.Namespace) -> int:
    """Run the job with a progress bar, and tell what it found."""
    request = {
        "home": str(paths_of(options).home),
        "inputs": [str(options.input)],
        "label_files": [str(path) for path in options.labels],
        "host": options.host,
        "times": options.times,
        "time_zone": zone_name(),
        "out_dir": str(options.out_dir),
        "answers_per_day": options.answers_per_day,
        "from_day": options.from_day,
        "is_debug": options.debug,
    }
    facts = run_with_bar(_JOB, request, is_debug=options.debug)
    lines = [*facts.pop("summary"), "", f"Written to {options.out_dir}: {', '.join(facts['files'])}"]
    tell(options, facts, lines, is_done=True)
    return 0
