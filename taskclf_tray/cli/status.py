"""`taskclf-tray status`: what the running app shows, once or at each change, for a terminal, a panel or a program."""

from __future__ import annotations

import argparse
import html
import select
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from taskclf_tray.app.live_status import STOPPED, LiveStatus, read_status
from taskclf_tray.cli.arguments import Commands, add_home
from taskclf_tray.cli.output import json_line, paths_of, print_answer, print_json

NOT_RUNNING_CODE: Final = 3
"""The exit code while no app runs for the home; with --follow the command waits for one instead."""
LOOK_SECONDS: Final = 1.0


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "status", help="print the label that the running app shows", epilog="Exit code 3: the app is not running."
    )
    add_home(parser)
    parser.add_argument("--follow", action="store_true", help="print a line at each change, until Ctrl-C")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all there is to say, as JSON")
    form.add_argument("--waybar", action="store_true", help="JSON for a custom module of waybar")
    form.add_argument("--plain", action="store_true", help="the label alone, for a panel")
    parser.set_defaults(handler=handle)


def handle(options: argparse.Namespace) -> int:
    """Print the status; returns 3 when the app is not running. Raises OutputError."""
    paths = paths_of(options)
    form = _form(options)
    if options.follow:
        return _follow(lambda: form(read_status(paths)))
    status = read_status(paths)
    is_running = status.state != STOPPED
    if options.json:
        print_json(asdict(status))
    else:
        step = "" if is_running or options.waybar or options.plain else " Start it with `taskclf-tray run`."
        print_answer(f"{form(status)}{step}\n")
    return 0 if is_running else NOT_RUNNING_CODE


def _form(options: argparse.Namespace) -> Callable[[LiveStatus], str]:
    """How a status is written in one line."""
    if options.json:
        return lambda status: json_line(asdict(status))
    if options.waybar:
        return lambda status: json_line(waybar(status))
    return (lambda status: status.text) if options.plain else lambda status: status.line


def _follow(line: Callable[[], str]) -> int:
    """Print the line whenever it differs from the last one, until nobody reads it. Raises OutputError."""
    shown = None
    while True:
        now = line()
        if now != shown:
            print_answer(f"{now}\n", is_done=True)
            shown = now
        if _reader_has_gone(LOOK_SECONDS):
            return 0


def _reader_has_gone(seconds: float) -> bool:
    """Wait; returns early, and true, when the other end of standard output is closed (not known on Windows)."""
    try:
        watch = select.poll()
        watch.register(sys.stdout.fileno(), 0)
    except (AttributeError, OSError, ValueError):
        time.sleep(seconds)
        return False
    return bool(watch.poll(seconds * 1000))


def waybar(status: LiveStatus) -> dict[str, Any]:
    """The JSON of waybar's custom modules.

    `class` is the state, the core label and `simulated` for style sheets, `alt` the state for `format-icons`. Text and
    tooltip are escaped, since waybar reads them as Pango markup. While the app does not run the text is empty, which
    hides the module.
    """
    names = [status.state, status.core_label, "simulated" if status.simulated else None]
    return {
        "text": "" if status.state == STOPPED else html.escape(status.text, quote=False),
        "tooltip": html.escape(_tooltip(status), quote=False),
        "class": [name.lower().replace("_", "-") for name in names if name],
        "alt": status.state,
        "percentage": status.percent,
    }


def _tooltip(status: LiveStatus) -> str:
    waiting = "1 block waits" if status.review_count == 1 else f"{status.review_count} blocks wait"
    more = [f"{waiting} under Review"] if status.review_count else []
    return "\n".join([status.line, *more, *(["Simulated person"] if status.simulated else [])])
