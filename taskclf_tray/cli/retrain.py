"""`taskclf-tray train retrain`: what “Retrain now” in the tray does, from a terminal."""

from __future__ import annotations

import argparse
from typing import Any, Final

from taskclf_tray.cli.arguments import add_host, add_times, file_path
from taskclf_tray.cli.context import zone_name
from taskclf_tray.cli.job_progress import run_with_bar
from taskclf_tray.cli.output import Actions, add_action, paths_of, tell
from taskclf_tray.system.console import complain

_JOB: Final = "taskclf_tray.jobs.retrain"


def add_retrain(actions: Actions) -> None:
    """`train retrain`."""
    parser = add_action(
        actions,
        "retrain",
        handle,
        "train a model on your labels and, when it passes the gates and is no worse than the one in use, serve it",
    )
    add_files(parser)


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the options for exports and label files that count beside the record and its labels."""
    parser.add_argument(
        "--input", type=file_path, action="append", default=[], metavar="EXPORT.json",
        help="an ActivityWatch export whose minutes count beside the record's; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--labels", type=file_path, action="append", default=[], metavar="LABELS.csv",
        help="labels that count beside those in the app; may be given several times",
    )  # fmt: skip
    add_host(parser)
    parser.add_argument("--adopt", action="store_true", help="take over labels of other users as yours")
    add_times(parser)


def minutes_asked_for(options: argparse.Namespace) -> dict[str, Any]:
    """The options of `add_files`, for the request of a job."""
    return {
        "inputs": [str(path) for path in options.input],
        "host": options.host,
        "label_files": [str(path) for path in options.labels],
        "adopt": options.adopt,
        "times": options.times,
        "time_zone": zone_name(),
    }


def handle(options: argparse.Namespace) -> int:
    """Run the job and print its progress; returns 0 whether the new model was promoted or refused."""
    request = {"home": str(paths_of(options).home), **minutes_asked_for(options), "is_debug": options.debug}
    on_step = None if options.json else complain
    facts = run_with_bar(_JOB, request, is_debug=options.debug, on_step=on_step)
    tell(options, facts, _lines(facts), is_done=True)
    return 0


def _lines(facts: dict[str, Any]) -> list[str]:
    if facts["outcome"] == "promoted":
        return [
            f"{facts['model']} is in use now.",
            *facts["sentences"],
            "`taskclf-tray model rollback` goes back to what was in use before.",
        ]
    stays = f"{facts['previous_model']} stays in use" if facts["previous_model"] else "Nothing is in use"
    return [f"{stays}; the new model was refused and put aside in {facts['folder']}.", *facts["sentences"]]
