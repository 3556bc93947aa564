"""`taskclf-tray demo`: a simulated person's day, replayed fast, in a home of its own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from taskclf_tray.cli.common import add_home

if TYPE_CHECKING:
    from taskclf_tray.cli.common import Commands

PERSONAS = ("developer", "writer", "analyst", "manager", "student", "browser-only")


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("demo", help="show the app with a simulated person")
    add_home(parser)
    parser.add_argument("--headless", action="store_true", help="no tray: a status line in the terminal")
    parser.add_argument("--json", action="store_true", help="with --headless: JSON lines on standard output")
    parser.add_argument("--persona", choices=PERSONAS, default="developer", help="who is simulated")
    parser.add_argument("--seed", type=int, default=1, help="which person of that kind")
    parser.add_argument("--speed", type=_speed, default=60.0, help="simulated seconds per second (default 60)")
    parser.set_defaults(handler=handle)


def _speed(word: str) -> float:
    speed = float(word)
    if not 0.1 <= speed <= 3600:
        raise argparse.ArgumentTypeError("a speed lies between 0.1 and 3600")
    return speed


def handle(options: argparse.Namespace) -> int:
    """Start."""
    from taskclf_tray.ui.app import Options, run

    return run(
        Options(
            home=options.home,
            source="simulated",
            is_headless=options.headless or options.json,
            is_json=options.json,
            persona=options.persona,
            seed=options.seed,
            speed=options.speed,
        )
    )
