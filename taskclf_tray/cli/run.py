"""`taskclf-tray run`: the tray, or the same app in a terminal.

`taskclf-tray demo`: a simulated person's day, replayed fast, in a home of its own.
"""

from __future__ import annotations

import argparse

from taskclf_tray.cli.arguments import Commands, add_home, file_path
from taskclf_tray.ui import app

PERSONAS = ("developer", "writer", "analyst", "manager", "student", "browser-only")


def add_parser(commands: Commands) -> None:
    """Add `run` and `demo`."""
    parser = commands.add_parser("run", help="start the app (the default)")
    add_options(parser)
    parser.set_defaults(handler=handle)
    _add_demo(commands)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run`, which `infer online` has too."""
    add_home(parser)
    parser.add_argument("--headless", action="store_true", help="no tray: a status line in the terminal")
    parser.add_argument("--json", action="store_true", help="with --headless or --once: JSON lines on standard output")
    parser.add_argument("--once", action="store_true", help="catch up, write the results, exit")
    parser.add_argument(
        "--source", choices=("auto", "activitywatch", "builtin", "simulated"), help="where events come from"
    )
    parser.add_argument("--aw-host", metavar="URL", help="the ActivityWatch server")
    parser.add_argument("--models-dir", type=file_path, metavar="DIR", help="models in another place than the home's")
    parser.add_argument("--model-dir", type=file_path, metavar="DIR", help="serve this bundle; the policy is not used")
    parser.add_argument("--out-dir", type=file_path, metavar="DIR", help="where predictions.csv and segments.json go")


def handle(options: argparse.Namespace) -> int:
    """Start the app."""
    return app.run(
        app.Options(
            home=options.home,
            models_dir=options.models_dir,
            model_dir=options.model_dir,
            aw_host=options.aw_host,
            source=options.source,
            out_dir=options.out_dir,
            is_headless=options.headless or options.json,
            is_json=options.json,
            is_once=options.once,
            has_queue_list=getattr(options, "label_queue", False),
            ask_below=getattr(options, "label_confidence", None),
        )
    )


def _add_demo(commands: Commands) -> None:
    parser = commands.add_parser("demo", help="show the app with a simulated person")
    add_home(parser)
    parser.add_argument("--headless", action="store_true", help="no tray: a status line in the terminal")
    parser.add_argument("--json", action="store_true", help="with --headless: JSON lines on standard output")
    parser.add_argument("--persona", choices=PERSONAS, default="developer", help="who is simulated")
    parser.add_argument("--seed", type=int, default=1, help="which person of that kind")
    parser.add_argument("--speed", type=_speed, default=60.0, help="simulated seconds per second (default 60)")
    parser.set_defaults(handler=handle_demo)


def _speed(word: str) -> float:
    speed = float(word)
    if not 0.1 <= speed <= 3600:
        raise argparse.ArgumentTypeError("a speed lies between 0.1 and 3600")
    return speed


def handle_demo(options: argparse.Namespace) -> int:
    """Start the app with a simulated person."""
    return app.run(
        app.Options(
            home=options.home,
            source="simulated",
            is_headless=options.headless or options.json,
            is_json=options.json,
            persona=options.persona,
            seed=options.seed,
            speed=options.speed,
        )
    )
