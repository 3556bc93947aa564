"""`taskclf-tray infer`: predict a range of time at once, or live without a tray."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, date, datetime
from pathlib import Path

from taskclf_tray.cli import run, time_options
from taskclf_tray.cli.arguments import Commands, add_home, add_host, file_path, new_folder
from taskclf_tray.cli.context import zone_name
from taskclf_tray.cli.job_progress import run_with_bar
from taskclf_tray.cli.output import tell
from taskclf_tray.core.time import to_us
from taskclf_tray.core.zones import zone
from taskclf_tray.system.paths import home_dir

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_JOB = "taskclf_tray.jobs.batch"


def add_parser(commands: Commands) -> None:
    """Add the group."""
    group = commands.add_parser("infer", help="predict a range of time at once, or live")
    ways = group.add_subparsers(dest="way", metavar="batch|online", required=True)
    _add_batch(ways)
    online = ways.add_parser("online", help="the same as `run --headless`")
    run.add_options(online)
    online.add_argument(
        "--label-queue",
        action="store_true",
        help="keep the taskclf tool's list of questions in step: data/processed/labels_v1/queue.json in the home",
    )
    online.add_argument(
        "--label-confidence",
        type=share,
        metavar="NUMBER",
        help="a minute less sure than this is a reason to ask (default: 0.55, or the reject threshold if higher)",
    )
    online.set_defaults(handler=handle_online)


def _add_batch(ways: Commands) -> None:
    batch = ways.add_parser("batch", help="predict an export, rows in Parquet, or the record")
    add_home(batch)
    batch.add_argument("--from", dest="start", type=_start, metavar="WHEN", help="a local date, or an ISO time")
    batch.add_argument("--to", dest="end", type=_end, metavar="WHEN", help="a local date (included), or an ISO time")
    batch.add_argument(
        "--input",
        type=file_path,
        metavar="FILE",
        help="an ActivityWatch export (.json) or rows (.parquet); else the record",
    )
    add_host(batch)
    batch.add_argument("--model-dir", type=file_path, metavar="DIR", help="predict with this bundle, not by the policy")
    batch.add_argument("--taxonomy", type=file_path, metavar="FILE", help="categories in place of the home's")
    batch.add_argument("--out-dir", type=file_path, metavar="DIR", help="where predictions.csv and segments.json go")
    batch.add_argument("--json", action="store_true", help="the outcome as JSON")
    batch.set_defaults(handler=handle_batch)


def _start(word: str) -> datetime:
    """Parse the start; a date means its local midnight."""
    return _moment(word, 0)


def _end(word: str) -> datetime:
    """Parse the end; a date means the local midnight after it."""
    return _moment(word, 1)


def _moment(word: str, bound: int) -> datetime:
    try:
        if _DATE.fullmatch(word):
            return time_options.bounds(date.fromisoformat(word))[bound]
        moment = datetime.fromisoformat(word)
        # a time without an offset is meant as the clock on the wall shows it
        return (moment.replace(tzinfo=zone(zone_name())) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{word!r} is neither a date like 2026-03-02 nor an ISO time") from error


def handle_batch(options: argparse.Namespace) -> int:
    """Run the job, show its progress, print where the results are."""
    request = {
        "home": str(home_dir(options.home)),
        "input": _text(options.input),
        "host": options.host,
        "model_dir": _text(options.model_dir),
        "taxonomy": _text(options.taxonomy),
        "out_dir": _text(options.out_dir),
        "start_us": None if options.start is None else to_us(options.start),
        "end_us": None if options.end is None else to_us(options.end),
        "is_debug": options.debug,
    }
    made = None if options.out_dir is None else new_folder(options.out_dir)
    outcome = run_with_bar(_JOB, request, is_debug=options.debug)
    with_what = outcome["model"]
    if outcome["is_starter"]:
        with_what = f"the starter model, as {request['home']} holds no model yet"
    lines = [
        f"{outcome['rows']} minutes predicted with {with_what}; {outcome['rejected']} of them unsure.",
        f"Written: {outcome['predictions_csv']}, {outcome['segments_json']}",
        *([f"The folder {made} was made for them."] if made is not None else []),
    ]
    tell(options, outcome, lines, is_done=True)
    return 0


def share(word: str) -> float:
    """Parse a number from 0 to 1."""
    number = float(word)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError("a confidence lies between 0 and 1")
    return number


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def handle_online(options: argparse.Namespace) -> int:
    """Run the app without a tray."""
    options.headless = True
    return run.handle(options)
