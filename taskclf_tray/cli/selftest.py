"""`taskclf-tray selftest`, also `taskclf-tray --selftest`: whether this installation works, on simulated data."""

from __future__ import annotations

import argparse

from taskclf_tray.app.selftest import check_parts
from taskclf_tray.cli.arguments import Commands, add_home
from taskclf_tray.cli.doctor import facts_of, lines_of
from taskclf_tray.cli.output import print_answer, print_json
from taskclf_tray.ui.tray_selftest import tray_works


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("selftest", help="test this installation on simulated data; nothing of yours is read")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="the results as JSON")
    parser.set_defaults(handler=handle)


def handle(options: argparse.Namespace) -> int:
    """Test every part, print a line for each as it comes; returns 0 when nothing failed."""
    results = []
    for result in check_parts({"Tray": tray_works}, is_debug=options.debug):
        results.append(result)
        if not options.json:
            print_answer("".join(f"{line}\n" for line in lines_of(result)))
    if options.json:
        print_json([facts_of(result) for result in results])
    return 1 if any(result.verdict == "failed" for result in results) else 0
